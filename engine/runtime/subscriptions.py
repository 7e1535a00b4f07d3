"""Subscriptions: recorded events in the order of their positions, old ones first, then live.

What running turns emit can come along, marked as what it is.

Invariants: nothing is delivered before its commit, nothing is missed and nothing is repeated; a
slow subscriber delays no commit, because it reads the log at its own pace; a row that is no event
is delivered as such and does not end the subscription; closing the engine does end it.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from engine.aggregates import MobJoined, MobLeft, SessionEvent
from engine.errors import EngineClosed, LogCorrupt
from engine.runtime.streams import LiveEvent, Missed, Streams
from engine.store import Mapper, Store
from projections.membership import is_member

_PAGE: Final = 500
_FEW: Final = 16
"""So many events are read on the event loop's own thread: sooner than another thread would."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded event and its place in the store.

    ``event`` is None where the row is damaged; the audit says how.
    """

    position: int
    session_id: str
    version: int
    tag: str
    event: SessionEvent | None


class Members:
    """Which sessions belong to a group, as far as a subscription has come."""

    def __init__(self, store: Store, mapper: Mapper, mob: str) -> None:
        self._store: Final = store
        self._mapper: Final = mapper
        self._mob: Final = mob
        self._known: Final[dict[str, bool]] = {}

    async def concerns(self, delivery: Delivery) -> bool:
        """Whether the event is one of the group's: of a member, or of one that joins or leaves."""
        name, event = delivery.session_id, delivery.event
        if name not in self._known:
            self._known[name] = delivery.version > 1 and await asyncio.to_thread(
                is_member,
                self._store.recorder,
                self._mapper,
                name,
                self._mob,
                before=delivery.version,
            )
        before = self._known[name]
        if isinstance(event, MobJoined | MobLeft) and event.mob == self._mob:
            self._known[name] = isinstance(event, MobJoined)
        return before or self._known[name]

    def has(self, session_id: str) -> bool:
        """Whether the session is known to belong to the group."""
        return self._known.get(session_id, False)


class _Bell(threading.Event):
    """What a recorder rings, on any thread, after a commit; the event loop waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._loop: Final = asyncio.get_running_loop()
        self._rung: Final = asyncio.Event()

    def set(self) -> None:
        """Ring."""
        with contextlib.suppress(RuntimeError):  # the loop has closed, so nobody listens
            self._loop.call_soon_threadsafe(self._rung.set)

    async def heard(self) -> None:
        """Wait for a ring since the last `quiet`."""
        await self._rung.wait()

    def quiet(self) -> None:
        """Forget earlier rings."""
        self._rung.clear()


async def deliveries(
    store: Store,
    mapper: Mapper,
    session_id: str | None,
    after: int,
    is_closed: Callable[[], bool],
    *,
    mob: str | None = None,
    streams: Streams | None = None,
) -> AsyncIterator[Delivery | LiveEvent | Missed]:
    """Yield the events after a position, of one session or of all, until the engine is closed.

    ``mob`` leaves out what is not of a group's members; ``streams`` adds what running turns emit.
    """
    bell = _Bell()
    behind = True
    members = None if mob is None else Members(store, mapper, mob)
    watching = None if streams is None else streams.watch(session_id, bell.set)
    store.recorder.listen(bell)
    try:
        while not is_closed():
            bell.quiet()
            try:
                if behind:
                    page = await asyncio.to_thread(
                        store.recorder.select_notifications, after, _PAGE, inclusive_of_start=False
                    )
                else:
                    page = store.recorder.notifications_after(after, _FEW)
            except EngineClosed:
                return
            behind = len(page) >= (_PAGE if behind else _FEW)
            # Taken once the page is read: what a turn emitted comes before its recorded end.
            for live in () if watching is None else watching.take():
                if members is None or isinstance(live, Missed) or members.has(live.session_id):
                    yield live
            for row in page:
                after = row.id
                if session_id in (None, row.originator_id):
                    try:
                        event = mapper.to_event(row, previous=None)
                    except LogCorrupt:
                        event = None
                    delivery = Delivery(
                        position=row.id,
                        session_id=str(row.originator_id),
                        version=row.originator_version,
                        tag=row.topic,
                        event=event,
                    )
                    if members is None or await members.concerns(delivery):
                        yield delivery
            if not behind:
                await bell.heard()
    finally:
        store.recorder.unlisten(bell)
        if watching is not None and streams is not None:
            streams.leave(watching)
