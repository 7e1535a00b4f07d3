"""Live streams: what running turns emit, to whoever watches, as it happens.

Invariants: nothing here is a fact: it is not recorded, and it is marked as what it is. Emitting
never waits; a watcher that falls behind loses the oldest and is told how many.
"""

import collections
import weakref
from collections.abc import Callable
from typing import Any, Final

import msgspec

BUFFERED: Final = 1024
"""So many events wait for a watcher before it begins to lose them."""


class LiveEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something a running turn emitted; ``number`` counts from 1 within the run."""

    session_id: str
    run_id: str
    number: int
    payload: Any


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """So many live events came too fast and are gone; what was recorded is not among them."""

    count: int


class StreamBuffer:
    """One watcher's buffer."""

    def __init__(self, session_id: str | None, ring: Callable[[], None]) -> None:
        self.session_id: Final = session_id
        self._ring: Final = ring
        self._events: Final[collections.deque[LiveEvent]] = collections.deque()
        self._missed = 0
        self._closed = False

    def put(self, event: LiveEvent) -> None:
        """Keep an event for the watcher, unless it has left."""
        if self._closed:
            return
        if len(self._events) == BUFFERED:
            self._events.popleft()
            self._missed += 1
        self._events.append(event)
        self._ring()

    def close(self) -> None:
        """Keep nothing more, and ring no more."""
        self._closed = True
        self._events.clear()

    def take(self) -> list[LiveEvent | Missed]:
        """Return what has come since, oldest first, and what was lost before it."""
        missed, self._missed = self._missed, 0
        events = list(self._events)
        self._events.clear()
        return [Missed(count=missed), *events] if missed else [*events]


class Streams:
    """The live streams of one engine."""

    def __init__(self) -> None:
        self._watching: Final[weakref.WeakValueDictionary[int, StreamBuffer]] = (
            weakref.WeakValueDictionary()
        )
        self._numbers: Final[dict[tuple[str, str], int]] = {}

    def emit(self, session_id: str, run_id: str, payload: Any) -> None:
        """Pass on what a running turn emitted."""
        run = session_id, run_id
        number = self._numbers[run] = self._numbers.get(run, 0) + 1
        event = LiveEvent(session_id=session_id, run_id=run_id, number=number, payload=payload)
        for watching in list(self._watching.values()):
            if watching.session_id in (None, session_id):
                watching.put(event)

    def forget_run(self, session_id: str, run_id: str) -> None:
        """Forget a run that emits nothing any more."""
        self._numbers.pop((session_id, run_id), None)

    def watch(self, session_id: str | None, ring: Callable[[], None]) -> StreamBuffer:
        """Keep what running turns emit, of one session or all, for whoever holds what is returned.

        ``ring`` is called at each.
        """
        watching = StreamBuffer(session_id, ring)
        self._watching[id(watching)] = watching
        return watching
