"""What the commands say, and what they exit with, where no service is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from redline import __version__, discovery, model_kind
from redline.auth import KeyRing, TokenRules, TokenVerifier, mint_token, secret_key
from redline.cli import outcome
from redline.cli import plugins as cli_plugins
from redline.client import Client
from redline.clock import SystemClock
from redline.kinds import registry
from redline.kinds.model import Payload
from tests.plugins.install import forgotten, write_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typer.testing import Result

SECRET = "a secret of these tests, of 32 bytes or more"
COMMANDS = ["serve", "demo", "publish", "tail", "kinds", "new-kind", "check", "token mint", "token inspect"]


class Empty(Payload):
    """A payload of nothing."""


good = model_kind("test.good", Empty, title="A \x1b[31mgood\x1b[0m one")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a kind that works and one that cannot be loaded, in place of those that are installed."""
    points = [EntryPoint("test.good", f"{__name__}:good", registry.GROUP), EntryPoint("test.bad", "no_such_module:kind", registry.GROUP)]
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setattr(discovery, "installed", lambda _: points)


def mint(**more: object) -> str:
    return mint_token(SECRET, **{"org": "acme", "scopes": "stream:read", "ttl": 60, "clock": SystemClock(), **more})  # type: ignore[arg-type]


# The whole.


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_documents_the_exit_codes(redline: Callable[..., Result], command: str) -> None:
    result = redline(*command.split(), "--help")
    assert result.exit_code == 0
    assert "0 done, 1 failed, 2 wrong usage or settings, 130 interrupted" in " ".join(result.stdout.split())


def test_version(redline: Callable[..., Result]) -> None:
    result = redline("--version")
    assert (result.exit_code, result.stdout) == (0, f"redline {__version__}\n")


def test_help_loads_nothing_heavy() -> None:
    heavy = ("sanic", "httpx", "uvloop", "orjson", "jwt", "cryptography", "rich", "pydantic", "prometheus_client", "redline.web")
    program = f"import sys, redline.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("arguments", [["nope"], ["serve", "--nope"], ["token", "mint", "--org", "acme"], ["serve", "--port", "x"]])
