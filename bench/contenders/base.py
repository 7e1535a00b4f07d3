"""The interface of a contender: it keeps sessions of messages in a SQLite file, turn by turn.

Invariants: `record` returns once the turn is as durable as the contender makes it; `settings` asks
the connection that writes, so nothing about durability is assumed.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.workload import TURN, Message

_LEVELS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")

Settings = dict[str, str]


class Contender:
    """One way of keeping conversations in the SQLite file at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    async def open(self) -> None:
        """Open the file, making it if need be."""
        raise NotImplementedError

    async def close(self) -> None:
        """Release the file."""

    async def settings(self) -> Settings:
        """Return journal mode and synchronous level in effect on the connection that writes."""
        raise NotImplementedError

    async def begin(self, session: str) -> None:
        """Make the session exist, where that is a step of its own."""

    async def end(self, session: str) -> None:
        """Release the session's connections and caches, if there are any."""

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Record one turn."""
        raise NotImplementedError

    async def grow(self, session: str, turns: int) -> bool:
        """Bring a new session to that many turns in one go, if there is a way; say whether."""
        del session, turns
        return False

    async def ready(self, session: str) -> None:
        """Prepare for the next turn, where that takes less than reading the whole session."""

    async def conversation(self, session: str) -> list[Any]:
        """Return all messages from the file, ready for a model."""
        raise NotImplementedError

    async def newest(self, session: str, count: int) -> list[Any]:
        """Return the newest messages, the cheapest way there is."""
        return (await self.conversation(session))[-count:]


def settings_of(connection: sqlite3.Connection) -> Settings:
    """Return what SQLite has in effect on a connection."""
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    return {"journal_mode": str(mode), "synchronous": _LEVELS[int(level)]}


def turns_of(count: int) -> list[Message]:
    """Return the messages of that many turns."""
    return [dict(message) for _ in range(count) for message in TURN]
