"""Bringing a commit's outcome from the committer's thread back to the event loop.

Invariants: a coroutine that has submitted learns the outcome before it ends, even when it is
cancelled meanwhile: the cancellation is held back until the outcome is known, because the commit
can no longer be taken back.
"""

import asyncio
import collections
from typing import Final

from engine.store.committer import Outcome


class Mailbox:
    """Hands outcomes to one event loop, waking it once for as many as have come in."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Final = loop
        self._arrived: Final[collections.deque[tuple[asyncio.Future[Outcome], Outcome]]] = (
            collections.deque()
        )

    def expect(self) -> asyncio.Future[Outcome]:
        """Return a future for one outcome."""
        return self._loop.create_future()

    def post(self, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        """Deliver an outcome, from any thread. A loop that has closed hears nothing any more."""
        first = not self._arrived
        self._arrived.append((future, outcome))
        if first:
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                self._arrived.clear()

    def _deliver(self) -> None:
        while self._arrived:
            future, outcome = self._arrived.popleft()
            if not future.done():
                future.set_result(outcome)


async def settled(future: asyncio.Future[Outcome]) -> tuple[Outcome, bool]:
    """Return the outcome, and whether the waiting task was cancelled in the meantime."""
    cancelled = False
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            cancelled = True
    return future.result(), cancelled
