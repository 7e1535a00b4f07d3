"""A subscription of a blocking engine, which any thread may end.

Invariants: what was taken from the log is delivered, and what was not is there for another
subscription from the last delivery's position. A subscription is ended wherever the garbage
collector drops it, so its end waits for nothing and takes no lock.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from perdure.errors import EngineClosed
from perdure.sync.hosting import Host

_Event = TypeVar("_Event")
_Event_co = TypeVar("_Event_co", covariant=True)


class Source(Generic[_Event]):
    """What a subscription has on the event loop: the asynchronous one, and who waits for it."""

    def __init__(self, events: AsyncIterator[_Event]) -> None:
        self._events: Final[Any] = events
        self._following: asyncio.Task[Any] | None = None

    async def next_event(self) -> _Event | None:
        """Return the next event, None where there is none."""
        self._following = asyncio.current_task()
        event: _Event | None = await anext(self._events, None)
        return event

    async def end(self) -> None:
        """End who waits, and the asynchronous subscription: at once where nobody does."""
        if self._following is not None and not self._following.done():
            self._following.cancel()
            await asyncio.wait({self._following})
        await self._events.aclose()


class Subscription(Iterator[_Event_co]):
    """Recorded events, more awaited until it is closed; see `Engine.subscribe`.

    Several threads may take events from it, each of which goes to one of them. Use it as it is, or
    as a ``with`` block, which closes it.
    """

    def __init__(self, source: Source[_Event_co], host: Host) -> None:
        self._source: Final = source
        self._host: Final = host
        self._taking: Final = threading.Lock()
        self._closed = False

    def __next__(self) -> _Event_co:
        self._host.check_caller()
        with self._taking:
            event: _Event_co | None = None
            try:
                if not self._closed:
                    event = self._host.wait(self._source.next_event())
            except EngineClosed:
                pass  # in the meantime: that ends it too
            except BaseException:
                self.close()
                raise
        if event is None:
            self.close()
            raise StopIteration
        return event

    def close(self) -> None:
        """End it, from whichever thread: who waits for an event finds that there are no more.

        Safe to call again. Keep the last delivery's position to go on from there later.
        """
        if not self._closed:
            self._closed = True
            self._host.later(self._source.end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
