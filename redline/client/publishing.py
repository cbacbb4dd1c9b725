"""Publishing: one event or many, each at most once.

The law of this module: every event carries an idempotency key, so that a retry, also of an answer that was lost, never doubles it. What is
retried is what may succeed later, line by line; what the service refuses is the caller's to know.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from redline.client.errors import BadAnswer, ClientError, Refused
from redline.client.events import NewEvent, Published
from redline.client.posting import Post, post
from redline.client.retry import Budget, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from redline.client.connection import Connection

PATH: Final = "/v1/events"
PART_LINES: Final = 1000
PART_BYTES: Final = 1_000_000
"""The most of a batch in one request: the service's defaults (1,000 lines, 1 MiB)."""
_JSON: Final = "application/json"
_NDJSON: Final = "application/x-ndjson"
_TOO_LARGE: Final = 413


def new_key() -> str:
    """Return an idempotency key that nobody has used."""
    return secrets.token_urlsafe(16)


_PENDING: Final = ClientError("not sent yet")


class _Line(NamedTuple):
    """One event of a batch: its place in the caller's order, its key, and its JSON."""

    place: int
    key: str
    text: bytes


class Publishing:
    """The publishing half of a client."""

    def __init__(self, connection: Connection, retry: Retry, make_key: Callable[[], str] = new_key) -> None:
        """Take the way to the service, how to retry, and where keys come from."""
        self._connection = connection
        self._retry = retry
        self._make_key = make_key

    async def one(self, event: NewEvent, *, dry_run: bool) -> Published | None:
        """Publish an event; None for a dry run that went well. Raises ``ClientError``, which names the key that was used."""
        key = event.key or self._make_key()
        try:
            answer = await self._post(event.encode(key), _JSON, self._budget(), dry_run=dry_run)
            if dry_run:
                return None
            return self._published(answer)
        except ClientError as error:
            error.key = key
            raise

    async def many(self, events: Iterable[NewEvent], *, dry_run: bool) -> list[Published | ClientError | None]:
        """Publish events in parts; one result each, in order: None for one that went well in a dry run.

        Once a whole request has failed for good, the events after it are not sent, and have its error as their result.
        """
        results: list[Published | ClientError | None] = []
        failed: ClientError | None = None
        for part in self._parts(events):
            results += [failed or _PENDING] * len(part)
            if failed is None:
                try:
                    await self._part(part, results, dry_run=dry_run)
                except ClientError as error:
                    failed = error.detached()
        return [failed if result is _PENDING else result for result in results]

    def _budget(self) -> Budget:
        connection = self._connection
        return Budget(self._retry, connection.clock, connection.sleep, connection.random)

    def _parts(self, events: Iterable[NewEvent]) -> Iterator[list[_Line]]:
        part: list[_Line] = []
        size = 0
        for place, event in enumerate(events):
            key = event.key or self._make_key()
            line = _Line(place, key, event.encode(key))
            if part and (len(part) == PART_LINES or size + len(line.text) >= PART_BYTES):
                yield part
                part, size = [], 0
            part.append(line)
            size += len(line.text) + 1
        if part:
            yield part

    async def _part(self, part: Sequence[_Line], results: list[Published | ClientError | None], *, dry_run: bool) -> None:
        """Publish one part and fill in its results; halve it where the service's bounds are narrower than the defaults."""
        try:
            await self._lines(part, results, dry_run=dry_run)
        except Refused as error:
            if error.status != _TOO_LARGE:
                raise
            if len(part) == 1:
                error.key = part[0].key
                results[part[0].place] = error.detached()
                return
            middle = len(part) // 2
            await self._part(part[:middle], results, dry_run=dry_run)
            await self._part(part[middle:], results, dry_run=dry_run)

    async def _lines(self, lines: Sequence[_Line], results: list[Published | ClientError | None], *, dry_run: bool) -> None:
        """Publish lines in one request, and those again that were refused for now."""
        budget = self._budget()
        while lines:
            answer = await self._post(b"\n".join(line.text for line in lines), _NDJSON, budget, dry_run=dry_run)
            again: list[_Line] = []
            why = ClientError()
            for line, result in zip(lines, self._answers(answer, len(lines)), strict=True):
                results[line.place] = result
                if isinstance(result, ClientError):
                    result.key = line.key
                    if result.transient:
                        again.append(line)
                        why = result
            lines = again
            if lines and not await budget.more(why):
                return

    async def _post(self, content: bytes, media_type: str, budget: Budget, *, dry_run: bool) -> object:
        return await post(self._connection, Post(PATH, content, media_type, {"dry_run": "true"} if dry_run else None), budget)

    def _published(self, answer: object) -> Published:
        if isinstance(answer, dict) and isinstance(answer.get("id"), str) and isinstance(answer.get("duplicate"), bool):
            return Published(answer["id"], answer["duplicate"])
        msg = f"{self._connection.url} took the event, and did not answer as Redline does; is the URL right?"
        raise BadAnswer(msg)

    def _answers(self, answer: object, count: int) -> list[Published | ClientError | None]:
        rows = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or len(rows) != count:
            msg = f"{self._connection.url} did not answer a batch as Redline does; is the URL right?"
            raise BadAnswer(msg)
        return [self._result(row) for row in rows]

    def _result(self, row: object) -> Published | ClientError | None:
        if isinstance(row, dict):
            if row.get("valid") is True:
                return None
            error = Refused.from_json(row.get("error"))
            if error is not None:
                return error
        return self._published(row)
