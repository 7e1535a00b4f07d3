"""Resume: a fresh process, from opening the file to a conversation that can go on.

Each round starts every contender in a new process. The clock inside it starts when its modules are
imported; the whole, from starting the interpreter on, is measured from outside.
"""

import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from bench.contenders import CONTENDERS as REGISTERED
from bench.coordinator import PATIENCE, Failed, Worker, settle
from bench.report import Budget, Report, Table, absent_rows, both, label, median, ratio, seconds
from bench.setup import Setup
from bench.workload import session_id

NAME: Final = "resume"
TITLE: Final = "Resume: a fresh process to a usable conversation"

WITH: Final = "perdure, with snapshot"
WITHOUT: Final = "perdure, without snapshot"
ALONE: Final = label("raw-log")

PEERS: Final = (
    "full-snapshots",
    "openai-agents",
    "langgraph-sync",
    "langgraph-async",
    "eventsourcing",
    "dbos-wal",
)
FIRST: Final = {
    WITH: (
        "The first pass reads every row and hashes its messages' bytes, to compare the digest "
        "with the snapshot's; it decodes nothing and checks no link."
    ),
    WITHOUT: (
        "The first pass reads every row, decodes it, hashes it twice, for its link and for the "
        "conversation's digest, and folds it."
    ),
}
SECOND: Final = (
    "With all messages there is a second pass, `history`: it reads every row again, decodes it, "
    "checks its link and makes the messages objects. That they are two is how perdure is made, and "
    "nothing that verifying asks for: one pass that does both would read each row once, and "
    "without a snapshot decode it and check its link once, and cost less. It is not done."
)
GROW_SECONDS: Final = 20
NOTE: Final = (
    "perdure's conversation is one that the next turn can be recorded on: its digest is "
    "recomputed, and links are checked, at the latest when their messages are returned. The others "
    "return the messages in the file."
)
TIME_NOTE: Final = (
    f"Each contender records a session beforehand, in {GROW_SECONDS} s at most; perdure and the "
    f"contenders written in this project have {PATIENCE} times as long. One that did not reach the "
    "last turn in that time is absent."
)
SESSION: Final = session_id("resumed")


class _Case:
    """A file to be resumed again and again."""

    def __init__(self, name: str, path: Path, *, drop_snapshots: bool = False) -> None:
        self.name: Final = name
        self.path: Final = path
        self.drop_snapshots: Final = drop_snapshots
        self.inside: list[float] = []
        self.opening: list[float] = []
        self.ready: list[float] = []
        self.whole: list[float] = []

    def resume(self, setup: Setup, turns: int) -> None:
        """Resume once. Raises Failed."""
        if self.drop_snapshots:
            connection = sqlite3.connect(self.path)
            connection.execute("DELETE FROM snapshots")
            connection.commit()
            connection.close()
        settle()
        start = time.perf_counter()
        worker = Worker(setup, self.name, self.path)
        try:
            found = worker.ask("resume", session=SESSION)
            self.whole.append(time.perf_counter() - start)
        finally:
            worker.close()
        if found["messages"] != 2 * turns:
            raise Failed(f"{found['messages']} messages, not {2 * turns}")
        self.inside.append(found["seconds"])
        self.opening.append(found["open"])
        self.ready.append(found["ready"])


