"""Footprint: the cost of importing the engine, and the memory of a live session."""

import json
import subprocess
import sys
from typing import Final

from bench.coordinator import working
from bench.report import Budget, Report, Table, both, median, ratio, seconds, size
from bench.setup import ROOT, Setup, compiling

NAME: Final = "footprint"
TITLE: Final = "Footprint: import time and memory"

BUDGET_BYTES: Final = 4096
LIVE: Final = ((1, 3_200), (20, 3_200), (100, 1_000))
"""Turns of each session, and how many sessions of that many turns are made."""

DEPENDENCIES: Final = (
    "asyncio",
    "sqlite3",
    "eventsourcing.persistence",
    "msgspec",
    "immutables",
    "uuid_utils",
)
"""The modules that perdure is built on, and any such program would import: four distributions, and
the standard library's event loop and database."""

DISTRIBUTIONS: Final = DEPENDENCIES[2:]
"""Of these, the distributions alone."""

NOTE: Final = (
    "Processor time of fresh processes, all modules compiled before, as they are where perdure "
    "is installed. Modules that `import perdure` loads beyond its dependencies, of the "
    "standard library and of the four distributions, count against it in the budgets, and not in "
    "the last ratio. asyncio and sqlite3 are dependencies but no distributions: the budget has a "
    "line without them, as it is worded, and one with them."
)
MEMORY_NOTE: Final = (
    "A live session holds no messages. It holds the version of each run it knows, so that a retry "
    "is recognised without asking the file: that is what grows with its turns, by {each:,.0f} "
    "bytes each."
)
_LOADED: Final = (
    "import sys, json, importlib\n"
    "for name in sys.argv[1:]: importlib.import_module(name)\n"
    "print(json.dumps([name for name in sys.modules"
    " if name.partition('.')[0] not in ('perdure', '__main__')]))"
)
_TIMED: Final = (
    "import importlib, sys, time\n"
    "start = time.process_time()\n"
    "for name in sys.argv[1:]: importlib.import_module(name)\n"
    "print(time.process_time() - start)"
)


def measure(setup: Setup) -> Report:
    """Run the item."""
    everything = json.loads(_python(_LOADED, "perdure"))
    known = set(json.loads(_python(_LOADED, *DEPENDENCIES)))
    more = [name for name in everything if name not in known]
    named = [name for name in more if name.partition(".")[0] not in sys.stdlib_module_names]
    beyond, foreign = len(more), f", {', '.join(named)} among them" if named else ""
    ours: list[float] = []
    theirs: list[float] = []
    others: list[float] = []
    installed: list[float] = []
    for _ in range(setup.sized(25, 4)):
        installed.append(float(_python(_TIMED, *DISTRIBUTIONS)))
        theirs.append(float(_python(_TIMED, *DEPENDENCIES)))
        others.append(float(_python(_TIMED, *everything)))
        ours.append(float(_python(_TIMED, "perdure")))
    times, alone = median(ours) / median(theirs), median(ours) / median(installed)
    held: dict[int, float] = {}
    for turns, count in LIVE[: setup.sized(len(LIVE), 2)]:
        sessions = setup.sized(count, count // 8)
        with working(setup, "perdure-normal", setup.folder / f"resident-{turns}.db") as worker:
            worker.ask("open")
            held[turns] = worker.ask("resident", sessions=sessions, turns=turns)
    few, many = held[LIVE[0][0]], held[LIVE[1][0]]
    each = (many - few) / (LIVE[1][0] - LIVE[0][0])
    return Report(
        tables=[
            Table(
                "Import, median / p99 of fresh processes",
                ["", "of the distributions", "of the dependencies", "of all but its own", "time"],
                [
                    [
                        name,
                        ratio(median(found), median(installed)),
                        ratio(median(found), median(theirs)),
                        ratio(median(found), median(others)),
                        both(found),
                    ]
                    for name, found in (
                        ("`import perdure`", ours),
                        (f"its distributions: {', '.join(DISTRIBUTIONS)}", installed),
                        (f"its dependencies: {', '.join(DEPENDENCIES)}", theirs),
                        (
                            f"those and the {beyond} other modules that are not its own{foreign}",
                            others,
                        ),
                    )
                ],
            ),
            Table(
                "Resident memory of an idle live session",
                ["", "of the budget of 4 KiB", "each"],
                [
                    [
                        f"after {turns} turn{'s'[: turns > 1]}",
                        ratio(value, BUDGET_BYTES),
                        size(value),
                    ]
                    for turns, value in held.items()
                ],
            ),
        ],
        budgets=[
            Budget(
                f"import time of `engine` / of its {len(DISTRIBUTIONS)} distributions alone",
                "at most 1.5x",
                f"{alone:.2f}x",
                alone <= 1.5,
                because=(
                    f"The distributions take {seconds(median(installed))}. Of the "
                    f"{seconds(median(ours))} of `import perdure`, asyncio and sqlite3 are "
                    f"{seconds(median(theirs) - median(installed))} that the distributions have "
                    "not loaded; the next line has the rest."
                ),
            ),
            Budget(
                "import time of `engine` / of its dependencies, asyncio and sqlite3 among them",
                "at most 1.5x",
                f"{times:.2f}x",
                times <= 1.5,
                because=(
                    f"Of {seconds(median(ours))}, its dependencies take {seconds(median(theirs))}, "
                    "other modules that are not its own "
                    f"{seconds(median(others) - median(theirs))}, and perdure's own modules "
                    f"{seconds(median(ours) - median(others))}."
                ),
            ),
            *(
                Budget(
                    f"resident memory of an idle live session of {turns} turns",
                    "below 4 KiB",
                    size(value),
                    value < BUDGET_BYTES,
                    because=(
                        f"A session takes {few:,.0f} bytes after a turn and {each:,.0f} more for "
                        "each run that it knows, so that a retry is recognised without asking the "
                        f"file; 4 KiB have room for {1 + (BUDGET_BYTES - few) // each:.0f} turns."
                    ),
                )
                for turns, value in held.items()
                if turns > 1
            ),
        ],
        notes=[NOTE, MEMORY_NOTE.format(each=each)],
        figures={
            "import": times,
            "import, distributions": alone,
            "held": {str(turns): value for turns, value in held.items()},
        },
    )


def _python(script: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=compiling(),
    ).stdout
