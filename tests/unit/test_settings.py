"""Settings: what wins over what, and one line for each fault, that names the setting and never a secret."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from redline.cli.options import TOKEN_VARIABLE, URL_VARIABLE
from redline.errors import StartupError
from redline.logs import LEVELS
from redline.settings import AuthSettings, HistorySettings, Settings, leaves, load_settings, takes
from redline.settings.load import CLIENT_VARIABLES, PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "correct-horse-battery-staple-0123456789"
TEMPLATE = Path(__file__).parents[2] / "config" / "redline.toml"


def faults(
    config: Path | None = None, environ: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None
) -> list[str]:
    with pytest.raises(StartupError) as caught:
        load_settings(config, environ or {}, overrides or {})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value).splitlines()


def fault(config: Path | None = None, environ: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None) -> str:
    (line,) = faults(config, environ, overrides)
    return line


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "redline.toml"


def variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()


# What wins


def test_the_defaults_are_the_contracts() -> None:
    settings = load_settings(None, {})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.log_level, settings.eventlog) == ("127.0.0.1", 8000, "INFO", "memory://")
    assert (settings.heartbeat_seconds, settings.retry_milliseconds, settings.max_age_seconds) == (15, 2000, 0)
    assert (settings.history.events, settings.history.seconds, settings.idempotency.seconds) == (1000, 86_400, 120)
    assert settings.limits.body_bytes == 1_048_576
    assert settings.limits.batch_lines == 1000
    assert settings.shutdown_seconds < 5
    assert settings.settings_warnings == ()


def test_flags_win_over_environment_over_file_over_defaults(toml: Path) -> None:
    toml.write_text('port = 1\nhost = "file"\nlog_level = "ERROR"\n[history]\nevents = 1\nseconds = 11\nbytes = 2000\n')
    environ = {"REDLINE_PORT": "2", "REDLINE_HOST": "env", "REDLINE_HISTORY__EVENTS": "2", "REDLINE_HISTORY__SECONDS": "22"}
    settings = load_settings(toml, environ, {"port": 3, "history": {"events": 3}})
    assert (settings.port, settings.host, settings.log_level, settings.retry_milliseconds) == (3, "env", "ERROR", 2000)
    assert (settings.history.events, settings.history.seconds, settings.history.bytes, settings.history.orgs) == (3, 22, 2000, 100_000)


@pytest.mark.parametrize("path", leaves(), ids=".".join)
def test_each_setting_is_read_from_each_place_and_the_later_place_wins(path: tuple[str, ...], toml: Path) -> None:
    first, second, third = VALUES.get(path, (10_001, 10_002, 10_003))
    table = f"[{path[0]}]\n" if len(path) > 1 else ""
    toml.write_text(f"{table}{path[-1]} = {to_toml(first)}\n")
    environ = {variable(path): ",".join(second) if isinstance(second, list) else str(second)}
    flags: dict[str, Any] = {path[0]: {path[1]: third}} if len(path) > 1 else {path[0]: third}
    read = [
        load_settings(toml, {}),
        load_settings(toml, environ),
        load_settings(None, environ),
        load_settings(toml, environ, flags),
        load_settings(toml, {}, flags),
    ]
    assert [plain(settings, path) for settings in read] == [first, second, second, third, third]
    assert all(settings.settings_warnings == () for settings in read)


VALUES: dict[tuple[str, ...], tuple[Any, Any, Any]] = {
    ("host",): ("a.example", "::1", "10.0.0.1"),
    ("log_level",): ("DEBUG", "ERROR", "CRITICAL"),
    ("eventlog",): ("memory://", "sqlite:///a.db", "sqlite:////b.db?synchronous=OFF"),
    ("plugins_path",): (["a"], ["b", "/c"], []),
    ("heartbeat_seconds",): (0.05, 300, 1.5),
    ("shutdown_seconds",): (0, 1.5, 2),
    ("auth", "secret"): (SECRET + "1", SECRET + "2", SECRET + "3"),
    ("auth", "previous_secrets"): ([SECRET + "1"], [SECRET + "2", SECRET + "3"], []),
    ("tickets", "secret"): (SECRET + "1", SECRET + "2", SECRET + "3"),
    ("tickets", "previous_secrets"): ([SECRET + "1"], [SECRET + "2", SECRET + "3"], []),
    ("tickets", "seconds"): (1, 600, 1.5),
    ("auth", "keys"): (["a.pem"], ["b.pem", "c.pem"], []),
    ("auth", "jwks"): ("a.json", "https://a.example/jwks.json", "http://127.0.0.1:8080/keys?p=b"),
    ("auth", "jwks_seconds"): (10, 86_400, 12.5),
    ("auth", "algorithms"): (["HS256"], ["ES256", "EdDSA"], ["RS256"]),
    ("auth", "issuer"): ("a", "b", "c"),
    ("auth", "audience"): ("a", "b", "c"),
    ("auth", "org_claim"): ("a", "b", "c"),
    ("auth", "leeway_seconds"): (0, 300, 1.5),
    ("limits", "stall_seconds"): (1, 2.5, 3600),
    ("history", "total_bytes"): (300_000_000, 400_000_000, 500_000_000),
    ("cors", "origins"): (["https://a.example"], ["http://b.example:81", "https://c.example"], []),
    ("cors", "credentials"): (True, False, True),
    ("console", "enabled"): (False, True, False),
    ("docs", "enabled"): (False, True, False),
    ("metrics", "enabled"): (False, True, False),
    ("metrics", "admin_only"): (True, False, True),
    ("limits", "header_bytes"): (8192, 8193, 65_536),
    ("watchdog", "seconds"): (0, 1.5, 3600),
    ("watchdog", "abort"): (True, False, True),
}


def to_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def plain(settings: Settings, path: tuple[str, ...]) -> object:
    value: Any = settings
    for part in path:
        value = getattr(value, part)
    if isinstance(value, tuple):
        return [item.get_secret_value() if isinstance(item, SecretStr) else str(item) for item in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def test_an_empty_string_counts_as_not_set_everywhere(toml: Path) -> None:
    toml.write_text('host = "file"\n[auth]\nsecret = ""\n')
    settings = load_settings(toml, {"REDLINE_HOST": "", "REDLINE_PORT": "", "REDLINE_AUTH__KEYS": ""}, {"host": "", "auth": {"issuer": ""}})
    assert (settings.host, settings.port, settings.auth.secret, settings.auth.issuer) == ("file", 8000, None, None)


def test_a_flag_that_was_not_given_is_none() -> None:
    assert load_settings(None, {"REDLINE_PORT": "1"}, {"port": None, "auth": {"secret": None}}).port == 1


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://a.example", ["https://a.example"]),
        (" https://a.example , https://b.example ,", ["https://a.example", "https://b.example"]),
        ('["https://a.example", "https://b.example"]', ["https://a.example", "https://b.example"]),
        (" []", []),
    ],
)
def test_a_list_in_the_environment_is_json_or_separated_by_commas(text: str, read: list[str]) -> None:
    assert list(load_settings(None, {"REDLINE_CORS__ORIGINS": text}).cors.origins) == read


def test_only_what_is_given_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not the process's environment, no .env file, no redline.toml that happens to lie there."""
    monkeypatch.setenv("REDLINE_PORT", "1")
    monkeypatch.setenv("PORT", "2")
    (tmp_path / ".env").write_text("REDLINE_PORT=3\nport=4\n")
    (tmp_path / "redline.toml").write_text("port = 5\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}).port == 8000
    assert Settings().port == 8000


def test_a_file_may_begin_with_a_byte_order_mark(toml: Path) -> None:
    toml.write_bytes(b"\xef\xbb\xbfport = 1\n")
    assert load_settings(toml, {}).port == 1


# What it refuses


JWKS = "it takes a file's path, or https://HOST/PATH without a user, a password or a fragment (#)"
ALGORITHMS = "it takes a list of at least one of HS256, HS384, HS512, RS256, "


@pytest.mark.parametrize(
    ("path", "value", "shown", "taken"),
    [
        ("port", "abc", "", "it takes a whole number from 0 to 65535"),
        ("port", "65536", "", "it takes a whole number from 0 to 65535"),
        ("port", "-1", "", "it takes a whole number from 0 to 65535"),
        ("port", "80.5", "", "it takes a whole number from 0 to 65535"),
        ("heartbeat_seconds", "15s", "", "it takes a number from 0.05 to 300"),
        ("heartbeat_seconds", "nan", "", "it takes a number from 0.05 to 300"),
        ("heartbeat_seconds", "0.04", "", "it takes a number from 0.05 to 300"),
        ("limits.batch_lines", "0", "", "it takes a whole number from 1 to 1000000"),
        ("log_level", "loud", "", "it takes one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("console.enabled", "maybe", "", "it takes true or false"),
        ("auth.algorithms[1]", "HS256,none", "'none'", ALGORITHMS),
        ("auth.algorithms", "[]", "[]", ALGORITHMS),
        ("auth.keys", "[1", "", "it takes a list of paths"),
        ("auth.org_claim", "x" * 129, "'" + "x" * 99 + "…", "it takes a claim's name of at most 128 characters"),
        ("eventlog", "sqlite://x.db", "", "it takes sqlite:///PATH (four slashes for a path from the root, as "),
        ("eventlog", "sqlite:///", "", "it takes sqlite:///PATH"),
        ("eventlog", "sqlite:///folder/", "", "it takes sqlite:///PATH"),
        ("eventlog", "sqlite:///x.db?sync=FULL", "'sqlite:///x.db?[redacted]'", "it has no option 'sync'; its options are synchronous, "),
        (
            "eventlog",
            "sqlite:///x.db?Synchronus=hunter2",
            "'sqlite:///x.db?[redacted]'",
            "it has no option 'Synchronus' (did you mean synchronous?); ",
        ),
        ("eventlog", "sqlite:///x.db?synchronous=most", "'sqlite:///x.db?[redacted]'", "its option synchronous takes one of OFF, NORMAL, "),
        ("eventlog", "sqlite:///x.db?reads=0", "'sqlite:///x.db?[redacted]'", "its option reads takes a whole number from 1 to "),
        ("eventlog", "sqlite:///x.db?reads=1&reads=2", "'sqlite:///x.db?[redacted]'", "its option reads is given twice"),
        (
            "eventlog",
            "nats://u:hunter2@h?replica=3",
            "'nats://[redacted]@h?[redacted]'",
            "it has no option 'replica' (did you mean replicas?); its options are stream, replicas, storage, timeout, ",
        ),
        ("eventlog", "events.db", "", "it takes memory://, sqlite:///PATH, nats://HOST:PORT, or the URL of an installed package's log"),
        ("eventlog", "memory://?x=1", "'memory://?[redacted]'", "it takes memory://"),
        ("tickets.seconds", "0", "", "it takes a number from 1 to 600"),
        ("tickets.seconds", "601", "", "it takes a number from 1 to 600"),
        ("auth.jwks", "ftp://h/jwks.json", "", JWKS),
        ("auth.jwks", "file:///etc/jwks.json", "", JWKS),
        ("auth.jwks", "https://", "", JWKS),
        ("auth.jwks", "https:///jwks.json", "", JWKS),
        ("auth.jwks", "https://h:0/", "", JWKS),
        ("auth.jwks", "https://h:65536/", "", JWKS),
        ("auth.jwks", "https://h/a#b", "", JWKS),
        ("auth.jwks", "https://h/a b", "", JWKS),
        ("auth.jwks", "https://h\\@i/", "'https://[redacted]@i/'", JWKS),
        ("auth.jwks", "https://user:hunter2@h/jwks.json", "'https://[redacted]@h/jwks.json'", JWKS),
        ("auth.jwks", "https://h/?key=hunter2#", "'https://h/?[redacted]'", JWKS),
        ("auth.jwks", "http://id.example/jwks.json", "", "it takes https:// for any host but this machine: "),
        ("auth.jwks", "http://10.0.0.1/jwks.json", "", "it takes https:// for any host but this machine: "),
        ("auth.jwks", "http://127.0.0.1.example/", "", "it takes https:// for any host but this machine: "),
        ("auth.jwks", "HTTP://localhost.example/", "", "it takes https:// for any host but this machine: "),
        ("auth.jwks_seconds", "9", "", "it takes a number from 10 to 86400"),
        ("host", "http://localhost", "", "it takes a host name or an address alone"),
        ("host", "localhost:8000", "", "it takes a host name or an address alone"),
        ("history.total_bytes", "2000", "", "it takes at least history.bytes (REDLINE_HISTORY__BYTES), which is 8388608"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_way_out(path: str, value: str, shown: str, taken: str) -> None:
    name = variable(tuple(path.partition("[")[0].split(".")))
    line = fault(environ={name: value})
    assert line.startswith(f"{path} ({name}) got {shown or repr(value)} from the environment; {taken}")


@pytest.mark.parametrize(
    "url",
    [
        "https://tenant.eu.auth0.com/.well-known/jwks.json",
        "https://id.example:8443/realms/a%20b/protocol/openid-connect/certs",
        "https://login.example/tenant.onmicrosoft.com/discovery/v2.0/keys?p=b2c_1_sign_in&x=(1),*;~",
        "HTTPS://[2001:db8::1]/jwks",
        "https://h",
        "http://localhost:8080/jwks",
        "http://127.0.0.2/jwks",
        "http://[::1]:80/jwks",
    ],
)
def test_keys_may_be_at_a_url(url: str) -> None:
    auth = load_settings(None, {"REDLINE_AUTH__JWKS": url}).auth
    assert (auth.jwks, auth.jwks_url) == (url, url)


def test_a_path_is_no_url() -> None:
    assert load_settings(None, {"REDLINE_AUTH__JWKS": "https:/jwks.json"}).auth.jwks_url is None
    assert load_settings(None, {}).auth.jwks_url is None


def test_a_default_that_no_longer_fits_is_said_to_be_one() -> None:
    assert fault(environ={"REDLINE_HISTORY__BYTES": "300000000"}) == (
        "history.total_bytes (REDLINE_HISTORY__TOTAL_BYTES) got 268435456 by default; "
        "it takes at least history.bytes (REDLINE_HISTORY__BYTES), which is 300000000"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("port = true", "port (REDLINE_PORT) got true from {}; it takes a whole number from 0 to 65535"),
        (
            "heartbeat_seconds = false",
            "heartbeat_seconds (REDLINE_HEARTBEAT_SECONDS) got false from {}; it takes a number from 0.05 to 300",
        ),
        ("heartbeat_seconds = inf", "heartbeat_seconds (REDLINE_HEARTBEAT_SECONDS) got inf from {}; it takes a number"),
        ("host = 7", "host (REDLINE_HOST) got 7 from {}; it takes a string"),
        ('port = "\\u001b[31m\\nforged"', "port (REDLINE_PORT) got '\\x1b[31m\\nforged' from {}; it takes a whole number"),
        ("auth = 5", "auth got something else from {}; it takes a table, as [auth]"),
        ('[auth]\nkeys = "a.pem"', "auth.keys (REDLINE_AUTH__KEYS) got 'a.pem' from {}; it takes a list of paths"),
        ("[history.events]\nx = 1", "history.events (REDLINE_HISTORY__EVENTS) got {{'x': 1}} from {}; it takes a whole number"),
    ],
)
def test_a_wrong_line_of_the_file_names_the_file(toml: Path, line: str, said: str) -> None:
    toml.write_text(line)
    assert fault(toml).startswith(said.format(f"{toml}"))


def test_a_wrong_flag_says_so() -> None:
    assert fault(overrides={"port": "x"}) == "port (REDLINE_PORT) got 'x' from the command line; it takes a whole number from 0 to 65535"


def test_the_place_that_won_is_the_one_that_is_named(toml: Path) -> None:
    toml.write_text('port = "a"\n')
    assert "got 'b' from the environment" in fault(toml, {"REDLINE_PORT": "b"})
    assert load_settings(toml, {"REDLINE_PORT": "3"}).port == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("prot", "; did you mean port?"),
        ("history.event", "; did you mean history.events?"),
        ("auth.secert", "; did you mean auth.secret?"),
        ("retry_milliseconds_", "; did you mean retry_milliseconds?"),
        ("secret", "; did you mean auth.secret?"),
        ("limits.port", "; did you mean port?"),
        ("zzz.yyy", ""),
    ],
)
def test_an_unknown_key_of_the_file_is_a_fault_with_a_guess_and_without_its_value(toml: Path, name: str, meant: str) -> None:
    table, _, key = name.rpartition(".")
    toml.write_text(f"[{table}]\n{key} = '{SECRET}'\n" if table else f"{key} = '{SECRET}'\n")
    shown = name if table != "zzz" else "zzz"
    assert fault(toml) == f"{shown} from {toml} is not a setting{meant}"


def test_all_faults_come_at_once_a_line_each(toml: Path) -> None:
    toml.write_text('prot = 1\n[limits]\nstreams = 0\n[cors]\norigins = ["nope"]\n')
    lines = faults(toml, {"REDLINE_PORT": "x", "REDLINE_AUTH__SECRET": "y"}, {"heartbeat_seconds": 0})
    assert sorted(line.split()[0] for line in lines) == [
        "auth.secret",
        "cors.origins[0]",
        "heartbeat_seconds",
        "limits.streams",
        "port",
        "prot",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"port = \n", "the settings file is not TOML: Invalid value (at line 1, column 8)"),
        (b"port = 1\nport = 2\n", "the settings file is not TOML: "),
        (b"host = '\xff'\n", "the settings file is not UTF-8; it takes TOML"),
    ],
)
def test_a_file_that_cannot_be_parsed(toml: Path, content: bytes, said: str) -> None:
    toml.write_bytes(content)
    assert fault(toml).startswith(f"{toml}: {said}")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert fault(missing) == f"{missing}: the settings file cannot be read (No such file or directory); name one that is there and readable"
    assert "cannot be read (Is a directory)" in fault(tmp_path)
    assert len(faults(missing, {"REDLINE_PORT": "x"})) == 2


