"""How a stream of ours is configured: when it is made, and when it is found.

The law of this module: it is pure. A setting that would break a promise of the log is a fault, in words that say what it is, what it must
be and how to get there; a bound that merely differs is not.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.retention import Retention

VERSION: Final = "1"
VERSION_NAME: Final = "redline-version"
KEY_NAME: Final = "redline-key"
_KEY_BYTES: Final = 32
NANO: Final = 1_000_000_000
_SHORTEST: Final = 0.1
"""The shortest duplicate window that JetStream takes (seconds)."""


def subjects_of(stream: str) -> list[str]:
    """Return the subjects that a stream of events has."""
    return [f"{stream}.*"]


def configuration(options: JetStreamOptions, retention: Retention) -> dict[str, object]:
    """Return the configuration of a new stream, with a new key."""
    return {
        "name": options.stream,
        "subjects": subjects_of(options.stream),
        "retention": "limits",
        "discard": "old",
        "max_msgs": -1,
        "max_msgs_per_subject": retention.events,
        "max_age": round(retention.seconds * NANO),
        "max_bytes": retention.total_bytes,
        "max_msg_size": -1,
        "max_consumers": -1,
        # Not longer than the history: JetStream demands it.
        "duplicate_window": round(max(_SHORTEST, min(retention.key_seconds, retention.seconds)) * NANO),
        "storage": options.storage,
        "num_replicas": options.replicas,
        "allow_direct": True,
        "deny_delete": False,
        "deny_purge": False,
        "metadata": {VERSION_NAME: VERSION, KEY_NAME: base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()},
    }


def key_of(config: Mapping[str, Any]) -> bytes | None:
    """Return the key of a stream of ours; None for any other stream."""
    metadata = config.get("metadata") or {}
    try:
        key = base64.b64decode(metadata.get(KEY_NAME, ""), validate=True)
    except ValueError:
        return None
    return key if len(key) == _KEY_BYTES and metadata.get(VERSION_NAME) == VERSION else None


class _Rule(NamedTuple):
    """A setting that must be so: what it must be, and whether it is."""

    setting: str
    must_be: str
    holds: Callable[[Mapping[str, Any]], bool]


_RULES: Final = (
    _Rule("retention", "limits", lambda config: config.get("retention") == "limits"),
    _Rule("discard", "old", lambda config: config.get("discard") == "old"),
    _Rule("allow_direct", "true", lambda config: bool(config.get("allow_direct"))),
    _Rule("no_ack", "false", lambda config: not config.get("no_ack")),
    _Rule("persist_mode", "default", lambda config: config.get("persist_mode") in {None, "", "default"}),
    _Rule("allow_msg_counter", "false", lambda config: not config.get("allow_msg_counter")),
    _Rule("sealed", "false", lambda config: not config.get("sealed")),
    _Rule("mirror", "absent", lambda config: not config.get("mirror")),
    _Rule("sources", "absent", lambda config: not config.get("sources")),
    _Rule("subject_transform", "absent", lambda config: not config.get("subject_transform")),
    _Rule("republish", "absent", lambda config: not config.get("republish")),
)


def fault_of(config: Mapping[str, Any], subjects: list[str]) -> str | None:
    """Say what of a stream's configuration would break a promise of the log, and the way out; None where nothing would."""
    if key_of(config) is None:  # first: nobody is to be told to edit what is another program's
        version = (config.get("metadata") or {}).get(VERSION_NAME)
        what = f"its metadata {VERSION_NAME} is {version!r:.20}, and must be {VERSION!r} with a {KEY_NAME} of {_KEY_BYTES} bytes"
        return f"{what}: it was not made by this version of Redline; name another stream (option stream)"
    rules = (_Rule("subjects", ", ".join(subjects), lambda found: found.get("subjects") == subjects), *_RULES)
    for rule in rules:
        if not rule.holds(config):
            is_ = config.get(rule.setting)
            way_out = "change it (nats stream edit), or name another stream (option stream)"
            return f"its setting {rule.setting} is {is_!r:.80}, and must be {rule.must_be}; {way_out}"
    return None


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the bounds that are not as the settings would have them: their name, what they are, what they would be."""
    rows: list[tuple[str, str, str]] = []
    for name in ("max_msgs", "max_msgs_per_subject", "max_age", "max_bytes", "duplicate_window", "num_replicas", "storage"):
        is_, would_be = found.get(name), wanted[name]
        if is_ != would_be and not (is_ in (None, 0, -1) and would_be in (0, -1)):
            rows.append((name, _shown(name, is_), _shown(name, would_be)))
    return rows


def _shown(name: str, value: object) -> str:
    if name in {"max_age", "duplicate_window"} and isinstance(value, int):
        return f"{value / NANO:g} s"
    return str(value)
