"""What crosses the connection: each by an example of the protocol's own documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.clock import parse_rfc3339
from redline.eventlog.jetstream import wire

HEARTBEAT = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\nNats-Last-Stream: 12\r\n\r\n"


def test_a_publish() -> None:
    assert wire.publish("S.acme", "_INBOX.1", b"hello\r\n") == b"PUB S.acme _INBOX.1 7\r\nhello\r\n\r\n"


def test_a_publish_with_a_header_counts_the_header_and_the_whole() -> None:
    command = wire.publish_with("S.acme", "_INBOX.1", b"hello", "Nats-Msg-Id", "k")
    assert command == b"HPUB S.acme _INBOX.1 28 33\r\nNATS/1.0\r\nNats-Msg-Id: k\r\n\r\nhello\r\n"


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        (b"NATS/1.0 503\r\n\r\n", 503, ""),
        (b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\n\r\n", 204, "EOB"),
        (HEARTBEAT, 100, "Idle Heartbeat"),
        (b"NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n", 0, ""),
    ],
)
def test_a_status(headers: bytes, status: int, words: str) -> None:
    assert wire.status(headers) == status
    if status:
        assert wire.description(headers) == words


def test_no_headers_have_no_status() -> None:
    assert wire.status(None) == 0
    assert wire.status(b"") == 0


def test_a_header_is_found_by_its_whole_name() -> None:
    assert wire.header(HEARTBEAT, b"Nats-Last-Consumer") == "7"
    assert wire.header(HEARTBEAT, b"Nats-Last-Stream") == "12"
    assert wire.header(HEARTBEAT, b"Nats-Last") is None
    assert wire.header(HEARTBEAT, b"Last-Stream") is None


def test_a_delivery_without_and_with_a_domain() -> None:
    expected = wire.Delivery(12, 7, 1.5)
    assert wire.delivery(b"$JS.ACK.S.C.1.12.7.1500000000.3") == expected
    assert wire.delivery(b"$JS.ACK.hub.acc.S.C.1.12.7.1500000000.3.rnd") == expected


@pytest.mark.parametrize("reply", [b"", b"_INBOX.1", b"$JS.FC.S.C.x", b"$JS.ACK.S.C.1.a.7.1.3", b"$JS.NAK.S.C.1.12.7.1.3"])
def test_what_is_no_delivery(reply: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        wire.delivery(reply)


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000_000))
def test_a_time_is_the_same_followed_and_read(nanoseconds: int) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - to spell the time as the server does

    whole, rest = divmod(nanoseconds, 1_000_000_000)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S") + (f".{rest:09d}".rstrip("0") if rest else "") + "Z"
    assert wire.seconds(nanoseconds) == parse_rfc3339(text)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        (None, 0),
        (b"", 0),
        (HEARTBEAT, 0),
        (b"NATS/1.0\r\nNats-Msg-Id: 000102030405060708090a0b0c0d0e0f\r\n\r\n", 0x0102030405060708090A0B0C0D0E0F),
        (b"NATS/1.0\r\nA: b\r\nNats-Msg-Id: " + b"f" * 32 + b"\r\nC: d\r\n\r\n", (1 << 128) - 1),
        (b"NATS/1.0\r\nNats-Msg-Id: " + b"f" * 31 + b"\r\n\r\n", 0),
        (b"NATS/1.0\r\nNats-Msg-Id: " + b"f" * 33 + b"\r\n\r\n", 0),
        (b"NATS/1.0\r\nNats-Msg-Id: -" + b"f" * 31 + b"\r\n\r\n", 0),
    ],
)
def test_an_idempotency_key_is_a_number_of_128_bits(headers: bytes | None, key: int) -> None:
    assert wire.key(headers) == key
