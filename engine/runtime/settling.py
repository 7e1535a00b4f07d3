"""Bringing a commit's outcome from the committer's thread back to the event loop.

Invariants: a coroutine that has submitted learns the outcome before it ends, even when it is
cancelled meanwhile: the cancellation is held back until the outcome is known, because the commit
can no longer be taken back.
"""

import asyncio
import contextlib
import threading
from typing import Final

from engine.store.recording import Outcome


class Pending:
    """One submission's outcome, once there is one."""

    __slots__ = ("_mailbox", "outcome", "waiter")

    def __init__(self, mailbox: "Mailbox") -> None:
        self._mailbox: Final = mailbox
        self.outcome: Outcome | None = None
        self.waiter: asyncio.Future[None] | None = None

    def settle(self, outcome: Outcome) -> None:
        """Deliver the outcome, from any thread."""
        self._mailbox.post(self, outcome)

    async def settled(self) -> tuple[Outcome, bool]:
        """Return the outcome, and whether the waiting task was cancelled in the meantime."""
        cancelled = False
        while self.outcome is None:
            self.waiter = self._mailbox.loop.create_future()
            try:
                await self.waiter
            except asyncio.CancelledError:
                cancelled = True
        return self.outcome, cancelled


class Mailbox:
    """Hands outcomes to one event loop, waking it once for as many as have come in."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self._thread: Final = threading.get_ident()
        self._arrived: list[tuple[Pending, Outcome]] = []
        self._lock: Final = threading.Lock()

    def expect(self) -> Pending:
        """Return a place for one outcome."""
        return Pending(self)

    def post(self, pending: Pending, outcome: Outcome) -> None:
        """Deliver an outcome, from any thread. A loop that has closed hears nothing any more."""
        if threading.get_ident() == self._thread:
            pending.outcome = outcome
            return
        with self._lock:  # else the loop could empty the box between looking and putting
            first = not self._arrived
            self._arrived.append((pending, outcome))
        if first:
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, []
        for pending, outcome in arrived:
            pending.outcome = outcome
            if pending.waiter is not None and not pending.waiter.done():
                pending.waiter.set_result(None)
