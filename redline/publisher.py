"""The one place where a kind's validator meets the broker.

The law of this module: an event is checked once, here, and leaves as opaque bytes. What a validator returns is not trusted but checked for
being one clean JSON text, and a validator that breaks its promise is named: its fault is not the caller's.
"""

from __future__ import annotations

import hashlib
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, cast

import orjson

from redline.clock import parse_rfc3339, rfc3339
from redline.envelope import Envelope, parse_key
from redline.errors import Detail, Internal, InvalidPayload, PayloadTooLarge, RedlineError, UnknownKind
from redline.eventlog.contract import Draft
from redline.kinds.clean import clean_json
from redline.kinds.contract import PayloadError
from redline.kinds.watch import SLOW_SECONDS, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.broker.broker import Broker
    from redline.clock import Clock
    from redline.envelope import OrgId
    from redline.eventlog.contract import Appended
    from redline.kinds.registry import KindRegistry, RegisteredKind
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

AHEAD_SECONDS: Final = 300.0
"""How far ahead of this server's clock a publisher's ``at`` may be (contract §2)."""
_EARLIEST: Final = -30_610_224_000.0
"""The year 1000, where years begin to have the four digits of RFC 3339."""
_MEMBERS: Final = frozenset({"kind", "data", "org", "key", "at"})
_SHOWN: Final = 64
_MOST_ROWS: Final = 100


class Author(Protocol):
    """What the publisher asks of whoever publishes; :class:`redline.auth.principal.Principal` answers it."""

    def publish_kind(self, kind: str, /) -> None:
        """Raise ``Forbidden`` unless events of ``kind`` may be published."""

    def publish_org(self, requested: object = None, /) -> OrgId:
        """Return the org that an event which names ``requested`` goes to; raise ``Forbidden`` or ``InvalidPayload``."""


