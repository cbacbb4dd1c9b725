"""``python -m tests.benchmarks.simulations``: the tables of ``config/scaling.md``; ``--into FILE`` puts them there.

The law of this module: of a document it changes what stands between a table's marks, and nothing else. It takes some seconds.

These simulations stand beside the benchmarks because they live on what those measure: whoever measures anew on another machine gets this
machine's tables.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.simulations.costs import read
from tests.benchmarks.simulations.tables import tables

if TYPE_CHECKING:
    from collections.abc import Mapping


def put(text: str, found: Mapping[str, str]) -> str:
    """Return a document with these tables between its marks; raise ``ValueError`` where it has not each mark once."""
    for name, table in found.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            msg = f"the document has {begin.strip()!r} {text.count(begin)} times and {end!r} {text.count(end)} times, and needs each once"
            raise ValueError(msg)
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n{table}\n\n{end}{rest.partition(end)[2]}"
    return text


def main() -> int:
    """Print the tables, or put them into a document."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.simulations", description="Size, storms and uneven orgs, computed.")
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the tables between the marks of this document")
    into: Path | None = parser.parse_args().into
    found = tables(read())
    if into is None:
        sys.stdout.write("\n\n".join(f"{name}\n\n{table}" for name, table in found.items()) + "\n")
    else:
        into.write_text(put(into.read_text(), found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
