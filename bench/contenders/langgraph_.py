"""LangGraph's SQLite checkpoint savers.

A checkpoint holds the value of every channel, and the `messages` channel of `MessagesState` is the
whole conversation, so each `put` writes all of it. A graph of one node puts three checkpoints and
two sets of pending writes for each turn; here a turn is one `put`, the least that keeps it.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.checkpoint.base import Checkpoint, create_checkpoint, empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from bench.contenders.base import Contender, Settings, settings_of, turns_of
from bench.workload import Message


class _Thread:
    """The state of one thread that a graph holds between its steps."""

    def __init__(self, session: str) -> None:
        self.config: Any = {"configurable": {"thread_id": session, "checkpoint_ns": ""}}
        self.checkpoint = empty_checkpoint()
        self.messages: list[BaseMessage] = []
        self.step = 0

    def step_with(
        self, messages: Sequence[Message], saver: Any
    ) -> tuple[Any, Checkpoint, Any, Any]:
        """Return the arguments of the `put` that ends a step which adds these messages."""
        for message in messages:
            kind = HumanMessage if message["role"] == "user" else AIMessage
            number = len(self.messages)
            self.messages.append(kind(content=message["content"] or "", id=f"message-{number}"))
        version = saver.get_next_version(self.checkpoint["channel_versions"].get("messages"), None)
        self.checkpoint = create_checkpoint(self.checkpoint, None, self.step)
        self.checkpoint["channel_values"] = {"messages": self.messages}
        self.checkpoint["channel_versions"] = {"messages": version}
        metadata = {"source": "loop", "step": self.step, "parents": {}}
        self.step += 1
        return self.config, self.checkpoint, metadata, {"messages": version}


class _Threads(Contender):
    saver: Any

    async def _put(self, thread: _Thread, messages: Sequence[Message]) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        """Connect as the documentation does."""
        self._threads: dict[str, _Thread] = {}

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Put the checkpoint after the turn."""
        thread = self._threads.get(session)
        if thread is None:
            thread = self._threads[session] = _Thread(session)
        await self._put(thread, messages)

    async def grow(self, session: str, turns: int) -> bool:
        """Put one checkpoint, as it is at that turn."""
        await self.record(session, turns_of(turns))
        return True


class Sync(_Threads):
    """`SqliteSaver` on a connection of the standard library."""

    async def open(self) -> None:
        """Connect and set up."""
        await super().open()
        self._connection = sqlite3.connect(self.path, check_same_thread=False)
        self.saver = SqliteSaver(self._connection)
        self.saver.setup()

    async def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    async def settings(self) -> Settings:
        """Ask the saver's connection."""
        return settings_of(self.saver.conn)

    async def _put(self, thread: _Thread, messages: Sequence[Message]) -> None:
        thread.config = self.saver.put(*thread.step_with(messages, self.saver))

    async def conversation(self, session: str) -> list[Any]:
        """Load the newest checkpoint."""
        found = self.saver.get_tuple({"configurable": {"thread_id": session}})
        messages: list[Any] = found.checkpoint["channel_values"]["messages"]
        return messages


class Async(_Threads):
    """`AsyncSqliteSaver` on a connection of aiosqlite."""

    async def open(self) -> None:
        """Connect and set up."""
        await super().open()
        self._connection = await aiosqlite.connect(self.path)
        self.saver = AsyncSqliteSaver(self._connection)
        await self.saver.setup()

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()

    async def settings(self) -> Settings:
        """Ask the saver's connection, on its own thread."""
        connection = self.saver.conn
        found: Settings = await connection._execute(settings_of, connection._conn)  # noqa: SLF001
        return found

    async def _put(self, thread: _Thread, messages: Sequence[Message]) -> None:
        thread.config = await self.saver.aput(*thread.step_with(messages, self.saver))

    async def conversation(self, session: str) -> list[Any]:
        """Load the newest checkpoint."""
        found = await self.saver.aget_tuple({"configurable": {"thread_id": session}})
        messages: list[Any] = found.checkpoint["channel_values"]["messages"]
        return messages
