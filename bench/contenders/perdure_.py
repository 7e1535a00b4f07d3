"""perdure, through its public verbs."""

import asyncio
import gc
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.contenders.base import Contender, Settings, settings_of
from bench.workload import TURN, Message, session_id
from perdure import Engine
from perdure import sync as blocking

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_FILLING: Final = 800
_COMMITS: Final = ("INSERT", "COMMIT")


class Perdure(Contender):
    """The asynchronous engine."""

    def __init__(self, path: Path, durability: str = "full") -> None:
        super().__init__(path)
        self._durability: Final = durability

    async def open(self) -> None:
        """Open the engine."""
        self.engine: Engine = await Engine.open(
            f"sqlite:///{self.path}",
            durability=self._durability,  # type: ignore[arg-type]
        )

    async def close(self) -> None:
        """Close the engine."""
        await self.engine.close()

    async def settings(self) -> Settings:
        """Ask the recorder's own writing connection."""
        recorder: Any = self.engine._core.store.recorder  # noqa: SLF001
        return settings_of(recorder._writer)  # noqa: SLF001

    async def begin(self, session: str) -> None:
        """Register the session."""
        await self.engine.register(session)

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Record a turn."""
        await self.engine.record_turn(session, messages)

    async def ready(self, session: str) -> None:
        """Fold the session, so that the next turn can begin."""
        await self.engine.read(session)

    async def conversation(self, session: str) -> list[Any]:
        """Fold the session, unless that is done, and read all its messages."""
        await self.engine.read(session)
        return (await self.engine.history(session)).messages

    async def newest(self, session: str, count: int) -> list[Any]:
        """Read the last page."""
        total = (await self.engine.read(session)).message_count
        page = await self.engine.history(session, offset=max(0, total - count), limit=count)
        return page.messages

    async def cold_page(self, session: str, count: int) -> float:
        """Return the seconds of the last page, of a session that is not folded."""
        start = time.perf_counter()
        total = (await self.engine.history(session, limit=0)).message_count
        page = await self.engine.history(session, offset=max(0, total - count), limit=count)
        seconds = time.perf_counter() - start
        if len(page.messages) != count:
            raise RuntimeError(f"{len(page.messages)} messages, not {count}")
        return seconds

    async def checkpoint(self, session: str) -> None:
        """Commit a checkpoint, which keeps a snapshot."""
        await self.engine.checkpoint(session)

    async def row_bytes(self) -> float:
        """Return the bytes of the newest rows, keys included, as the file has them."""
        connection = sqlite3.connect(self.path)
        (found,) = connection.execute(
            "SELECT avg(length(state) + length(topic) + length(originator_id)) FROM"
            " (SELECT * FROM stored_events ORDER BY position DESC LIMIT 100)"
        ).fetchone()
        connection.close()
        return float(found)

    async def register_many(
        self, start: int, count: int, labels: list[dict[str, str]], retire: int
    ) -> None:
        """Register so many sessions, with labels by turns, and retire every ``retire``-th."""
        for first in range(start, start + count, 256):
            await asyncio.gather(
                *(
                    self._registered(
                        session_id(f"session-{n:07}"), labels[n % len(labels)], n % retire == 0
                    )
                    for n in range(first, min(start + count, first + 256))
                )
            )

    async def _registered(self, session: str, labels: dict[str, str], retired: bool) -> None:  # noqa: FBT001
        await self.engine.register(session, labels=labels)
        if retired:
            await self.engine.retire(session)

    async def list_pages(self, count: int, expected: int, **filters: Any) -> list[float]:
        """Return the seconds of each of ``count`` first pages, which have so many sessions."""
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            page = await self.engine.list(limit=50, **filters)
            seconds.append(time.perf_counter() - start)
            if len(page) != expected:
                raise RuntimeError(f"a page of {len(page)} sessions, not {expected}")
        return seconds

    async def audited(self, jobs: int) -> dict[str, Any]:
        """Audit all sessions; return the seconds and the report's counts."""
        start = time.perf_counter()
        report = await self.engine.audit(jobs=jobs)
        seconds = time.perf_counter() - start
        return {
            "seconds": seconds,
            "ok": report.ok,
            "events": report.events,
            "bytes": report.bytes,
        }

    async def paced(self, rate: int, seconds: float, sessions: int) -> dict[str, list[float]]:
        """Record turns at a steady rate over several sessions.

        Return, for each event as "session version", when the call began and when it returned, on
        the system's monotonic clock.
        """
        names = [session_id(f"paced-{n}") for n in range(sessions)]
        version = dict.fromkeys(names, 1)
        for name in names:
            await self.engine.register(name)
        times: dict[str, list[float]] = {}
        locks = {name: asyncio.Lock() for name in names}

        async def one(name: str) -> None:
            async with locks[name]:
                began = time.monotonic()
                await self.engine.record_turn(name, TURN)
                version[name] += 1
                times[f"{name} {version[name]}"] = [began, time.monotonic()]

        start = time.monotonic()
        tasks = []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.ensure_future(one(names[number % sessions])))
        await asyncio.gather(*tasks)
        return times

    async def heard(self, turns: int) -> dict[str, float]:
        """Return when each of so many turns was delivered, as "session version"."""
        times: dict[str, float] = {}
        async for delivery in self.engine.subscribe():
            if delivery.tag == "turn-applied":
                times[f"{delivery.session_id} {delivery.version}"] = time.monotonic()
                if len(times) == turns:
                    break
        return times

    async def paced_and_heard(self, rate: int, seconds: float, sessions: int) -> dict[str, Any]:
        """Record at a steady rate and listen, in one process."""
        listener = asyncio.ensure_future(self.heard(int(rate * seconds)))
        recorded = await self.paced(rate, seconds, sessions)
        return {"recorded": recorded, "heard": await listener}

    async def resident(self, sessions: int, turns: int) -> float:
        """Return the resident bytes that each of so many idle live sessions adds."""
        await self.engine.register("warm")
        for _ in range(1500):  # SQLite's page cache and the allocator's arenas reach their size
            await self.engine.record_turn("warm", TURN)
        await self.engine.discard_live("warm")
        before = 0
        for n in range(
            _FILLING + sessions
        ):  # the first ones fill the memory that warming up has freed
            if n == _FILLING:
                gc.collect()
                before = _resident_bytes()
            name = session_id(f"live-{turns}-{n}")
            await self.engine.register(name)
            for _ in range(turns):
                await self.engine.record_turn(name, TURN)
        gc.collect()
        return (_resident_bytes() - before) / sessions


