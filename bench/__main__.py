"""Run the benchmark: `make bench`, or `python -m bench [--quick] [ITEM...]`."""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import machine, results
from bench.registry import ITEMS
from bench.setup import RESULTS, Setup, install_peers

COMPLAINTS: Final = "complaints.txt"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the items that are asked for, print the tables and keep the results."""
    names = [item.name for item in ITEMS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("items", nargs="*", metavar="ITEM", help=f"of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, two or three minutes")
    parser.add_argument("--no-peers", action="store_true", help="perdure and raw sqlite3 alone")
    parser.add_argument(
        "--document", action="store_true", help="write the newest results into docs/benchmarks.md"
    )
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.items) - set(names):
        parser.error(f"no such item: {', '.join(sorted(unknown))}")
    if chosen.document and (chosen.quick or chosen.no_peers):
        parser.error("only a run of full size, with peers, is documented")
    found, failed = run(chosen.items or names, quick=chosen.quick, peers=not chosen.no_peers)
    print(results.text(found))
    complete = not (chosen.quick or chosen.no_peers)
    print(f"kept as {results.keep(found, complete=complete)}", file=sys.stderr)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; see {RESULTS / COMPLAINTS}")
    if chosen.document:
        results.document()


def run(
    names: Sequence[str], *, quick: bool, peers: bool, where: Path = RESULTS
) -> tuple[list[results.Kept], list[str]]:
    """Run the items; return their results, and the names of those that failed.

    Databases are made in a folder in ``where``, and the workers' error output is written there.
    """
    if peers:
        install_peers()
    where.mkdir(exist_ok=True)
    found: list[results.Kept] = []
    failed: list[str] = []
    with (
        (where / COMPLAINTS).open("wb") as complaints,
        tempfile.TemporaryDirectory(dir=where) as folder,
    ):
        here = machine.description(Path(folder), peers=peers)
        for item in (one for one in ITEMS if one.name in names):
            print(f"{item.name} ...", end=" ", file=sys.stderr, flush=True)
            state, start = machine.state(Path(folder)), time.perf_counter()
            with tempfile.TemporaryDirectory(dir=folder) as files:
                setup = Setup(Path(files), complaints, quick=quick, peers=peers)
                try:
                    report = item.measure(setup)
                except Exception:  # noqa: BLE001 - the minutes of the others must not be lost with it
                    traceback.print_exc()
                    failed.append(item.name)
                    continue
            seconds = time.perf_counter() - start
            print(f"{seconds:.0f} s", file=sys.stderr)
            found.append(
                results.Kept(
                    name=item.name,
                    at=datetime.now(UTC).isoformat(timespec="seconds"),
                    machine=here,
                    state=state.words,
                    busy=state.busy,
                    seconds=round(seconds, 1),
                    report=report,
                )
            )
    return found, failed


if __name__ == "__main__":
    main()
