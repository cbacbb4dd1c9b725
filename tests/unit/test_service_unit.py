"""``config/redline.service``: what it says of Redline is so.

The law held here: the unit's bounds hold Redline's own defaults, and its command is one that there is.
"""

from __future__ import annotations

import shlex
from configparser import ConfigParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from redline.cli import app
from redline.cli.options import USAGE
from redline.settings import load_settings

UNIT = Path(__file__).parents[2] / "config" / "redline.service"


@pytest.fixture
def unit() -> ConfigParser:
    """Read the unit; a key that stands twice is an error."""
    parser = ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.read_string(UNIT.read_text())
    return parser


def test_its_command_is_one_that_there_is(unit: ConfigParser) -> None:
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).name == "redline"
    assert arguments[:-1] == ["serve", "--config"]
    shown = CliRunner().invoke(app, [*arguments, "--help"])
    assert shown.exit_code == 0


def test_a_stop_has_the_time_that_redline_takes_for_it(unit: ConfigParser) -> None:
    assert unit["Service"]["KillSignal"] == "SIGTERM"
    assert int(unit["Service"]["TimeoutStopSec"]) > 2 * load_settings(None, {}, {}).shutdown_seconds


def test_there_are_files_for_all_streams(unit: ConfigParser) -> None:
    assert int(unit["Service"]["LimitNOFILE"]) > 2 * load_settings(None, {}, {}).limits.streams


def test_what_fails_is_started_again_for_as_long_as_it_takes_and_what_is_wrong_is_not(unit: ConfigParser) -> None:
    """A NATS that is away for an hour is met by a start a second; a wrong setting (exit 2, see test_cli) by one."""
    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Service"]["RestartPreventExitStatus"] == str(USAGE)
    assert unit["Unit"]["StartLimitIntervalSec"] == "0", "systemd's own limit is five starts in ten seconds, and then never again"


def test_it_runs_without_rights(unit: ConfigParser) -> None:
    service = unit["Service"]
    for key in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp"):
        assert service.getboolean(key), key
    assert not service["CapabilityBoundingSet"]
    assert service["ProtectSystem"] == "strict"
