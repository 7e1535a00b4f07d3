"""The report of the append item: its tables, its budgets' lines, and the numbers for the plot."""

import statistics
from typing import Any, Final, NamedTuple

from bench.coordinator import PATIENCE
from bench.report import (
    Budget,
    Table,
    absent_rows,
    both,
    durability,
    label,
    median,
    ratio,
    seconds,
    size,
)
from bench.workload import MESSAGE_BYTES
from perdure.store.sqlite.schema import PAGE_BYTES

NEW: Final = 0
"""The point of a session that is new: its turns 1 to 50."""

BESIDE: Final = -1
"""The same, of a session whose turns alternate with those of the long ones."""

GROWTH_NOTE: Final = (
    "The budget of growth in time compares sessions of perdure whose turns alternate, a new one's "
    "and the long ones', which is narrower than the table: there, a new session has the machine to "
    "itself."
)
TIME_NOTE: Final = (
    "Each contender has {seconds:g} s to record a session up to each number of turns; perdure and "
    "the contenders written in this project have {patience} times as long. *Not reached* is a "
    "number of turns that took longer."
)
COPYING_NOTE: Final = (
    "Before each slice of turns the write-ahead log is copied into the file, so that none of the "
    "copying falls into the turns whose latency the first table shows, of any contender. It does "
    "in the sustained line of the budgets."
)
OWN: Final = {
    "full": (
        "encoding its messages and its event, hashing it twice (into its link and into the "
        "conversation's digest), deciding and folding it, and, where a commit is slow enough to be "
        "left to the writing thread, waking that and the event loop again (`make profile`)."
    ),
    "normal": (
        "encoding its messages and its event, hashing it twice (into its link and into the "
        "conversation's digest), deciding it, folding it, and turning the event loop "
        "(`make profile`). The commit is so cheap there that this is more than the commit."
    ),
}
"""Where a turn's own time goes, as `make profile` tells it."""

BUCKET: Final = 250
BUDGET_BYTES: Final = 600


class Measured(NamedTuple):
    """Everything that was measured, by contender and by the turns its session had.

    ``taken`` are seconds of turns, ``sizes`` bytes of a turn, ``reached`` how many turns a session
    for a point really got, ``series`` every turn's seconds of the longest session.
    """

    points: tuple[int, ...]
    taken: dict[str, dict[int, list[float]]]
    sizes: dict[str, dict[int, dict[str, Any]]]
    reached: dict[str, dict[int, int]]
    series: dict[str, list[float]]
    settings: dict[str, dict[str, str]]
    absent: dict[str, str]
    row_bytes: float
    grow_seconds: float

    def names(self) -> list[str]:
        """Return who took part, in the order of the tables."""
        return [name for name in self.taken if name in self.settings]


def latency(found: Measured) -> Table:
    """Return the table of latencies."""
    last = found.points[-1]
    ours = found.taken["perdure-full"]
    shown = tuple(dict.fromkeys((*found.points[:2], *found.points[-2:])))
    table = Table(
        "Latency of a turn, median / p99; a point is the number of turns the session has",
        [
            "",
            "durability",
            f"at {last:,}, of ours",
            "turns 1 to 50, of ours",
            "turns 1 to 50",
            *(f"at {point:,}" for point in shown),
        ],
        [],
    )
    for name in found.names():
        cells, reached = found.taken[name], found.reached[name]
        table.rows.append(
            [
                label(name),
                durability(found.settings[name]),
                _longest(cells, ours, last, reached),
                ratio(median(cells[NEW]), median(ours[NEW])),
                both(cells[NEW]),
                *(_reached(cells[point], reached.get(point), point) for point in shown),
            ]
        )
    table.rows += absent_rows(found.absent, len(table.columns))
    return table


def volume(found: Measured) -> Table:
    """Return the table of bytes."""
    shown = (NEW, found.points[1], found.points[-1])
    last, ours = found.points[-1], found.sizes["perdure-full"]
    table = Table(
        f"Bytes of a turn, of which messages {MESSAGE_BYTES:,}: on disk, and written to storage",
        [
            "",
            "on disk, of ours",
            "written, of ours",
            *(f"on disk {_when(point)}" for point in shown),
            *(f"written {_when(point)}" for point in shown),
        ],
        [],
    )
    for name in (one for one in found.names() if one in found.sizes):
        sizes = found.sizes[name]
        point = max(sizes)
        end, beside = sizes[point], ours[point]
        where = "" if point == last else f" (at {found.reached[name].get(point, 0):,})"
        table.rows.append(
            [
                label(name),
                ratio(end["on_disk"], beside["on_disk"]) + where,
                ratio(end["written"] or 0, beside["written"] or 0) + where,
                *(_bytes(sizes, point, "on_disk") for point in shown),
                *(_bytes(sizes, point, "written") for point in shown),
            ]
        )
    return table