def measure(setup: Setup) -> Report:
    """Run the item."""
    tables, budgets, figures = [], [], {}
    for turns in (setup.sized(1000, 100), setup.sized(10_000, 200)):
        cases, absent = _prepared(setup, turns)
        for number in range(setup.sized(7, 2)):
            names = list(cases)
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                try:
                    cases[name].resume(setup, turns)
                except (Failed, OSError) as failure:
                    absent[cases.pop(name).name] = str(failure)
        ours, alone = median(cases[WITH].inside), median(cases[ALONE].inside)
        tables.append(
            Table(
                f"{turns:,} turns, median / p99",
                [
                    "",
                    "of ours",
                    "of rows alone",
                    "from open to conversation",
                    "of which opening",
                    "until the next turn can be recorded",
                    "whole process",
                ],
                [
                    [
                        name,
                        ratio(median(case.inside), ours),
                        ratio(median(case.inside), alone),
                        both(case.inside),
                        both(case.opening),
                        both(case.ready) if name in (WITH, WITHOUT) else "-",
                        both(case.whole),
                    ]
                    for name, case in cases.items()
                ]
                + absent_rows(absent, 7),
            )
        )
        for name in (WITH, WITHOUT):
            times = median(cases[name].ready) / alone
            budgets.append(
                Budget(
                    f"resume of {turns:,} turns ({name.partition(', ')[2]}), until the next turn "
                    "can be recorded / reading and decoding the rows with `sqlite3` and `msgspec` "
                    "alone",
                    "at most 2x",
                    f"{times:.2f}x",
                    times <= 2,
                    because=(
                        f"Rows alone take {seconds(alone)}, perdure "
                        f"{seconds(median(cases[name].ready))}, of which "
                        f"{seconds(median(cases[name].opening))} to open. {FIRST[name]}"
                    ),
                )
            )
            times = median(cases[name].inside) / alone
            budgets.append(
                Budget(
                    f"the same ({name.partition(', ')[2]}), with all {2 * turns:,} messages "
                    "as objects",
                    "at most 2x",
                    f"{times:.2f}x",
                    times <= 2,
                    because=(
                        f"Rows alone take {seconds(alone)}, perdure "
                        f"{seconds(median(cases[name].inside))}: "
                        f"{seconds(median(cases[name].opening))} to open the file, start its "
                        "threads and make sure of its tables, "
                        f"{seconds(median(cases[name].ready) - median(cases[name].opening))} until "
                        "the next turn can be recorded, and "
                        f"{seconds(median(cases[name].inside) - median(cases[name].ready))} to "
                        f"return the messages, in a second pass. {FIRST[name]}"
                    ),
                )
            )
        figures[str(turns)] = {name: median(case.inside) for name, case in cases.items()}
    return Report(tables=tables, budgets=budgets, notes=[NOTE, SECOND, TIME_NOTE], figures=figures)


def _prepared(setup: Setup, turns: int) -> tuple[dict[str, _Case], dict[str, str]]:
    """Record a session of that many turns with everyone, and close it."""
    cases: dict[str, _Case] = {}
    ours = setup.folder / f"resume-{turns}-perdure.db"
    absent = _record(setup, "perdure-full", ours, turns)
    if absent:
        raise Failed(absent)
    bare = setup.folder / f"resume-{turns}-bare.db"
    shutil.copy(ours, bare)
    cases[WITH] = _Case("perdure-full", ours)
    cases[WITHOUT] = _Case("perdure-full", bare, drop_snapshots=True)
    cases[ALONE] = _Case("raw-log", ours)
    missing: dict[str, str] = {}
    for name in PEERS:
        if REGISTERED[name].environment == "peers" and not setup.peers:
            missing[name] = "peers were not asked for"
            continue
        path = setup.folder / f"resume-{turns}-{name}.db"
        reason = _record(setup, name, path, turns)
        if reason:
            missing[name] = reason
        else:
            cases[label(name)] = _Case(name, path)
    return cases, missing


def _record(setup: Setup, name: str, path: Path, turns: int) -> str:
    """Record the session; return why that failed, or nothing."""
    try:
        worker = Worker(setup, name, path)
        try:
            worker.ask("open")
            limit = worker.allowed(GROW_SECONDS)
            grown: dict[str, Any] = worker.ask("grow", session=SESSION, turns=turns, seconds=limit)
            if name.startswith("perdure"):
                worker.ask("checkpoint", session=SESSION)
        finally:
            worker.close()
    except (Failed, OSError) as failure:
        return str(failure)
    return (
        "" if grown["turns"] == turns else f"came to {grown['turns']:,} turns in {GROW_SECONDS} s"
    )
