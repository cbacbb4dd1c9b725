"""Who may log in to a test's NATS: certificates, and the chain of JWTs that a creds file is the end of."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_RAW = serialization.Encoding.Raw
_OPERATOR, _ACCOUNT, _USER, _SEED = 14 << 3, 0, 20 << 3, 18 << 3
"""The prefixes of NATS's keys (ADR-14): their texts begin with O, A, U and S."""


def _text(*parts: bytes) -> str:
    raw = b"".join(parts)
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


class Nkey:
    """A key of NATS's."""

    def __init__(self, prefix: int) -> None:
        self._prefix = prefix
        self._key = Ed25519PrivateKey.generate()
        self.public = _text(bytes([prefix]), self._key.public_key().public_bytes(_RAW, serialization.PublicFormat.Raw))

    @property
    def seed(self) -> str:
        private = self._key.private_bytes(_RAW, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        return _text(bytes([_SEED | self._prefix >> 5, (self._prefix & 31) << 3]), private)

    def issue(self, subject: str, nats: dict[str, object]) -> str:
        """Return a JWT of this key's about ``subject``."""
        claims: dict[str, object] = {
            "iat": 1_700_000_000,
            "iss": self.public,
            "name": "test",
            "sub": subject,
            "nats": nats | {"version": 2},
        }
        claims["jti"] = base64.b32encode(hashlib.sha256(json.dumps(claims).encode()).digest()).decode().rstrip("=")
        parts = [_url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)]
        return ".".join([*parts, _url(self._key.sign(".".join(parts).encode()))])


def _url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(frozen=True)
class Operated:
    """What a server needs to know an operator, an account with JetStream and its users; and a user's file of credentials."""

    config: list[str]
    creds: str


def operated() -> Operated:
    """Make an operator, an account and a user."""
    operator, system, account, user = Nkey(_OPERATOR), Nkey(_ACCOUNT), Nkey(_ACCOUNT), Nkey(_USER)
    unlimited = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
    stores = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    system_jwt = operator.issue(system.public, {"type": "account", "limits": unlimited})
    account_jwt = operator.issue(account.public, {"type": "account", "limits": unlimited | stores})
    user_jwt = account.issue(user.public, {"type": "user", "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}})
    config = [
        f"operator: {operator.issue(operator.public, {'type': 'operator'})}",
        "resolver: MEMORY",
        f"resolver_preload: {{ {system.public}: {system_jwt}, {account.public}: {account_jwt} }}",
        f"system_account: {system.public}",
    ]
    creds = (
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        f"************************* IMPORTANT *************************\nkeep it\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    return Operated(config, creds)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """A certificate authority in a folder, and what it signs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.ca = self._write("ca.pem", self._signed(self._name, self._key.public_key(), ca=True))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return the certificate and the key of somebody at 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._write(f"{name}.pem", self._signed(subject, key.public_key(), ca=False)), self._write(f"{name}.key", private)

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            # Python 3.13 takes no authority that does not say that it signs (RFC 5280 §4.2.1.3).
            .add_extension(_usage(ca=ca), critical=True)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _write(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(content)
        return path
