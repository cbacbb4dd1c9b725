"""PEM files and JWKS documents: what is read, what is passed over, what stops the start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from redline.auth import KeyRing, load_key_file, parse_jwks, parse_pem
from redline.auth.key_files import DOCUMENT_BYTES
from redline.errors import StartupError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.auth.conftest import Issuer

SOURCE = "REDLINE_AUTH__JWKS: keys.json"
PUBLIC = ["RS256", "ES256", "EdDSA"]


def jwks(*keys: object) -> str:
    return json.dumps({"keys": keys})


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_a_public_pem_is_one_key_without_an_id(issuer: Issuer, algorithm: str) -> None:
    (key,) = parse_pem(issuer.pem(algorithm), source=SOURCE)
    assert key.algorithms == {algorithm}
    assert key.kid is None
    verifier = issuer.verifier(ring=KeyRing((key,)))
    assert verifier.verify(issuer.token(algorithm=algorithm)).org == "acme"


def test_a_pem_of_the_older_rsa_kind_is_read(issuer: Issuer) -> None:
    text = issuer.public("RS256").public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    assert parse_pem(text, source=SOURCE)[0].algorithms == {"RS256"}


def test_one_pem_file_can_hold_several_for_rotation(issuer: Issuer) -> None:
    text = "the old one\n" + issuer.pem("RS256") + "\nthe new one\r\n" + issuer.pem("ES256").replace("\n", "\r\n")
    assert [set(key.algorithms) for key in parse_pem(text, source=SOURCE)] == [{"RS256"}, {"ES256"}]


@pytest.mark.parametrize("algorithm", PUBLIC)
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_private_pem_is_refused_with_the_way_out(issuer: Issuer, algorithm: str, encrypted: bool) -> None:  # noqa: FBT001
    protection = BestAvailableEncryption(b"password") if encrypted else NoEncryption()
    text = issuer.private[algorithm].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode()
    with pytest.raises(StartupError, match=r"keys.json: holds a private key.*openssl pkey -in FILE -pubout") as refusal:
        parse_pem(issuer.pem(algorithm) + text, source=SOURCE)
    assert not any(line in str(refusal.value) for line in text.splitlines())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds neither a public key in PEM .* nor a JWKS document"),
        ("ssh-ed25519 AAAA", "holds neither"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA", "holds neither"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "a PEM block in it is damaged"),
        ("-----BEGIN PUBLIC KEY-----\n\x00é\n-----END PUBLIC KEY-----", "a PEM block in it is damaged"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "holds a certificate; .*openssl x509"),
        ("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", "holds a PEM block 'X509 CRL'"),
    ],
)
def test_what_is_no_public_pem_stops_the_start_in_one_line(text: str, message: str) -> None:
    with pytest.raises(StartupError, match=message) as refusal:
        parse_pem(text.encode(), source=SOURCE)
    assert str(refusal.value).startswith(SOURCE)
    assert "\n" not in str(refusal.value)


def test_a_pem_that_is_too_weak_or_of_another_type_says_so() -> None:
    for private, message in (
        (rsa.generate_private_key(65537, 1024), "1024 bits, and takes at least 2048"),
        (ec.generate_private_key(ec.SECP384R1()), "takes RSA, EC on P-256, Ed25519"),
    ):
        text = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(StartupError, match=rf"^{SOURCE}: .*{message}"):
            parse_pem(text, source=SOURCE)


@pytest.mark.parametrize("algorithm", [*PUBLIC, "HS256"])
@pytest.mark.parametrize("members", [{}, {"use": "sig"}, {"key_ops": ["verify"]}, {"alg": ...}, {"kid": None}, {"x5t": "ignored"}])
def test_a_jwk_is_read(issuer: Issuer, algorithm: str, members: dict[str, object]) -> None:
    given = {name: algorithm if value is ... else value for name, value in members.items()}
    jwk = {"key_ops": ["verify"], **issuer.jwk(algorithm, **given)}
    loaded = parse_jwks(jwks(jwk), source=SOURCE)
    assert loaded.notes == ()
    assert [(set(key.algorithms), key.kid) for key in loaded.keys] == [({algorithm}, jwk["kid"])]
    token = issuer.token(algorithm=algorithm, header={"kid": f"kid-{algorithm}"})
    assert issuer.verifier(ring=KeyRing(loaded.keys)).verify(token).org == "acme"


@pytest.mark.parametrize(
    ("algorithm", "members", "note"),
    [
        ("RS256", {"use": "enc"}, "its use is 'enc', not 'sig'"),
        ("RS256", {"use": 1}, "its use is 1"),
        ("RS256", {"use": None}, "its use is None"),
        ("RS256", {"key_ops": ["sign"]}, "its key_ops do not hold 'verify'"),
        ("RS256", {"key_ops": "verify"}, "its key_ops do not hold 'verify'"),
        ("RS256", {"alg": "RS512"}, "its alg is 'RS512'; a key of its type verifies RS256 here"),
        ("RS256", {"alg": "HS256"}, "its alg is 'HS256'"),
        ("RS256", {"alg": ["RS256"]}, "its alg is ['RS256']"),
        ("RS256", {"alg": None}, "its alg is None"),
        ("RS256", {"kid": 7}, "its kid is not a string"),
        ("RS256", {"kty": "rsa"}, "its kty and crv are not those of"),
        ("RS256", {"kty": ["RSA"]}, "its kty and crv are not those of"),
        ("RS256", {"kty": None}, "its kty and crv are not those of"),
        ("RS256", {"n": "AQAB"}, ""),
        ("RS256", {"n": None}, "its member 'n' is not base64url"),
        ("RS256", {"n": "not base64"}, "its member 'n' is not base64url"),
        ("RS256", {"e": ""}, "its member 'e' is not base64url"),
        ("RS256", {"e": "AQ"}, ""),
        ("ES256", {"crv": "P-384"}, "its kty and crv are not those of"),
        ("ES256", {"x": "AQAB"}, "its member 'x' is not base64url of 32 bytes"),
        ("ES256", {"y": "A" * 43}, ""),
        ("EdDSA", {"crv": "X25519"}, "its kty and crv are not those of"),
        ("EdDSA", {"x": 5}, "its member 'x' is not base64url of 32 bytes"),
        ("HS256", {"k": "c2hvcnQ", "key_ops": ["verify"]}, "the secret has 5 bytes, and takes at least 32"),
        ("HS256", {"key_ops": ["sign"]}, "its key_ops do not hold 'verify'"),
    ],
)
def test_an_unusable_jwk_is_passed_over_with_a_note(issuer: Issuer, algorithm: str, members: dict[str, object], note: str) -> None:
    loaded = parse_jwks(jwks(issuer.jwk("ES256", kid="good"), issuer.jwk(algorithm, **members)), source=SOURCE)
    assert [key.kid for key in loaded.keys] == ["good"]
    (line,) = loaded.notes
    assert line.startswith(f"{SOURCE}: key 2 (kid ")
    assert f": passed over: {note}" in line
    assert "\n" not in line


@pytest.mark.parametrize("entry", [None, 7, "key", [], {}])
def test_an_entry_that_is_no_jwk_is_passed_over(issuer: Issuer, entry: object) -> None:
    loaded = parse_jwks(jwks(entry, issuer.jwk("EdDSA")), source=SOURCE)
    assert len(loaded.keys) == 1
    assert loaded.notes[0].startswith(f"{SOURCE}: key 1: passed over: ")


@pytest.mark.parametrize("member", ["d", "p", "dq", "oth"])
def test_a_private_jwk_refuses_the_document(issuer: Issuer, member: str) -> None:
    document = jwks(issuer.jwk("ES256"), issuer.jwk("RS256", **{member: "Y2FuYXJ5"}))
    with pytest.raises(StartupError, match=r"key 2 \(kid 'kid-RS256'\): is a private key") as refusal:
        parse_jwks(document, source=SOURCE)
    assert "Y2FuYXJ5" not in str(refusal.value)


@pytest.mark.parametrize(
    "document",
    ["", "{}", "[]", "null", "not json", '{"keys": {}}', '{"keys": null}', '{"keys": [], "keys": []}', "[" * 100_000, b"\xff", "\ud800"],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_jwks_stops_the_start(document: str | bytes) -> None:
    with pytest.raises(StartupError, match=rf"^{SOURCE}: is not a JWKS document"):
        parse_jwks(document, source=SOURCE)


def test_a_jwks_without_a_usable_key_stops_the_start_and_says_why(issuer: Issuer) -> None:
    with pytest.raises(StartupError, match=rf"^{SOURCE}: holds no key that tokens can be verified with; it takes keys for HS256"):
        parse_jwks(jwks(), source=SOURCE)
    with pytest.raises(StartupError, match=r"verified with \(key 1 \(kid 'kid-RS256'\): passed over: its use is 'enc', not 'sig'\)"):
        parse_jwks(jwks(issuer.jwk("RS256", use="enc")), source=SOURCE)


def test_a_secret_in_a_published_document_is_none(issuer: Issuer) -> None:
    secret = {"kty": "oct", "kid": "shared", "k": "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmFyeQ"}
    assert [key.kid for key in parse_jwks(jwks(secret, issuer.jwk("ES256")), source=SOURCE).keys] == ["shared", "kid-ES256"]
    loaded = parse_jwks(jwks(secret, issuer.jwk("ES256")), source=SOURCE, published=True)
    assert [key.kid for key in loaded.keys] == ["kid-ES256"]
    assert "whoever reads it could sign" in loaded.notes[0]
    with pytest.raises(StartupError, match=r"whoever reads it could sign.*; it takes keys for RS256, ES256, EdDSA$") as refusal:
        parse_jwks(jwks(secret), source=SOURCE, published=True)
    assert "Y2Fu" not in str(refusal.value)


def test_a_short_secret_in_a_jwks_is_not_repeated() -> None:
    with pytest.raises(StartupError, match="the secret has 5 bytes") as refusal:
        parse_jwks(jwks({"kty": "oct", "k": "c2hvcnQ"}), source=SOURCE)
    assert "c2hvcnQ" not in str(refusal.value)
    assert "short" not in str(refusal.value)


def test_files_are_read_by_what_they_hold(issuer: Issuer, tmp_path: Path) -> None:
    pem, document = tmp_path / "issuer.pem", tmp_path / "keys"
    pem.write_text(issuer.pem("RS256"))
    document.write_text("\n " + jwks(issuer.jwk("ES256"), issuer.jwk("RS256", use="enc")))
    assert [set(key.algorithms) for key in load_key_file(pem, setting="S").keys] == [{"RS256"}]
    loaded = load_key_file(document, setting="S")
    assert [key.kid for key in loaded.keys] == ["kid-ES256"]
    assert loaded.notes[0].startswith(f"S: {document}: key 2")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"^S: .*missing\.pem: cannot be read: No such file"):
        load_key_file(tmp_path / "missing.pem", setting="S")
    with pytest.raises(StartupError, match=r"^S: .*: cannot be read: "):
        load_key_file(tmp_path, setting="S")
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(StartupError, match=r"^S: .*empty: holds neither"):
        load_key_file(empty, setting="S")


def test_a_document_has_a_bound(issuer: Issuer, tmp_path: Path) -> None:
    good = jwks(issuer.jwk("ES256"))
    file = tmp_path / "keys.json"
    file.write_text(good + " " * (DOCUMENT_BYTES - len(good)))
    assert len(load_key_file(file, setting="S").keys) == 1
    file.write_text(good + " " * (DOCUMENT_BYTES - len(good) + 1))
    with pytest.raises(StartupError, match=f"larger than {DOCUMENT_BYTES} bytes"):
        load_key_file(file, setting="S")
