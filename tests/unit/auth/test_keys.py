"""Keys are bound to one algorithm, and a weak one cannot be made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from redline.auth import ALGORITHMS, Key, KeyRing, check_algorithms, secret_key
from redline.auth.jose import decode_base64url
from redline.errors import StartupError

if TYPE_CHECKING:
    from tests.unit.auth.conftest import Issuer

CANARY = "canary-canary-canary-canary-canar"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_verifies_its_own_algorithm_only(issuer: Issuer, algorithm: str) -> None:
    key = Key(issuer.public(algorithm))
    assert key.algorithms == {algorithm}
    head, _, signature = issuer.token(algorithm=algorithm).rpartition(".")
    raw = decode_base64url(signature.encode()) or b""
    assert key.verifies(algorithm, head.encode(), raw)
    assert not key.verifies(algorithm, head.encode() + b"x", raw)
    assert not key.verifies(algorithm, head.encode(), raw[:-1])
    for other in {*ALGORITHMS, "none", "HS512", "PS256", ""} - {algorithm}:
        assert not key.verifies(other, head.encode(), raw)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("signature", [b"", b"\x00", b"\x00" * 64, b"\xff" * 256, b"x" * 5_000])
def test_a_hostile_signature_is_a_no(issuer: Issuer, algorithm: str, signature: bytes) -> None:
    assert Key(issuer.public(algorithm)).verifies(algorithm, b"message", signature) is False


def test_a_fault_of_the_library_is_a_no(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Key(issuer.public("RS256"))

    def fault(*_: object) -> bool:
        raise OverflowError

    monkeypatch.setattr(type(key._algorithm), "verify", fault)  # noqa: SLF001 - there is no input left that makes it throw
    assert key.verifies("RS256", b"message", b"signature") is False


def test_no_repr_shows_a_secret() -> None:
    key = secret_key(CANARY, setting="S", kid="k")
    assert "canary" not in repr(key)
    assert "canary" not in repr(KeyRing((key,)))
    assert "kid='k'" in repr(key)


@pytest.mark.parametrize("secret", [CANARY[:32], CANARY[:32].encode(), "é" * 16, b"\x00" * 32, "\udcff" * 32])
def test_a_secret_of_32_bytes_is_enough(secret: str | bytes) -> None:
    assert secret_key(secret, setting="S").algorithms == {"HS256"}


@pytest.mark.parametrize("secret", ["", CANARY[:31], CANARY[:31].encode(), "é" * 15])
def test_a_short_secret_is_refused_without_repeating_it(secret: str | bytes) -> None:
    with pytest.raises(StartupError, match=r"^REDLINE_AUTH__SECRET: the secret has \d+ bytes, and takes at least 32; .*openssl") as refusal:
        secret_key(secret, setting="REDLINE_AUTH__SECRET")
    assert "canary" not in str(refusal.value)
    assert refusal.value.__context__ is None


def test_a_secret_that_is_no_text_is_refused_without_carrying_it_along() -> None:
    with pytest.raises(StartupError, match=r"^S: is not UTF-8 text$") as refusal:
        secret_key(CANARY + "\ud800", setting="S")
    assert refusal.value.__context__ is None


def test_a_public_keys_text_is_no_secret(issuer: Issuer) -> None:
    der = issuer.public("RS256").public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ssh = issuer.public("EdDSA").public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    for text in (issuer.pem("RS256"), issuer.pem("ES256").encode(), der, ssh):
        with pytest.raises(StartupError, match=r"^S: is the text of a key or certificate.*give it as a key file$"):
            secret_key(text, setting="S")


@pytest.mark.parametrize(
    ("material", "message"),
    [
        (rsa.generate_private_key(65537, 1024).public_key(), "1024 bits, and takes at least 2048"),
        (ec.generate_private_key(ec.SECP384R1()).public_key(), "verifies none of"),
        (ec.generate_private_key(ec.SECP256K1()).public_key(), "verifies none of"),
        (ed448.Ed448PrivateKey.generate().public_key(), "verifies none of"),
        (dsa.generate_private_key(1024).public_key(), "verifies none of"),
        (ec.generate_private_key(ec.SECP256R1()), "verifies none of"),
        ("a text", "verifies none of"),
        (None, "verifies none of"),
    ],
    ids=["RSA-1024", "P-384", "secp256k1", "Ed448", "DSA", "private", "text", "None"],
)
def test_other_material_makes_no_key(material: Any, message: str) -> None:  # noqa: ANN401 - that is the point
    with pytest.raises(ValueError, match=message):
        Key(material)


def test_candidates_follow_algorithm_and_kid(issuer: Issuer) -> None:
    old, new = (Key(issuer.public("RS256"), kid) for kid in ("old", "new"))
    other = Key(issuer.public("ES256"), "old")
    plain = Key(issuer.public("RS256"))
    ring = KeyRing((old, new, other, plain))
    assert ring.candidates("RS256", "old") == (old, plain)
    assert ring.candidates("RS256", "gone") == (plain,)
    assert ring.candidates("RS256", None) == (old, new, plain)
    assert ring.candidates("ES256", "old") == (other,)
    assert ring.candidates("ES256", "new") == ()
    assert ring.candidates("HS256", "old") == ()
    assert KeyRing(()).candidates("HS256", None) == ()


def test_the_allow_list_takes_what_is_known() -> None:
    assert check_algorithms(ALGORITHMS, setting="S") == set(ALGORITHMS)
    assert check_algorithms(["ES256"], setting="S") == {"ES256"}


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", "HS512", "PS256", "rs256", "ES256 ", "x" * 500])
def test_the_allow_list_takes_nothing_else(name: str) -> None:
    with pytest.raises(StartupError, match=r"^auth.algorithms: .* is not an algorithm .* takes some of HS256, RS256") as refusal:
        check_algorithms(["HS256", name], setting="auth.algorithms")
    assert len(str(refusal.value)) < 250


def test_an_empty_allow_list_is_refused() -> None:
    with pytest.raises(StartupError, match=r"^S: the list is empty"):
        check_algorithms((), setting="S")
