"""Whom a load may be for: this machine, unless its owner says otherwise."""

from __future__ import annotations

import pytest

from redline.testing.load.target import address_of


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://127.8.7.6", "http://[::1]:8000/under/a/path", "http://localhost:1"])
def test_the_loopback_may_be_loaded(url: str) -> None:
    parts, address = address_of(url, anywhere=False)
    assert parts.geturl() == url
    assert address.startswith("127.") or address == "::1"


@pytest.mark.parametrize("url", ["http://192.0.2.1:8000", "http://[2001:db8::1]", "http://[::ffff:192.0.2.1]", "http://0.0.0.0:8000"])
def test_another_machine_is_loaded_only_where_its_owner_says_so(url: str) -> None:
    with pytest.raises(ValueError, match="--i-own-this-server"):
        address_of(url, anywhere=False)
    assert address_of(url, anywhere=True)[0].geturl() == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://127.0.0.1", "no proxy|a proxy"),
        ("127.0.0.1:8000", "http://HOST:PORT"),
        ("http://", "http://HOST:PORT"),
        ("http://u:secret@127.0.0.1", "http://HOST:PORT"),
        ("http://127.0.0.1?token=secret", "http://HOST:PORT"),
        ("http://127.0.0.1:port", "http://HOST:PORT"),
        ("http://no-such-host.invalid", "has no address"),
    ],
)
def test_what_is_no_address_of_a_service_is_refused_without_repeating_it(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        address_of(url, anywhere=False)
    assert "secret" not in str(raised.value)
