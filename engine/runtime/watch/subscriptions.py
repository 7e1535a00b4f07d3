"""Subscriptions: recorded events in the order of their positions, old events first, then new ones.

Live events of running turns can come along, as a type of their own. They do not wait while a
subscription is behind with recorded events; all live events of a run come before its end.

Invariants: no event is delivered before its commit, none is missed and none is repeated; a slow
subscriber delays no commit, because it reads the log at its own pace; a row that is no event is
delivered as such and does not end the subscription; closing the engine ends it.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Final

import msgspec

from perdure.aggregates import MobJoined, MobLeft, SessionEvent
from perdure.errors import EngineClosed, LogCorrupt
from perdure.projections.membership import is_member
from perdure.projections.rows import PAGE_BYTES
from perdure.runtime.watch.streams import LiveEvent, Missed, Streams
from perdure.store import Mapper, PositionedRow, Recorder, Store
from perdure.store.recorder import EventPlace

_PAGE: Final = 500
_FEW: Final = 16
"""So many events are read on the event loop's own thread: sooner than another thread would."""
_NEWEST: Final = 2**63 - 1
"""Before it is every version that a database can hold."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded event and its place in the store.

    ``event`` is None where the row is damaged; the audit says how.
    """

    position: int
    session_id: str
    version: int
    tag: str
    event: SessionEvent | None


async def places(
    recorder: Recorder, after: int, is_closed: Callable[[], bool]
) -> AsyncGenerator[Sequence[EventPlace], None]:
    """Yield the places of all events after a position, some at a time, without the events.

    This is enough to know which sessions have moved on. Ends once the engine is closed.
    """
    bell = _Bell()
    recorder.listen(bell)
    try:
        while not is_closed():
            bell.quiet()
            try:
                found = recorder.places_after(after, _FEW)
            except EngineClosed:
                return
            if found:
                after = found[-1][0]
                yield found
            if len(found) < _FEW:
                await bell.wait_for_ring()
            else:
                await asyncio.sleep(0)  # the loop's other tasks are let through
    finally:
        recorder.unlisten(bell)


class Members:
    """The members of a mob, as far as a subscription has read."""

    def __init__(self, store: Store, mapper: Mapper, mob: str) -> None:
        self._store: Final = store
        self._mapper: Final = mapper
        self._mob: Final = mob
        self._known: Final[dict[str, bool]] = {}
        self._newest: Final[dict[str, bool]] = {}

    async def concerns(self, delivery: Delivery) -> bool:
        """Whether the event is the mob's: of a member, or of one that joins or leaves."""
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

    async def has(self, session_id: str, *, behind: bool) -> bool:
        """Whether the session is a member now, which is when it emits.

        The log answers this for a session that the subscription has not met yet, and for every
        session while the subscription is ``behind``.
        """
        if not behind and session_id in self._known:
            self._newest.pop(session_id, None)
            return self._known[session_id]
        if behind or session_id not in self._newest:
            recorder = self._store.recorder
            self._newest[session_id] = await asyncio.to_thread(
                is_member, recorder, self._mapper, session_id, self._mob, before=_NEWEST
            )
        return self._newest[session_id]


