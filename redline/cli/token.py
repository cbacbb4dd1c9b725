"""``redline token``: make tokens, and look into them.

The law of this module: a token is printed where it was asked for, and nowhere else; a signature never is. What is minted here, a service
with the same settings admits.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from redline.cli.options import EXIT_CODES, FAILED, TOKEN_VARIABLE, USAGE, Config, settings_of
from redline.cli.outcome import complain, fail, startup
from redline.cli.plugins import survey_plugins

if TYPE_CHECKING:
    from redline.auth.tokens import TokenVerifier
    from redline.settings import Settings

app = typer.Typer(help="Make tokens, and look into them.", no_args_is_help=True, rich_markup_mode=None)


@app.command(epilog=EXIT_CODES)
def mint(  # noqa: PLR0913 - each is one claim
    *,
    org: Annotated[str, typer.Option("--org", metavar="ORG", help='The org it is for; "*" for a service that publishes anywhere.')],
    scope: Annotated[str, typer.Option("--scope", metavar="SCOPES", help='What it allows: "stream:read events:publish", or one of them.')],
    ttl: Annotated[float, typer.Option("--ttl", metavar="SECONDS", help="How long it lasts.")],
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Only this kind, or this prefix (change.*); may be repeated.", show_default=False),
    ] = None,
    sub: Annotated[str | None, typer.Option("--sub", metavar="NAME", help="Whom it stands for.", show_default=False)] = None,
    config: Config = None,
) -> None:
    """Print a token, signed with the secret that serve reads: REDLINE_AUTH__SECRET, or auth.secret in the file.

    A scope that neither Redline nor a kind installed here asks for is warned of on stderr; the token has it all the same.
    """
    with startup():
        settings = settings_of(config)
        from redline.auth import mint_token  # noqa: PLC0415 - heavy
        from redline.clock import SystemClock  # noqa: PLC0415 - as all of it

        auth = settings.auth
        if auth.secret is None:
            _no_secret(settings)
        if "HS256" not in auth.algorithms:
            fail("auth.algorithms (REDLINE_AUTH__ALGORITHMS) leaves HS256 out, so no token of a secret would be admitted", USAGE)
        try:
            token = mint_token(
                auth.secret.get_secret_value(),
                org=org,
                scopes=scope,
                ttl=ttl,
                clock=SystemClock(),
                kinds=[part.strip() for item in kind for part in item.split(",")] if kind else None,
                subject=sub,
                extra={name: value for name, value in (("iss", auth.issuer), ("aud", auth.audience)) if value is not None},
                org_claim=auth.org_claim,
            )
        except ValueError as error:
            fail(str(error), USAGE)
    typer.echo(token)
    _warn_of_strange(scope.split(), settings)


def _warn_of_strange(scopes: list[str], settings: Settings) -> None:
    """Warn of scopes that nothing here asks for: most often they are misspelt.

    Once the token is printed, and where a scope is none of the core's only: which the kinds ask for is known when their plugins are loaded,
    and the token is out before any of them runs.
    """
    from redline.auth import ADMIN, EVENTS_PUBLISH, STREAM_READ  # noqa: PLC0415 - heavy

    known = {ADMIN, EVENTS_PUBLISH, STREAM_READ}
    if known.issuperset(scopes):
        return
    sys.stdout.flush()
    with redirect_stdout(sys.stderr):  # what a plugin prints as it is imported must not be taken for the token
        plugins = survey_plugins(settings.plugins_path)
    known |= {kind.policy.scope for kind in plugins.kinds if kind.policy.scope is not None}
    unsure = " (some of which cannot be used: redline kinds)" if plugins.faults or plugins.folder_faults else ""
    for scope in dict.fromkeys(scopes):
        if scope not in known:
            close = "," not in scope and get_close_matches(scope, sorted(known), n=1)
            meant = f"; did you mean {close[0]}?" if close else "; scopes are separated by spaces" if "," in scope else ""
            complain(f"warning: {scope} is no scope of Redline's, nor one that a kind installed here{unsure} asks for{meant}")


@app.command(epilog=EXIT_CODES)
def inspect(
    token: Annotated[
        str, typer.Argument(envvar=TOKEN_VARIABLE, metavar="[TOKEN|-]", help="The token; - reads it from stdin.", show_default=False)
    ] = "-",  # noqa: S107 - the sign for stdin
    *,
    config: Config = None,
) -> None:
    """Print what a token says, without its signature, and whether serve would admit it where a key is configured.

    Exits with 1 where it would not, or where it is no token.
    """
    text = (sys.stdin.read(_LONGEST) if token == "-" else token).strip()  # noqa: S105 - the sign for stdin
    with startup():
        settings = settings_of(config)
        from redline.auth import inspect_token  # noqa: PLC0415 - heavy

        try:
            shown: dict[str, object] = dict(inspect_token(text))
        except ValueError as error:
            fail(str(error))
        valid, verdict = _judged(text, settings)
    shown |= {"valid": valid, "verdict": verdict}
    typer.echo(json.dumps(shown, indent=2))
    if valid is False:
        raise typer.Exit(FAILED)


_LONGEST = 65_536


def _judged(token: str, settings: Settings) -> tuple[bool | None, str]:
    """Tell whether the service would admit ``token`` (None: nobody can say), and in words why."""
    from redline.auth.tokens import TokenVerifier, UnknownKey  # noqa: PLC0415 - heavy
    from redline.clock import SystemClock, rfc3339  # noqa: PLC0415 - as all of it
    from redline.errors import StartupError, Unauthenticated  # noqa: PLC0415 - as all of it
    from redline.web.keys import key_ring, token_rules  # noqa: PLC0415 - heavy

    auth = settings.auth
    if auth.secret is None and auth.jwks is None and not auth.keys and not auth.previous_secrets:
        return None, "Not verified: no key is configured here. Set REDLINE_AUTH__SECRET or name the service's settings with --config."
    verifier = TokenVerifier(key_ring(settings), token_rules(settings), SystemClock())
    try:
        try:
            principal = verifier.verify(token)
        except UnknownKey as unknown:
            if auth.jwks_url is None or not unknown.public:
                raise
            _fetch(auth.jwks_url, verifier)
            principal = verifier.verify(token)
    except Unauthenticated as error:
        return False, error.message
    except StartupError as error:
        return None, f"Not verified: {error}."
    return True, f"Valid until {rfc3339(principal.expires)}."


def _fetch(url: str, verifier: TokenVerifier) -> None:
    """Let ``verifier`` have the keys that are at ``url`` at this moment, as well. Raises ``StartupError``."""
    from redline.auth.jwks import fetch_keys  # noqa: PLC0415 - heavy
    from redline.auth.keys import KeyRing  # noqa: PLC0415 - heavy
    from redline.web.loop import run  # noqa: PLC0415 - heavy

    verifier.use(KeyRing((*verifier.keys.keys, *run(fetch_keys(url)).keys)))


def _no_secret(settings: Settings) -> NoReturn:
    for warning in settings.settings_warnings:
        complain(warning)
    fail("no secret to sign with: set REDLINE_AUTH__SECRET (at least 32 bytes), or auth.secret in the file that --config names", USAGE)
