"""From the settings to what tokens are verified with.

The law of this module: every key is good enough, or the start stops and says which is not and why. Without a URL there is nothing to start,
to wait for or to load.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from redline.auth.key_files import load_key_file
from redline.auth.keys import KeyRing, secret_key
from redline.auth.tokens import TokenRules
from redline.errors import StartupError

if TYPE_CHECKING:
    from redline.auth.jwks import RemoteKeys
    from redline.auth.keys import Key
    from redline.auth.tokens import TokenVerifier
    from redline.clock import Clock
    from redline.metrics import Metrics
    from redline.settings import Settings

_logger = logging.getLogger(__name__)


def key_ring(settings: Settings) -> KeyRing:
    """Return every key that the settings name but for those at a URL, which are :func:`remote_keys`.

    Raises ``StartupError`` when there is none, nor a URL, or one that cannot be used.
    """
    auth = settings.auth
    keys: list[Key] = []
    if auth.secret is not None:
        keys.append(secret_key(auth.secret.get_secret_value(), setting="auth.secret (REDLINE_AUTH__SECRET)"))
    previous = "auth.previous_secrets (REDLINE_AUTH__PREVIOUS_SECRETS)"
    keys.extend(secret_key(secret.get_secret_value(), setting=previous) for secret in auth.previous_secrets)
    files = [(path, "auth.keys (REDLINE_AUTH__KEYS)") for path in auth.keys]
    if auth.jwks is not None and auth.jwks_url is None:
        files.append((Path(auth.jwks), "auth.jwks (REDLINE_AUTH__JWKS)"))
    for path, setting in files:
        loaded = load_key_file(path, setting=setting)
        keys.extend(loaded.keys)
        for note in loaded.notes:
            _logger.warning("%s", note)
    if not keys and auth.jwks_url is None:
        msg = (
            "no key to verify tokens with: set REDLINE_AUTH__SECRET to at least 32 bytes "
            "(python -c 'import secrets; print(secrets.token_urlsafe(48))'), "
            "REDLINE_AUTH__JWKS to a JWKS document's URL or file, or REDLINE_AUTH__KEYS to files of public keys; "
            "redline demo makes a key for itself"
        )
        raise StartupError(msg)
    return KeyRing(tuple(keys))


def token_rules(settings: Settings) -> TokenRules:
    """Return what tokens are held to."""
    auth = settings.auth
    return TokenRules(
        algorithms=tuple(auth.algorithms),
        issuer=auth.issuer,
        audience=auth.audience,
        org_claim=auth.org_claim,
        leeway=int(auth.leeway_seconds),
        cache_size=auth.cache,
    )


def remote_keys(settings: Settings, verifier: TokenVerifier, clock: Clock, metrics: Metrics) -> RemoteKeys | None:
    """Return what keeps the verifier's keys as a URL has them, not started; None where the settings name no URL."""
    auth = settings.auth
    if auth.jwks_url is None:
        return None
    from redline.auth.jwks import RemoteKeys  # noqa: PLC0415 - an HTTP client, which is heavy, and for nothing without a URL

    return RemoteKeys(auth.jwks_url, verifier, clock, metrics, period=auth.jwks_seconds)
