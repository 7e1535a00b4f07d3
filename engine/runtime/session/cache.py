"""The session cache: folded states kept in memory, and never trusted over the log.

Invariants: a decision on a cached state stands only if the log still ends at that version; a state
that another process has outrun is caught up from the log; a state in use is never evicted; dropping
one loses nothing.
"""

import asyncio
import collections
import logging
from typing import Final

from perdure.errors import SessionNotFound, StaleWriter
from perdure.projections.snapshots import Folded, Kept, catch_up, load, nothing_folded, snapshot_of
from perdure.store import Mapper, Store
from perdure.values import Terminal

_LOGGER: Final = logging.getLogger("perdure")

MAX_CACHED: Final = 4096
"""Sessions kept folded at once; the least recently used are dropped."""


def keep_snapshot(store: Store, session_id: str, due: tuple[int, bytes]) -> None:
    """Keep a snapshot that fell due. A failure is only logged, as snapshots are a cache."""
    try:
        store.derived.put_snapshot(session_id, *due)
    except Exception as error:  # noqa: BLE001 - the write has landed
        _LOGGER.warning("the snapshot of session %r was not kept: %s", session_id, error)


def make_snapshot(folded: Folded) -> Kept | None:
    """Return the snapshot of a fold that fell due, None with a logged warning if it fails."""
    try:
        return snapshot_of(folded)
    except Exception as error:  # noqa: BLE001 - the write has landed
        _LOGGER.warning("no snapshot of session %r was made: %s", folded.state.id, error)
        return None


FEW_EVENTS: Final = 16
"""So many events of a session are caught up with on the event loop's own thread."""


class CachedSession:
    """The cached state of one session, and its use by this engine.

    - ``folded``: the state with its place in the log.
    - ``lock``: held from a decision to the outcome of its commit.
    - ``turn``: a turn of this engine uses the session, or is about to.
    - ``starting``: set once the admitted turn has begun or was refused; None without one.
    - ``driving``: this engine drives the current run.
    - ``terminal``: how the last run of this engine ended.
    - ``users``: how many tasks use the state, which is not dropped before there are none.

    Four say what has happened since ``lock`` was taken:

    - ``fresh``: the state was compared with the log.
    - ``outrun``: the store refused the last decision as stale.
    - ``contended``: a decision is made again for that reason.
    - ``living``: the epoch of a run's owner that was found alive.
    """

    __slots__ = (
        "contended",
        "driving",
        "folded",
        "fresh",
        "living",
        "lock",
        "outrun",
        "starting",
        "terminal",
        "turn",
        "users",
    )

    def __init__(self, session_id: str) -> None:
        self.folded: Folded = nothing_folded(session_id)
        self.fresh = False
        self.outrun = False
        self.contended = False
        self.living: str | None = None
        self.starting: asyncio.Event | None = None
        self.lock = asyncio.Lock()
        self.turn = False
        self.driving = False
        self.terminal: Terminal | None = None
        self.users = 0


class SessionCache:
    """The cached sessions of one engine, by session id, least recently used first."""

    def __init__(self, store: Store, mapper: Mapper) -> None:
        self._store: Final = store
        self._mapper: Final = mapper
        self._cached: Final[collections.OrderedDict[str, CachedSession]] = collections.OrderedDict()

    def get(self, session_id: str) -> CachedSession:
        """Return the session's cached state, an empty one at first."""
        cached = self._cached.get(session_id)
        if cached is None:
            self._evict()
            cached = self._cached[session_id] = CachedSession(session_id)
        else:
            self._cached.move_to_end(session_id)
        return cached

    def drives(self, session_id: str) -> bool:
        """Whether this engine drives the session's run."""
        cached = self._cached.get(session_id)
        return cached is not None and cached.driving

    def discard(self, session_id: str) -> bool:
        """Drop the cached state, unless there is none or a task uses it; return whether."""
        cached = self._cached.get(session_id)
        if cached is None or cached.users:
            return False
        del self._cached[session_id]
        return True

    def is_current(self, cached: CachedSession) -> bool:
        """Whether the cached state has all that the log has."""
        state = cached.folded.state
        return (self._store.recorder.last_version(state.id) or 0) == state.version

    def check_current(self, cached: CachedSession) -> None:
        """Raise StaleWriter if the cached state lacked part of the log ever since it was locked.

        An answer that was true of the log at some moment of the call is good, although other
        processes have written since.
        """
        if not cached.fresh and not self.is_current(cached):
            version = cached.folded.state.version
            raise StaleWriter(cached.folded.state.id, version, version + 1)

    async def refresh(self, cached: CachedSession) -> Folded:
        """Bring the cached state up to the log and return its fold.

        Raises LogCorrupt if the log cannot be folded, StoreError if it cannot be read.
        """
        folded = await self._catch_up(cached)
        if cached.contended and not self.is_current(cached):
            folded = await self._catch_up(cached)  # what came in while another thread read
        return folded

    async def _catch_up(self, cached: CachedSession) -> Folded:
        folded = cached.folded
        session_id = folded.state.id
        newest = self._store.recorder.last_version(session_id) or 0
        cached.fresh = True
        if newest == folded.state.version:
            return folded
        behind = newest - folded.state.version
        if cached.contended and folded.state.version and 0 < behind <= FEW_EVENTS:
            folded, due = catch_up(self._store.recorder, self._mapper, folded)
        elif folded.state.version == 0 or behind < 0:
            loaded, due = await asyncio.to_thread(load, self._store, self._mapper, session_id)
            folded = loaded or nothing_folded(session_id)
        else:
            folded, due = await asyncio.to_thread(
                catch_up, self._store.recorder, self._mapper, folded
            )
        if due is not None:
            await asyncio.to_thread(keep_snapshot, self._store, session_id, due)
        cached.folded = folded
        return folded

    async def read(self, session_id: str) -> Folded:
        """Return the session's fold. Raises SessionNotFound if nothing is recorded."""
        cached = self.get(session_id)
        cached.users += 1
        try:
            async with cached.lock:
                folded = await self.refresh(cached)
        finally:
            cached.users -= 1
        if not folded.state.version:
            self.discard(session_id)
            raise SessionNotFound(session_id)
        return folded

    def _evict(self) -> None:
        if len(self._cached) < MAX_CACHED:
            return
        for session_id, cached in self._cached.items():
            if not cached.users:
                del self._cached[session_id]
                return
