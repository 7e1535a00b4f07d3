"""Results: printed as Markdown, kept as JSON, and put into the documentation.

Invariants: every figure carries the time, the machine and the load it was measured at; a quick run,
or one without peers, is never kept as the newest.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench.plot import draw
from bench.registry import ITEMS
from bench.report import DURABILITY_NOTE, Report, budget_table, markdown
from bench.setup import RESULTS, ROOT
from bench.standing import standing

LATEST: Final = RESULTS / "latest"
PAGE: Final = ROOT / "docs" / "benchmarks.md"
PICTURE: Final = ROOT / "docs" / "benchmarks.svg"
BUSY: Final = (
    "**The machine was busy with other work** when these began: {names}. Waits for a sync or a "
    "processor are then those of neighbours, and fall on contenders unevenly. Measure again before "
    "relying on their times; bytes and counts hold."
)
BEGIN: Final = "<!-- measured: written by the benchmark, not by hand -->"
END: Final = "<!-- end of the measurements -->"


class Kept(msgspec.Struct):
    """The results of one item, and when and where they were measured."""

    name: str
    at: str
    machine: list[str]
    state: str
    busy: bool
    seconds: float
    report: Report


def keep(found: Sequence[Kept], *, complete: bool) -> Path:
    """Write the run as JSON, and each item of a full run as the newest; return the run's file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%S}{'' if complete else '-partial'}.json"
    path.write_bytes(_pretty(found))
    path.with_suffix(".md").write_text(text(found), "utf-8")
    if complete:
        LATEST.mkdir(exist_ok=True)
        for one in found:
            (LATEST / f"{one.name}.json").write_bytes(_pretty(one))
    return path


def latest() -> list[Kept]:
    """Return the newest full result of every item; leave, saying which, if one was never run."""
    never = [item.name for item in ITEMS if not (LATEST / f"{item.name}.json").exists()]
    if never:
        raise SystemExit(f"not documented; run these in full first: {', '.join(never)}")
    return [
        msgspec.json.decode((LATEST / f"{item.name}.json").read_bytes(), type=Kept)
        for item in ITEMS
    ]


def text(found: Sequence[Kept]) -> str:
    """Return the results as Markdown: the budgets, then a section for each item."""
    budgets = [budget for one in found for budget in one.report.budgets]
    parts = []
    busy = [one.name for one in found if one.busy]
    if busy:
        parts.append(BUSY.format(names=", ".join(busy)))
    table = standing({one.name: one.report.figures for one in found})
    if table is not None:
        parts += ["### Beside its peers", f"{table.title}:", markdown(table), DURABILITY_NOTE]
    if budgets:
        parts += ["### Budgets", budget_table(budgets)]
        parts += [f"*{one.what}*: {one.because}" for one in budgets if not one.met and one.because]
    for one in found:
        parts += section(one)
    return "\n\n".join(parts) + "\n"


def section(one: Kept) -> list[str]:
    """Return an item's heading, tables and notes."""
    title = next(item.title for item in ITEMS if item.name == one.name)
    parts = [f"### {title}"]
    for table in one.report.tables:
        parts += [f"{table.title}:", markdown(table)]
    return [*parts, *one.report.notes]


def measured(found: Sequence[Kept]) -> list[str]:
    """Return the times and machines of the measurements, once for all items that share them."""
    runs: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        runs.setdefault((one.at[:10], *one.machine), []).append(one.name)
    lines = []
    for (day, *machine), names in runs.items():
        which = f" ({', '.join(names)})" if len(runs) > 1 else ""
        lines += [f"Measured on {day}{which}:", "\n".join(f"- {line}" for line in machine)]
    return lines


def document() -> None:
    """Write the newest results into the documentation page, between its marks, and the picture."""
    found = latest()
    states = "; ".join(f"{one.name}: {one.state}" for one in found)
    lines = [
        *measured(found),
        f"How busy the machine was before each item (a sync of 4 KiB: median / p99): {states}.",
    ]
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n\n".join([BEGIN, *lines, text(found).rstrip(), END])
    PAGE.write_text(f"{before}{body}{after}", "utf-8")
    appended = next(one.report for one in found if one.name == "append")
    PICTURE.write_text(draw(appended.figures), "utf-8")


def _pretty(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
