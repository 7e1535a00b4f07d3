"""A subscription of a blocking engine, which any thread may end.

Invariants: events that were taken from the log are delivered; another subscription from the
position of the last delivery gets the others. The garbage collector may end a subscription in any
thread, so its end waits for nothing and takes no lock.
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
    """The event loop's side of a subscription: the asynchronous one, and the task that waits."""

    def __init__(self, events: AsyncIterator[_Event]) -> None:
        self._events: Final[Any] = events
        self._following: asyncio.Task[Any] | None = None

    async def next_event(self) -> _Event | None:
        """Return the next event, None at the end."""
        self._following = asyncio.current_task()
        event: _Event | None = await anext(self._events, None)
        return event

    async def end(self) -> None:
        """End the task that waits for an event, then the asynchronous subscription."""
        if self._following is not None and not self._following.done():
            self._following.cancel()
            await asyncio.wait({self._following})
        await self._events.aclose()


class Subscription(Iterator[_Event_co]):
    """Recorded events, with more awaited until it is closed; see `perdure.Engine.subscribe`.

    Several threads may take events from it; each event goes to one of them. Use it as it is, or as
    a ``with`` block, which closes it.
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
                pass  # while it waited: that ends it too
            except BaseException:
                self.close()
                raise
        if event is None:
            self.close()
            raise StopIteration
        return event

    def close(self) -> None:
        """End the subscription, from any thread; a thread that waits for an event gets the end.

        Safe to call again. Keep the position of the last delivery to go on from there later.
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
