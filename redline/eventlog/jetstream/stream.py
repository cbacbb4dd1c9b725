"""The stream: made where it is missing, judged where it is there, never changed.

The law of this module: what another has set up is his. A setting that would break a promise of the log stops the start, in a line that says
what it is, what it must be and how to get there; a bound that merely differs is warned of, and counts. Two nodes that make the stream at
once get the same one: the second takes the first one's, with its key.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from redline.clock import parse_rfc3339, within
from redline.errors import LogUnavailable, StartupError
from redline.eventlog.jetstream.configuration import NANO, configuration, differences, fault_of, key_of
from redline.eventlog.jetstream.refusal import NotAllowedError
from redline.eventlog.jetstream.requests import ApiError
from redline.eventlog.jetstream.waiting import Backoff, pause
from redline.eventlog.urls import SETTING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.retention import Retention

_logger = logging.getLogger(__name__)

_NO_SUCH_STREAM: Final = 10059
_NAME_IN_USE: Final = 10058
_NO_PEERS: Final = 10005
_REPLICAS_ALONE: Final = 10074
_TOO_MANY_STREAMS: Final = 10027
_NEEDS_BYTES: Final = 10113
_UNAVAILABLE: Final = 500
_FIRST_ATTEMPTS: Final = (1.0, 1.0)
"""How long the first attempts may take, in seconds: an election loses questions, and whoever asks again is answered. The next ones have the
time that the options give for each question: a server may be slow."""
_HOPELESS: Final = {10028, 10047, _REPLICAS_ALONE}
"""Refusals that no waiting mends, though their code says so: not enough memory or disk for the stream, more replicas than servers."""


class _NoPeersError(StartupError):
    """The cluster has not enough servers for the stream's replicas, or not yet."""


class Incarnation(NamedTuple):
    """A stream as it is. ``key`` is what its ids are sealed under; another key is another stream, whatever its name.

    ``per_org`` is how many events an org keeps (-1: any number), ``age`` how long (seconds; 0: for ever), ``window`` for how long a
    ``Nats-Msg-Id`` is remembered (seconds). ``first`` and ``last`` are sequences, of what is retained: where nothing is, ``first`` is
    ``last + 1``. ``messages`` is how many there are.
    """

    name: str
    key: bytes
    per_org: int
    age: float
    window: float
    first: int
    last: int
    messages: int


async def ensure(connection: Connection, options: JetStreamOptions, retention: Retention) -> Incarnation:
    """Return the stream; make it where there is none.

    Raises StartupError where it cannot serve, or JetStream will not make it; LogUnavailable where NATS does not answer within the timeout.
    """
    return await ensure_as(connection, options, configuration(options, retention))


async def ensure_as(connection: Connection, options: JetStreamOptions, wanted: Mapping[str, Any]) -> Incarnation:
    """Return the stream that is named in a configuration; make it as that says where there is none. Raises as :func:`ensure`."""
    clock, backoff, short = connection.clock, Backoff(), iter(_FIRST_ATTEMPTS)
    until = clock.monotonic() + options.timeout
    while True:
        bound = next(short, None)
        try:
            if bound is None:
                return await _ensure(connection, wanted)
            async with within(clock, bound):
                return await _ensure(connection, wanted)
        except TimeoutError:
            pass  # of a short attempt; another is never the last one
        except (LogUnavailable, _NoPeersError) as error:  # a cluster that has just been started has no leader yet, or not all its servers
            if isinstance(error, NotAllowedError) or clock.monotonic() >= until:
                raise
        await pause(clock, backoff.delay())


async def _ensure(connection: Connection, wanted: Mapping[str, Any]) -> Incarnation:
    stream: str = wanted["name"]
    info = await _info(connection, stream)
    if info is None:
        try:
            await connection.requests.api(f"STREAM.CREATE.{stream}", wanted)
        except ApiError as error:
            if error.err_code != _NAME_IN_USE:  # else: another node was faster, and its settings and key count
                if error.code >= _UNAVAILABLE and error.err_code not in _HOPELESS:
                    raise LogUnavailable(f"JetStream cannot make the stream now: {error}. Try again shortly.") from None  # noqa: EM102, TRY003
                kind = _NoPeersError if error.err_code == _NO_PEERS else StartupError
                raise kind(_line(stream, f"JetStream does not make it: {error}; {_way_out(error)}")) from None
        info = await _info(connection, stream)
    if info is None:
        raise LogUnavailable(f"The stream {stream} is gone again. Try again shortly.")  # noqa: EM102, TRY003 - one line
    found = info["config"]
    if (fault := fault_of(found, wanted["subjects"])) is not None:
        raise StartupError(_line(stream, fault))
    for name, is_, would_be in differences(found, wanted):
        _logger.warning("The stream %s has %s = %s where the settings say %s; what it has counts.", stream, name, is_, would_be)
    return _incarnation(stream, info)


async def inspect(connection: Connection, name: str) -> Incarnation | None:
    """Return the stream as it is now; None where it is gone, or is no stream of ours. Raises LogUnavailable."""
    found = await inspect_at(connection, name)
    return None if found is None else found[0]


async def inspect_at(connection: Connection, name: str) -> tuple[Incarnation, float] | None:
    """Return the same, with the moment of that by the server's clock (Unix seconds)."""
    info = await _info(connection, name)
    if info is None or key_of(info["config"]) is None:
        return None
    return _incarnation(name, info), parse_rfc3339(str(info["ts"]))


async def _info(connection: Connection, name: str) -> dict[str, Any] | None:
    try:
        return await connection.requests.api(f"STREAM.INFO.{name}")
    except ApiError as error:
        if error.err_code == _NO_SUCH_STREAM:
            return None
        raise LogUnavailable(f"JetStream does not tell of the stream {name}: {error}. Try again shortly.") from None  # noqa: EM102, TRY003


def _incarnation(name: str, info: Mapping[str, Any]) -> Incarnation:
    config, state = info["config"], info["state"]
    key = key_of(config)
    if key is None:
        raise LogUnavailable(f"The stream {name} has no key of Redline's any more.")  # noqa: EM102, TRY003 - one line
    last, messages = int(state["last_seq"]), int(state["messages"])
    return Incarnation(
        name,
        key,
        int(config.get("max_msgs_per_subject") or -1),
        config.get("max_age", 0) / NANO,
        config.get("duplicate_window", 0) / NANO,
        int(state["first_seq"]) if messages else last + 1,
        last,
        messages,
    )


def _way_out(error: ApiError) -> str:
    if error.err_code in {_NO_PEERS, _REPLICAS_ALONE}:
        return "set the option replicas to no more than the servers that the cluster has, all of them with JetStream"
    if "storage" in str(error) or "store" in str(error) or "resources" in str(error):
        return "give JetStream more room (max_file_store, the account's limits), or set history.total_bytes lower"
    if error.err_code == _TOO_MANY_STREAMS:
        return "let the account have two (max_streams): one of events, one of their keys"
    if error.err_code == _NEEDS_BYTES:
        return "lift that limit of the account (max_bytes_required): a stream of keys that is cut by bytes would forget some early"
    if "overlap" in str(error):
        return "name a stream (option stream) whose subjects no other stream has"
    return "see the server's log"


def _line(name: str, what: str) -> str:
    return f"{SETTING}: the stream {name}: {what}"
