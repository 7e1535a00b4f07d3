"""How a decision becomes a commit: decide on the cached state, append, and only then move it.

Invariants: a decision lands only if the session is still where the decision saw it, which the store
checks under its write lock; a refusal, or "nothing to do", is returned only after its cached state
was found current. A state that another process has outrun is caught up from the log and decided on
again, with ever longer pauses, until the decision lands or a bound in seconds is reached. From the
second attempt on nothing is awaited between the catching up and the append where the store allows
it, so that two engines on one event loop cannot keep each other out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from perdure.aggregates import CallShape, SessionCommand, SessionEvent, decide, fold
from perdure.errors import PerdureError, StaleWriter, StoreError
from perdure.projections.snapshots import Folded, follow
from perdure.runtime.session.cache import CachedSession, SessionCache, keep_snapshot, make_snapshot
from perdure.runtime.session.commit_queue import Submissions
from perdure.store import Mapper, Store

_T = TypeVar("_T")

FIRST_PAUSE_SECONDS: Final = 0.001
LONGEST_PAUSE_SECONDS: Final = 0.05
"""The pauses before a decision is made again; each is twice as long as the one before it."""


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
        *,
        contention_seconds: float,
        call_shapes: tuple[CallShape, ...] = (),
    ) -> None:
        self._store: Final = store
        self._mapper: Final = mapper
        self._sessions: Final = sessions
        self._landed: Final = landed
        self._call_shapes: Final = call_shapes
        self._submissions: Final = Submissions(store, asyncio.get_running_loop())
        self._contention_seconds: Final = contention_seconds
        self._at_work = 0
        self._background: Final[set[asyncio.Task[None]]] = set()

    async def run_alone(self, cached: CachedSession, work: Callable[[Folded], Awaitable[_T]]) -> _T:
        """Do the work on the session's fold, while no other task of this engine writes to it.

        It is done again, on a fold that is caught up, until it was done on a current one.
        """
        cached.users += 1
        self._at_work += 1
        try:
            await cached.lock.acquire()
            try:
                return await self._work_until_current(cached, work)
            finally:
                cached.contended = False
                cached.lock.release()
        finally:
            self._at_work -= 1
            cached.users -= 1

    async def _work_until_current(
        self, cached: CachedSession, work: Callable[[Folded], Awaitable[_T]]
    ) -> _T:
        cached.fresh = False
        cached.living = None
        folded = cached.folded
        if not folded.state.version:
            folded = await self._sessions.refresh(cached)
        pauses: Iterator[float] | None = None
        while True:
            cached.outrun = False
            try:
                return await work(folded)
            except PerdureError:
                if (cached.fresh and not cached.outrun) or self._sessions.is_current(cached):
                    raise
                if pauses is None:
                    pauses = self._pauses()
                pause = next(pauses, None)
                if pause is None:
                    raise
            if pause:
                await asyncio.sleep(pause)
            cached.contended = True
            folded = await self._sessions.refresh(cached)

    def _pauses(self) -> Iterator[float]:
        """Yield the seconds to wait before each further attempt, until the bound is reached."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._contention_seconds
        yield 0.0
        pause = FIRST_PAUSE_SECONDS
        while (left := give_up_at - loop.time()) > 0:
            yield min(pause, left)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def commit(
        self, cached: CachedSession, folded: Folded, *commands: SessionCommand
    ) -> Written:
        """Append the events of the commands, one after the other, and move the cached state there.

        All of it is one commit. Raises the refusals of `decide`, StaleWriter, StoreError; then
        nothing was written.
        """
        if self._call_shapes:
            shapes = self._call_shapes
            commands = tuple(msgspec.structs.replace(c, call_shapes=shapes) for c in commands)
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
        outcome, held = await self._submissions.commit(
            rows, alone=self._at_work == 1, at_once=cached.contended
        )
        if isinstance(outcome, Exception):
            cached.outrun = isinstance(outcome, StaleWriter)
            if held is not None:
                raise held from outcome
            raise outcome if isinstance(outcome, PerdureError) else StoreError(str(outcome))
        cached.folded = folded
        self._landed(folded.state.id, events)
        due = None if falls_due is None else make_snapshot(falls_due)
        if due is not None:
            self._keep_later(folded.state.id, due)
        if held is not None:
            raise held
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
        raise StaleWriter(folded.state.id, expected, version, retryable=False)
