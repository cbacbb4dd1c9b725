"""What in a text is a credential.

The law of this module: it knows texts and nothing of logging; where it is in doubt it takes away too much, and none of its patterns can
backtrack far.

Known ways in: Sanic logs whole URLs, raw heads as ``b'…'`` and tracebacks; clients spell ``%74oken=``; messages are cut in a token.
"""

from __future__ import annotations

import re

_NEEDLES = ("?", "@", "%", "eyj", "token", "ticket", "secret", "password", "bearer", "authorization", "cookie")
"""Without one of these in its lower case, a text has nothing for any of the rules below: the way of the ordinary record."""


def _spelled(word: str) -> str:
    """Return a pattern for ``word`` with any of its letters percent-encoded, as a query may spell it."""
    return "".join(f"(?:{letter}|%{ord(letter):02x}|%{ord(letter.upper()):02x})" for letter in word)


_NAME = f"(?:{'|'.join(_spelled(word) for word in ('token', 'ticket', 'secret', 'password'))})"
_QUOTE = r"""\\{0,4}["']"""
_TO = rf"(?:{_QUOTE}\s{{0,4}}[:=,]|\s{{0,4}}(?:[:=]|%3[ad]))"
"""What stands between a name and its value, in JSON, in Python's repr of dicts and pairs, in forms."""
_CLOSED = r"""[)\]}>,.:;!]*(?:\s|$)"""
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, flags, replacement in (
        # Who logs in to NATS: before each host of a list, and what is wrongly spelled (a password with ? / # or a space in it) as well. So
        # all up to the line's last @, which may cost a host's name.
        (r"(nats://)[^\r\n]{1,2000}@", re.IGNORECASE, r"\1[redacted]@"),
        # A query string, as a whole; a quote ends it only where it closes something. A question mark that ends a sentence stays.
        (rf"""\?(?!["']?{_CLOSED})(?:[^\s"']+|["'](?!{_CLOSED}))+""", 0, "?[redacted]"),
        # A header: its quoted value, or the rest of its line (a line may also end in a spelled-out \r or \n).
        (
            rf"""((?:authorization|cookie){_TO})\s{{0,4}}(?:b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)*'|(?:(?!\\[rn])[^\r\n])*)""",
            re.IGNORECASE,
            r"\1 [redacted]",
        ),
        (r"""(bearer)(?:\s|%20|\+){1,8}[^\s"'&,;)]+""", re.IGNORECASE, r"\1 [redacted]"),
        # A name and its value: a list, a quoted string (cut or not), a bare word.
        (rf"({_NAME}{_TO}\s{{0,4}})\[[^\]]*\]?", re.IGNORECASE, r"\1[redacted]"),
        (rf"({_NAME}{_TO}\s{{0,4}}b?({_QUOTE}))(?:(?!\2)(?:\\.|.))*", re.IGNORECASE | re.DOTALL, r"\1[redacted]"),
        (rf"""({_NAME}(?:{_QUOTE})?\s{{0,4}}(?:=|%3d)\s{{0,4}})(?!{_QUOTE})[^\s&"')]+""", re.IGNORECASE, r"\1[redacted]"),
        # A JWT or the beginning of one, wherever it stands: what begins a JSON object begins so in base64.
        (r"eyJ[A-Za-z0-9_-]{4,}(?:(?:\.|%2[eE])[A-Za-z0-9_-]*)*", 0, "[redacted]"),
        # Who logs in to a URL's host.
        (r"""(://)[^\s/?#@"']+@""", 0, r"\1[redacted]@"),
    )
)


def redact(text: str) -> str:
    """Return ``text`` without credentials."""
    lower = text.lower()
    if any(needle in lower for needle in _NEEDLES):
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
    return text
