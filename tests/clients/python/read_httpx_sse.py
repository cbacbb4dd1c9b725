"""Reads a stream with httpx-sse and prints each event as a line of JSON. Usage: ``read_httpx_sse.py URL``.

httpx-sse decodes and leaves resuming to its user, so this is the loop that its user writes. What is its own:

* Its decoder begins anew with each connection and then reports an empty id until a frame has one. Who stores that empty id forgets the
  cursor: hence ``or last``.
* An event reports the retry time only where its own frame had one.
* httpx gives up reading after 5 seconds by default, which is shorter than the heartbeat.
"""

from __future__ import annotations

import json
import sys
import time

import httpx
from httpx_sse import connect_sse


def main(url: str) -> None:
    """Read for ever."""
    last, retry = "", 2000
    with httpx.Client(timeout=httpx.Timeout(5, read=60)) as client:
        while True:
            try:
                with connect_sse(client, "GET", url, headers={"Last-Event-ID": last} if last else {}) as source:
                    for sse in source.iter_sse():
                        last = sse.id or last
                        retry = retry if sse.retry is None else sse.retry
                        print(json.dumps({"event": sse.event, "data": sse.data, "id": sse.id}), flush=True)  # noqa: T201
            except httpx.TransportError:
                pass  # cut: resume
            time.sleep(retry / 1000)


main(sys.argv[1])
