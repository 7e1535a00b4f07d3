"""What every benchmark does: turns of a 400-byte user and a 1,200-byte assistant message.

Invariants: the raw baseline commits as many bytes as perdure does, to a table of the same shape, at
the same durability; journal mode and synchronous level are read back, not assumed.
"""

import asyncio
import os
import sqlite3
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from engine import Engine
from engine.store.schema import LOG, PAGE_BYTES
from engine.store.sqlite import CHECKPOINT_PAGES

TURN: Final[list[dict[str, Any]]] = [
    {"role": "user", "content": "u" * 400},
    {"role": "assistant", "content": "a" * 1200},
]
STATE_BYTES: Final = 2130
"""What a recorded turn of this size takes, within a few bytes."""


async def turns(engine: Engine, session_id: str, count: int) -> list[float]:
    """Record turns one after another; return each one's seconds."""
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        await engine.record_turn(session_id, TURN)
        seconds.append(time.perf_counter() - start)
    return seconds


async def rate_of(engine: Engine, sessions: int, turns_each: int) -> float:
    """Return turns a second of that many sessions at once, each a turn at a time."""
    ids = [(await engine.register()).id for _ in range(sessions)]
    start = time.perf_counter()
    await asyncio.gather(*(turns(engine, one, turns_each) for one in ids))
    return sessions * turns_each / (time.perf_counter() - start)


class RawTable:
    """A plain `sqlite3` connection that commits one row at a time."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(f"PRAGMA synchronous = {synchronous}")
        self.connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self.connection.execute(LOG)
        self.settings = durability_of(self.connection)
        self._state = os.urandom(STATE_BYTES)
        self._version = 0

    def commits(self, count: int, rows_each: int = 1) -> Iterator[float]:
        """Yield the seconds of each commit, of one row or of one for each of several sessions."""
        for _ in range(count):
            self._version += 1
            start = time.perf_counter()
            self.connection.execute("BEGIN IMMEDIATE")
            for session in range(rows_each):
                self.connection.execute(
                    "INSERT INTO stored_events (originator_id, originator_version, topic, state)"
                    " VALUES (?, ?, ?, ?)",
                    (f"{session:036}", self._version, "turn-applied", self._state),
                )
            self.connection.execute("COMMIT")
            yield time.perf_counter() - start

    def rate(self, sessions: int, commits: int) -> float:
        """Return rows a second, when each commit has one row of each session."""
        return sessions * commits / sum(self.commits(commits, sessions))


def durability_of(connection: sqlite3.Connection) -> str:
    """Return a connection's journal mode and synchronous level, as SQLite has them in effect."""
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    return f"{mode}, synchronous={('OFF', 'NORMAL', 'FULL', 'EXTRA')[level]}"


def written_bytes() -> int | None:
    """Return the bytes this process has sent to storage, where the system tells."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def microseconds(seconds: list[float]) -> float:
    """Return the median in microseconds."""
    return statistics.median(seconds) * 1e6
