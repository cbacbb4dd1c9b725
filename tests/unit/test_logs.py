"""Logging: no canary gets out, through whichever logger, field, exception or handler; and ordinary records stay as they are."""

from __future__ import annotations

import asyncio
import logging
import logging.config
import re
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sanic import Sanic
from sanic.log import LOGGING_CONFIG_DEFAULTS, access_logger, error_logger, logger, server_logger, websockets_logger
from sanic.response import text

from redline.logs import FAMILIES, Redactor, configure_logging, install_redaction, redact
from tests.logging_state import as_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sanic import HTTPResponse, Request

CANARY = "cAnArY-0123456789"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJvcmciOiJhY21lIn0.c2lnbmF0dXJlLWNhbmFyeQ"
SANIC = (logger, error_logger, access_logger, server_logger, websockets_logger)


class Keeper(logging.Handler):
    """A handler of somebody else's: a test's, an error tracker's. Keeps records as they reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def everything(self) -> str:
        """Return all that can be read off the records."""
        formatter = logging.Formatter()
        return "\n".join(f"{formatter.format(record)} {record.__dict__!r}" for record in self.records)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with as_before():
        yield


class Written:
    """What was written to stderr since the test began."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capture.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Written:
    return Written(capsys)


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    """Listen at the root, as a handler that was there before us and that has no filter of ours."""
    handler = Keeper()
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ('"GET /v1/stream?token=x HTTP/1.1" 200', '"GET /v1/stream?[redacted] HTTP/1.1" 200'),
        ("GET http://h/v1/stream?a=1&%74oken=x", "GET http://h/v1/stream?[redacted]"),
        ("b'GET /?ticket=x HTTP/1.1\\r\\nCookie: a=b\\r\\nHost: h'", "b'GET /?[redacted] HTTP/1.1\\r\\nCookie: [redacted]\\r\\nHost: h'"),
        ("Authorization: Bearer x y\nnext", "Authorization: [redacted]\nnext"),
        ("{'authorization': 'Basic x', 'host': 'h'}", "{'authorization': [redacted], 'host': 'h'}"),
        ("(b'authorization', b'Basic x')", "(b'authorization', [redacted])"),
        ('authorization: Digest user="a", response="x"', "authorization: [redacted]"),
        ("sent Bearer x.y-z, twice", "sent Bearer [redacted], twice"),
        (f"got {JWT} here", "got [redacted] here"),
        (f"got {JWT[:30]}", "got [redacted]"),
        ("token=x&page=2", "token=[redacted]&page=2"),
        ("access_token = x", "access_token = [redacted]"),
        ("(ticket=x) (secret=y)", "(ticket=[redacted]) (secret=[redacted])"),
        ('{"token": "x\\"y", "n": 1}', '{"token": "[redacted]", "n": 1}'),
        (r'"{\"token\": \"x\", \"n\": 1}"', r'"{\"token\": \"[redacted]\", \"n\": 1}"'),
        ("{'token': ['x', 'y'], 'n': 1}", "{'token': [redacted], 'n': 1}"),
        ("[('token', 'x'), ('n', '1')]", "[('token', '[redacted]'), ('n', '1')]"),
        ("%74%6F%6ben=x", "%74%6F%6ben=[redacted]"),
        ("https://user:x@host/path", "https://[redacted]@host/path"),
        ("password=x", "password=[redacted]"),
    ],
)
def test_what_is_taken_out(given_text: str, expected: str) -> None:
    assert redact(given_text) == expected


@pytest.mark.parametrize(
    "ordinary",
    [
        "",
        "Redline listening on http://127.0.0.1:8000",
        "Really? Yes! (Sure?) 'What?' \"Why?\"",
        "auth.secret (REDLINE_AUTH__SECRET) got a secret of 5 bytes",
        "The token has expired.",
        "streams: 12, tokens 3, 50% of them new",
        "write to ops@example.com",
        "an Authorization header is missing",
        "key eyJ",
    ],
)
def test_what_stays(ordinary: str) -> None:
    assert redact(ordinary) == ordinary


