"""The OpenAI Agents SDK's `SQLiteSession`: a row a message, by `add_items`, as its runner does.

Its writes run in worker threads, each with a connection of its own, configured by one function; so
the settings are asked of every connection that the session has open.
"""

from collections.abc import Sequence
from typing import Any

from agents import SQLiteSession

from bench.contenders.base import Contender, Settings, settings_of, turns_of
from bench.workload import Message


class Sessions(Contender):
    """One `SQLiteSession` object for each session, on one file."""

    async def open(self) -> None:
        """Nothing is opened before a session is."""
        self._sessions: dict[str, SQLiteSession] = {}

    async def close(self) -> None:
        """Close every session."""
        for session in self._sessions.values():
            session.close()

    async def settings(self) -> Settings:
        """Ask the connections that have written."""
        session = self._session("settings")
        await session.add_items([{"role": "user", "content": "settings"}])
        found = [settings_of(connection) for connection in session._connections]  # noqa: SLF001
        if not found or any(one != found[0] for one in found):
            raise RuntimeError(f"connections differ: {found}")
        return found[0]

    async def begin(self, session: str) -> None:
        """Make the session's object, which makes the tables if need be."""
        self._session(session)

    async def end(self, session: str) -> None:
        """Close the session's connections, one for each thread that wrote."""
        self._sessions.pop(session).close()

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Add the turn's items in one call, which is one transaction."""
        await self._session(session).add_items(list(messages))

    async def grow(self, session: str, turns: int) -> bool:
        """Add all items in one call."""
        await self.record(session, turns_of(turns))
        return True

    async def conversation(self, session: str) -> list[Any]:
        """Get all items."""
        return list(await self._session(session).get_items())

    async def newest(self, session: str, count: int) -> list[Any]:
        """Get the newest items."""
        return list(await self._session(session).get_items(limit=count))

    def _session(self, name: str) -> SQLiteSession:
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = SQLiteSession(name, self.path)
        return session
