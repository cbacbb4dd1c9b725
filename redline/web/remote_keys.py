"""From the settings to the keys at a URL.

The law of this module: without a URL there is nothing to start, to wait for or to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redline.auth.jwks import RemoteKeys
    from redline.auth.tokens import TokenVerifier
    from redline.clock import Clock
    from redline.metrics import Metrics
    from redline.settings import Settings


def remote_keys(settings: Settings, verifier: TokenVerifier, clock: Clock, metrics: Metrics) -> RemoteKeys | None:
    """Return what keeps the verifier's keys as a URL has them, not started; None where the settings name no URL."""
    auth = settings.auth
    if auth.jwks_url is None:
        return None
    from redline.auth.jwks import RemoteKeys  # noqa: PLC0415 - an HTTP client, which is heavy, and for nothing without a URL

    return RemoteKeys(auth.jwks_url, verifier, clock, metrics, period=auth.jwks_seconds)
