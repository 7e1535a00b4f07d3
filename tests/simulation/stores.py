"""The data that survive a process, and a process's access to them.

Invariants: durable data change only inside `_commit`, or by calls to derived data and leases; a
process that has died reaches nothing any more; the commits queued in it are lost with it.
"""

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from perdure.errors import EngineClosed, StoreError
from perdure.store import MemoryDerived, MemoryLeases, MemoryRecorder, SQLiteRecorder, Submission
from perdure.store.recorder import Outcome
from perdure.store.sqlite.derived import SQLiteDerived
from perdure.store.sqlite.leases import SQLiteLeases

from .clock import Process, SimulatedLoop

CrashPoint = Callable[[Process, str], None]
"""Called where a commit can be cut off; raises Crashed where it is."""

Settle = Callable[[Sequence[Outcome]], None]


class _Guarded:
    """Something of the database's, for as long as the process lives."""

    def __init__(self, process: Process, target: Any, **instead: Any) -> None:
        self._process: Final = process
        self._target: Final = target
        self._instead: Final = instead

    def __getattr__(self, name: str) -> Any:
        self._process.check()
        if name in self._instead:
            return self._instead[name]
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def guarded(*given: Any, **named: Any) -> Any:
            self._process.check()
            return found(*given, **named)

        self.__dict__[name] = guarded
        return guarded


class _Bell:
    """A listener, called in its own process after a commit of any process."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: Any) -> None:
        self._loop: Final = loop
        self._listener: Final = listener
        self._context: Final = contextvars.copy_context()

    def set(self) -> None:
        self._loop.call_soon(self._listener.set, context=self._context)


class Handle:
    """A store as one process has it open. Commits as the engine's own stores do.

    Sometimes at once, sometimes later; the first submission comes first.
    """

    def __init__(
        self,
        process: Process,
        loop: SimulatedLoop,
        durable: "Durable",
        *,
        crash_point: CrashPoint,
        fails: Callable[[], bool],
        chance: Any,
    ) -> None:
        self.persistent = durable.persistent
        self._opened: Final = durable.connect()
        self._process: Final = process
        self._loop: Final = loop
        self._crash_point: Final = crash_point
        self._fails: Final = fails
        self._chance: Final = chance
        self._durable: Final = durable
        self._bells: Final[dict[Any, _Bell]] = {}
        self._queue: list[tuple[Sequence[Submission], Settle]] = []
        self._scheduled = False
        self._closed = False
        recorder, derived, leases = self._opened
        self.recorder: Any = _Guarded(
            process, recorder, listen=self._listen, unlisten=self._unlisten
        )
        self.derived: Any = _Guarded(process, derived)
        self.leases: Any = _Guarded(process, leases)

    def commit_now(self, submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        """Commit at once, or decline."""
        self._process.check()
        if self._closed or self._queue or self._chance.random() < 0.4:
            return None
        return self._commit(submissions, now=True)

    def submit(self, submissions: Sequence[Submission], settle: Settle) -> None:
        """Commit later."""
        self._process.check()
        if self._closed:
            raise EngineClosed("the engine is closed")
        self._queue.append((submissions, settle))
        self._schedule()

    def reopening(self) -> None:
        """Return None: the simulation opens every process's store itself."""

    def close(self) -> None:
        """Commit the queued submissions, then close."""
        self._process.check()
        while self._queue:
            self._work_off(len(self._queue))
        self._closed = True
        for bell in list(self._bells.values()):
            bell.set()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_later(self._chance.uniform(0, 0.01), self._work)

    def _work(self) -> None:
        self._scheduled = False
        if self._queue:
            self._work_off(self._chance.randint(1, len(self._queue)))
        if self._queue:
            self._schedule()

    def _work_off(self, groups: int) -> None:
        batch = self._queue[:groups]
        outcomes = self._commit([one for group, _ in batch for one in group], now=False)
        assert outcomes is not None
        del self._queue[:groups]
        start = 0
        for group, settle in batch:
            settle(outcomes[start : start + len(group)])
            start += len(group)

    def _commit(self, submissions: Sequence[Submission], *, now: bool) -> Sequence[Outcome] | None:
        self._crash_point(self._process, "before a commit")
        if self._fails():
            return [StoreError("the disk is full; nothing was written")] * len(submissions)
        outcomes: Sequence[Outcome] | None = self._durable.insert(
            self._opened[0], submissions, now=now
        )
        self._durable.ring()
        if outcomes is not None:
            self._crash_point(self._process, "after a commit")
        return outcomes

    def _listen(self, listener: Any) -> None:
        self._bells[listener] = bell = _Bell(self._loop, listener)
        self._durable.bells.append(bell)

    def _unlisten(self, listener: Any) -> None:
        bell = self._bells.pop(listener, None)
        if bell is not None:
            self._durable.bells.remove(bell)

    def lost(self) -> None:
        """Release the resources that the operating system would, the process having died."""
        for bell in self._bells.values():
            self._durable.bells.remove(bell)
        self._durable.disconnect(self._opened)


class Durable:
    """A database in memory that all processes share."""

    persistent = False

    def __init__(self) -> None:
        self.bells: list[_Bell] = []
        self.observed = self.connect()

    def connect(self) -> tuple[Any, Any, Any]:
        """Open the database once more."""
        if not hasattr(self, "_shared"):
            self._shared = MemoryRecorder(), MemoryDerived(), MemoryLeases()
        return self._shared

    def disconnect(self, opened: tuple[Any, Any, Any]) -> None:
        """Close the connections, without telling their users."""

    def insert(
        self, recorder: Any, submissions: Sequence[Submission], *, now: bool
    ) -> Sequence[Outcome] | None:
        """Commit, or return None where that cannot be done at once."""
        outcomes: Sequence[Outcome] = recorder.insert_many(submissions)
        return outcomes

    def ring(self) -> None:
        """Tell every process that something was committed."""
        for bell in tuple(self.bells):
            bell.set()

    def close(self) -> None:
        """Close everything."""


class DurableFile(Durable):
    """A real SQLite file, on which each process has connections of its own."""

    persistent = True

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._open: Final[list[Any]] = []
        super().__init__()

    def connect(self) -> tuple[Any, Any, Any]:
        """Open the file once more."""
        recorder = SQLiteRecorder(self._path, durability="normal")
        self._open.append(recorder)
        return recorder, SQLiteDerived(recorder), SQLiteLeases(recorder)

    def disconnect(self, opened: tuple[Any, Any, Any]) -> None:
        """Close the connections; SQLite rolls back open transactions."""
        self._open.remove(opened[0])
        opened[0].close()

    def insert(
        self, recorder: Any, submissions: Sequence[Submission], *, now: bool
    ) -> Sequence[Outcome] | None:
        """Commit in the quick way or the careful one, however fast this disk is today."""
        recorder._pace_seconds = 0.0
        outcomes: Sequence[Outcome] | None = (
            recorder.insert_now(submissions) if now else recorder.insert_many(submissions)
        )
        return outcomes

    def close(self) -> None:
        """Close every connection."""
        for recorder in self._open:
            recorder.close()
