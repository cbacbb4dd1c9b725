"""Who we are to NATS: what a file of credentials and TLS files say.

The law of this module: files are read when a connection is made, so that what was renewed on disk counts from the next one on; what goes
wrong names the option and the file, and never what stands in it.

A creds file (docs.nats.io, "Credential Files") holds a JWT and the seed of an Ed25519 key in base32 (ADR-14); with the seed the server's
nonce is signed. nats-py could read it, for the price of one more dependency that does what ``cryptography`` does already.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from pathlib import Path

    from redline.eventlog.jetstream.options import JetStreamOptions

_BLOCK: Final = r"-+BEGIN {name}-+\s+(\S+)\s+-+END {name}-+"
_JWT: Final = re.compile(_BLOCK.format(name="NATS USER JWT"))
_SEED: Final = re.compile(_BLOCK.format(name="USER NKEY SEED"))
_SEED_BYTES: Final = 36  # two of prefix, the seed, two of checksum
_LONGEST: Final = 1 << 16


class CredentialsError(Exception):
    """A file cannot be used; the message says which and why, without a word of what stands in it."""


class Credentials(NamedTuple):
    """A user's JWT, and the key that proves it is ours."""

    jwt: str
    key: Ed25519PrivateKey

    def sign(self, nonce: str) -> bytes:
        """Return the signature of the server's nonce, as CONNECT carries it."""
        return base64.b64encode(self.key.sign(nonce.encode()))


def read_credentials(path: Path) -> Credentials:
    """Read a creds file. Raises :class:`CredentialsError`."""
    try:
        with path.open(encoding="ascii") as file:
            text = file.read(_LONGEST)
    except OSError as error:
        msg = f"its option creds names {path}, which cannot be read: {error.strerror}"
        raise CredentialsError(msg) from None
    except UnicodeDecodeError:
        text = ""
    jwt, seed = _JWT.search(text), _SEED.search(text)
    key = _key(seed[1]) if seed else None
    if jwt is None or key is None:
        msg = f"its option creds names {path}, which is no file of NATS credentials: it takes what nsc generate creds writes"
        raise CredentialsError(msg)
    return Credentials(jwt[1], key)


def _key(seed: str) -> Ed25519PrivateKey | None:
    """Return the private key of a seed; None for what is none."""
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except binascii.Error:
        return None
    if len(raw) != _SEED_BYTES or binascii.crc_hqx(raw[:-2], 0).to_bytes(2, "little") != raw[-2:]:
        return None
    return Ed25519PrivateKey.from_private_bytes(raw[2:-2])


def tls_context(options: JetStreamOptions) -> ssl.SSLContext:
    """Return what TLS is spoken with. Raises :class:`CredentialsError`."""
    try:
        context = ssl.create_default_context(cafile=options.tls_ca)
    except (OSError, ssl.SSLError) as error:
        msg = f"its option tls_ca names {options.tls_ca}, which cannot be used: {_why(error)}"
        raise CredentialsError(msg) from None
    if options.tls_cert is not None and options.tls_key is not None:
        try:
            context.load_cert_chain(options.tls_cert, options.tls_key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            msg = f"its options tls_cert and tls_key name {options.tls_cert} and {options.tls_key}, which cannot be used: {_why(error)}"
            raise CredentialsError(msg) from None
    return context


def _no_password() -> str:
    """Refuse an encrypted key: OpenSSL would ask the terminal."""
    msg = "the key is encrypted; give one that is not, readable by this user alone"
    raise ValueError(msg)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
