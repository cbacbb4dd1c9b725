"""``POST /v1/events``: one event, or a batch of lines (contract §2).

The law of this module: it bounds and parses; what an event may be is the publisher's to say. In a batch every line stands alone: it gets
its answer in its place, whatever the others are.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import orjson
from sanic import Blueprint
from sanic.response import HTTPResponse

from redline.auth.principal import EVENTS_PUBLISH
from redline.catalogue.parameters import PUBLISH_QUERY
from redline.errors import Detail, MalformedRequest, PayloadTooLarge, RedlineError, UnsupportedMediaType, only
from redline.web.credentials import caller
from redline.web.errors import as_redline_error, log_refusal
from redline.web.query import flag, query_of, takes_only
from redline.web.service import service_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sanic import Request

    from redline.auth.principal import Principal
    from redline.eventlog.contract import Draft
    from redline.web.service import Service

events: Final = Blueprint("events")
_JSON: Final = "application/json"
_NDJSON: Final = "application/x-ndjson"
_CONTENT_TYPE: Final = (b"content-type", _JSON.encode())
_OF_CONNECTION: Final = 2
"""Headers that Sanic adds to every answer: ``content-length`` and ``connection``."""
_VALID: Final[dict[str, object]] = {"valid": True}
_ALL_GOOD, _MIXED, _CREATED = 200, 207, 201
_SHOWN: Final = 32
_JOINED: Final = (
    f"Another object begins there: several events go as {_NDJSON}, each on a line of its own (curl --data-binary keeps the newlines, which "
    "curl -d takes out)."
)


class _Json(HTTPResponse):
    """An answer with the three headers that every one has; Sanic would clean and encode them anew, character by character, each time."""

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Return the headers as they are sent, Sanic having put in the two of the connection; a middleware (CORS) may have added some."""
        headers = self.headers
        length, connection = headers.get("content-length"), headers.get("connection")
        if length is None or connection is None or len(headers) != _OF_CONNECTION:
            return super().processed_headers
        return iter((_CONTENT_TYPE, (b"content-length", b"%d" % length), (b"connection", connection.encode())))


@events.post("/v1/events")
async def publish(request: Request) -> HTTPResponse:
    """Publish what the body holds."""
    service = service_of(request)
    principal = await caller(request, service)
    principal.require(EVENTS_PUBLISH)
    query = query_of(request)
    takes_only(query, PUBLISH_QUERY)
    dry_run = flag(query, "dry_run", default=False)
    if (coding := request.headers.get("content-encoding", "identity").strip().lower()) != "identity":
        msg = f"A body is read as it is sent, and not in the coding {coding[:_SHOWN]!a}. Leave Content-Encoding out."
        raise UnsupportedMediaType(msg)
    # A charset beside it says nothing (RFC 8259 §11): JSON is UTF-8.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _JSON:
        return await _single(request, service, principal, dry_run=dry_run)
    if media_type == _NDJSON:
        return await _batch(request, service, principal, dry_run=dry_run)
    msg = f"A body is {_JSON} with one event, or {_NDJSON} with one a line. Send one of these as Content-Type."
    raise UnsupportedMediaType(msg)


async def _single(request: Request, service: Service, principal: Principal, *, dry_run: bool) -> HTTPResponse:
    try:
        draft = service.publisher.prepare(principal, _parse(request.body))
        if dry_run:
            return _json(_VALID, _ALL_GOOD)
        answer = only(await service.publisher.publish([draft]))
    except RedlineError as error:
        service.metrics.publish_refused[error.code].inc()
        raise
    return _json({"id": answer.id, "duplicate": answer.duplicate}, _CREATED)


async def _batch(request: Request, service: Service, principal: Principal, *, dry_run: bool) -> HTTPResponse:
    lines = [line for line in request.body.split(b"\n") if line.strip()]
    most = service.settings.limits.batch_lines
    if len(lines) > most:
        msg = f"The batch has {len(lines)} lines, and at most {most} are taken. Send it in parts."
        raise PayloadTooLarge(msg)
    now = service.clock.time()
    prepared = [_prepare(request, service, principal, line, now) for line in lines]
    drafts = [one for one in prepared if not isinstance(one, RedlineError)]
    appended = iter([] if dry_run else await service.publisher.publish(drafts))
    results: list[dict[str, object]] = []
    refused: Counter[str] = Counter()
    for one in prepared:
        answer = one if isinstance(one, RedlineError) else None if dry_run else next(appended)
        if answer is None:
            results.append(_VALID)
        elif isinstance(answer, RedlineError):
            service.metrics.publish_refused[answer.code].inc()
            results.append({"error": answer.as_json()})
            refused[answer.code] += 1
        else:
            results.append({"id": answer.id, "duplicate": answer.duplicate})
    if refused:
        log_refusal(request, _MIXED, f"{', '.join(f'{code} {count}' for code, count in refused.items())} (of {len(lines)} lines)")
    return _json({"results": results}, _MIXED if refused else _ALL_GOOD)


def _prepare(request: Request, service: Service, principal: Principal, line: bytes, now: float) -> Draft | RedlineError:
    try:
        return service.publisher.prepare(principal, _parse(line), now)
    except Exception as exception:  # noqa: BLE001 - one bad line never stops the others, not even by a fault of ours
        return as_redline_error(request, exception).detached()


def _parse(text: bytes) -> object:
    """Parse one JSON text (RFC 8259: UTF-8, no NaN, no lone surrogates); raise ``MalformedRequest`` saying where it stops being one.

    Of a member given twice the last counts, as in every browser: what goes out is written anew, so no two readers can see it differently.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        # The parser's own words may quote the text; its position does not.
        where = f"at character {error.pos}" if text.strip() else "it is empty"
        msg = f"The event is not JSON ({where}). {_JOINED if _joined(error) else 'Send one object with kind and data.'}"
        raise MalformedRequest(msg, details=[Detail("", f"not JSON, {where}", "json_invalid")]) from None


def _joined(error: orjson.JSONDecodeError) -> bool:
    """Tell whether the parser stopped at another object after a whole one, as where somebody took the newlines out of a batch."""
    if not error.doc.startswith("{", error.pos):
        return False
    try:
        return isinstance(orjson.loads(error.doc[: error.pos]), dict)
    except orjson.JSONDecodeError:
        return False


def _json(body: object, status: int) -> HTTPResponse:
    # No Cache-Control: nobody keeps the answer to a POST that says nothing of its freshness (RFC 9110 §9.3.3).
    return _Json(orjson.dumps(body), status=status, content_type=_JSON)
