"""What publishing on JetStream is measured against: nats-py alone, which keeps so many publishes in flight, and nothing else.

Takes the server's URL, the payload's bytes, how many are in flight, and the seconds to go on for; prints ``{"events", "seconds"}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import nats
import uvloop
from nats.js.api import StorageType, StreamConfig


async def main(url: str, size: int, width: int, seconds: float) -> None:
    """Publish until the time is over."""
    client = await nats.connect(url)
    jetstream = client.jetstream()
    await jetstream.add_stream(StreamConfig(name="ALONE", subjects=["ALONE.*"], storage=StorageType.FILE, max_msgs_per_subject=1000))
    payload, events, end = b"x" * size, 0, 0.0

    async def publish() -> None:
        nonlocal events
        while time.monotonic() < end:
            await jetstream.publish("ALONE.acme", payload)
            events += 1

    for length in (0.3, seconds):
        events, began = 0, time.monotonic()
        end = began + length
        await asyncio.gather(*(publish() for _ in range(width)))
        passed = time.monotonic() - began
    await client.close()
    sys.stdout.write(json.dumps({"events": events, "seconds": passed}) + "\n")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
