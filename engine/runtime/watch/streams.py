"""Live streams: events that running turns emit, passed to watchers as they happen.

Invariants: a live event is not recorded, and its type says so. Emitting never waits; a watcher that
falls behind loses the oldest events and is told how many.
"""

import collections
import weakref
from collections.abc import Callable
from typing import Any, Final

import msgspec

BUFFERED: Final = 1024
"""So many events wait for a watcher before it loses the oldest."""


class LiveEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a running turn emitted; ``number`` counts from 1 within the run."""

    session_id: str
    run_id: str
    number: int
    payload: Any


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """So many live events came too fast for the watcher and are lost; none was recorded."""

    count: int


class StreamBuffer:
    """The events that wait for one watcher."""

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
        """Keep no more events, and ring no more."""
        self._closed = True
        self._events.clear()

    def take(self) -> list[LiveEvent | Missed]:
        """Return the waiting events, oldest first, after the number of those lost."""
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
        """Pass an event of a running turn to its watchers."""
        run = session_id, run_id
        number = self._numbers[run] = self._numbers.get(run, 0) + 1
        event = LiveEvent(session_id=session_id, run_id=run_id, number=number, payload=payload)
        for watching in list(self._watching.values()):
            if watching.session_id in (None, session_id):
                watching.put(event)

    def forget_run(self, session_id: str, run_id: str) -> None:
        """Forget a run that emits no more events."""
        self._numbers.pop((session_id, run_id), None)

    def watch(self, session_id: str | None, ring: Callable[[], None]) -> StreamBuffer:
        """Return a buffer for the events of running turns, of one session or of all.

        It is filled for as long as the caller holds it. ``ring`` is called at each event.
        """
        watching = StreamBuffer(session_id, ring)
        self._watching[id(watching)] = watching
        return watching