# Origins


@pytest.mark.parametrize(
    ("origin", "read"),
    [
        ("https://a.example", "https://a.example"),
        ("https://A.Example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("*", "*"),
    ],
)
def test_an_origin_is_kept_as_browsers_spell_it(origin: str, read: str) -> None:
    assert load_settings(None, {}, {"cors": {"origins": [origin]}}).cors.origins == (read,)


@pytest.mark.parametrize(
    "origin",
    [
        "a.example",
        "https://a.example/",
        "https://a.example/x",
        "https://",
        "null",
        "https://*.example",
        "https://u@a.example",
        "//a.example",
        "https://a.example:99999",
        "https://a.example:",
        "https://a example",
        "https://ä.example",
        "https://a.example?x",
        "https://a.example\n",
    ],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    line = fault(overrides={"cors": {"origins": ["https://fine.example", origin]}})
    assert line.startswith("cors.origins[1] (REDLINE_CORS__ORIGINS) got ")
    assert "it takes origins as scheme://host or scheme://host:port" in line


def test_all_origins_never_with_credentials() -> None:
    environ = {"REDLINE_CORS__ORIGINS": "https://a.example,*", "REDLINE_CORS__CREDENTIALS": "true"}
    assert fault(environ=environ) == (
        "cors.credentials (REDLINE_CORS__CREDENTIALS) got 'true' from the environment; it takes false while cors.origins "
        "(REDLINE_CORS__ORIGINS) is *; name the origins to allow credentials"
    )
    assert load_settings(None, {"REDLINE_CORS__ORIGINS": "*"}).cors.origins == ("*",)
    assert load_settings(None, {"REDLINE_CORS__ORIGINS": "https://a.example", "REDLINE_CORS__CREDENTIALS": "yes"}).cors.credentials


# Secrets


@pytest.mark.parametrize("table", ["auth", "tickets"])
def test_a_secret_is_measured_in_bytes(table: str) -> None:
    name = f"REDLINE_{table.upper()}__SECRET"
    assert fault(environ={name: "x" * 31}) == (
        f"{table}.secret ({name}) got a secret of 31 bytes from the environment; "
        "it takes at least 32 bytes, as `openssl rand -base64 48` prints"
    )
    for good in ("x" * 32, "é" * 16):
        secret = getattr(load_settings(None, {name: good}), table).secret
        assert secret is not None
        assert secret.get_secret_value() == good


@pytest.mark.parametrize(
    "environ",
    [
        {"REDLINE_AUTH__SECRET": "hunter2"},
        {"REDLINE_AUTH__SECRET": "hunter2\udcff"},
        {"REDLINE_AUTH__PREVIOUS_SECRETS": "hunter2"},
        {"REDLINE_AUTH__PREVIOUS_SECRETS": f"{SECRET},hunter2"},
        {"REDLINE_AUTH__PREVIOUS_SECRETS": '["hunter2"'},
        {"REDLINE_AUTH__PREVIOUS_SECRETS": '[["hunter2"]]'},
        {"REDLINE_AUTH__PREVIOUS_SECRETS": '[{"hunter2": 1}]'},
        {"REDLINE_TICKETS__SECRET": "hunter2"},
        {"REDLINE_TICKETS__PREVIOUS_SECRETS": f"{SECRET},hunter2"},
    ],
)
def test_no_fault_shows_a_secret_from_the_environment(environ: dict[str, str]) -> None:
    line = fault(environ=environ)
    assert "hunter2" not in line
    assert line.startswith(("auth.", "tickets."))


@pytest.mark.parametrize("table", ["auth", "tickets"])
@pytest.mark.parametrize(
    "content",
    [
        "secret = 'hunter2'",
        "secret = ['hunter2']",
        "secret = {hunter2 = 'hunter2'}",
        "secret = 1234567",
        "previous_secrets = 'hunter2'",
        "previous_secrets = {a = 'hunter2'}",
        "previous_secrets = [['hunter2'], 1234567]",
        "secrte = 'hunter2'",
        "issuer = {secret = 'hunter2'}",
    ],
)
def test_no_fault_shows_a_secret_from_the_file(toml: Path, table: str, content: str) -> None:
    toml.write_text(f"[{table}]\n{content}\n")
    lines = faults(toml)
    assert not [line for line in lines if "hunter2" in line or "1234567" in line]


def test_no_warning_shows_the_value_of_a_misspelt_secret() -> None:
    (warning,) = load_settings(None, {"REDLINE_AUTH_SECRET": SECRET}).settings_warnings
    assert warning == "REDLINE_AUTH_SECRET is not a setting and is ignored; did you mean REDLINE_AUTH__SECRET?"


def test_no_description_of_settings_shows_a_secret() -> None:
    secrets = {"SECRET": SECRET, "PREVIOUS_SECRETS": f"{SECRET}1,{SECRET}2"}
    settings = load_settings(None, {f"REDLINE_{table}__{name}": text for table in ("AUTH", "TICKETS") for name, text in secrets.items()})
    assert settings.auth.secret == SecretStr(SECRET)
    for shown in (repr(settings), str(settings), f"{settings.auth}", settings.model_dump_json(), repr(settings.model_dump())):
        assert "battery" not in shown
    assert "hunter2" not in repr(Settings(auth=AuthSettings(issuer="https://user:hunter2@issuer.example")))


def test_a_direct_mistake_shows_no_secret_either() -> None:
    with pytest.raises(ValidationError) as caught:
        AuthSettings(secret=SecretStr("hunter2"), previous_secrets=("hunter2",))  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from([variable(path) for path in leaves()]), st.text(max_size=40).filter(lambda text: "\0" not in text), max_size=5
    )
)
def test_any_environment_gives_settings_or_lines(environ: dict[str, str]) -> None:
    try:
        settings = load_settings(None, environ)
    except StartupError as error:
        lines = str(error).split("\n")
        assert all(re.match(r"[a-z_.]+(\[\d+\])? \(REDLINE_[A-Z_]+\) got .+; .+", line) for line in lines)
    else:
        assert isinstance(settings, Settings)


