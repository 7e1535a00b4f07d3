"""Append: one session, turn by turn, when it is new, half-way and long; and the bytes of each turn.

A contender that writes the whole conversation each turn is brought to a turn with one write, since
its cost there does not depend on how it got there; getting there turn by turn would take hours.
"""

from typing import Any, Final

from bench.coordinator import Contest, Worker
from bench.items.append_report import (
    BESIDE,
    NEW,
    Measured,
    budgets,
    figures,
    latency,
    notes,
    volume,
)
from bench.report import DURABILITY_NOTE, Report
from bench.setup import Setup
from bench.workload import session_id

NAME: Final = "append"
TITLE: Final = "Append: one session, a turn at a time"

CONTENDERS: Final = (
    "perdure-full",
    "perdure-normal",
    "perdure-blocking",
    "raw-full",
    "raw-normal",
    "full-snapshots",
    "openai-agents",
    "langgraph-sync",
    "langgraph-async",
    "eventsourcing",
    "eventsourcing-cached",
    "dbos",
    "dbos-wal",
)
POINTS: Final = (500, 1000, 2500, 5000, 10_000)
GROW_SECONDS: Final = 8.0
"""A contender without a way to grow a session at once gets so long for each; the rest is said."""

SLICE_SECONDS: Final = 1.5
BYTES_SECONDS: Final = 8.0
"""So long for the bytes of a contender's turns at the last point, forty of the slowest, so that a
page more or less is little; at others a quarter of it."""


def measure(setup: Setup) -> Report:
    """Run the item."""
    points = (100, 200) if setup.quick else POINTS
    rounds, count = setup.sized(8, 2), setup.sized(50, 20)
    with Contest(setup, NAME, CONTENDERS) as contest:
        reached, series = _grown(contest, points, rounds * count)
        taken: dict[str, dict[int, list[float]]] = {
            name: {point: [] for point in (BESIDE, NEW, *points)} for name in contest.names()
        }
        for number in range(rounds):
            for worker in contest.round():
                with contest.attempt(worker):
                    _slice(worker, taken[worker.name], reached[worker.name], number, count)
        sizes, row_bytes = _sizes(contest, reached, setup)
        measured = Measured(
            points=points,
            taken=taken,
            sizes=sizes,
            reached=reached,
            series=series,
            settings=dict(contest.settings),
            absent=dict(contest.absent),
            row_bytes=row_bytes,
            grow_seconds=GROW_SECONDS,
        )
    return Report(
        tables=[latency(measured), volume(measured)],
        budgets=budgets(measured),
        notes=[DURABILITY_NOTE, *notes(measured)],
        figures=figures(measured),
    )


def _at(point: int) -> str:
    return session_id(f"at-{point}")


def _grown(
    contest: Contest, points: tuple[int, ...], window: int
) -> tuple[dict[str, dict[int, int]], dict[str, list[float]]]:
    """Bring a session to each point, less half the window; return how far each really came."""
    reached: dict[str, dict[int, int]] = {}
    series: dict[str, list[float]] = {}
    for worker in contest.round():
        with contest.attempt(worker):
            reached[worker.name] = {}
            for point in points:
                turns = max(0, point - window // 2)
                grown = worker.ask(
                    "grow", session=_at(point), turns=turns, seconds=worker.allowed(GROW_SECONDS)
                )
                reached[worker.name][point] = grown["turns"]
                series[worker.name] = grown["seconds"]
                if grown["turns"] < turns:
                    break  # a longer one would not be reached either
    return reached, {name: turns for name, turns in series.items() if turns}


def _slice(
    worker: Worker, taken: dict[int, list[float]], reached: dict[int, int], number: int, count: int
) -> None:
    """Record turns in a new session, then in each that was grown.

    perdure's growth is to be known within a tenth, so its sessions, and another new one, take turns
    one by one. For others the long ones would only disturb the short.
    """
    new, beside = session_id(f"new-{number}"), session_id(f"beside-{number}")
    taken[NEW] += worker.ask("slice", sessions={new: count}, seconds=SLICE_SECONDS / 3, fresh=new)[
        new
    ]
    if worker.name.startswith("perdure"):
        sessions = {beside: count, **{_at(point): count for point in reached}}
        found = worker.ask("slice", sessions=sessions, seconds=SLICE_SECONDS, fresh=beside)
        taken[BESIDE] += found[beside]
        for point in reached:
            taken[point] += found[_at(point)]
        return
    for point in reached:
        sessions = {_at(point): count}
        limit = SLICE_SECONDS / len(reached)
        taken[point] += worker.ask("slice", sessions=sessions, seconds=limit)[_at(point)]


def _sizes(
    contest: Contest, reached: dict[str, dict[int, int]], setup: Setup
) -> tuple[dict[str, dict[int, dict[str, Any]]], float]:
    """Return the bytes of a turn at every point, and those of perdure's row."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    row_bytes = 0.0
    each, count = setup.sized(50, 20), setup.sized(400, 40)
    new = {session_id(f"bytes-{n}"): each for n in range(count // each)}
    for worker in contest.round():
        with contest.attempt(worker):
            sizes = found[worker.name] = {
                NEW: worker.ask("written", sessions=new, seconds=BYTES_SECONDS, fresh=True)
            }
            for point in reached[worker.name]:
                limit = BYTES_SECONDS / (1 if point == max(reached[worker.name]) else 4)
                sizes[point] = _sizes_at(worker, point, count, limit)
            if worker.name == "perdure-full":
                row_bytes = worker.ask("row_bytes")
    return found, row_bytes


def _sizes_at(worker: Worker, point: int, count: int, limit: float) -> dict[str, Any]:
    """Return the bytes of a turn at a point.

    Who writes the whole conversation gets another session, around the point; who does not goes on
    where its session is, a few hundred turns further.
    """
    few, session = min(count, max(40, point // 10)), session_id(f"sized-{point}")
    if worker.ask("at_once", session=session, turns=point - few // 2):
        sessions = {session: few}
    else:
        sessions = {_at(point): count}
    found: dict[str, Any] = worker.ask("written", sessions=sessions, seconds=limit)
    return found
