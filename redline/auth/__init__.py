"""Credentials: who asks, and what they may do (contract §3).

The law of this package: a credential goes in and a :class:`Principal` comes out, and no part of a credential comes out any other way.
"""

from redline.auth.claims import LAST_MOMENT, SERVICE
from redline.auth.key_files import LoadedKeys, load_key_file, parse_jwks, parse_pem
from redline.auth.keys import ALGORITHMS, Key, KeyRing, check_algorithms, secret_key
from redline.auth.minting import inspect_token, mint_token
from redline.auth.principal import ADMIN, EVENTS_PUBLISH, STREAM_READ, Principal
from redline.auth.tickets import Ticket, Tickets
from redline.auth.tokens import TokenRules, TokenVerifier, UnknownKey

__all__ = [
    "ADMIN",
    "ALGORITHMS",
    "EVENTS_PUBLISH",
    "LAST_MOMENT",
    "SERVICE",
    "STREAM_READ",
    "Key",
    "KeyRing",
    "LoadedKeys",
    "Principal",
    "Ticket",
    "Tickets",
    "TokenRules",
    "TokenVerifier",
    "UnknownKey",
    "check_algorithms",
    "inspect_token",
    "load_key_file",
    "mint_token",
    "parse_jwks",
    "parse_pem",
    "secret_key",
]
