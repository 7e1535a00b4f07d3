"""Subscriptions: recorded events in the order of their positions, old ones first, then live.

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

from engine.aggregates import SessionEvent
from engine.errors import EngineClosed, LogCorrupt
from engine.store import Mapper, Store

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
) -> AsyncIterator[Delivery]:
    """Yield the events after a position, of one session or of all, until the engine is closed."""
    bell = _Bell()
    behind = True
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
            for row in page:
                after = row.id
                if session_id in (None, row.originator_id):
                    try:
                        event = mapper.to_event(row, previous=None)
                    except LogCorrupt:
                        event = None
                    yield Delivery(
                        position=row.id,
                        session_id=str(row.originator_id),
                        version=row.originator_version,
                        tag=row.topic,
                        event=event,
                    )
            if not behind:
                await bell.heard()
    finally:
        store.recorder.unlisten(bell)