# Variables that are no settings


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("REDLINE_PROT", "; did you mean REDLINE_PORT?"),
        ("REDLINE_port", "; did you mean REDLINE_PORT?"),
        ("REDLINE_HISTORY_EVENTS", "; did you mean REDLINE_HISTORY__EVENTS?"),
        ("REDLINE_EVENTS", "; did you mean REDLINE_HISTORY__EVENTS?"),
        ("REDLINE_SERVER_PORT", "; did you mean"),
        ("REDLINE_CORS", "; it is a group: REDLINE_CORS__CREDENTIALS, REDLINE_CORS__ORIGINS"),
        ("REDLINE_QQQQ", ""),
    ],
)
def test_an_unknown_variable_is_warned_of_and_stops_nothing(name: str, meant: str) -> None:
    (warning,) = load_settings(None, {name: "hunter2"}).settings_warnings
    assert warning.startswith(f"{name} is not a setting and is ignored{meant}")
    assert "hunter2" not in warning


def test_variables_of_others_are_none_of_its_business() -> None:
    assert load_settings(None, {"PATH": "x", "redline_port": "1", "XREDLINE_PORT": "1", "REDLINES": "1"}) == Settings()


def test_the_variables_of_the_client_commands_are_no_mistakes() -> None:
    assert {TOKEN_VARIABLE, URL_VARIABLE} == CLIENT_VARIABLES
    assert load_settings(None, dict.fromkeys(CLIENT_VARIABLES, "x")).settings_warnings == ()


