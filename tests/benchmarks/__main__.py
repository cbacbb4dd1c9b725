"""``make bench``: Redline beside its peers, and alone.

The law of this module: it ends by itself, talks to nothing but the loopback, and leaves five files: the table as text and as Markdown, its
summary for the README, every round as JSON, and the picture. It exits with 1 where a run failed, but not for a target that was missed:
what must never get worse is held by ``test_guard.py``.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tests.benchmarks import report
from tests.benchmarks.installs import CACHE
from tests.benchmarks.machine import raise_file_limit, shape
from tests.benchmarks.picture import draw
from tests.benchmarks.runner import run, say
from tests.benchmarks.stage import Scale
from tests.benchmarks.summary import summary
from tests.benchmarks.workloads import alone, beside, cluster, durable, growth, trouble

if TYPE_CHECKING:
    from types import FrameType

_FILES_NEEDED = 10_200


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure Redline beside its peers, over loopback.")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, once: to see that it works; its figures mean nothing")
    parser.add_argument("--only", default="abcdefghijkl", metavar="LETTERS", help="the workloads to run, as abd")
    parser.add_argument("--subjects", default="", metavar="NAMES", help="in a to d only these servers and the floor, separated by commas")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="paired runs of each (5; with --quick 1)")
    parser.add_argument("--out", type=Path, default=CACHE / "results", metavar="FOLDER", help="where the files go (%(default)s)")
    return parser.parse_args()


def _stopped(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # unwinds: every server and load is stopped on the way


def main() -> int:
    """Run what was asked for."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _stopped)
    if raise_file_limit() < _FILES_NEEDED:
        say("fewer than 10,200 files may be open here: ulimit -Hn is too low for 10,000 streams, and those workloads will fail")
    scale = Scale(quick=arguments.quick)
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    every = (*beside.cases(), *growth.cases(), *trouble.cases(), *alone.cases(), *durable.cases(), *cluster.cases())
    cases = [case for case in every if case.letter in arguments.only]
    if arguments.subjects:
        wanted = {"floor", *arguments.subjects.split(",")}
        cases = [
            replace(case, subjects=[one for one in case.subjects if case.letter not in "abcd" or one.label in wanted]) for case in cases
        ]
    began = time.monotonic()
    outcomes = run(cases, rounds, scale)
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    head = [
        f"{date}, {shape()}",
        f"{rounds} paired runs, {time.monotonic() - began:.0f} s{', QUICK: the figures mean nothing' * scale.quick}",
    ]
    text = report.as_text(outcomes, head)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "table.txt").write_text(text)
    (arguments.out / "table.md").write_text(report.as_markdown(outcomes, head))
    (arguments.out / "summary.md").write_text(summary(outcomes, head))
    (arguments.out / "results.json").write_text(json.dumps({"head": head, "cases": report.as_json(outcomes)}, indent=1) + "\n")
    (arguments.out / "picture.svg").write_text(draw(outcomes, head[0]))
    sys.stdout.write(text)
    say(f"table.txt, table.md, summary.md, results.json and picture.svg are in {arguments.out}")
    return 1 if any(outcome.failures for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
