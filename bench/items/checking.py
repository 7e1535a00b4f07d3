"""Checking: every state of the reference model, beside a plain search and beside SPIN.

The explorer compiles a model before it searches; a plain search is written for one and compiles
nothing. Beside SPIN, which compiles for longer, the searches alone are compared. SPIN is Debian's,
its verifier compiled with -O2 and without partial-order reduction, and its time is the one that
it reports. The table says so where SPIN or a C compiler is missing.
"""

import gc
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from bench import plain_search
from bench.report import Budget, Report, Table, both, median, ratio, seconds, size
from bench.setup import ROOT, Setup
from perdure.machines import Model, instances
from perdure.machines.checker.check import MEMORY_BYTES, prepare
from perdure.machines.checker.search import Budget as Limit
from perdure.machines.checker.search import search
from perdure.machines.printing.promela import promela
from tests.support.reference_model import REFERENCE, looking_across

NAME: Final = "checking"
TITLE: Final = "Checking: every state that can be reached"

STATES: Final = 100_000_000
SPIN_FLAGS: Final = ("-O2", "-DNOREDUCE", "-DSAFETY", "-w")
SPIN_SIZES: Final = ("-m2000000", "-w26")
MEMORY_BUDGET: Final = 8 << 30


class Found(NamedTuple):
    """One search: its counts, and the seconds that compiling and searching took."""

    counts: tuple[int, int]
    compiling: float
    searching: float


def measure(setup: Setup) -> Report:
    """Run the item."""
    rounds = setup.sized(5, 2)
    rows, budgets, figures = [], [], {}
    for model, number, following in (
        (instances(REFERENCE, 1, properties=()), 1, plain_search.apart),
        (instances(REFERENCE, 2, properties=()), 2, plain_search.apart),
        (instances(REFERENCE, 3, properties=()), 3, plain_search.apart),
        (looking_across(3), 3, plain_search.across),
    ):
        repeats = 20 if number < 3 else 1
        plain, ours = [], []
        for _ in range(rounds):
            plain.append(_plainly(number, following, repeats))
            ours.append(_explored(model, repeats))
            _agree(plain[-1], ours[-1])
        searches = [[one.searching for one in taken] for taken in (plain, ours)]
        slow, fast = map(median, searches)
        whole = median([one.compiling + one.searching for one in ours])
        rows.append(
            [
                model.name,
                f"{ours[0].counts[0]:,}",
                ratio(slow, whole),
                ratio(slow, fast),
                *(both(taken) for taken in (searches[1], [one.compiling for one in ours])),
                both(searches[0]),
            ]
        )
        if number == 3:  # the time of a smaller model is spent on compiling
            budgets.append(
                Budget(
                    f"searching {model.name}, compiling included, beside a plain search",
                    "at least 10x as fast",
                    ratio(slow, whole),
                    slow >= 10 * whole,
                )
            )
        figures[model.name] = {"plain": slow, "explorer": fast}
    tables = [
        Table(
            "A search, median / p99 of the rounds",
            [
                "",
                "states",
                "plain / explorer, compiling included",
                "plain / its search alone",
                "its search",
                "compiling",
                "plain Python",
            ],
            rows,
        )
    ]
    notes = [__doc__.partition("\n\n")[2].replace("\n", " ").strip()]
    if setup.quick:
        return Report(tables, budgets, notes, figures)
    beside, more = _beside_spin(setup, min(rounds, 3))
    return Report([*tables, beside], [*budgets, *more], notes, figures)


def _explored(model: Model, repeats: int = 1) -> Found:
    taken, compiling = 0.0, 0.0
    for _ in range(repeats):
        gc.collect()
        start = time.perf_counter()
        program, by_level = prepare(model, ())
        ready = time.perf_counter()
        found = search(program, Limit(STATES, MEMORY_BYTES), by_level)
        taken += time.perf_counter() - ready
        compiling += ready - start
    return Found((found.states, found.transitions(program)), compiling / repeats, taken / repeats)


def _plainly(number: int, following: plain_search.Following, repeats: int) -> Found:
    taken = 0.0
    for _ in range(repeats):
        gc.collect()
        start = time.perf_counter()
        states, generated, _ = plain_search.search(number, following)
        taken += time.perf_counter() - start
    return Found((states, generated), 0.0, taken / repeats)


def _agree(one: Found, other: Found) -> None:
    if one.counts != other.counts:
        raise AssertionError(f"{one.counts} is not {other.counts}")


def _beside_spin(setup: Setup, rounds: int) -> tuple[Table, list[Budget]]:
    model = instances(REFERENCE, 4, properties=())
    ours = [_explored(model) for _ in range(rounds)]
    searches, peak = [one.searching for one in ours], _peak_bytes()
    fast = median(searches)
    budgets = [
        Budget(
            "memory of a process that searches four instances",
            "at most 8 GB",
            size(peak),
            peak <= MEMORY_BUDGET,
        )
    ]
    rows = [
        [
            "perdure",
            f"{ours[0].counts[0]:,}",
            "",
            both(searches),
            both([one.compiling for one in ours]),
        ]
    ]
    missing = [name for name in ("spin", "cc") if shutil.which(name) is None]
    if missing:
        rows.append(["SPIN", f"absent: no {' and no '.join(missing)}", "", "", ""])
    else:
        states, taken, compiled = _spin(setup.folder / "spin", model, rounds)
        slow = median(taken)
        if states != ours[0].counts[0]:
            raise AssertionError(f"SPIN stores {states} states, and not {ours[0].counts[0]}")
        rows.append(["SPIN", f"{states:,}", ratio(slow, fast), both(taken), seconds(compiled)])
        budgets.append(
            Budget(
                "searching four instances, beside SPIN",
                "faster",
                f"{ratio(slow, fast)} as fast",
                fast < slow,
            )
        )
    columns = ["", "states", "SPIN / perdure", "search", "compiling"]
    return Table("Four instances, median / p99 of the rounds", columns, rows), budgets


def _spin(folder: Path, model: Model, rounds: int) -> tuple[int, list[float], float]:
    """Return the states SPIN stores, and the seconds of its searches and of its compilation."""
    folder.mkdir()
    (folder / "model.pml").write_text(promela(model, properties=False), "utf-8")
    start = time.perf_counter()
    for command in (["spin", "-a", "model.pml"], ["cc", *SPIN_FLAGS, "-o", "pan", "pan.c"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    compiling = time.perf_counter() - start
    states, taken = 0, []
    for _ in range(rounds):
        said = subprocess.run(
            ["./pan", *SPIN_SIZES], cwd=folder, check=True, capture_output=True, text=True
        ).stdout
        states = int(float(_before(said, " states, stored")))
        taken.append(float(_before(said, " seconds")))
    return states, taken, compiling


def _before(text: str, words: str) -> str:
    """Return the number before the words."""
    return text.partition(words)[0].split()[-1]


_PEAK: Final = """
import resource
from perdure.machines import check
from tests.support.reference_model import REFERENCE
check(REFERENCE, instances=4, properties=())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _peak_bytes() -> int:
    """Return the most memory that a process took which checks four instances."""
    run = subprocess.run(
        [sys.executable, "-c", _PEAK], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return int(run.stdout) * (1 if sys.platform == "darwin" else 1024)
