"""An issuer that signs whatever it is asked to, right or wrong, and a clock that stands still."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from redline.auth import Key, KeyRing, TokenRules, TokenVerifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redline.clock import Timer

NOW = 1_800_000_000.25


class ManualClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        """Start at NOW."""
        self.now = NOW

    def time(self) -> float:
        """Return the moment that was set."""
        return self.now

    def monotonic(self) -> float:
        """Return the same: here the two never part."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Nothing under test schedules."""
        raise NotImplementedError(when, callback)


def b64(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """One key of every algorithm, and tokens signed with them. Holds no state: safe to share among Hypothesis' examples."""

    def __init__(self) -> None:
        """Make the keys."""
        self.now = NOW
        self.private: dict[str, Any] = {
            "HS256": b"an HMAC secret of 32 bytes, here",
            "RS256": rsa.generate_private_key(65537, 2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }

    def public(self, algorithm: str) -> Any:  # noqa: ANN401 - one type for each algorithm
        """Return what a verifier holds."""
        key = self.private[algorithm]
        return key if isinstance(key, bytes) else key.public_key()

    def pem(self, algorithm: str) -> str:
        """Return the public key's PEM."""
        text: bytes = self.public(algorithm).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return text.decode()

    def jwk(self, algorithm: str, **members: object) -> dict[str, object]:
        """Return the public key's JWK, with ``members`` besides or instead."""
        jwk: dict[str, object] = dict(get_default_algorithms()[algorithm].to_jwk(self.public(algorithm), as_dict=True))
        return {"kid": f"kid-{algorithm}", **jwk, **members}

    def ring(self, *algorithms: str) -> KeyRing:
        """Return keys without ids; all by default."""
        return KeyRing(tuple(Key(self.public(name)) for name in algorithms or tuple(self.private)))

    def verifier(self, clock: ManualClock | None = None, ring: KeyRing | None = None, **rules: Any) -> TokenVerifier:  # noqa: ANN401
        """Return a verifier that trusts this issuer."""
        return TokenVerifier(ring or self.ring(), TokenRules(**rules), clock or ManualClock())

    def claims(self, **claims: object) -> dict[str, object]:
        """Return good claims, with ``claims`` besides or instead; those that are ``...`` are left out."""
        good = {"org": "acme", "scope": "stream:read events:publish", "exp": int(NOW) + 900}
        return {name: value for name, value in {**good, **claims}.items() if value is not ...}

    def forged(self, secret: bytes) -> str:
        """Return good claims signed HS256 with anything at all: PyJWT itself refuses to take a public key's text."""
        message = self.token().rpartition(".")[0]
        return f"{message}.{b64(hmac.digest(secret, message.encode(), 'sha256'))}"

    def with_signature(self, algorithm: str, change: Callable[[bytes], bytes]) -> str:
        """Return a good token whose signature was changed, and well encoded again."""
        message, _, signature = self.token(algorithm=algorithm).rpartition(".")
        return f"{message}.{b64(change(urlsafe_b64decode(signature + '=' * (-len(signature) % 4))))}"

    def token(
        self,
        claims: Mapping[str, object] | bytes | None = None,
        algorithm: str = "HS256",
        header: Mapping[str, object] | bytes | None = None,
        key: object = None,
    ) -> str:
        """Return a token whose signature is good. Bytes are taken as the JSON text itself, so that it can be wrong."""
        if not isinstance(claims, bytes):
            claims = json.dumps(self.claims() if claims is None else claims).encode()
        if not isinstance(header, bytes):
            header = json.dumps({"typ": "JWT", "alg": algorithm, **(header or {})}).encode()
        message = f"{b64(header)}.{b64(claims)}"
        signature = get_default_algorithms()[algorithm].sign(message.encode(), key or self.private[algorithm])
        return f"{message}.{b64(signature)}"


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands at NOW."""
    return ManualClock()


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Return the issuer of the whole run: making an RSA key takes a while."""
    return Issuer()