def test_wrong_usage_exits_with_2(redline: Callable[..., Result], arguments: list[str]) -> None:
    result = redline(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


# token.


def test_mint_prints_a_token_that_the_same_settings_admit(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ |= {
        "REDLINE_AUTH__SECRET": SECRET,
        "REDLINE_AUTH__ISSUER": "me",
        "REDLINE_AUTH__AUDIENCE": "you",
        "REDLINE_AUTH__ORG_CLAIM": "tenant",
        "REDLINE_TOKEN": "mine",
        "REDLINE_URL": "mine",
    }
    kinds = ("--kind", "run.stage", "--kind", "change.*")
    result = redline("token", "mint", "--org", "acme", "--scope", "stream:read events:publish", "--ttl", "60", *kinds, "--sub", "me")
    assert (result.exit_code, result.stderr) == (0, "")
    (token,) = result.stdout.splitlines()
    rules = TokenRules(issuer="me", audience="you", org_claim="tenant")
    principal = TokenVerifier(KeyRing((secret_key(SECRET, setting=""),)), rules, SystemClock()).verify(token)
    assert (str(principal.org), set(principal.scopes), principal.subject) == ("acme", {"stream:read", "events:publish"}, "me")
    assert principal.kinds is not None
    assert principal.kinds.patterns() == ["change.*", "run.stage"]
    assert principal.expires - SystemClock().time() == pytest.approx(60, abs=20)


def test_mint_takes_the_secret_from_the_file(redline: Callable[..., Result], tmp_path: Path) -> None:
    config = tmp_path / "redline.toml"
    config.write_text(f'[auth]\nsecret = "{SECRET}"\n')
    result = redline("token", "mint", "--org", "*", "--scope", "events:publish", "--ttl", "60", "--config", str(config))
    assert result.exit_code == 0
    TokenVerifier(KeyRing((secret_key(SECRET, setting=""),)), TokenRules(), SystemClock()).verify(result.stdout.strip())


@pytest.mark.parametrize(
    ("variables", "arguments", "said"),
    [
        ({}, {}, "REDLINE_AUTH__SECRET"),
        ({"REDLINE_AUTH_SECRET": SECRET}, {}, "did you mean REDLINE_AUTH__SECRET"),
        ({"REDLINE_AUTH__SECRET": "hunter2hunter2"}, {}, "at least 32 bytes"),
        ({"REDLINE_AUTH__SECRET": SECRET, "REDLINE_AUTH__ALGORITHMS": "RS256"}, {}, "leaves HS256 out"),
        ({"REDLINE_AUTH__SECRET": SECRET}, {"--org": "a b"}, "an org is"),
        ({"REDLINE_AUTH__SECRET": SECRET}, {"--ttl": "0"}, "ttl"),
        ({"REDLINE_AUTH__SECRET": SECRET}, {"--ttl": "nan"}, "ttl"),
        ({"REDLINE_AUTH__SECRET": SECRET}, {"--kind": "Not A Kind"}, "is neither a kind"),
        ({"REDLINE_AUTH__SECRET": SECRET}, {"--config": "no-such.toml"}, "no-such.toml"),
        ({"REDLINE_AUTH__SECRET": SECRET, "REDLINE_PORT": "x"}, {}, "REDLINE_PORT"),
    ],
)
def test_mint_says_what_is_missing(
    redline: Callable[..., Result], environ: dict[str, str], variables: dict[str, str], arguments: dict[str, str], said: str
) -> None:
    environ |= variables
    flags = {"--org": "acme", "--scope": "stream:read", "--ttl": "60", **arguments}
    result = redline("token", "mint", *(part for pair in flags.items() for part in pair))
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "hunter2" not in result.stderr
    assert SECRET not in result.stderr


def minted(redline: Callable[..., Result], scopes: str) -> list[str]:
    """Mint a token; return what was said besides, and see that it is a token alone that a program would read."""
    result = redline("token", "mint", "--org", "acme", "--scope", scopes, "--ttl", "60")
    assert result.exit_code == 0
    (token,) = result.stdout.splitlines()
    principal = TokenVerifier(KeyRing((secret_key(SECRET, setting=""),)), TokenRules(), SystemClock()).verify(token)
    assert principal.scopes == set(scopes.split())
    assert token not in result.stderr
    return result.stderr.splitlines()


@pytest.mark.parametrize(("scopes", "said"), [
    ("stream:read events:publish admin", []),
    ("streams:read", ["streams:read is no scope of Redline's, nor one that a kind installed here asks for; did you mean stream:read?"]),
    ("event:publish stream:read x x", ["did you mean events:publish?", "nor one that a kind installed here asks for"]),
    ("stream:read,events:publish", ["; scopes are separated by spaces"]),
])  # fmt: skip
def test_mint_warns_of_scopes_that_nobody_asks_for(
    redline: Callable[..., Result], environ: dict[str, str], scopes: str, said: list[str]
) -> None:
    environ["REDLINE_AUTH__SECRET"] = SECRET
    lines = minted(redline, scopes)
    assert len(lines) == len(said)
    assert all(line.startswith("redline: warning: ") and line.endswith(end) for line, end in zip(lines, said, strict=True))


VAULT = """
from redline import Policy
print("a plugin that talks")
class Vault:
    name = "vault.opened"
    policy = Policy(scope="vault:watch")
    schema = {"type": "object"}
    def validate(self, data, /):
        return b"{}"
kind = Vault()
"""


def test_mint_knows_the_scopes_of_kinds_and_asks_them_only_where_it_must(
    redline: Callable[..., Result], environ: dict[str, str], tmp_path: Path
) -> None:
    write_plugin(tmp_path, {"plug_vault": VAULT}, {"vault.opened": "plug_vault:kind"}, name="vault-kinds", version="1")
    environ |= {"REDLINE_AUTH__SECRET": SECRET, "REDLINE_PLUGINS_PATH": str(tmp_path)}
    with forgotten():
        assert minted(redline, "stream:read") == []
        assert "plug_vault" not in sys.modules
        assert minted(redline, "stream:read vault:watch") == ["a plugin that talks"]
        (line,) = minted(redline, "stream:read vault:wach")
    assert line.endswith("asks for; did you mean vault:watch?")


@pytest.mark.usefixtures("folders")
def test_mint_is_hindered_by_no_broken_plugin(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ["REDLINE_AUTH__SECRET"] = SECRET
    (line,) = minted(redline, "doors:read")
    assert line.endswith("nor one that a kind installed here (some of which cannot be used: redline kinds) asks for")


def inspected(result: Result) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(result.stdout)
    return parsed


@pytest.mark.parametrize("way", ["argument", "stdin", "environment"])
def test_inspect_says_that_a_token_is_valid_without_its_signature(
    redline: Callable[..., Result], environ: dict[str, str], way: str
) -> None:
    environ["REDLINE_AUTH__SECRET"] = SECRET
    token = mint(extra={"name": "\u202ename"})
    if way == "environment":
        environ["REDLINE_TOKEN"] = token
    result = redline("token", "inspect", *([token] if way == "argument" else []), stdin=f"{token}\n" if way == "stdin" else None)
    shown = inspected(result)
    assert (result.exit_code, shown["valid"]) == (0, True)
    assert str(shown["verdict"]).startswith("Valid until 20")
    assert shown["header"] == {"alg": "HS256", "typ": "JWT"}
    assert isinstance(shown["claims"], dict)
    assert shown["claims"]["org"] == "acme"
    assert token.rpartition(".")[2] not in result.output
    assert "\u202e" not in result.output


@pytest.mark.parametrize(("token", "verdict"), [
    (lambda: mint(ttl=0.001), "has expired"),
    (lambda: mint()[:-4] + "AAAA", "signature does not match"),
    (lambda: mint(extra={"nbf": 4_000_000_000}, ttl=5_000_000_000), "not valid yet"),
])  # fmt: skip
def test_inspect_says_why_a_token_would_be_refused(
    redline: Callable[..., Result], environ: dict[str, str], token: Callable[[], str], verdict: str
) -> None:
    environ["REDLINE_AUTH__SECRET"] = SECRET
    result = redline("token", "inspect", token())
    shown = inspected(result)
    assert (result.exit_code, shown["valid"]) == (1, False)
    assert verdict in str(shown["verdict"])


def test_inspect_without_a_key_says_that_nothing_was_verified(redline: Callable[..., Result]) -> None:
    result = redline("token", "inspect", mint())
    shown = inspected(result)
    assert (result.exit_code, shown["valid"]) == (0, None)
    assert "Not verified" in str(shown["verdict"])


def test_inspect_refuses_what_is_no_token_without_repeating_it(redline: Callable[..., Result]) -> None:
    result = redline("token", "inspect", "hunter2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not a JWT" in result.stderr
    assert "hunter2" not in result.stderr


# kinds.


def test_kinds_lists_what_is_installed(redline: Callable[..., Result]) -> None:
    result = redline("kinds")
    assert result.exit_code == 0
    for name in ("run.stage", "change.detected", "scheduler.tick", "action.delivered", "change.stateChanged", "org.entitlements.changed"):
        assert name in result.stdout
    rows = [json.loads(line) for line in redline("kinds", "--json").stdout.splitlines()]
    assert len(rows) == 6
    assert rows[4] == {
        "name": "run.stage",
        "title": "Run stage",
        "version": "1.0.0",
        "distribution": f"redline {__version__}",
        "origin": "environment",
        "fault": None,
    }


@pytest.mark.usefixtures("broken")
def test_kinds_shows_what_cannot_be_used(redline: Callable[..., Result]) -> None:
    result = redline("kinds")
    assert result.exit_code == 1
    assert "test.good" in result.stdout
    assert "importing no_such_module failed" in " ".join(result.stdout.split())
    assert "\x1b[31m" not in result.stdout
    assert "entry point 'test.bad': importing no_such_module failed" in result.stderr
    result = redline("kinds", "--json")
    assert result.exit_code == 1
    assert [(row["name"], row["fault"] is None) for row in map(json.loads, result.stdout.splitlines())] == [
        ("test.good", True),
        ("test.bad", False),
    ]


def test_on_a_narrow_terminal_a_fault_is_no_column(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    row = {"title": None, "version": None, "distribution": "acme-kinds 1.0", "origin": "environment", "fault": "no word of this"}
    cli_plugins.table([{"name": "org.entitlements.changed", **row}])
    shown = capsys.readouterr().out
    assert "\x1b[31morg.entitlements.changed" in shown
    assert "acme-kinds 1.0" in shown
    assert "word" not in shown


def test_kinds_without_any_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    cli_plugins.table([])  # an installation without kinds is not to be had here
    assert "No kinds are installed" in capsys.readouterr().out


DOOR = """
from redline import Policy
class Door:
    name = "door.opened"
    policy = Policy(title="Door opened", version="2.0.0")
    schema = {"type": "object"}
    def validate(self, data, /):
        return b"{}"
kind = Door()
"""


@pytest.fixture
def folders(tmp_path: Path, environ: dict[str, str]) -> Iterator[tuple[Path, Path, Path]]:
    """Make a folder with a plugin that works and one that does not, an empty one, and one that is not there; name all in the settings."""
    there, empty, gone = tmp_path / "there", tmp_path / "empty", tmp_path / "gone"
    points = {"door.opened": "plug_door:kind", "door.broken": "plug_broken:kind"}
    write_plugin(there, {"plug_door": DOOR, "plug_broken": "1 / 0\n"}, points, name="door-kinds", version="7.1")
    empty.mkdir()
    environ["REDLINE_PLUGINS_PATH"] = f"{there},{empty},{gone}"
    with forgotten():
        yield there, empty, gone


@pytest.mark.parametrize("command", ["kinds", "check"])
def test_plugins_of_folders_are_shown_with_distribution_version_origin_and_fault(
    redline: Callable[..., Result], folders: tuple[Path, Path, Path], command: str
) -> None:
    there, empty, gone = folders
    result = redline(command)
    assert result.exit_code == (2 if command == "check" else 1)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["door.opened", "Door", "opened", "2.0.0", "door-kinds", "7.1", str(there)] in [line[:7] for line in lines]
    assert ["run.stage", "Run", "stage", "1.0.0", "redline", __version__, "environment"] in [line[:7] for line in lines]
    assert any(line[:5] == ["door.broken", "-", "-", "door-kinds", "7.1"] and "ZeroDivisionError:" in line for line in lines)
    assert f"warning: plugins_path (REDLINE_PLUGINS_PATH): {empty} holds no distribution" in result.stderr
    assert f"{gone} cannot be used as a folder of plugins" in result.stderr
    if command == "check":
        assert f"door-kinds 7.1 in {there}, entry point 'door.broken': importing plug_broken failed" in result.stderr


def test_kinds_takes_the_folders_from_the_file_and_says_where_each_is_from(redline: Callable[..., Result], tmp_path: Path) -> None:
    write_plugin(tmp_path / "there", {"plug_door": DOOR}, {"door.opened": "plug_door:kind"}, name="door-kinds", version="7.1")
    (tmp_path / "redline.toml").write_text(f"plugins_path = [{str(tmp_path / 'there')!r}]\n")
    with forgotten():
        result = redline("kinds", "--json", "--config", str(tmp_path / "redline.toml"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout.splitlines()[3]) == {
        "name": "door.opened",
        "title": "Door opened",
        "version": "2.0.0",
        "distribution": "door-kinds 7.1",
        "origin": str(tmp_path / "there"),
        "fault": None,
    }


def test_kinds_says_what_is_wrong_with_the_settings(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ["REDLINE_PORT"] = "x"
    result = redline("kinds")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "REDLINE_PORT" in result.stderr


# check.


def test_check_sums_up_what_is_well(redline: Callable[..., Result], environ: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "redline.toml"
    config.write_text("port = 9000\n")
    environ |= {"REDLINE_AUTH__SECRET": SECRET, "REDLINE_NOPE": "1"}
    result = redline("check", "--config", str(config))
    assert result.exit_code == 0
    for said in ("127.0.0.1:9000", "1 (HS256)", "kinds     6", "action.delivered", "environment", "redline serve would start"):
        assert said in result.stdout
    assert "warning: REDLINE_NOPE is not a setting" in result.stderr
    assert result.stdout.splitlines()[-1].startswith("redline serve would start, with 1 warning, above, if ")
    assert "All is well" not in result.stdout
    assert SECRET not in result.output


@pytest.mark.usefixtures("broken")
def test_check_tells_every_fault_at_once(redline: Callable[..., Result], environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {"REDLINE_AUTH__KEYS": f"{tmp_path / 'no.pem'},{tmp_path / 'bad.pem'}", "REDLINE_AUTH__JWKS": str(tmp_path / "no.jwks")}
    (tmp_path / "bad.pem").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    result = redline("check")
    assert result.exit_code == 2
    assert "would start" not in result.stdout
    assert len(result.stderr.splitlines()) == 4
    for said in ("no.pem", "bad.pem", "no.jwks", "no_such_module"):
        assert said in result.stderr


@pytest.mark.usefixtures("broken")
def test_check_tells_of_plugins_although_the_settings_are_wrong(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ |= {"REDLINE_PORT": "x", "REDLINE_LOG_LEVEL": "loud"}
    result = redline("check")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("redline: ") for line in lines)
    assert [any(said in line for line in lines) for said in ("REDLINE_PORT", "REDLINE_LOG_LEVEL", "no_such_module")] == [True] * 3


def test_check_without_a_key_fails(redline: Callable[..., Result]) -> None:
    result = redline("check")
    assert result.exit_code == 2
    assert "REDLINE_AUTH__SECRET" in result.stderr


def test_check_finds_keys_that_no_algorithm_uses(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ |= {"REDLINE_AUTH__SECRET": SECRET, "REDLINE_AUTH__ALGORITHMS": "RS256,ES256"}
    result = redline("check")
    assert result.exit_code == 2
    assert "REDLINE_AUTH__ALGORITHMS" in result.stderr


def test_check_says_where_nodes_need_a_secret_for_tickets_in_common(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ |= {"REDLINE_AUTH__SECRET": SECRET}
    assert redline("check").stderr == ""
    environ["REDLINE_EVENTLOG"] = "nats://127.0.0.1:4222"
    result = redline("check")
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("redline: warning: tickets.secret (REDLINE_TICKETS__SECRET) is not set: ")
    environ["REDLINE_TICKETS__SECRET"] = SECRET[::-1]
    assert redline("check").stderr == ""


def test_check_finds_a_secret_that_is_both(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ |= {"REDLINE_AUTH__SECRET": SECRET, "REDLINE_TICKETS__SECRET": SECRET}
    result = redline("check")
    assert result.exit_code == 2
    assert "tickets.secret (REDLINE_TICKETS__SECRET): is a secret that tokens are signed with as well" in result.stderr
    assert SECRET not in result.output


def test_check_says_that_all_is_well_where_nothing_was_warned_of(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ |= {"REDLINE_AUTH__SECRET": SECRET}
    for flags in ([], ["--strict"]):
        result = redline("check", *flags)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.splitlines()[-1].startswith("All is well: redline serve would start, if ")


def test_strictly_a_warning_is_a_fault(redline: Callable[..., Result], environ: dict[str, str]) -> None:
    environ |= {"REDLINE_AUTH__SECRET": SECRET, "REDLINE_METRICS__ADMIN_OLNY": "true", "REDLINE_AUTH__AUDIENC": "me"}
    lines = redline("check").stdout.splitlines()
    assert lines[-1].startswith("redline serve would start, with 2 warnings, above, if ")
    result = redline("check", "--strict")
    assert (result.exit_code, "would start" in result.stdout) == (2, False)
    assert [line.startswith("redline: warning: ") for line in result.stderr.splitlines()] == [True, True, False]
    assert "2 warnings, above, and --strict takes none" in result.stderr.splitlines()[-1]


def test_what_is_only_logged_of_a_file_of_keys_is_a_warning_too(
    redline: Callable[..., Result], environ: dict[str, str], tmp_path: Path
) -> None:
    keys = {"keys": [{"kty": "oct", "k": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"}, {"kty": "strange"}]}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    environ["REDLINE_AUTH__JWKS"] = str(tmp_path / "keys.json")
    result = redline("check", "--strict")
    assert result.exit_code == 2
    first, last = result.stderr.splitlines()
    assert first.startswith("redline: warning: auth.jwks (REDLINE_AUTH__JWKS): ")
    assert last.startswith("redline: 1 warning, above, ")


@pytest.mark.parametrize(("name", "said"), [
    ("none/x.db", "cannot write beside"),
    ("folder", "is a folder; name a file in it"),
    ("text.db", "is damaged, or no event log: file is not a database."),
    ("folder/x.db", None),
    ("x.db", None),
])  # fmt: skip
def test_check_looks_at_the_file_of_a_log(
    redline: Callable[..., Result], environ: dict[str, str], tmp_path: Path, name: str, said: str | None
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("a text\n")
    environ |= {"REDLINE_AUTH__SECRET": SECRET, "REDLINE_EVENTLOG": f"sqlite:///{tmp_path / name}"}
    result = redline("check")
    assert result.exit_code == (0 if said is None else 2)
    assert ("would start" in result.stdout) is (said is None)
    assert result.stderr == "" if said is None else said in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "text.db"], "nothing is left behind"


# publish and tail, before they call anybody.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "run.stage", "{}"], "REDLINE_TOKEN"),
        (["publish", "run.stage", "{}", "--token", "t", "--url", "http://u:hunter2@h"], "the URL cannot be used"),
        (["publish", "run.stage", "{}", "--token", "hunter2 x"], "the token cannot be used"),
        (["publish", "--token", "t"], "KIND is missing"),
        (["publish", "run.stage", "{", "--token", "t"], "not JSON: line 1, column 2"),
        (["publish", "run.stage", '{"n": NaN}', "--token", "t"], "NaN is not JSON"),
        (["publish", "run.stage", "[" * 100_000, "--token", "t"], "nested too deeply"),
        (["publish", "run.stage", "@no-such-file", "--token", "t"], "no-such-file cannot be read"),
        (["publish", "run.stage", "{}", "--token", "t", "--key", "a b"], "a key is"),
        (["publish", "run.stage", "--batch", "x", "--token", "t"], "--batch takes the place"),
        (["publish", "--batch", "no-such-file", "--token", "t"], "no-such-file cannot be read"),
        (["tail"], "REDLINE_TOKEN"),
        (["tail", "--token", "t", "--json", "--raw"], "give one"),
        (["tail", "--token", "t", "--from", "\u00fc"], "last_event_id"),
    ],
)
def test_wrong_arguments_exit_with_2_and_a_line(redline: Callable[..., Result], arguments: list[str], said: str) -> None:
    result = redline(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "hunter2" not in result.stderr


def test_lines_from_others_cannot_steer_a_terminal() -> None:
    assert outcome.printable("plain ünï \N{GRINNING FACE}") == "plain ünï \N{GRINNING FACE}"
    assert outcome.printable("\x1b[2J\x9b\u202e\U000e0001") == "\\u001b[2J\\u009b\\u202e\\U000e0001"


@pytest.mark.parametrize(("flags", "attempts", "first_attempts"), [([], None, 10), (["--raw"], None, 10), (["--no-follow"], 4, 4)])
def test_a_tail_that_was_connected_is_never_given_up(
    redline: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, flags: list[str], attempts: int | None, first_attempts: int
) -> None:
    asked: list[dict[str, object]] = []

    def subscribe(_: Client, *_kinds_and_start: object, **rest: object) -> None:
        asked.append(rest)
        msg = "enough"
        raise ValueError(msg)

    monkeypatch.setattr(Client, "subscribe", subscribe)
    assert redline("tail", "--token", "t", *flags).exit_code == 2
    assert [(one["attempts"], one["first_attempts"], one["control"]) for one in asked] == [(attempts, first_attempts, True)]
