"""What batches are measured against: parse a line, validate it, serialise it, in a loop, and nothing else.

Takes the seconds to go on for; reads the lines from stdin; prints ``{"events", "seconds"}`` of CPU time.
"""

from __future__ import annotations

import json
import sys
import time

import orjson

from redline_kinds.run_stage import kind


def main(seconds: float) -> None:
    """Go round the lines until the time is over."""
    lines = sys.stdin.buffer.read().splitlines()
    events, began, end = 0, time.process_time(), time.monotonic() + seconds
    while time.monotonic() < end:
        for line in lines:
            kind.validate(orjson.loads(line)["data"])
        events += len(lines)
    sys.stdout.write(json.dumps({"events": events, "seconds": time.process_time() - began}) + "\n")


if __name__ == "__main__":
    main(float(sys.argv[1]))
