"""Audit: a large log replayed and verified, on one core and on all of them.

The limit beside it reads the same rows and hashes each twice, into its link and its digest, which
no audit of this log can do without.
"""

import hashlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from bench.coordinator import Failed, working
from bench.report import Budget, Report, Table, both, median, ratio, seconds, size
from bench.setup import Setup
from bench.workload import MESSAGE_BYTES, ROW_BYTES, TURN

NAME: Final = "audit"
TITLE: Final = "Audit: everything replayed and verified"

SESSIONS: Final = 256
EVENT_BYTES: Final = 1700
"""The budget's; its turns are shorter than those of the other items by what theirs are longer."""

SHORTER: Final = ROW_BYTES - EVENT_BYTES
NOTE: Final = (
    "The design asks that the audit scales with processes and gives no number; the benchmark asks "
    "for three quarters of the cores."
)


def measure(setup: Setup) -> Report:
    """Run the item."""
    path = setup.folder / "audit.db"
    turns_each = setup.sized(500_000_000, 10_000_000) // (EVENT_BYTES * SESSIONS)
    user, assistant = TURN
    messages = [user, {**assistant, "content": assistant["content"][SHORTER:]}]
    with working(setup, "perdure-normal", path) as worker:
        worker.ask("open")
        worker.ask("together", sessions=SESSIONS, turns_each=turns_each, messages=messages)
    cores = os.cpu_count() or 1
    rounds = setup.sized(3, 1)
    alone: list[float] = []
    taken: dict[int, list[float]] = {1: [], cores: []}
    report = {}
    for _ in range(rounds):
        alone.append(_limit(path))
        for jobs, found in taken.items():
            with working(setup, "perdure-normal", path) as worker:
                worker.ask("open")
                report = worker.ask("audited", jobs=jobs)
            if not report["ok"]:
                raise Failed("the audit has findings")
            found.append(report["seconds"])
    events, total = report["events"], report["bytes"]
    rows = [["reading and hashing the rows alone", *_row(alone, median(alone), events, total)]]
    for jobs, found in taken.items():
        name = f"perdure, {jobs} process{'es'[: 2 * (jobs > 1)]}"
        rows.append([name, *_row(found, median(alone), events, total)])
    rate = events / median(taken[1])
    event_bytes = total / events
    scale = median(taken[1]) / median(taken[cores])
    per_event = median(alone) / events
    return Report(
        tables=[
            Table(
                f"{size(total)}, {events:,} events of {event_bytes:,.0f} bytes",
                ["", "of the limit", "events a second", "bytes a second", "median / p99"],
                rows,
            )
        ],
        budgets=[
            Budget(
                f"audit on one core, events of {event_bytes / 1000:.1f} KB a second",
                "at least 100,000",
                f"{rate:,.0f}",
                rate >= 100_000,
                because=(
                    f"It is not beyond the machine: reading a row and hashing it twice takes "
                    f"{per_event * 1e6:.1f} µs here, {1 / per_event:,.0f} events a second. perdure "
                    f"takes {1e6 / rate:.1f} µs, {1e6 / rate - per_event * 1e6:.1f} more, in "
                    "Python: decoding each event and counting its messages, replaying it against "
                    "the law, folding it and comparing its receipt with the fold (`make profile`)."
                ),
            ),
            Budget(
                f"audit in {cores} processes / in one",
                f"at least {0.75 * cores:.1f}x",
                f"{scale:.2f}x",
                scale >= 0.75 * cores,
                because=(
                    f"One process takes {seconds(median(taken[1]))}, {cores} take "
                    f"{seconds(median(taken[cores]))}: each is a fresh interpreter that imports "
                    "the engine, and in one process SQLite's own look at the file already goes on "
                    "in another thread."
                ),
            ),
        ],
        notes=[NOTE],
        figures={"one": median(taken[1]), "all": median(taken[cores]), "limit": median(alone)},
    )


def _row(found: list[float], limit: float, events: int, total: int) -> list[str]:
    middle = median(found)
    return [
        ratio(middle, limit),
        f"{events / middle:,.0f}",
        size(total / middle),
        both(found),
    ]


def _limit(path: Path) -> float:
    """Read all rows in the audit's order and hash as many bytes; return the seconds."""
    connection = sqlite3.connect(path)
    start = time.perf_counter()
    digest = hashlib.sha256()
    link = b"0" * 64
    for (state,) in connection.execute(
        "SELECT state FROM stored_events ORDER BY originator_id, originator_version"
    ):
        link = hashlib.sha256(link + state[:-74]).hexdigest().encode()
        digest.update(state[SHORTER - MESSAGE_BYTES :])
        digest.copy().hexdigest()
    taken = time.perf_counter() - start
    connection.close()
    return taken