SECRETS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=40).map(
    lambda tail: f"{CANARY}{tail}"
)
FRAMES = st.sampled_from(
    [
        "GET /v1/stream?token={} HTTP/1.1",
        "GET /v1/stream?kinds='a'&%74oken={} HTTP/1.1",
        "GET /v1/stream?x='&%74%6fken={}",
        'GET /v1/stream?"}}&ticket={}#there',
        "b'GET /v1/stream?{} HTTP/1.1\\r\\n\\r\\n'",
        "Authorization: Bearer {}",
        "authorization:bearer {}",
        "PROXY-AUTHORIZATION: Custom a {} b",
        "'Authorization': 'Bearer {}'",
        "Bearer   {}",
        "Bearer%20{}",
        "token={}",
        "token%3D{}",
        "x_ticket='{}'",
        'secret: "{}"',
        "{{'client_secret': '{}'",
        '{{"token":"{}"}}',
        '{{\\"token\\":\\"{}\\"}}',
        "{{'token': ['a', '{}']}}",
        "('token', '{}')",
        "Set-Cookie: session={}; Path=/",
        "nats://user:{}@host:4222",
        "nats://user:x@host:4222,user:{}@other:4222",
        "NATS://user:{}#?/ {}@host:4222?timeout=1",
        "eyJhbGciOi.{}.{}",
    ]
)


@given(st.text(max_size=20), SECRETS, FRAMES, st.sampled_from(["", " ", "\n", "\t", '"', "'", ")", ", "]))
def test_no_canary_survives_in_any_frame(before: str, secret: str, frame: str, after: str) -> None:
    assert CANARY not in redact(f"{before} {frame.replace('{}', secret).replace('{{', '{').replace('}}', '}')}{after}")


@given(st.text())
def test_any_text_can_be_redacted_again(strange: str) -> None:
    redact(redact(strange))


@pytest.mark.parametrize(
    "hostile",
    [
        "?" * 16000,
        "?'" * 8000,
        "?)" * 8000,
        '?")))' * 4000,
        "token=" * 3000,
        'token="' * 3000,
        "token:[" * 3000,
        "://" * 6000,
        "eyJ" * 6000,
        "authorization:'" * 1500,
        "bearer " * 3000,
        "token" + " " * 16000,
        "\\" * 16000 + "token",
        "%74" * 6000,
        "a" * 16000 + "?",
    ],
)
def test_a_hostile_text_costs_no_more_than_its_length(hostile: str) -> None:
    """No rule backtracks: a request's head (16 KiB) must not hold the event loop. The bound is generous; a quadratic rule takes seconds."""
    began = time.process_time()
    redact(hostile)
    assert time.process_time() - began < 0.25


class Odd:
    """An object whose two descriptions differ."""

    def __str__(self) -> str:
        """Say nothing."""
        return "harmless"

    def __repr__(self) -> str:
        """Say all."""
        return f"<Request GET /v1/stream?token={CANARY}>"


class Broken:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        """Fail."""
        raise ValueError(CANARY)


URL = f"http://h/v1/stream?token={CANARY}"
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "a whole message": ((f"Request: GET {URL}",), {}),
    "an argument": (("Request: GET %s after %d", URL, 3), {}),
    "a name in the message, its value in an argument": (("token=%s", CANARY), {}),
    "a named argument": (("%(token)s is not good", {"token": CANARY}), {}),
    "bytes": (("Malformed: %r", f"GET /?token={CANARY} HTTP/1.1\r\nAuthorization: Bearer {CANARY}".encode()), {}),
    "a list": (("%s", [f"token={CANARY}"]), {}),
    "an argument that the message cuts": (("%.3s", f"token={CANARY}"), {}),
    "arguments that only together tell": (("%.1s%.1s", "token", CANARY), {}),
    "too many arguments": (("Request", URL), {}),
    "an argument of a wrong type": (("%d", URL), {}),
    "too few arguments": (("%s %s", URL), {}),
    "an object with a secret repr": (("%s", Odd()), {}),
    "an exception for a message": ((ValueError(URL),), {}),
    "an exception for an argument": (("failed: %s", ValueError(URL)), {}),
    "an extra field": (("",), {"extra": {"request": f"GET {URL}", "host": "h"}}),
    "an extra field by its name": (("",), {"extra": {"token": CANARY}}),
    "a nested extra field": (("",), {"extra": {"context": {"headers": {"authorization": f"Bearer {CANARY}"}}}}),
    "an extra object": (("",), {"extra": {"thing": Odd()}}),
    "a JWT": ((f"seen {JWT.replace('YWNtZ', CANARY)}",), {}),
}


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL])
@pytest.mark.parametrize("case", CALLS)
def test_no_canary_reaches_a_strangers_handler(keeper: Keeper, case: str, level: int) -> None:
    install_redaction()
    args, kwargs = CALLS[case]
    logging.getLogger("redline.web").log(level, *args, **kwargs)
    (record,) = keeper.records
    assert CANARY not in keeper.everything()
    assert CANARY not in record.getMessage()
    assert all(CANARY not in repr(value) for value in record.__dict__.values())


