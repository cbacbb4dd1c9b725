"""The keys that tokens are verified with, and which of them to try.

The law of this module: a key's own type says which algorithm it verifies, never a token. So the text of a public key cannot serve as an
HMAC secret, whatever a token's header claims. A key that exists is good enough; one that is not cannot be made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

from redline.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jwt.algorithms import Algorithm

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
"""Every algorithm there is here, and the allow-list's default. ``none`` is not one."""
SECRET_ALGORITHMS = frozenset({"HS256"})
"""Those of them whose key is a secret: it stands in no document that others read."""
SECRET_BYTES = 32
"""The fewest bytes of an HS256 secret (RFC 7518 §3.2: as many as the hash puts out)."""
RSA_BITS = 2048

Material: TypeAlias = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key to verify with.

    ``material`` is an HMAC secret (bytes) or a public key; ``kid`` is the id that a token's header may name it by. ``algorithms`` follows
    from the material's type. Raises ``ValueError`` saying why a material is not good enough.
    """

    material: Material = field(repr=False)
    kid: str | None = None
    algorithms: frozenset[str] = field(init=False)
    _algorithm: Algorithm = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Bind the key to its one algorithm."""
        name = _algorithm_of(self.material)
        object.__setattr__(self, "algorithms", frozenset({name}))
        object.__setattr__(self, "_algorithm", get_default_algorithms()[name])

    def verifies(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` is this key's, under ``algorithm``, of ``message``. Never raises."""
        if algorithm not in self.algorithms:
            return False
        try:
            return self._algorithm.verify(message, self.material, signature)
        except Exception:  # noqa: BLE001 - whatever a library throws at a hostile signature, it did not say yes
            return False


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys in use, several at once for rotation."""

    keys: tuple[Key, ...]

    def candidates(self, algorithm: str, kid: str | None) -> tuple[Key, ...]:
        """Return the keys to try for a token that names ``algorithm`` and perhaps ``kid``.

        A key without an id of its own (a secret, a PEM file) is tried for every token of its algorithm; a token that names no key is tried
        with every key of its algorithm.
        """
        return tuple(key for key in self.keys if algorithm in key.algorithms and (kid is None or key.kid is None or key.kid == kid))


def check_algorithms(names: Iterable[str], *, setting: str) -> frozenset[str]:
    """Return the allow-list; raise :class:`~redline.errors.StartupError` where it is empty or names what is not in :data:`ALGORITHMS`."""
    listed = tuple(names)
    for name in listed:
        if name not in ALGORITHMS:
            msg = f"{setting}: {name!a:.60} is not an algorithm that tokens are verified with; it takes some of {', '.join(ALGORITHMS)}"
            raise StartupError(msg)
    if not listed:
        msg = f"{setting}: the list is empty, and no token could be verified; it takes some of {', '.join(ALGORITHMS)}"
        raise StartupError(msg)
    return frozenset(listed)


def secret_key(secret: str | bytes, *, setting: str, kid: str | None = None) -> Key:
    """Return the HS256 key that ``secret`` is. ``setting`` names where it comes from.

    Raises :class:`~redline.errors.StartupError` where it is too short, or is a public key's text and so no secret at all.
    """
    try:
        # An environment variable that is not UTF-8 comes with its bytes escaped; they are what the issuer signs with.
        return Key(secret.encode("utf-8", "surrogateescape") if isinstance(secret, str) else secret, kid)
    except UnicodeEncodeError:
        reason = "is not UTF-8 text"
    except ValueError as error:
        reason = str(error)
    # Raised out here because the first of those two carries the secret, and a context is kept even where it is not shown.
    msg = f"{setting}: {reason}"
    raise StartupError(msg)


def _algorithm_of(material: object) -> str:
    """Return the one algorithm of a material, or raise ``ValueError`` saying why it has none. The message fits after "NAME: "."""
    match material:
        case bytes():
            return _secret_algorithm(material)
        case RSAPublicKey():
            if material.key_size < RSA_BITS:
                msg = f"the RSA key has {material.key_size} bits, and takes at least {RSA_BITS}; make a longer one"
                raise ValueError(msg)
            return "RS256"
        case EllipticCurvePublicKey() if isinstance(material.curve, SECP256R1):
            return "ES256"
        case Ed25519PublicKey():
            return "EdDSA"
    msg = "a key of this type verifies none of " + ", ".join(ALGORITHMS) + "; it takes RSA, EC on P-256, Ed25519 or a secret"
    raise ValueError(msg)


def _secret_algorithm(secret: bytes) -> str:
    if len(secret) < SECRET_BYTES:
        msg = f"the secret has {len(secret)} bytes, and takes at least {SECRET_BYTES}; make one with: openssl rand -hex 32"
        raise ValueError(msg)
    try:
        get_default_algorithms()["HS256"].prepare_key(secret)
    except InvalidKeyError:
        msg = "is the text of a key or certificate, which is no secret: anyone who has the public key could sign; give it as a key file"
        raise ValueError(msg) from None
    return "HS256"
