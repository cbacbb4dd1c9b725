"""``redline check``: settings, plugins and keys, without serving.

The law of this module: whatever would stop ``serve`` is found here, all of it at once, and nothing is started or left behind. It exits
with 2 for what is wrong, as ``serve`` does, and with 1 where only something outside is not there yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redline.cli.findings import Findings
from redline.cli.options import Config, settings_of
from redline.cli.outcome import printable
from redline.cli.plugins import survey_plugins, table
from redline.logs import redact

if TYPE_CHECKING:
    from redline.auth import Key
    from redline.auth.key_files import LoadedKeys
    from redline.settings import Settings


def check(
    *,
    config: Config = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take no warning either: exit with 2 where anything was warned of.")] = False,
) -> None:
    """List the kinds, and say what would stop serve from starting, with one line for each fault, or that nothing would.

    Exits with 2 for what would stop serve, and with 1 where all that is missing is not there yet: keys at a URL, for which serve starts and
    waits. Without --strict what serve only warns of is told and counted.
    """
    findings = Findings()
    with findings.logged():
        settings = findings.tried(lambda: settings_of(config))
        for warning in settings.settings_warnings if settings is not None else ():
            findings.warn(warning)
        keys = _keys(settings, findings) if settings is not None else []
        if settings is not None and keys and not set(keys) & set(settings.auth.algorithms):
            algorithms = "auth.algorithms (REDLINE_AUTH__ALGORITHMS)"
            findings.wrong(
                f"{algorithms} allows none that these keys verify ({', '.join(sorted(set(keys)))}), so no token would be admitted"
            )
        plugins = survey_plugins(() if settings is None else settings.plugins_path)
        for warning in plugins.warnings:
            findings.warn(warning)
        if settings is not None:
            _log(settings, findings)
    for fault in (*plugins.folder_faults, *map(str, plugins.faults)):
        findings.wrong(fault)
    table(plugins.rows())
    findings.end_if_any(strict=strict)
    if settings is None:
        return
    source = "the environment" if config is None else f"{config} and the environment"
    typer.echo(printable(f"settings  from {source}: {settings.host}:{settings.port}, {redact(settings.eventlog)}"))
    typer.echo(f"keys      {len(keys)} ({', '.join(sorted(set(keys)))})")
    typer.echo(f"kinds     {len(plugins.kinds)}")
    proviso = "if its event log opens and its port is free."
    if findings.warnings:
        typer.echo(f"redline serve would start, with {findings.warned}, above, {proviso}")
    else:
        typer.echo(f"All is well: redline serve would start, {proviso}")


def _log(settings: Settings, findings: Findings) -> None:
    """Note what is wrong with the event log's name and place; it is not opened, for a running service may have it."""
    from redline.clock import SystemClock  # noqa: PLC0415 - as below
    from redline.eventlog.choice import look_at  # noqa: PLC0415 - as below
    from redline.metrics import Metrics  # noqa: PLC0415 - as below
    from redline.web.history import event_log  # noqa: PLC0415 - as below

    if findings.tried(lambda: event_log(settings, SystemClock(), Metrics())) is not None:
        findings.tried(lambda: look_at(settings.eventlog))


def _keys(settings: Settings, findings: Findings) -> list[str]:
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
    findings.tried(lambda: token_rules(settings))
    found: list[Key] = []
    for source in sources or [{}]:
        alone = settings.model_copy(update={"auth": auth.model_copy(update=none | source)})
        ring = findings.tried(lambda alone=alone: key_ring(alone))  # type: ignore[misc]  # mypy infers no type for such a lambda
        if ring is not None:
            found += ring.keys
    url = auth.jwks_url
    if url is not None and (loaded := findings.tried(lambda: _fetched(url), outside=True)) is not None:
        found += loaded.keys
        for note in loaded.notes:
            findings.warn(note)
    findings.tried(lambda: ticket_keys(settings, KeyRing(tuple(found))))
    if (warning := unshared(settings)) is not None:
        findings.warn(warning)
    return [algorithm for key in found for algorithm in key.algorithms]


def _fetched(url: str) -> LoadedKeys:
    """Return the keys that are at a URL at this moment."""
    from redline.auth.jwks import fetch_keys  # noqa: PLC0415 - heavy
    from redline.web.loop import run  # noqa: PLC0415 - heavy

    return run(fetch_keys(url))