@pytest.mark.parametrize("source", SANIC, ids=lambda source: source.name)
@pytest.mark.parametrize("case", CALLS)
def test_no_canary_of_sanics_loggers_is_printed_or_handed_on(keeper: Keeper, stderr: Written, source: logging.Logger, case: str) -> None:
    configure_logging("DEBUG")
    args, kwargs = CALLS[case]
    source.error(*args, **kwargs)
    assert len(keeper.records) == 1
    assert CANARY not in keeper.everything()
    assert source.name in stderr.getvalue()
    assert CANARY not in stderr.getvalue()


def chained() -> None:
    try:
        try:
            raise KeyError(f"token={CANARY}")  # noqa: EM102, TRY301 - the canary must be in the exception
        except KeyError as error:
            raise ValueError(URL) from error
    except ValueError as error:
        message = f"Bearer {CANARY}"
        error.add_note(f"ticket={CANARY}")
        raise ExceptionGroup(message, [error, OSError(JWT)]) from None


def test_a_traceback_becomes_text_with_all_of_its_chain_redacted(keeper: Keeper) -> None:
    install_redaction()
    try:
        chained()
    except ExceptionGroup:
        logging.getLogger("sanic.error").exception("Exception occurred while handling uri: %s", URL, stack_info=True)
    (record,) = keeper.records
    assert record.exc_info is None
    assert record.exc_text is not None
    for part in ("KeyError", "ValueError", "OSError", "ExceptionGroup", "direct cause", "in chained"):
        assert part in record.exc_text
    assert "Stack (most recent call last)" in (record.stack_info or "")
    assert CANARY not in keeper.everything()
    assert JWT[-10:] not in keeper.everything()


def test_a_redactor_of_some_records_does_not_stand_in_for_that_of_all(keeper: Keeper) -> None:
    class Narrow(Redactor):
        def filter(self, record: logging.LogRecord) -> bool:
            return record is not None

    source = logging.getLogger(f"sanic.{uuid.uuid4().hex}")
    source.addFilter(Narrow())
    install_redaction()
    source.error("GET %s", URL)
    assert len(keeper.records) == 1
    assert CANARY not in keeper.everything()


def test_a_text_that_another_formatter_left_on_the_record_is_redacted() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "m", (), None)
    record.exc_text = f"token={CANARY}"
    record.message = f"token={CANARY}"
    record.stack_info = f"token={CANARY}"
    record.taskName = f"GET /?token={CANARY}"
    assert Redactor().filter(record)
    assert CANARY not in repr(record.__dict__)


@pytest.mark.parametrize("exc_info", [True, ValueError(URL), (None, None, None)])
def test_a_record_made_by_hand_may_carry_any_exc_info(exc_info: object) -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "m", (), None)
    record.__dict__["exc_info"] = exc_info
    Redactor().filter(record)
    assert record.exc_info is None
    assert CANARY not in logging.Formatter().format(record)


def test_a_record_that_cannot_be_searched_is_emptied_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "m %s", (URL,), None)
    record.extra_field = URL
    monkeypatch.setattr("redline.logs.record._redact_message", lambda _: 1 / 0)
    assert Redactor().filter(record)
    assert record.getMessage() == "(a log record that could not be searched for credentials)"
    assert CANARY not in repr(record.__dict__)


def test_an_object_that_cannot_be_shown_costs_nobody_anything(keeper: Keeper, stderr: Written) -> None:
    configure_logging("INFO")
    logging.getLogger("redline").info("seen %s", Broken(), extra={"thing": Broken()})
    assert "seen <unprintable Broken>" in stderr.getvalue()
    assert len(keeper.records) == 1


