"""Where perdure stands beside its peers: one table over the items, from their figures.

Invariants: a peer is only said to be behind or ahead at the durability that its own table shows;
who is ahead of perdure is in bold; a cost at another point than asked says at which, and who was
not asked is not said to have failed.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bench.contenders import CONTENDERS
from bench.report import Table, label

PEERS: Final = (
    "openai-agents",
    "langgraph-sync",
    "langgraph-async",
    "eventsourcing",
    "eventsourcing-cached",
    "dbos",
    "dbos-wal",
    "full-snapshots",
)
EVEN: Final = 0.97
"""Less than this leads; closer to one is a draw, given how much two runs differ."""


class Times(NamedTuple):
    """A cost as a multiple of perdure's, and the number of turns, where another was asked for."""

    value: float
    at: int | None = None


LATE: Final = Times(0.0)
"""Stands for a contender that took part and did not reach so many turns."""


def standing(figures: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """Return each peer's cost in terms of perdure's, above 1 where perdure leads.

    ``figures`` are those of the append, concurrent and resume items, by name. None where one of
    them was not run.
    """
    if not {"append", "concurrent", "resume"} <= set(figures):
        return None
    append, concurrent, resume = figures["append"], figures["concurrent"], figures["resume"]
    ours = label("perdure-full")
    columns: dict[str, dict[str, Times]] = {}
    longest, reached = max(append["latency"][ours], key=int), append["reached"]
    columns["a new session's turn"] = _costs(append["latency"], "0", ours, reached)
    columns[f"a turn at {int(longest):,}"] = _costs(append["latency"], longest, ours, reached)
    for sessions in ("64", "512"):
        columns[f"{sessions} sessions at once"] = {
            name: Times(concurrent[ours][sessions] / found[sessions])
            for name, found in concurrent.items()
        }
    resumed = {name for found in resume.values() for name in found}
    for turns, found in resume.items():
        columns[f"resume {int(turns):,} turns"] = {
            name: Times(found[name] / found["perdure, with snapshot"]) if name in found else LATE
            for name in resumed
        }
    columns["bytes on disk"] = _costs(append["on disk"], longest, ours, reached)
    columns[f"bytes written at {int(longest):,}"] = _costs(
        append["written"], longest, ours, reached
    )
    rows = []
    for peer in (name for name in PEERS if name in CONTENDERS):
        name = label(peer)
        if name in append["durability"]:
            cells = [_cell(costs.get(name)) for costs in columns.values()]
            rows.append([name, append["durability"][name], *cells])
    return Table(
        "Each peer's cost in terms of perdure's at `full`; **bold** where the peer costs less than "
        f"{EVEN:g} of it, since closer than that is a draw; *not reached* where the peer did not "
        "come so far in the time that its table says it had",
        ["", "durability", *columns],
        rows,
    )


def _costs(
    figures: Mapping[str, Mapping[str, float]],
    point: str,
    ours: str,
    reached: Mapping[str, Mapping[str, int]],
) -> dict[str, Times]:
    """Return each one's cost at a point; of who did not come so far, at the last one there is.

    Either is in terms of perdure's cost at the same point.
    """
    costs = {}
    for name, found in figures.items():
        at = point if found.get(point) else max(found, key=int)
        if found[at]:
            turns = None if at == point else reached[name].get(at, 0)
            costs[name] = Times(found[at] / figures[ours][at], turns)
    return costs


def _cell(times: Times | None) -> str:
    if times is None:
        return "not measured"
    if times is LATE:
        return "not reached"
    value = times.value
    written = f"{value:,.0f}x" if value >= 100 else f"{value:.2f}x"
    written = f"**{written}**" if value < EVEN else written
    return written if times.at is None else f"{written} (at {times.at:,})"