KUBERNETES = {
    "REDLINE_SERVICE_HOST": "10.0.0.1",
    "REDLINE_SERVICE_PORT": "8000",
    "REDLINE_SERVICE_PORT_HTTP": "8000",
    "REDLINE_PORT": "tcp://10.0.0.1:8000",
    "REDLINE_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "REDLINE_PORT_8000_TCP_PROTO": "tcp",
    "REDLINE_PORT_8000_TCP_PORT": "8000",
    "REDLINE_PORT_8000_TCP_ADDR": "10.0.0.1",
    "REDLINE_NATS_SERVICE_HOST": "10.0.0.2",
    "REDLINE_NATS_SERVICE_PORT": "4222",
    "REDLINE_NATS_PORT": "tcp://10.0.0.2:4222",
    "REDLINE_NATS_PORT_4222_TCP_ADDR": "10.0.0.2",
}


@pytest.mark.parametrize("port", ["tcp://10.0.0.1:8000", "udp://10.0.0.1:53", "sctp://[fd00::1]:9"])
def test_the_container_platforms_own_variables_are_recognised_and_explained_once(port: str) -> None:
    settings = load_settings(None, {**KUBERNETES, "REDLINE_PORT": port})
    assert settings.port == 8000
    (warning,) = settings.settings_warnings
    assert warning.startswith(
        f"REDLINE_PORT={port} comes from the container platform, which sets it for a Service named redline; it is ignored."
    )
    assert "enableServiceLinks: false" in warning
    assert "REDLINE_PORT=8000" in warning


