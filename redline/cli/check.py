"""``redline check``: settings, plugins and keys, without serving.

The law of this module: whatever would stop ``serve`` is found here, all of it at once, and nothing is started or left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import typer

from redline.cli.options import Config, settings_of
from redline.cli.outcome import complain, fail, printable
from redline.cli.plugins import survey_plugins, table
from redline.errors import StartupError
from redline.logs import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.auth import Key
    from redline.auth.key_files import LoadedKeys
    from redline.settings import Settings

_T = TypeVar("_T")


def check(config: Config = None) -> None:
    """List the kinds, and say what would stop serve from starting, with one line for each fault, or that nothing would.

    Exits with 1 where there is any.
    """
    faults: list[str] = []
    settings = _tried(lambda: settings_of(config), faults)
    if settings is not None:
        for warning in settings.settings_warnings:
            complain(f"warning: {warning}")
    keys = _keys(settings, faults) if settings is not None else []
    if settings is not None and keys and not set(keys) & set(settings.auth.algorithms):
        algorithms = "auth.algorithms (REDLINE_AUTH__ALGORITHMS)"
        faults.append(f"{algorithms} allows none that these keys verify ({', '.join(sorted(set(keys)))}), so no token would be admitted")
    plugins = survey_plugins(() if settings is None else settings.plugins_path)
    for warning in plugins.warnings:
        complain(f"warning: {warning}")
    if settings is not None:
        _log(settings, faults)
    faults += [*plugins.folder_faults, *map(str, plugins.faults)]
    table(plugins.rows())
    if faults or settings is None:
        fail("\n".join(" ".join(fault.split("\n")) for fault in faults))
    source = "the environment" if config is None else f"{config} and the environment"
    typer.echo(printable(f"settings  from {source}: {settings.host}:{settings.port}, {redact(settings.eventlog)}"))
    typer.echo(f"keys      {len(keys)} ({', '.join(sorted(set(keys)))})")
    typer.echo(f"kinds     {len(plugins.kinds)}")
    typer.echo("All is well: redline serve would start, if its event log opens and its port is free.")


def _log(settings: Settings, faults: list[str]) -> None:
    """Note what is wrong with the event log's name; it is not opened, for a running service may have it."""
    from redline.clock import SystemClock  # noqa: PLC0415 - as below
    from redline.metrics import Metrics  # noqa: PLC0415 - as below
    from redline.web.history import event_log  # noqa: PLC0415 - as below

    _tried(lambda: event_log(settings, SystemClock(), Metrics()), faults)


def _keys(settings: Settings, faults: list[str]) -> list[str]:
    """Return the algorithm of each key for tokens; note what is wrong with each source of them by itself, and with those for tickets."""
    from redline.auth import KeyRing  # noqa: PLC0415 - heavy
    from redline.web.keys import key_ring, token_rules  # noqa: PLC0415 - heavy
    from redline.web.tickets import ticket_keys, unshared  # noqa: PLC0415 - heavy

    auth = settings.auth
    none: dict[str, object] = {"secret": None, "previous_secrets": (), "keys": (), "jwks": None}
    sources: list[dict[str, object]] = [{"secret": auth.secret}] if auth.secret is not None else []
    sources += [{"previous_secrets": (secret,)} for secret in auth.previous_secrets]
    sources += [{"keys": (path,)} for path in auth.keys]
    sources += [{"jwks": auth.jwks}] if auth.jwks is not None else []
    _tried(lambda: token_rules(settings), faults)
    found: list[Key] = []
    for source in sources or [{}]:
        alone = settings.model_copy(update={"auth": auth.model_copy(update=none | source)})
        ring = _tried(lambda alone=alone: key_ring(alone), faults)  # type: ignore[misc]  # mypy infers no type for such a lambda
        if ring is not None:
            found += ring.keys
    url = auth.jwks_url
    if url is not None and (loaded := _tried(lambda: _fetched(url), faults)) is not None:
        found += loaded.keys
        for note in loaded.notes:
            complain(f"warning: {note}")
    _tried(lambda: ticket_keys(settings, KeyRing(tuple(found))), faults)
    if (warning := unshared(settings)) is not None:
        complain(f"warning: {warning}")
    return [algorithm for key in found for algorithm in key.algorithms]


def _fetched(url: str) -> LoadedKeys:
    """Return the keys that are at a URL at this moment."""
    from redline.auth.jwks import fetch_keys  # noqa: PLC0415 - heavy
    from redline.web.loop import run  # noqa: PLC0415 - heavy

    return run(fetch_keys(url))


def _tried(attempt: Callable[[], _T], faults: list[str]) -> _T | None:
    try:
        return attempt()
    except StartupError as error:
        faults += str(error).splitlines()
        return None
