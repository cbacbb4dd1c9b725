"""What nats:// takes, and that nothing of a wrong one is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from redline.eventlog.jetstream.options import JetStreamOptions, parse_options


def test_a_server_and_nothing_else() -> None:
    assert parse_options("nats://localhost") == JetStreamOptions(("localhost:4222",))


def test_several_servers_share_what_stands_before_the_first() -> None:
    options = parse_options("nats://me:p%40ss%2Fword@one:4222,two:4333,[::1]:4444/")
    assert options.servers == ("one:4222", "two:4333", "[::1]:4444")
    assert (options.user, options.password) == ("me", "p@ss/word")


def test_a_server_named_twice_is_one() -> None:
    assert parse_options("nats://me@one,me@two,me@one:4222").servers == ("one:4222", "two:4222")


def test_a_user_without_a_password_is_a_token() -> None:
    options = parse_options("nats://s3cr3t@one")
    assert (options.user, options.password) == ("s3cr3t", None)


def test_all_options() -> None:
    options = parse_options(
        "nats://one?stream=A-1_b&replicas=3&storage=memory&timeout=2.5&pending=10&pending_bytes=2000"
        "&tls=true&creds=/c&tls_ca=/ca&tls_cert=/cert&tls_key=/key"
    )
    assert options == JetStreamOptions(
        ("one:4222",),
        stream="A-1_b",
        replicas=3,
        storage="memory",
        timeout=2.5,
        pending=10,
        pending_bytes=2000,
        tls=True,
        creds=Path("/c"),
        tls_ca=Path("/ca"),
        tls_cert=Path("/cert"),
        tls_key=Path("/key"),
    )


def test_an_authority_of_ones_own_demands_tls() -> None:
    assert parse_options("nats://one?tls_ca=/ca").tls
    assert not parse_options("nats://one?creds=/c").tls


def test_credentials_are_no_part_of_the_repr() -> None:
    shown = repr(parse_options("nats://canary-user:canary-word@one"))
    assert "canary" not in shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nats://", "it takes nats://HOST"),
        ("nats:/one", "it takes nats://HOST"),
        ("nats://one/path", "it takes nats://HOST"),
        ("nats://one#x", "it takes nats://HOST"),
        ("nats://one:0", "it takes nats://HOST"),
        ("nats://one:65536", "it takes nats://HOST"),
        ("nats://one,,two", "it takes nats://HOST"),
        ("nats://canary:pass@word@one two", "percent-encode"),
        ("nats://canary:a/b@one", "percent-encoded"),
        ("nats://canary:1?x@one", "its options are"),
        ("nats://one?canary&x@two", "^its options are"),
        ("nats://one?canary%3D1", "^its options are"),
        ("nats://canary:a@one,canary:b@two", "several users"),
        ("nats://:canary@one", "USER:PASSWORD@"),
        ("nats://canary:@one", "USER:PASSWORD@"),
        ("nats://canary@one?creds=/c", "keep one"),
        ("nats://one?tls_cert=/c", "go together"),
        ("nats://one?replica=canary", r"^it has no option 'replica' \(did you mean replicas\?\); its options are"),
        ("nats://one?colour=canary", "^it has no option 'colour'; its options are"),
        ("nats://one?replicas=3&replicas=3", "given twice"),
        ("nats://one?replicas=2", "1, 3, 5"),
        ("nats://one?storage=disk", "file, memory"),
        ("nats://one?stream=a.b", "1 to 32 letters"),
        ("nats://one?stream=", "1 to 32 letters"),
        ("nats://one?stream=%3E", "1 to 32 letters"),
        ("nats://one?timeout=0", "more than 0"),
        ("nats://one?timeout=301", "up to 300"),
        ("nats://one?timeout=nan", "takes seconds"),
        ("nats://one?pending=0", "whole number"),
        ("nats://one?pending_bytes=-1", "whole number"),
        ("nats://one?creds=", "path of a file"),
        ("nats://one?tls=yes", "true, false"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_options(url)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)