def test_once_the_port_is_said_the_platform_is_not_mentioned_any_more(toml: Path) -> None:
    settings = load_settings(None, {**KUBERNETES, "REDLINE_PORT": "9000"})
    assert (settings.port, settings.settings_warnings) == (9000, ())
    toml.write_text("port = 7000\n")
    assert load_settings(toml, KUBERNETES).port == 7000


# The one list


def test_settings_are_frozen_all_the_way_down() -> None:
    settings = Settings()
    for model in (settings, settings.auth, settings.history):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, next(iter(type(model).model_fields)), "x")
    assert not [path for path in leaves() if isinstance(plain_value(settings, path), list | dict | set)]
    assert isinstance(hash(settings.auth), int)


def plain_value(settings: Settings, path: tuple[str, ...]) -> object:
    value: Any = settings
    for part in path:
        value = getattr(value, part)
    return value


def test_unknown_arguments_are_refused_directly_too() -> None:
    with pytest.raises(ValidationError):
        HistorySettings(evnets=3)  # type: ignore[call-arg]


def test_levels_are_the_same_two_times() -> None:
    assert takes(leaves()[("log_level",)]) == f"one of {', '.join(LEVELS)}"
    assert load_settings(None, {"REDLINE_LOG_LEVEL": "debug"}).log_level == "DEBUG"