class Publisher:
    """Turns what a principal sends into envelopes, and appends them."""

    def __init__(self, kinds: KindRegistry, broker: Broker, clock: Clock, metrics: Metrics, watch: Watch | None = None) -> None:
        """Take the installed kinds, where envelopes go, where time comes from, where to count, and what tells a watchdog what runs."""
        self._kinds = kinds
        self._broker = broker
        self._clock = clock
        self._metrics = metrics
        self._watch = watch or Watch(metrics)
        self._stamped = (0, rfc3339(0.0))

    def prepare(self, principal: Author, event: object, now: float | None = None) -> Draft:
        """Return the draft of one event, as parsed from JSON; nothing is published yet.

        ``now`` is when it came, in seconds since the Unix epoch: the events of one batch have one time, which is then written once.
        Raises ``InvalidPayload`` (with pointers into the event), ``UnknownKind``, ``Forbidden``, ``PayloadTooLarge``, or ``Internal`` where
        the kind's plugin is at fault: whoever answers with that calls :func:`log_fault`.
        """
        if not isinstance(event, dict):
            several = " Several events go as application/x-ndjson, each on a line of its own." if isinstance(event, list) else ""
            _refuse("", f"An event is a JSON object with kind and data.{several}", "object_type")
        if not event.keys() <= _MEMBERS:
            unknown = min(event.keys() - _MEMBERS)
            told = f"An event has no member {unknown[:_SHOWN]!a}; it has kind, data, and optionally org, key and at."
            _refuse(_pointer(unknown), told, "extra_forbidden")
        for member in ("kind", "data"):
            if member not in event:
                _refuse(f"/{member}", "An event needs this member.", "missing")
        kind = self._kind(event["kind"])
        name, policy = kind.name, kind.policy
        principal.publish_kind(name)
        if "org" in event and event["org"] is None:
            _refuse("/org", "An org is a string; leave the member out for the credential's own.", "string_type")
        org = principal.publish_org(event.get("org"))
        key = _key(event["key"]) if "key" in event else None
        at = rfc3339(self._at(event["at"])) if "at" in event else self._stamp(self._clock.time() if now is None else now)
        data = self._validate(kind, event["data"])
        if key is None:
            return Draft(Envelope(org, name, at, data, policy.scope))
        fingerprint = hashlib.blake2b(b"%b\0%b" % (name.encode(), data), digest_size=16).digest()
        return Draft(Envelope(org, name, at, data, policy.scope), key, fingerprint)

    async def publish(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append drafts in order; return one answer each (see :meth:`redline.eventlog.contract.EventLog.append`)."""
        answers = await self._broker.publish(drafts)
        published: dict[str, int] = {}
        for draft, answer in zip(drafts, answers, strict=True):
            if isinstance(answer, RedlineError):
                answer.detached()  # whatever log it is of
            elif not answer.duplicate:
                published[draft.envelope.kind] = published.get(draft.envelope.kind, 0) + 1
        for kind, count in published.items():
            self._metrics.events_published[kind].inc(count)
        return answers

    def _kind(self, name: object) -> RegisteredKind:
        if not isinstance(name, str):
            _refuse("/kind", "A kind is a string, as run.stage.", "string_type")
        kind = self._kinds.get(name)
        if kind is None:
            msg = f"No installed plugin provides the kind {name[:_SHOWN]!a}. GET /v1/kinds lists those that are."
            raise UnknownKind(msg, details=[Detail("/kind", "No installed plugin provides this kind.", "unknown_kind")])
        return kind

    def _stamp(self, now: float) -> str:
        millisecond = round(now * 1_000_000) // 1000
        if millisecond != self._stamped[0]:
            self._stamped = (millisecond, rfc3339(now))
        return self._stamped[1]

    def _at(self, text: object) -> float:
        if not isinstance(text, str):
            _refuse("/at", "A time is a string, RFC 3339 with an offset.", "string_type")
        try:
            at = parse_rfc3339(text)
        except ValueError as error:
            _refuse("/at", _sentence(error), "datetime_parsing")
        if at > self._clock.time() + AHEAD_SECONDS:
            _refuse("/at", "The time is more than 5 minutes ahead of this server's clock.", "datetime_future")
        if at < _EARLIEST:
            _refuse("/at", "The time is before the year 1000.", "datetime_past")
        return at

    def _validate(self, kind: RegisteredKind, payload: object) -> bytes:
        watch = self._watch
        try:
            watch.since = started = perf_counter()
            watch.kind = kind
            try:
                data = kind.kind.validate(payload)
            finally:
                watch.kind = None
                took = perf_counter() - started
                self._metrics.validation_seconds[kind.name].observe(took)
                if took > SLOW_SECONDS:
                    watch.slow(kind, took)
        except PayloadError as error:
            details = _rows(kind, error)
            msg = f"The payload does not fit {kind.name}. GET /v1/kinds/{kind.name} has its schema and an example."
            raise InvalidPayload(msg, details=details) from None
        except BaseException as error:
            # Also sys.exit and KeyboardInterrupt, which would end the service: a real Ctrl-C is the loop's to see.
            raise _plugin_fault(kind, "raised something other than PayloadError") from error
        if type(data) is bytes and len(data) > kind.policy.max_bytes:
            msg = f"The payload has {len(data)} bytes as validated; {kind.name} takes at most {kind.policy.max_bytes}."
            raise PayloadTooLarge(msg, details=[Detail("/data", msg, "too_long")])
        if kind.clean:
            return data
        try:
            return clean_json(data, kind.policy.max_bytes)
        except ValueError as error:
            raise _plugin_fault(kind, f"broke its promise: {error}") from None


def log_fault(error: RedlineError, of: str) -> None:
    """Log what is behind an error, where that is a fault of ours or of a plugin: once, by whoever answers with it.

    ``of`` says what failed, with the id that the caller is told, where there is one: who quotes it shall be helped.
    """
    if isinstance(error, Internal):
        _logger.error("%s: %s", of, error.fault or error.message, exc_info=error.__cause__ if error.fault else error)


def _key(key: object) -> str:
    try:
        return parse_key(key)
    except ValueError as error:
        _refuse("/key", _sentence(error), "string_pattern_mismatch")


def _rows(kind: RegisteredKind, error: PayloadError) -> list[Detail]:
    """Return a plugin's rows as rows of the event, or the plugin's fault where they are not what they should be."""
    try:
        rows = [Detail(f"/data{detail.pointer}", detail.message, detail.type) for detail in error.details[:_MOST_ROWS]]
        orjson.dumps([row.as_json() for row in rows])
    except BaseException as fault:  # its rows are the plugin's own code as well
        raise _plugin_fault(kind, "raised a PayloadError that cannot be sent") from fault
    return rows


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _refuse(pointer: str, message: str, error_type: str) -> NoReturn:
    msg = f"The event cannot be read: {message}"
    raise InvalidPayload(msg, details=[Detail(pointer, message, error_type)]) from None


def _pointer(name: object) -> str:
    return "/" + cast("str", name)[:_SHOWN].replace("~", "~0").replace("/", "~1")


def _plugin_fault(kind: RegisteredKind, deed: str) -> Internal:
    msg = f"The plugin of {kind.name} ({kind.owner}) failed on this event, which was not published. Tell whoever runs this server."
    error = Internal(msg, details=[Detail("/data", "The kind's validator is at fault, not the payload.", "plugin_fault")])
    error.fault = f"The validator of {kind.name} ({kind.owner}) {deed}."
    return error