def test_an_ordinary_record_stays_as_it_was(keeper: Keeper) -> None:
    install_redaction()
    thing = {"a": 1}
    logging.getLogger("redline.broker").info("%s events for %r", 3, "acme", extra={"org": "acme", "thing": thing, "count": 3})
    (record,) = keeper.records
    assert (record.msg, record.args) == ("%s events for %r", (3, "acme"))
    assert record.__dict__["thing"] is thing


def test_arguments_that_a_formatter_counts_on_stay_in_their_places(keeper: Keeper) -> None:
    """An ASGI server's access log takes its line apart again."""
    install_redaction()
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "GET", f"/v1/stream?token={CANARY}", "1.1", 200)
    (record,) = keeper.records
    assert record.args == ("1.2.3.4:5", "GET", "/v1/stream?[redacted]", "1.1", 200)


def test_a_logger_that_is_made_later_redacts_from_its_first_record(keeper: Keeper) -> None:
    install_redaction()
    late = logging.getLogger(f"sanic.late.{uuid.uuid4().hex}")
    late.warning("GET %s", URL, extra={"request": URL})
    assert len(keeper.records) == 1
    assert CANARY not in keeper.everything()


def test_a_logger_with_a_handler_of_its_own_and_no_propagation_is_covered() -> None:
    install_redaction()
    late = logging.getLogger(f"redline.late.{uuid.uuid4().hex}")
    late.propagate = False
    handler = Keeper()
    late.addHandler(handler)
    late.warning("GET %s", URL)
    assert len(handler.records) == 1
    assert CANARY not in handler.everything()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_redacts_at_the_source(keeper: Keeper, family: str) -> None:
    install_redaction()
    logging.getLogger(family).critical(URL)
    logging.getLogger(f"{family}.part").critical(URL)
    assert len(keeper.records) == 2
    assert CANARY not in keeper.everything()


def test_other_libraries_loggers_are_left_alone_until_our_handler(keeper: Keeper, stderr: Written) -> None:
    install_redaction()
    other = logging.getLogger(f"somebody.{uuid.uuid4().hex}")
    other.warning("see %s", "http://h/search?q=1")
    assert keeper.records[0].getMessage() == "see http://h/search?q=1"
    assert other.filters == []
    configure_logging("INFO")
    other.warning("see %s", URL)
    assert "see http://h/v1/stream?[redacted]" in stderr.getvalue()
    assert logging.getLogger("sanicular").filters == []


def test_a_record_factory_of_somebody_else_still_makes_the_records(keeper: Keeper) -> None:
    class Marked(logging.LogRecord):
        pass

    logging.setLogRecordFactory(Marked)
    install_redaction()
    install_redaction()
    logging.getLogger("redline").warning("x")
    logging.getLogger("elsewhere").warning("x")
    assert [type(record) for record in keeper.records] == [Marked, Marked]
    assert logging.makeLogRecord({"msg": "x"}).msg == "x"


def test_repeating_the_installation_adds_nothing() -> None:
    install_redaction()
    factory = logging.getLogRecordFactory()
    install_redaction()
    assert logging.getLogRecordFactory() is factory
    for source in SANIC:
        assert sum(type(each) is Redactor for each in source.filters) == 1


def test_a_line_is_time_level_logger_message(stderr: Written) -> None:
    configure_logging("INFO")
    logging.getLogger("redline.web").info("Hello %s", "there")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO     redline\.web: Hello there\n", stderr.getvalue())


def test_the_last_set_up_counts_and_lines_come_once(stderr: Written) -> None:
    configure_logging("DEBUG")
    configure_logging("WARNING")
    for source in SANIC:
        source.info("too low")
        source.warning("said once by %s", source.name)
    lines = stderr.getvalue().splitlines()
    assert len(lines) == len(SANIC)
    assert all("said once" in line for line in lines)


def test_sanics_own_set_up_is_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(LOGGING_CONFIG_DEFAULTS)
    configure_logging("INFO")
    for source in SANIC:
        source.warning("once")
        assert source.handlers == []
    written = capsys.readouterr()
    assert len(written.err.splitlines()) == len(SANIC)
    assert written.out == ""


