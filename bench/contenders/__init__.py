"""Who takes part: perdure, its peers, and the limits that nothing on SQLite can pass.

Invariants: this module imports none of them, so that a worker loads its own contender only, from
the environment that has it.
"""

import importlib
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from bench.contenders.base import Contender


class Entry(NamedTuple):
    """A contender: what tables call it, where its class is, and which environment it needs."""

    label: str
    module: str
    options: dict[str, Any]
    environment: Literal["project", "peers"] = "project"
    distribution: str = ""


CONTENDERS: Final[dict[str, Entry]] = {
    "perdure-full": Entry("perdure, full", "perdure:Perdure", {"durability": "full"}),
    "perdure-normal": Entry("perdure, normal", "perdure:Perdure", {"durability": "normal"}),
    "perdure-slow-disk": Entry(
        "perdure, full, a sync takes 2 ms more", "perdure:SlowDisk", {"sync_seconds": 0.002}
    ),
    "perdure-blocking": Entry("perdure, full, blocking facade", "perdure:Facade", {}),
    "raw-full": Entry("raw sqlite3 rows", "raw:RawRows", {"synchronous": "FULL"}),
    "raw-slow-disk": Entry(
        "raw sqlite3 rows, a sync takes 2 ms more", "raw:RawRows", {"sync_seconds": 0.002}
    ),
    "raw-normal": Entry("raw sqlite3 rows, NORMAL", "raw:RawRows", {"synchronous": "NORMAL"}),
    "raw-log": Entry("perdure's rows, sqlite3 and msgspec alone", "raw:RawLog", {}),
    "full-snapshots": Entry("whole session each turn (naive)", "raw:FullSnapshots", {}),
    "langgraph-sync": Entry(
        "LangGraph SqliteSaver", "langgraph:Sync", {}, "peers", "langgraph-checkpoint-sqlite"
    ),
    "langgraph-async": Entry(
        "LangGraph AsyncSqliteSaver", "langgraph:Async", {}, "peers", "langgraph-checkpoint-sqlite"
    ),
    "openai-agents": Entry(
        "OpenAI Agents SQLiteSession", "openai_agents:Sessions", {}, "peers", "openai-agents"
    ),
    "eventsourcing": Entry(
        "eventsourcing", "eventsourcing:Aggregates", {"cached": False}, "peers", "eventsourcing"
    ),
    "eventsourcing-cached": Entry(
        "eventsourcing, cached aggregates",
        "eventsourcing:Aggregates",
        {"cached": True},
        "peers",
        "eventsourcing",
    ),
    "dbos": Entry("DBOS", "dbos:Workflows", {"wal": False}, "peers", "dbos"),
    "dbos-wal": Entry("DBOS, file put into WAL", "dbos:Workflows", {"wal": True}, "peers", "dbos"),
}


def load(name: str, path: Path) -> Contender:
    """Return a contender, still closed, that is to work on the database at ``path``."""
    entry = CONTENDERS[name]
    module, kind = entry.module.split(":")
    made: Contender = getattr(importlib.import_module(f"bench.contenders.{module}_"), kind)(
        path, **entry.options
    )
    return made


def preload(name: str) -> None:
    """Import the contender's module, so that no measurement pays for it."""
    module = CONTENDERS[name].module.split(":")[0]
    importlib.import_module(f"bench.contenders.{module}_")
