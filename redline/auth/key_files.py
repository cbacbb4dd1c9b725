"""Where keys come from besides a secret: PEM files and JWKS documents.

The law of this module: it reads keys and makes none. A verifying server holds no private key: a text with one is refused. What cannot be
used stops the start with one line that names the setting, the file and the way out, and never repeats key material.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from redline.auth.jose import decode_base64url, decode_object
from redline.auth.keys import ALGORITHMS, SECRET_ALGORITHMS, Key
from redline.errors import StartupError

if TYPE_CHECKING:
    from pathlib import Path

    from redline.auth.keys import Material

DOCUMENT_BYTES = 1_048_576
"""The most bytes of a key file or JWKS document that are read."""

_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_COORDINATE_BYTES = 32
_SHOWN = 40
_PUBLISHED = "it is a secret that stands in a published document, and whoever reads it could sign; give it as auth.secret"


@dataclass(frozen=True, slots=True)
class LoadedKeys:
    """What a file or document held: its usable keys, and a line for each key that was passed over."""

    keys: tuple[Key, ...]
    notes: tuple[str, ...] = ()


def load_key_file(path: Path, *, setting: str) -> LoadedKeys:
    """Return the keys of a file: public keys in PEM, one or several, or a JWKS document.

    Raises :class:`~redline.errors.StartupError` naming ``setting`` and the file.
    """
    source = f"{setting}: {path}"
    try:
        with path.open("rb") as file:
            data = file.read(DOCUMENT_BYTES + 1)
    except OSError as error:
        msg = f"{source}: cannot be read: {error.strerror}"
        raise StartupError(msg) from None
    if data.lstrip().startswith(b"{"):
        return parse_jwks(data, source=source)
    return LoadedKeys(parse_pem(data, source=source))


def parse_pem(data: str | bytes, *, source: str) -> tuple[Key, ...]:
    """Return the public keys of a PEM text: RSA of 2048 bits and more, EC on P-256, Ed25519.

    ``source`` names the text in errors. Raises :class:`~redline.errors.StartupError` where it holds none, or anything else.
    """
    text = data if isinstance(data, str) else data.decode("ascii", "replace")
    keys = [_pem_key(block[0], block[1], source) for block in _PEM_BLOCK.finditer(text)]
    if not keys:
        msg = f"{source}: holds neither a public key in PEM (-----BEGIN PUBLIC KEY-----) nor a JWKS document"
        raise StartupError(msg)
    return tuple(keys)


def parse_jwks(document: str | bytes, *, source: str, published: bool = False) -> LoadedKeys:
    """Return the keys of a JWKS document (RFC 7517) that can verify signatures, and notes on those passed over.

    ``published`` says that others can read it, as at a URL: then a secret in it is none, and is passed over.

    Raises :class:`~redline.errors.StartupError`, naming ``source``, where it is no JWKS, holds no usable key, or a private one.
    """
    data = document.encode("utf-8", "replace") if isinstance(document, str) else document
    if len(data) > DOCUMENT_BYTES:
        msg = f"{source}: is larger than {DOCUMENT_BYTES} bytes; a JWKS document holds a few public keys"
        raise StartupError(msg)
    entries = (decode_object(data) or {}).get("keys")
    if not isinstance(entries, list):
        msg = f'{source}: is not a JWKS document, a JSON object with an array "keys" in which nothing is given twice'
        raise StartupError(msg)
    keys: list[Key] = []
    notes: list[str] = []
    for number, entry in enumerate(entries, 1):
        jwk = entry if isinstance(entry, dict) else {}
        name = f"{source}: key {number}" + (f" (kid {jwk['kid']!a:.{_SHOWN}})" if "kid" in jwk else "")
        if not _PRIVATE_MEMBERS.isdisjoint(jwk):
            msg = f"{name}: is a private key, which a verifying server must not hold; give its public members only, and think it leaked"
            raise StartupError(msg)
        try:
            if published and jwk.get("kty") == "oct":
                raise ValueError(_PUBLISHED)  # noqa: TRY301 - one more reason among those of the next line
            keys.append(_jwk_key(jwk))
        except (ValueError, UnsupportedAlgorithm) as error:
            notes.append(f"{name}: passed over: {error}")
    if not keys:
        why = f" ({notes[0].removeprefix(f'{source}: ')})" if notes else ""
        takes = ", ".join(name for name in ALGORITHMS if not published or name not in SECRET_ALGORITHMS)
        msg = f"{source}: holds no key that tokens can be verified with{why}; it takes keys for {takes}"
        raise StartupError(msg)
    return LoadedKeys(tuple(keys), tuple(notes))


def _pem_key(block: str, label: str, source: str) -> Key:
    if "PRIVATE KEY" in label:
        reason = "holds a private key, which a verifying server must not have; write its public half with: openssl pkey -in FILE -pubout"
    elif "CERTIFICATE" in label:
        reason = "holds a certificate; write its public key with: openssl x509 -in FILE -noout -pubkey"
    elif label not in {"PUBLIC KEY", "RSA PUBLIC KEY"}:
        reason = f"holds a PEM block {label[:_SHOWN]!r}; it takes PUBLIC KEY"
    else:
        try:
            material = load_pem_public_key(block.encode())
        except (ValueError, UnsupportedAlgorithm):
            reason = "a PEM block in it is damaged, or of a type that is not known; write it anew with: openssl pkey -in FILE -pubout"
        else:
            try:
                return Key(material)  # type: ignore[arg-type]  # Key itself refuses the types that it has no algorithm for
            except ValueError as error:
                reason = str(error)
    msg = f"{source}: {reason}"
    raise StartupError(msg)


def _jwk_key(jwk: dict[str, object]) -> Key:
    """Return the key that one JWK describes, or raise ``ValueError`` saying why it cannot verify tokens."""
    kid, operations = jwk.get("kid"), jwk.get("key_ops", ["verify"])
    if kid is not None and not isinstance(kid, str):
        msg = "its kid is not a string"
        raise ValueError(msg)
    if jwk.get("use", "sig") != "sig":
        msg = f"its use is {jwk['use']!a:.{_SHOWN}}, not 'sig'"
        raise ValueError(msg)
    if not isinstance(operations, list) or "verify" not in operations:
        msg = "its key_ops do not hold 'verify'"
        raise ValueError(msg)
    key = Key(_jwk_material(jwk), kid)
    if "alg" in jwk and jwk["alg"] not in tuple(key.algorithms):
        msg = f"its alg is {jwk['alg']!a:.{_SHOWN}}; a key of its type verifies {', '.join(key.algorithms)} here"
        raise ValueError(msg)
    return key


def _jwk_material(jwk: dict[str, object]) -> Material:
    """Return what the members of RFC 7518 §6 and RFC 8037 §2 describe."""
    match jwk.get("kty"), jwk.get("crv"):
        case "oct", _:
            return _member(jwk, "k")
        case "RSA", _:
            numbers = RSAPublicNumbers(int.from_bytes(_member(jwk, "e")), int.from_bytes(_member(jwk, "n")))
            return numbers.public_key()
        case "EC", "P-256":
            x, y = (_member(jwk, name, _COORDINATE_BYTES) for name in "xy")
            return EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), SECP256R1()).public_key()
        case "OKP", "Ed25519":
            return Ed25519PublicKey.from_public_bytes(_member(jwk, "x", _COORDINATE_BYTES))
    msg = "its kty and crv are not those of RSA, EC on P-256, OKP on Ed25519 or oct"
    raise ValueError(msg)


def _member(jwk: dict[str, object], name: str, length: int | None = None) -> bytes:
    text = jwk.get(name)
    value = decode_base64url(text.encode("utf-8", "replace")) if isinstance(text, str) else None
    if not value or (length is not None and len(value) != length):
        size = "" if length is None else f" of {length} bytes"
        msg = f"its member {name!r} is not base64url{size}"
        raise ValueError(msg)
    return value