@pytest.mark.parametrize("path", leaves(), ids=".".join)
def test_each_setting_says_what_it_means_and_takes_and_its_default_is_taken(path: tuple[str, ...]) -> None:
    field = leaves()[path]
    assert field.description
    assert field.description.endswith(".")
    assert takes(field)
    value = plain_value(Settings(), path)
    flags: dict[str, Any] = {path[0]: {path[1]: value}} if len(path) > 1 else {path[0]: value}
    assert load_settings(None, {}, flags) == Settings()
    assert not isinstance(value, BaseModel)


# config/redline.toml


def uncommented() -> str:
    return re.sub(r"^#(?=[a-z_]+ = )", "", TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_template_sets_nothing_as_it_stands() -> None:
    assert not [value for value in tomllib.loads(TEMPLATE.read_text(encoding="utf-8")).values() if value]
    assert load_settings(TEMPLATE, {}) == Settings()


def test_the_template_names_each_setting_once_with_its_default() -> None:
    parsed = tomllib.loads(uncommented())  # which refuses a key that stands there twice
    seen: dict[tuple[str, ...], object] = {}
    for key, value in parsed.items():
        seen.update({(key, inner): item for inner, item in value.items()} if isinstance(value, dict) else {(key,): value})
    defaults = {path: field.default for path, field in leaves().items()}
    assert list(seen) == list(defaults)
    for path, value in seen.items():
        default = "" if defaults[path] is None else defaults[path]
        assert (tuple(value) if isinstance(value, list) else value) == default, path
        assert isinstance(value, bool) == isinstance(default, bool), path


def test_the_template_with_every_line_taken_in_gives_the_defaults(toml: Path) -> None:
    toml.write_text(uncommented(), encoding="utf-8")
    assert load_settings(toml, {}) == Settings()


def test_the_template_explains_each_setting_in_its_own_words() -> None:
    comments: list[str] = []
    explained = []
    for line in TEMPLATE.read_text(encoding="utf-8").splitlines():
        assert len(line) <= 140
        if line.startswith("# "):
            comments.append(line[2:])
        elif line.startswith("#") and " = " in line:
            explained.append(" ".join(comments))
        else:
            comments = []
    assert explained == [field.description for field in leaves().values()]
