"""The results of a work item: tables, budgets and notes, and how they are written as Markdown."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bench.contenders import CONTENDERS

FULL: Final = {"journal_mode": "wal", "synchronous": "FULL"}
"""The settings of perdure's ``durability="full"``, with which others are compared."""


class Table(msgspec.Struct):
    """A table: the others are measured against its first row."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Budget(msgspec.Struct):
    """A promise, the measured value, and whether it holds; ``because`` is for one that does not."""

    what: str
    target: str
    measured: str
    met: bool
    because: str = ""


class Report(msgspec.Struct):
    """The results of one item. ``figures`` are the bare numbers, for the plot and for reuse."""

    tables: list[Table]
    budgets: list[Budget] = []
    notes: list[str] = []
    figures: dict[str, Any] = {}


def markdown(table: Table) -> str:
    """Return the table as Markdown, numbers to the right."""
    head = f"| {' | '.join(table.columns)} |"
    rule = f"| --- | {' | '.join('---:' for _ in table.columns[1:])} |"
    return "\n".join([head, rule, *(f"| {' | '.join(row)} |" for row in table.rows)])


def budget_table(budgets: Sequence[Budget]) -> str:
    """Return all budgets as one Markdown table."""
    lines = ["| what | budget | measured | met |", "| --- | ---: | ---: | --- |"]
    lines += [
        f"| {one.what} | {one.target} | {one.measured} | {'yes' if one.met else '**no**'} |"
        for one in budgets
    ]
    return "\n".join(lines)


def label(name: str) -> str:
    """Return what tables call a contender."""
    return CONTENDERS[name].label


def durability(settings: Mapping[str, str] | None) -> str:
    """Return the settings in effect, and a mark where they promise another thing than `FULL`."""
    if settings is None:
        return "-"
    mode, level = settings["journal_mode"], settings["synchronous"]
    return f"{mode}, {level}{_mark(mode, level)}"


def _mark(mode: str, level: str) -> str:
    if level in ("OFF", "NORMAL"):
        return " (weaker)"
    if mode == "wal" or level == "EXTRA":
        return ""
    return " (unequal)"


DURABILITY_NOTE: Final = (
    "Durability is journal mode and synchronous level, as PRAGMA told them on the connection that "
    "writes. *weaker*: the last commits can be lost in a power cut, which the first row rules "
    "out. *unequal*: each commit is synced, but the removal of the rollback journal is "
    "not, so a power cut right after a commit may undo it."
)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile: the value that one in a hundred exceeds."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(0.99 * len(ordered)) - 1)]


def seconds(value: float) -> str:
    """Return a duration in the unit that suits it."""
    if value < 1e-3:
        return f"{value * 1e6:,.0f} µs"
    if value < 1:
        return f"{value * 1e3:,.{1 if value < 0.1 else 0}f} ms"
    return f"{value:,.1f} s"


def both(values: Sequence[float]) -> str:
    """Return median and p99."""
    return f"{seconds(median(values))} / {seconds(p99(values))}" if values else "-"


def both_rates(values: Sequence[float]) -> str:
    """Return the median of a rate, and what 99 in a hundred are above."""
    return f"{median(values):,.0f} / {-p99([-value for value in values]):,.0f}"


def ratio(value: float, against: float) -> str:
    """Return how many times the one is the other."""
    if not against:
        return "-"
    times = value / against
    return f"{times:,.0f}x" if times >= 100 else f"{times:,.{1 if times >= 10 else 2}f}x"


def size(value: float) -> str:
    """Return bytes, in the unit that suits them."""
    if abs(value) < 10_000:
        return f"{value:,.0f} B"
    if abs(value) < 10_000_000:
        return f"{value / 1000:,.0f} kB"
    return f"{value / 1e6:,.0f} MB"


def absent_rows(absent: Mapping[str, str], width: int) -> list[list[str]]:
    """Return a row for each contender that did not take part, with the reason."""
    return [
        [label(name), f"absent: {reason.replace('|', '/')}", *[""] * (width - 2)]
        for name, reason in absent.items()
    ]
