"""Plain `sqlite3`: the speed that a log on SQLite cannot exceed, and the design it replaces.

Invariants: a raw row has as many bytes as perdure records for the same turn, in a table of the same
shape, in pages of the same size, at the same durability.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.contenders.base import Contender, Settings, settings_of, turns_of
from bench.workload import MESSAGE_BYTES, ROW_BYTES, TURN, Message, session_id
from perdure.store.sqlite.connections import CHECKPOINT_BYTES
from perdure.store.sqlite.schema import LOG, PAGE_BYTES

_INSERT: Final = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state)"
    " VALUES (?, ?, ?, ?)"
)
_OVERHEAD: Final = b" " * (ROW_BYTES - MESSAGE_BYTES)


class _Connected(Contender):
    """A contender with one connection of its own."""

    schema = ""

    def __init__(self, path: Path, synchronous: str = "FULL") -> None:
        super().__init__(path)
        self._synchronous: Final = synchronous

    async def open(self) -> None:
        """Connect, with perdure's own settings for pages and the write-ahead log."""
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        self.connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_BYTES // PAGE_BYTES}")
        if self.schema:
            self.connection.execute(self.schema)

    async def close(self) -> None:
        """Disconnect."""
        self.connection.close()

    async def settings(self) -> Settings:
        """Ask the one connection."""
        return settings_of(self.connection)


class RawRows(_Connected):
    """One row a turn, one commit a row; many sessions at once share one commit.

    Each commit waits ``sync_seconds`` more, as for a disk that takes longer to sync.
    """

    schema = LOG

    def __init__(self, path: Path, synchronous: str = "FULL", sync_seconds: float = 0.0) -> None:
        super().__init__(path, synchronous)
        self._sync_seconds: Final = sync_seconds
        self._versions: dict[str, int] = {}
        self._state: Final = msgspec.json.encode(TURN)[1:-1] + _OVERHEAD

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Commit one row."""
        self._commit([session], messages)

    async def together(self, sessions: int, turns_each: int) -> float:
        """Return turns a second when each commit has a row of every session."""
        names = [session_id(f"{n}-{time.monotonic_ns()}") for n in range(sessions)]
        start = time.perf_counter()
        for _ in range(turns_each):
            self._commit(names, TURN)
        return sessions * turns_each / (time.perf_counter() - start)

    def _commit(self, sessions: Sequence[str], messages: Sequence[Message]) -> None:
        state = self._state
        if messages is not TURN:
            state = msgspec.json.encode(messages)[1:-1] + _OVERHEAD
        several = len(sessions) > 1  # a statement by itself commits by itself, as perdure's do
        if several:
            self.connection.execute("BEGIN IMMEDIATE")
        for session in sessions:
            version = self._versions.get(session, 0) + 1
            self.connection.execute(_INSERT, (session, version, "turn-applied", state))
            self._versions[session] = version
        if several:
            self.connection.execute("COMMIT")
        if self._sync_seconds:
            time.sleep(self._sync_seconds)


class RawLog(_Connected):
    """A log that perdure wrote, read without perdure: what resuming costs at the least."""

    async def open(self) -> None:
        """Connect, and change nothing."""
        self.connection = sqlite3.connect(self.path, isolation_level=None)

    async def conversation(self, session: str) -> list[Any]:
        """Select the session's rows, decode each, and gather its messages."""
        decode = msgspec.json.Decoder().decode
        found: list[Any] = []
        for (state,) in self.connection.execute(
            "SELECT state FROM stored_events WHERE originator_id = ? ORDER BY originator_version",
            (session,),
        ):
            found += decode(state).get("messages", ())
        return found


class FullSnapshots(_Connected):
    """The naive design: each turn writes the whole session, in one row that is replaced.

    Encoded by msgspec, so that the design is measured and not its encoder.
    """

    schema = "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, state BLOB NOT NULL)"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._sessions: dict[str, list[Message]] = {}

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Add to the session in memory and write all of it."""
        conversation = self._sessions.setdefault(session, [])
        conversation += messages
        self.connection.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?)",
            (session, msgspec.json.encode(conversation)),
        )

    async def grow(self, session: str, turns: int) -> bool:
        """Write the session once, as it is at that turn."""
        await self.record(session, turns_of(turns))
        return True

    async def conversation(self, session: str) -> list[Any]:
        """Read and decode the one row."""
        row = self.connection.execute("SELECT state FROM sessions WHERE id = ?", (session,))
        found: list[Any] = msgspec.json.decode(row.fetchone()[0])
        return found
