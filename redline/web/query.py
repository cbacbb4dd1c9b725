"""What a request says in its query, and one for a stream in its headers as well.

The law of this module: everything in it is hostile until read here, and a bad value of a known parameter is an error that names it. To a
stream an unknown parameter is nothing at all (contract §1); to a route that does something it is an error as well. A cursor is not judged
here: a wrong one is a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn
from urllib.parse import parse_qsl

from redline.broker.filter import KindFilter
from redline.errors import Detail, MalformedRequest, UnknownKindFilter
from redline.logs import redact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sanic import Request

    from redline.kinds.registry import KindRegistry

_CURSORS = ("last_event_id", "lastEventId", "lastEventID")
_FIELDS = 100
_PATTERNS = 256
_SHOWN = 32
EARLIEST = "earliest"


class StreamQuery(NamedTuple):
    """The parameters of ``GET /v1/stream`` but the credential. ``after`` is the cursor as it was sent."""

    kinds: KindFilter | None
    after: str | None
    earliest: bool
    follow: bool
    heartbeat_events: bool


def query_of(request: Request) -> dict[str, list[str]]:
    """Return the query's values by name. What is not UTF-8 becomes U+FFFD. Raises ``MalformedRequest`` for a query of too many fields."""
    query: dict[str, list[str]] = {}
    if not request.query_string:
        return query
    try:
        fields = parse_qsl(request.query_string, keep_blank_values=True, max_num_fields=_FIELDS)
    except UnicodeDecodeError:
        msg = "The query is not ASCII. Encode what is not, as %C3%BC."
        raise MalformedRequest(msg) from None
    except ValueError:
        msg = f"The query has more than {_FIELDS} fields."
        raise MalformedRequest(msg) from None
    for name, value in fields:
        query.setdefault(name, []).append(value)
    return query


def takes_only(query: Mapping[str, Sequence[str]], known: Collection[str]) -> None:
    """Raise ``MalformedRequest`` for a parameter that is not ``known``, by its name and never with its value.

    For a route that does something: what is misspelt there would be done otherwise than it was meant.
    """
    for name in query:
        if name not in known:
            # Redacted as well: whoever forgets the name of a credential has it stand here.
            named = redact(name)[:_SHOWN]
            takes = f"is not known here: this route takes {', '.join(sorted(known))}"
            msg = f"The parameter {named!a} {takes}. Correct it or leave it out; nothing was done."
            pointer = "/" + named.replace("~", "~0").replace("/", "~1")
            raise MalformedRequest(msg, details=[Detail(pointer, takes, "extra_forbidden")])


def stream_query(request: Request, query: Mapping[str, Sequence[str]], kinds: KindRegistry) -> StreamQuery:
    """Return the parameters; raises ``MalformedRequest`` or ``UnknownKindFilter`` naming the one that cannot be used."""
    wanted = _kinds(query, kinds)
    heartbeat = _one(query, "heartbeat")
    if heartbeat not in {None, "event"}:
        _refuse("heartbeat", "takes event, or is left out")
    after = _cursor(request, query)
    earliest = after == EARLIEST
    return StreamQuery(
        kinds=wanted,
        after=None if earliest else after,
        earliest=earliest,
        follow=flag(query, "follow", default=True),
        heartbeat_events=heartbeat == "event",
    )


def flag(query: Mapping[str, Sequence[str]], name: str, *, default: bool) -> bool:
    """Return a parameter that is ``true`` or ``false``."""
    value = _one(query, name)
    if value is None:
        return default
    if value not in {"true", "false"}:
        _refuse(name, "takes true or false")
    return value == "true"


def _one(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = query.get(name, ())
    if len(values) > 1:
        _refuse(name, "may stand only once")
    return values[0] if values else None


def _kinds(query: Mapping[str, Sequence[str]], kinds: KindRegistry) -> KindFilter | None:
    text = _one(query, "kinds")
    if not text:
        return None
    if text.count(",") >= _PATTERNS:
        _refuse("kinds", f"takes at most {_PATTERNS} kinds and prefixes")
    try:
        wanted = KindFilter.parse(part.strip() for part in text.split(","))
    except ValueError as error:
        _refuse("kinds", f"is a list of kinds and prefixes, joined by commas: {error}")
    for name in sorted(wanted.names):
        if name not in kinds:
            msg = f"No installed plugin provides the kind {name!a} that ?kinds= names. GET /v1/kinds lists those that are."
            raise UnknownKindFilter(msg, details=[Detail("/kinds", msg, "unknown_kind")])
    return wanted


def _cursor(request: Request, query: Mapping[str, Sequence[str]]) -> str | None:
    """Return the cursor: the header wins, because a browser adds it when it reconnects to a URL that names an older one."""
    named = [value for name in _CURSORS for value in query.get(name, ()) if value]
    if len(named) > 1:
        _refuse("last_event_id", "may stand only once, in one of its spellings")
    headers: list[str] = [value for each in request.headers.getall("last-event-id", []) if (value := each.strip(" \t"))]
    if len(headers) > 1:
        _refuse("Last-Event-ID", "may stand only once")
    return next(iter((*headers, *named)), None)


def _refuse(name: str, takes: str) -> NoReturn:
    msg = f"The parameter {name} cannot be used: it {takes}."
    raise MalformedRequest(msg, details=[Detail(f"/{name}", takes, "value_error")]) from None