class SlowDisk(Perdure):
    """The asynchronous engine on a disk that takes longer to sync.

    Each transaction that the writing connection commits waits ``sync_seconds`` longer, on the
    thread that commits and without the interpreter's lock, as it would wait for the disk.
    """

    def __init__(self, path: Path, sync_seconds: float) -> None:
        super().__init__(path)
        self._sync_seconds: Final = sync_seconds

    async def open(self) -> None:
        """Open the engine, and put the slower disk under it."""
        await super().open()
        recorder: Any = self.engine._core.store.recorder  # noqa: SLF001
        recorder._writer = _Slower(recorder._writer, self._sync_seconds)  # noqa: SLF001


class _Slower:
    """A connection whose commits take longer."""

    def __init__(self, connection: sqlite3.Connection, seconds: float) -> None:
        self._connection: Final = connection
        self._seconds: Final = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        """Execute the statement, and wait where that committed something."""
        done = self._connection.execute(statement, *parameters)
        if statement.startswith(_COMMITS) and not self._connection.in_transaction:
            time.sleep(self._seconds)
        return done


class Facade(Contender):
    """The blocking facade."""

    async def open(self) -> None:
        """Open the engine."""
        self._engine = blocking.Engine.open(f"sqlite:///{self.path}")

    async def close(self) -> None:
        """Close the engine."""
        self._engine.close()

    async def settings(self) -> Settings:
        """Ask the recorder's own writing connection."""
        recorder: Any = self._engine._engine._core.store.recorder  # noqa: SLF001
        return settings_of(recorder._writer)  # noqa: SLF001

    async def begin(self, session: str) -> None:
        """Register the session."""
        self._engine.register(session)

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Record a turn."""
        self._engine.record_turn(session, messages)

    async def conversation(self, session: str) -> list[Any]:
        """Fold the session and read all its messages."""
        self._engine.read(session)
        return self._engine.history(session).messages


def _resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * _PAGE_BYTES
