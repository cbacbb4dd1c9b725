"""Reads a stream with launchdarkly-eventsource and prints each event as a line of JSON. Usage: ``read_launchdarkly.py URL``.

What is its own:

* It ignores ``retry:``; the delay and its growth are the caller's to choose.
* By default it stops at the first cut: ``always_continue`` makes it resume.
* urllib3 beneath it hands on an HTTP chunk when that is whole: what a cut leaves of one was never seen, and comes again.
* It reads a response that is not chunked in blocks of 10 KB, so that events would wait for one another. The service's streams are chunked.
"""

from __future__ import annotations

import json
import sys

from ld_eventsource import SSEClient
from ld_eventsource.config import ErrorStrategy, RetryDelayStrategy

client = SSEClient(
    sys.argv[1],
    initial_retry_delay=0.05,
    retry_delay_strategy=RetryDelayStrategy.default(backoff_multiplier=1, jitter_multiplier=0),
    error_strategy=ErrorStrategy.always_continue(),
)
for event in client.events:
    print(json.dumps({"event": event.event, "data": event.data, "id": event.id or ""}), flush=True)  # noqa: T201