class _Bell(threading.Event):
    """A bell that a recorder rings after a commit, on any thread; the event loop waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._loop: Final = asyncio.get_running_loop()
        self._thread: Final = threading.get_ident()
        self._rung: Final = asyncio.Event()

    def set(self) -> None:
        """Set the event once; `quiet` re-arms it."""
        if self._rung.is_set():
            return
        with contextlib.suppress(RuntimeError):  # the loop has closed
            if threading.get_ident() == self._thread:
                self._rung.set()
            else:
                self._loop.call_soon_threadsafe(self._rung.set)

    async def wait_for_ring(self) -> None:
        """Wait for a ring since the last `quiet`."""
        await self._rung.wait()

    def quiet(self) -> None:
        """Forget earlier rings."""
        self._rung.clear()


class EventFeed:
    """The events of one subscriber: after a position, of one session or of all.

    ``mob`` leaves out events of sessions that are not members. ``streams`` adds live events, from
    now on and not only from the first event that is asked for.
    """

    def __init__(
        self,
        store: Store,
        mapper: Mapper,
        session_id: str | None,
        *,
        mob: str | None = None,
        streams: Streams | None = None,
    ) -> None:
        self._store: Final = store
        self._mapper: Final = mapper
        self._session_id: Final = session_id
        self._members: Final = None if mob is None else Members(store, mapper, mob)
        self._ended = False
        self._bell: Final = _Bell()
        self._watching: Final = (
            None if streams is None else streams.watch(session_id, self._bell.set)
        )
        self._held: list[LiveEvent | Missed] = []

    def end(self) -> None:
        """End the iteration, once the events that it has read are delivered."""
        self._ended = True
        self._bell.set()

    async def events(
        self, after: int, is_closed: Callable[[], bool]
    ) -> AsyncGenerator[Delivery | LiveEvent | Missed, None]:
        """Yield the events until the engine is closed, or this is."""
        recorder = self._store.recorder
        behind = True
        recorder.listen(self._bell)
        try:
            while not (is_closed() or self._ended):
                self._bell.quiet()
                try:
                    if behind:
                        page = await asyncio.to_thread(
                            recorder.page_after, after, _PAGE, most_bytes=PAGE_BYTES
                        )
                        behind = bool(page)
                    else:
                        page = recorder.rows_after(after, _FEW)
                        behind = len(page) >= _FEW
                    found = await self._select(page, behind=behind)
                except EngineClosed:
                    return
                if page:
                    after = page[-1].position
                for one in found:
                    yield one
                if not behind:
                    await self._bell.wait_for_ring()
        finally:
            recorder.unlisten(self._bell)
            if self._watching is not None:
                self._watching.close()

    async def _select(
        self, page: Sequence[PositionedRow], *, behind: bool
    ) -> list[Delivery | LiveEvent | Missed]:
        """Return the subscriber's events among a page and the live events."""
        # Taken after the page is read, so that a turn's live events come before its recorded end.
        emitted = [] if self._watching is None else self._watching.take()
        found = [
            _delivery(self._mapper, row)
            for row in page
            if self._session_id in (None, row.session_id)
        ]
        if self._members is not None:
            found = [one for one in found if await self._members.concerns(one)]
            # An event of no member yet gets a second chance: the page may be older.
            just = {one.session_id for one in found}
            emitted, self._held = await _select_of_members(
                self._members, just, self._held, emitted, behind=behind
            )
        return [*emitted, *found]


def _delivery(mapper: Mapper, row: PositionedRow) -> Delivery:
    try:
        event = mapper.to_event(row, previous=None)
    except LogCorrupt:
        event = None
    return Delivery(
        position=row.position,
        session_id=str(row.session_id),
        version=row.version,
        tag=row.topic,
        event=event,
    )


async def _select_of_members(
    members: Members,
    just: Iterable[str],
    held: Iterable[LiveEvent | Missed],
    emitted: Iterable[LiveEvent | Missed],
    *,
    behind: bool,
) -> tuple[list[LiveEvent | Missed], list[LiveEvent | Missed]]:
    """Return the mob's live events, and those just emitted by sessions that are no members yet.

    Events in ``held`` were of no member when they were emitted; this is their last chance. Sessions
    in ``just`` were members a moment ago, so their events are the mob's although they may have
    left.
    """
    ours: list[LiveEvent | Missed] = []
    later: list[LiveEvent | Missed] = []
    known = dict.fromkeys(just, True)
    for which, events in ((None, held), (later, emitted)):
        for live in events:
            if isinstance(live, Missed):
                ours.append(live)
                continue
            name = live.session_id
            if name not in known:
                known[name] = await members.has(name, behind=behind)
            if known[name]:
                ours.append(live)
            elif which is not None:
                which.append(live)
    return ours, later
