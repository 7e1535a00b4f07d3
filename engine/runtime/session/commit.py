"""How a decision becomes a commit: decide on the cached state, append, and only then move it.

Invariants: a decision lands only if the session is still where the decision saw it, which the store
checks under its write lock; a refusal, or "nothing to do", is returned only after its cached state
was found current. A state that another process has outrun is caught up from the log and decided on
again, once; if it is outrun again, that is a race, and the caller gets StaleWriter.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec

from perdure.aggregates import SessionCommand, SessionEvent, decide, fold
from perdure.errors import PerdureError, StaleWriter, StoreError
from perdure.projections.snapshots import Folded, follow
from perdure.runtime.session.cache import CachedSession, SessionCache, keep_snapshot, make_snapshot
from perdure.runtime.session.commit_queue import Submissions
from perdure.store import Mapper, Store

_T = TypeVar("_T")


class Written(msgspec.Struct, frozen=True):
    """The outcome of a command: the fold after it, its events, and a snapshot that fell due."""

    folded: Folded
    events: tuple[SessionEvent, ...]
    snapshot: bytes | None = None


class Writer:
    """The writing side of one engine; ``landed`` is called with the events of each commit."""

    def __init__(
        self,
        store: Store,
        mapper: Mapper,
        sessions: SessionCache,
        landed: Callable[[str, Sequence[SessionEvent]], None],
    ) -> None:
        self._store: Final = store
        self._mapper: Final = mapper
        self._sessions: Final = sessions
        self._landed: Final = landed
        self._submissions: Final = Submissions(store, asyncio.get_running_loop())
        self._at_work = 0
        self._background: Final[set[asyncio.Task[None]]] = set()

    async def run_alone(self, cached: CachedSession, work: Callable[[Folded], Awaitable[_T]]) -> _T:
        """Do the work on the session's fold, while no other task of this engine writes to it."""
        cached.users += 1
        self._at_work += 1
        try:
            await cached.lock.acquire()
            try:
                cached.fresh = False
                folded = cached.folded
                if not folded.state.version:
                    folded = await self._sessions.refresh(cached)
                try:
                    return await work(folded)
                except PerdureError:
                    if self._sessions.is_current(cached):
                        raise
                return await work(await self._sessions.refresh(cached))
            finally:
                cached.lock.release()
        finally:
            self._at_work -= 1
            cached.users -= 1

    async def commit(
        self, cached: CachedSession, folded: Folded, *commands: SessionCommand
    ) -> Written:
        """Append the events of the commands, one after the other, and move the cached state there.

        All of it is one commit. Raises the refusals of `decide`, StaleWriter, StoreError; then
        nothing was written.
        """
        events = decide(folded.state, commands[0])
        for command in commands[1:]:
            events += decide(fold(folded.state, events), command)
        if not events:
            self._sessions.check_current(cached)
            return Written(folded, events)
        rows, _ = self._mapper.to_stored(events, folded.head)
        falls_due: Folded | None = None
        for event, row in zip(events, rows, strict=True):
            folded, is_due = follow(folded, event, row)
            if is_due:
                falls_due = folded
        outcome, cancelled = await self._submissions.commit(rows, alone=self._at_work == 1)
        if isinstance(outcome, Exception):
            if cancelled:
                raise asyncio.CancelledError from outcome
            raise outcome if isinstance(outcome, PerdureError) else StoreError(str(outcome))
        cached.folded = folded
        self._landed(folded.state.id, events)
        due = None if falls_due is None else make_snapshot(falls_due)
        if due is not None:
            self._keep_later(folded.state.id, due)
        if cancelled:
            raise asyncio.CancelledError
        return Written(folded, events, None if due is None else due.state)

    async def close(self) -> None:
        """Wait for the snapshots that are still being kept."""
        if self._background:
            await asyncio.wait(self._background)

    def _keep_later(self, session_id: str, due: tuple[int, bytes]) -> None:
        """Keep a snapshot without making the turn wait for it, or fail with it."""
        task = asyncio.create_task(asyncio.to_thread(keep_snapshot, self._store, session_id, due))
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def expect_version(folded: Folded, expected: int | None) -> None:
    """Raise StaleWriter unless the session is at the version the caller expects."""
    version = folded.state.version
    if expected is not None and expected != version:
        raise StaleWriter(folded.state.id, expected, version)
