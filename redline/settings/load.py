"""How settings are read: flags over environment over TOML file over defaults.

The law of this module: a wrong setting stops the start with one line for each fault, all at once, that names the setting as file and
environment spell it, where its value came from, what it got and what it takes; never a secret, and never the value of a name that is not
known (a misspelt secret is one). An empty string counts as not set, wherever it stands.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource

from redline.errors import StartupError
from redline.logs import redact
from redline.settings.model import Settings, leaves, takes

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

PREFIX = "REDLINE_"
CLIENT_VARIABLES = frozenset({"REDLINE_TOKEN", "REDLINE_URL"})
"""What the client commands read, and whoever develops with a service has most likely set: no settings, and no mistakes."""
_LONGEST = 100
_LINK = re.compile(r"(?:tcp|udp|sctp)://")
_LINKS = re.compile(r"REDLINE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)")
"""What a container platform sets in every pod for a Service whose name begins with ``redline``; besides ``…_PORT=tcp://…``."""

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    value: object
    origin: str


def load_settings(
    config: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] = MappingProxyType({}),
) -> Settings:
    """Read the settings; ``settings_warnings`` of the result holds what was odd.

    ``config`` is a TOML file, ``environ`` usually ``os.environ``, ``overrides`` what flags said, nested as the file is (None: not said).
    Raises :class:`StartupError`.
    """
    fields = leaves()
    faults: list[str] = []
    warnings: list[str] = []
    given: dict[_Path, _Given] = {}
    if config is not None:
        given |= _flat(_toml(config, faults), f"from {config}", fields, faults)
    known = _known(environ, {_variable(path) for path in fields}, warnings)
    given |= _flat(_Environment(known)(), "from the environment", fields, faults)
    given |= _flat(overrides, "from the command line", fields, faults)
    nested: dict[str, Any] = {}
    for path, one in given.items():
        table = nested if len(path) == 1 else nested.setdefault(path[0], {})
        table[path[-1]] = one.value
    try:
        settings = Settings(**nested)
    except ValidationError as error:
        rows = error.errors(include_url=False, include_input=False)
        faults += [_fault(row, fields, given) for row in rows if not _repeats(row, rows)]
    if faults:
        # Without its cause: that one holds the values.
        raise StartupError("\n".join(faults)) from None
    settings._warnings = tuple(warnings)  # noqa: SLF001 - the two modules are one
    return settings


class _Environment(EnvSettingsSource):
    """The environment as a parameter, and lists that may be JSON or separated by commas."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(Settings, case_sensitive=False, env_prefix=PREFIX, env_nested_delimiter="__")
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 - pydantic-settings' signature
        del field_name, field
        if not value.lstrip().startswith("["):
            return [part for part in (part.strip() for part in value.split(",")) if part]
        try:
            return json.loads(value)
        except ValueError:
            return value  # which is no list: told of like any other fault


def _toml(config: Path, faults: list[str]) -> Mapping[str, object]:
    try:
        return tomllib.loads(config.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        faults.append(f"{config}: the settings file cannot be read ({error.strerror}); name one that is there and readable")
    except UnicodeDecodeError:
        faults.append(f"{config}: the settings file is not UTF-8; it takes TOML")
    except tomllib.TOMLDecodeError as error:
        faults.append(f"{config}: the settings file is not TOML: {error}")
    return {}


def _known(environ: Mapping[str, str], names: set[str], warnings: list[str]) -> dict[str, str]:
    """Return the variables that are settings; warn of the others that look as if they were meant to be."""
    known: dict[str, str] = {}
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        value = environ[name]
        if name.endswith("_PORT") and _LINK.match(value):
            if name == f"{PREFIX}PORT":
                warnings.append(
                    f"{name}={_shown(value)} comes from the container platform, which sets it for a Service named redline; it is ignored. "
                    "Set enableServiceLinks: false in the pod's spec, or say the port that you mean there, as REDLINE_PORT=8000"
                )
        elif name in names:
            known[name] = value
        elif name not in CLIENT_VARIABLES and not _LINKS.fullmatch(name):
            warnings.append(f"{_shown(name)} is not a setting and is ignored{_meant(name.upper(), sorted(names), '__')}")
    return known


def _flat(layer: Mapping[str, object], origin: str, fields: Mapping[_Path, FieldInfo], faults: list[str]) -> dict[_Path, _Given]:
    """Return what a layer says by path, without what it leaves open; note what is no setting."""
    groups = {path[0] for path in fields if len(path) > 1}
    names = [".".join(path) for path in fields]
    flat: dict[_Path, _Given] = {}
    for key, value in layer.items():
        if key in groups and not isinstance(value, Mapping):
            faults.append(f"{key} got something else {origin}; it takes a table, as [{key}]")
            continue
        rows = {(key, inner): item for inner, item in value.items()} if key in groups and isinstance(value, Mapping) else {(key,): value}
        for path, item in rows.items():
            if path not in fields:
                name = ".".join(path)
                faults.append(f"{_shown(name)} {origin} is not a setting{_meant(name, names, '.')}")
            elif item is not None and item != "":
                flat[path] = _Given(item, origin)
    return flat


def _meant(name: str, names: Sequence[str], joint: str) -> str:
    """Return the way out for a name that is not known: the likeliest, or the members of the group that it names."""
    if members := [each for each in names if each.startswith(f"{name}{joint}")]:
        return f"; it is a group: {', '.join(members)}"
    last = name.removeprefix(PREFIX).rpartition(joint)[2]
    close = [each for each in names if each.rpartition(joint)[2] == last] or difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _repeats(row: ErrorDetails, rows: Sequence[ErrorDetails]) -> bool:
    """Tell whether a list is found fault with only because one of its items was."""
    location = row["loc"]
    return any(len(other["loc"]) > len(location) and other["loc"][: len(location)] == location for other in rows)


def _fault(row: ErrorDetails, fields: Mapping[_Path, FieldInfo], given: Mapping[_Path, _Given]) -> str:
    location = row["loc"]
    path = next(path for path in (location[:2], location[:1]) if path in fields)
    field = fields[tuple(str(part) for part in path)]
    one = given.get(tuple(str(part) for part in path), _Given(field.default, "by default"))
    value, where = one.value, ""
    if len(location) > len(path) and isinstance(index := location[len(path)], int) and isinstance(value, list | tuple):
        value, where = value[index], f"[{index}]"
    got = _secret(value) if _holds_secret(field.annotation) else _shown(str(value).lower() if isinstance(value, bool) else repr(value))
    error = row.get("ctx", {}).get("error")
    return f"{'.'.join(map(str, path))}{where} ({_variable(path)}) got {got} {one.origin}; {error or f'it takes {takes(field)}'}"


def _variable(path: Sequence[object]) -> str:
    return PREFIX + "__".join(str(part).upper() for part in path)


def _shown(text: str) -> str:
    """Return what may be shown of what came from outside: one line, not long, no credential."""
    text = redact("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


def _secret(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, str):
        return f"a secret of {len(value.encode(errors='replace'))} bytes"
    return "something that is no list of secrets" if isinstance(value, list | tuple) else "something that is no string"
