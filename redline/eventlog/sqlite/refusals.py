"""What callers are told of a log that does not answer.

The law of this module: it names no file and no fault: those are the operator's, who finds them in the log and at ``/health/ready``.
"""

from __future__ import annotations

from redline.errors import LogUnavailable


def closed() -> LogUnavailable:
    """Return what is said once the log is closed."""
    return LogUnavailable("The event log is closed. Try again in a moment.", retry_after=1)


def unusable() -> LogUnavailable:
    """Return what callers are told of a fault; what it is, the log and ``/health/ready`` say."""
    msg = "The event log cannot be used now. Try again in a moment; if it stays so, tell whoever runs this server."
    return LogUnavailable(msg, retry_after=1)
