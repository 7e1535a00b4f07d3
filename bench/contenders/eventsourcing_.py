"""The eventsourcing library as in its documentation: an aggregate, an application, SQLite.

`repository.get` replays all events of the aggregate; with the aggregate cache that the
documentation offers, an application that is the only writer gets it from memory instead.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from bench.contenders.base import Contender, Settings, settings_of
from bench.workload import TURN, Message


class Session(Aggregate):
    """A conversation."""

    @event("Started")
    def __init__(self, name: str) -> None:
        self.name = name
        self.messages: list[Message] = []

    @staticmethod
    def create_id(name: str) -> UUID:
        """Return the id that a name stands for."""
        return uuid5(NAMESPACE_URL, f"/sessions/{name}")

    @event("TurnRecorded")
    def record(self, messages: list[Message]) -> None:
        """Add a turn."""
        self.messages.extend(messages)


class Sessions(Application[UUID]):
    """The application's commands and queries."""

    def record(self, name: str, messages: list[Message], turns: int = 1) -> None:
        """Get the session, add the turn, save."""
        session = self._get(name)
        for _ in range(turns):
            session.record(messages)
        self.save(session)

    def conversation(self, name: str) -> list[Message]:
        """Get the session and return its messages."""
        return self._get(name).messages

    def start(self, name: str) -> None:
        """Make a session."""
        self.save(Session(name))

    def _get(self, name: str) -> Session:
        session: Session = self.repository.get(Session.create_id(name))
        return session


class Aggregates(Contender):
    """One aggregate for each session."""

    def __init__(self, path: Path, *, cached: bool) -> None:
        super().__init__(path)
        self._cached: Final = cached

    async def open(self) -> None:
        """Configure the application through its environment, as documented."""
        env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(self.path)}
        if self._cached:
            env |= {
                "AGGREGATE_CACHE_MAXSIZE": "1000",
                "AGGREGATE_CACHE_FASTFORWARD": "n",
                "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
            }
        self._application = Sessions(env=env)

    async def close(self) -> None:
        """Close the application."""
        self._application.close()

    async def settings(self) -> Settings:
        """Ask the pooled connection that a writer would get."""
        pool = self._application.recorder.datastore.pool  # type: ignore[attr-defined]
        connection = pool.get_connection(is_writer=True)
        try:
            return settings_of(connection._sqlite_conn)  # noqa: SLF001
        finally:
            pool.put_connection(connection)

    async def begin(self, session: str) -> None:
        """Make the aggregate."""
        self._application.start(session)

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Get, record, save."""
        self._application.record(session, list(messages))

    async def grow(self, session: str, turns: int) -> bool:
        """Save that many events at once."""
        self._application.start(session)
        self._application.record(session, list(TURN), turns)
        return True

    async def conversation(self, session: str) -> list[Any]:
        """Get the aggregate."""
        return self._application.conversation(session)