def test_sanics_access_record_says_in_its_line_what_sanic_puts_beside_it(stderr: Written) -> None:
    configure_logging("INFO")
    extra = {"status": 200, "byte": 12, "host": "1.2.3.4:5", "request": f"GET {URL}", "duration": " 0.3ms"}
    access_logger.info("", extra=extra)
    assert stderr.getvalue().endswith("sanic.access: 1.2.3.4:5 GET http://h/v1/stream?[redacted] 200 12 0.3ms\n")


def test_no_message_can_pose_as_a_line_of_its_own(stderr: Written) -> None:
    configure_logging("INFO")
    logging.getLogger("redline").info("\x1b[31mred\x1b[0m\r\n2026-01-01T00:00:00.000Z INFO root: forged\x00\x1b]0;title\x07")
    first, second = stderr.getvalue().splitlines()
    assert first.endswith("redline: red\\x0d")
    assert second == "    2026-01-01T00:00:00.000Z INFO root: forged\\x00\\x1b]0;title\\x07"


def test_chatty_clients_are_held_to_warnings(stderr: Written) -> None:
    configure_logging("DEBUG")
    logging.getLogger("httpx").info("HTTP Request")
    logging.getLogger("httpcore.http11").debug("send_request_headers")
    assert stderr.getvalue() == ""
    configure_logging("ERROR")
    logging.getLogger("httpx").warning("x")
    assert stderr.getvalue() == ""


@pytest.mark.parametrize("level", ["TRACE", "info", "", "NOTSET", "10"])
def test_another_level_is_refused_with_the_levels(level: str) -> None:
    with pytest.raises(ValueError, match="it takes one of DEBUG, INFO, WARNING, ERROR, CRITICAL"):
        configure_logging(level)


async def _requests(port: int, *heads: str) -> None:
    for head in heads:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.replace("\n", "\r\n").encode())
        await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def _serve_and_fail(heads: list[str]) -> None:
    app = Sanic(f"canary-{uuid.uuid4().hex[:8]}", configure_logging=False)
    app.config.ACCESS_LOG = True
    app.config.TOUCHUP = False  # it would rewrite methods of Sanic for all applications of this process
    app.config.MOTD = False

    @app.get("/ok")
    async def ok(_: Request) -> HTTPResponse:
        return text("ok")

    @app.get("/fail")
    async def fail(request: Request) -> HTTPResponse:
        logger.debug("args %s headers %s", request.args, dict(request.headers))
        raise RuntimeError(request.url)

    listener = socket.create_server(("127.0.0.1", 0))
    server = await app.create_server(sock=listener, return_asyncio_server=True, access_log=True)
    assert server is not None
    await server.startup()  # type: ignore[no-untyped-call]
    await server.start_serving()  # type: ignore[no-untyped-call]
    await _requests(listener.getsockname()[1], *heads)
    await server.close()  # type: ignore[no-untyped-call]
    Sanic._app_registry.pop(app.name)  # noqa: SLF001 - Sanic offers no way to forget an app


def test_a_real_sanic_app_says_no_canary_whatever_happens(keeper: Keeper, stderr: Written) -> None:
    """Access log, failing handlers, what does not exist and heads that are not HTTP, with the credential wherever one can stand."""
    configure_logging("DEBUG")
    headers = f"Host: h\nAuthorization: Bearer {CANARY}\nCookie: session={CANARY}\nConnection: close\n\n"
    heads = [
        f"GET /{path}?a=1&{name}={CANARY} HTTP/1.1\n{headers}" for path in ("ok", "fail", "gone") for name in ("token", "%74oken", "ticket")
    ]
    heads += [
        f"GET /ok?token={CANARY} WHAT EVER\n{headers}",
        f"\x16\x03 token={CANARY}\n\n",
        f"GET /ok?token={CANARY} HTTP/1.1\nbroken {CANARY}\n\n",
    ]
    with asyncio.Runner() as runner:
        runner.run(_serve_and_fail(heads))
    said = stderr.getvalue()
    assert "sanic.access: 127.0.0.1:" in said
    assert "/ok?[redacted] 200" in said
    assert "RuntimeError: http://h/fail?[redacted]" in said
    assert len(keeper.records) >= len(heads)
    assert CANARY not in said
    assert CANARY not in keeper.everything()
