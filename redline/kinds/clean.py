"""What a validator returned, held to what it promised.

The law of this module: nothing that is not one clean JSON text gets past it, and what it says of the rest holds none of it: a payload is
the publisher's, and this is the plugin's fault.
"""

from __future__ import annotations

import orjson

_UNCLEAN = ((b"\r", "CR"), (b"\n", "LF"), (b"\0", "NUL"))


def clean_json(result: object, most: int) -> bytes:
    """Return ``result`` if it is what :meth:`EventKind.validate` promises, in at most ``most`` bytes.

    Raises ``ValueError`` saying what it is instead.
    """
    if type(result) is not bytes:
        msg = f"the validator returned {type(result).__name__}, and must return bytes"
        raise ValueError(msg)
    if len(result) > most:
        msg = f"the validator returned {len(result):,} bytes, and its policy allows {most:,}"
        raise ValueError(msg)
    if b"\n" in result or b"\r" in result or b"\0" in result:
        name = next(name for byte, name in _UNCLEAN if byte in result)
        msg = f"the validator returned JSON with a raw {name}, which would break the stream's frames"
        raise ValueError(msg)
    try:
        orjson.loads(result)
    except orjson.JSONDecodeError:
        msg = "the validator returned bytes that are not one UTF-8 JSON text"
        raise ValueError(msg) from None
    return result