def budgets(found: Measured) -> list[Budget]:
    """Return the budgets' lines."""
    last, ours = found.points[-1], found.sizes["perdure-full"]

    alone = found.taken["perdure-full"]
    growths = (
        ("median latency", median(alone[last]) / median(alone[BESIDE])),
        ("bytes written", (ours[last]["written"] or 0) / (ours[NEW]["written"] or 1)),
        ("bytes on disk", ours[last]["on_disk"] / ours[NEW]["on_disk"]),
    )
    beyond, slack = found.row_bytes - MESSAGE_BYTES, ours[last]["on_disk"] - found.row_bytes
    return [
        *(
            line
            for level, most in (("full", 1.3), ("normal", 2.0))
            for line in _beside_raw(found, level, most)
        ),
        *(
            Budget(
                f"{what} of a turn at {last:,} / of turns 1 to 50",
                "1.0 ± 0.1",
                f"{times:.2f}x",
                abs(times - 1.0) <= 0.1,
            )
            for what, times in growths
        ),
        Budget(
            "bytes of a turn's row beyond its messages: receipt, link, ids, topic",
            f"below {BUDGET_BYTES}",
            f"{beyond:,.0f}",
            beyond < BUDGET_BYTES,
        ),
        Budget(
            "bytes of a turn in the file beyond its messages: the same, index and pages too",
            f"below {BUDGET_BYTES}",
            f"{beyond + slack:,.0f}",
            beyond + slack < BUDGET_BYTES,
            because=(
                f"The row is {found.row_bytes:,.0f} bytes. A page of {PAGE_BYTES:,} takes "
                f"{PAGE_BYTES // found.row_bytes:.0f} such rows, and "
                f"{PAGE_BYTES % found.row_bytes:,.0f} bytes of it stay empty; with the index that "
                f"makes {slack:,.0f} bytes a turn that are not the row's. Turns of other sizes "
                "fill pages better or worse."
            ),
        ),
    ]


def _beside_raw(found: Measured, level: str, most: float) -> list[Budget]:
    """Return the lines of one turn beside one raw row: without copying of the log, and with it."""
    turns, rows = f"perdure-{level}", f"raw-{level}"
    ours, raw = found.taken[turns], found.taken[rows]
    times = median([median(ours[at]) / median(raw[at]) for at in (NEW, *found.points)])
    lines = [
        Budget(
            f"one durable turn at `{level}` / a raw `sqlite3` commit of the same bytes, medians of "
            "turns in which the write-ahead log is not copied into the file",
            f"at most {most:g}x",
            f"{times:.2f}x",
            times <= most,
            because=_own_share(found, turns, rows, most, OWN[level]),
        )
    ]
    if (mine := found.series.get(turns)) and (others := found.series.get(rows)):
        turn, row = statistics.fmean(mine), statistics.fmean(others)
        lines.append(
            Budget(
                f"the same at `{level}`, sustained: the mean of {len(mine):,} turns in a row, "
                "with all copying of the log",
                f"at most {most:g}x",
                ratio(turn, row),
                turn <= most * row,
                because=(
                    f"A turn takes {seconds(turn)} and a raw commit {seconds(row)} in the mean, "
                    "all that happened included: the few that copy the log, and those that waited "
                    "for something else. Each was recorded once, one after the other, so that this "
                    "line is less certain than the one above it."
                ),
            )
        )
    return lines


def _own_share(found: Measured, name: str, raw: str, most: float, where: str) -> str:
    last = found.points[-1]
    turn, row = median(found.taken[name][last]) * 1e6, median(found.taken[raw][last]) * 1e6
    return (
        f"At {last:,} turns a turn takes {turn:.0f} µs and a raw commit {row:.0f} µs; the budget "
        f"allows {most * row:.0f}. The {turn - row:.0f} µs between them are perdure's own: "
        f"{where}"
    )


def figures(found: Measured) -> dict[str, Any]:
    """Return the bare numbers, for the plot."""
    names = found.names()
    return {
        "latency": {
            label(name): {
                str(point): median(one)
                for point, one in found.taken[name].items()
                if one and point >= NEW
            }
            for name in names
        },
        **{
            which.replace("_", " "): {
                label(name): {str(point): one[which] for point, one in found.sizes[name].items()}
                for name in names
                if name in found.sizes
            }
            for which in ("written", "on_disk")
        },
        "durability": {label(name): durability(found.settings[name]) for name in names},
        "reached": {
            label(name): {str(point): turns for point, turns in found.reached[name].items()}
            for name in names
        },
        "every turn": {
            label(name): [median(turns[at : at + BUCKET]) for at in range(0, len(turns), BUCKET)]
            for name, turns in found.series.items()
        },
        "bucket": BUCKET,
    }


def notes(found: Measured) -> list[str]:
    """Return the notes beside the tables."""
    slow = [
        f"{label(name)} came to {max(reached.values()):,} turns"
        for name, reached in found.reached.items()
        if name in found.settings and len(reached) < len(found.points) and reached
    ]
    limits = TIME_NOTE.format(seconds=found.grow_seconds, patience=PATIENCE)
    return [
        GROWTH_NOTE,
        COPYING_NOTE,
        " ".join([limits, *([f"{'; '.join(slow)}."] if slow else [])]),
    ]


def _longest(
    cells: dict[int, list[float]], ours: dict[int, list[float]], last: int, reached: dict[int, int]
) -> str:
    """Return the ratio at the last point, or at the last one that was reached."""
    point = max(one for one, found in cells.items() if found)
    written = ratio(median(cells[point]), median(ours[point]))
    return written if point == last else f"{written} (at {reached.get(point, 0):,})"


def _when(point: int) -> str:
    return "when new" if point == NEW else f"at {point:,}"


def _reached(values: list[float], turns: int | None, point: int) -> str:
    if not values or turns is None:
        return "not reached"
    return both(values) if turns > 0.5 * point else f"{both(values)} (at {turns:,})"


def _bytes(found: dict[int, dict[str, Any]], point: int, which: str) -> str:
    value = found.get(point, {}).get(which)
    return "-" if value is None else size(value)
