"""Where perdure stands beside its peers: one table over the items, from their figures.

Invariants: a peer is only said to be behind or ahead at the durability that its own table shows;
who is ahead of perdure is in bold, and counted.
"""

from collections.abc import Mapping
from typing import Any, Final

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
"""Closer than this to one is a draw, given how much two runs differ."""


def standing(figures: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """Return each peer's cost in terms of perdure's, above 1 where perdure leads.

    ``figures`` are those of the append, concurrent and resume items, by name. None where one of
    them was not run.
    """
    if not {"append", "concurrent", "resume"} <= set(figures):
        return None
    append, concurrent, resume = figures["append"], figures["concurrent"], figures["resume"]
    ours = label("perdure-full")
    columns: dict[str, dict[str, float]] = {}
    longest = max(append["latency"][ours], key=int)
    columns["a new session's turn"] = _costs(append["latency"], "0")
    columns[f"a turn at {int(longest):,}"] = _costs(append["latency"], longest)
    for sessions in ("64", "512"):
        columns[f"{sessions} sessions at once"] = {
            name: 1 / found[sessions] for name, found in concurrent.items()
        }
    for turns, found in resume.items():
        columns[f"resume {int(turns):,} turns"] = {**found, ours: found["perdure, with snapshot"]}
    columns["bytes on disk"] = _costs(append["on disk"], longest)
    columns[f"bytes written at {int(longest):,}"] = _costs(append["written"], longest)
    rows = []
    for peer in (name for name in PEERS if name in CONTENDERS):
        name = label(peer)
        if name in append["durability"]:
            cells = [_cell(costs, name, ours) for costs in columns.values()]
            rows.append([name, append["durability"][name], *cells])
    return Table(
        "Each peer's cost in terms of perdure's at `full`; **bold** where the peer costs less",
        ["", "durability", *columns],
        rows,
    )


def _costs(figures: Mapping[str, Mapping[str, float]], point: str) -> dict[str, float]:
    """Return the cost at a point; of who did not come so far, at the last one there is."""
    costs = {}
    for name, found in figures.items():
        value = found.get(point) or found[max(found, key=int)]
        if value:
            costs[name] = value
    return costs


def _cell(costs: Mapping[str, float], name: str, ours: str) -> str:
    if name not in costs:
        return "not reached"
    times = costs[name] / costs[ours]
    written = f"{times:,.0f}x" if times >= 100 else f"{times:.2f}x"
    return f"**{written}**" if times < EVEN else written
