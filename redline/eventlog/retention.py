"""How much a log keeps, and for how long: one set of bounds for every log.

The law of this module: what an operator says under ``history`` and ``idempotency`` means the same whichever log is beneath.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept. ``seconds`` is the history's age; ``key_seconds`` the window of idempotency keys.

    ``bytes`` are an org's, ``total_bytes`` those of all together; ``keys`` is how many keys one org may have in use.
    """

    events: int = 1000
    seconds: float = 86_400.0
    bytes: int = 8 * 1024 * 1024
    total_bytes: int = 256 * 1024 * 1024
    orgs: int = 100_000
    key_seconds: float = 120.0
    keys: int = 10_000
