"""``python -m tests.benchmarks.simulations.measure``: what the simulations take of one node, measured here. Seven minutes.

The law of this module: it leaves one file, which says of which machine and day it is, and everything that the document computes, it
computes out of this file and of the bench's. A figure is the median of its rounds.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.benchmarks.machine import raise_file_limit, shape
from tests.benchmarks.simulations import following, opening
from tests.benchmarks.simulations.costs import CROWDS, MEASURED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.benchmarks.stage import Measures

FILE: Final = MEASURED / "nodes.json"
PARTS: Final[Mapping[str, Callable[[], Measures]]] = {
    "one org": opening.one_org,
    "many orgs": opening.many_orgs,
    "refused": opening.refused,
    **{f"crowd of {size:,}": partial(opening.crowd, size) for size in CROWDS},
    "follow": following.follow,
    "first readers": following.first_readers,
    "publish, sync always": partial(following.publish, "always"),
    "publish, sync 2m": partial(following.publish, '"2m"'),
    "subjects": following.subjects,
}


def main() -> int:
    """Measure what was asked for, and put it into the file beside what was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.simulations.measure", description=__doc__)
    parser.add_argument("--only", default="", metavar="NAMES", help=f"of {'; '.join(PARTS)}: those that begin so, separated by semicolons")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of each (%(default)s)")
    parser.add_argument("--out", type=Path, default=FILE, metavar="FILE", help="where the figures go (%(default)s)")
    arguments = parser.parse_args()
    raise_file_limit()
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"parts": {}}
    wanted = tuple(arguments.only.split(";"))
    for name, run in PARTS.items():
        if not name.startswith(wanted):
            continue
        rounds = [run() for _ in range(arguments.rounds)]
        found["parts"][name] = {key: {"median": median(values), "rounds": values} for key, values in _by_key(rounds).items()}
        said = ", ".join(f"{key} {value['median']:.6g}" for key, value in found["parts"][name].items())
        sys.stderr.write(f"{name}: {said}\n")
    found["head"] = f"{datetime.now(UTC):%Y-%m-%d}, {shape()}"
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def _by_key(rounds: list[Measures]) -> dict[str, list[float]]:
    return {key: [one[key] for one in rounds] for key in rounds[0]}


if __name__ == "__main__":
    sys.exit(main())
