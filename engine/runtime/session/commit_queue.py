"""The queue between the event loop and the store: commits go in, outcomes come back.

Invariants: commits reach the store in the order they were submitted, within the next iteration of
the event loop; a coroutine that has submitted learns the outcome before it ends. If it is cancelled
in between, the cancellation is held back until the outcome is known, because the commit can no
longer be taken back.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from perdure.errors import EngineClosed
from perdure.store import Store, StoredRow
from perdure.store.recorder import Outcome

MAX_GATHERED: Final = 32
"""So many commits share a sync well enough; the store's thread writes them while more come in."""


GIVE_WAY_SECONDS: Final = 0.0005
"""How long one task after the other may commit before the loop's other tasks have their turn."""


class Submission:
    """One submitted commit, and its outcome once there is one."""

    __slots__ = ("outcome", "rows", "waiter")

    def __init__(self, rows: Sequence[StoredRow]) -> None:
        self.rows: Final = rows
        self.outcome: Outcome | None = None
        self.waiter: asyncio.Future[None] | None = None


class Submissions:
    """Gathers the commits of one event loop's tasks, an iteration of the loop at a time."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._store: Final = store
        self._loop: Final = loop
        self._gathered: list[Submission] = []
        self._give_way_at = 0.0

    async def commit(
        self, rows: Sequence[StoredRow], *, alone: bool, at_once: bool = False
    ) -> tuple[Outcome, asyncio.CancelledError | None]:
        """Return the outcome, and the cancellation that reached the waiting task, if one did.

        ``alone`` says that no other task is about to commit. Then there is none to wait for, and
        the other tasks of the loop need not run first each time.
        """
        if alone and self._loop.time() < self._give_way_at:
            outcomes = self._store.commit_now((rows,))
            if outcomes is not None:
                return outcomes[0], None
        pending = Submission(rows)
        held: asyncio.CancelledError | None = None
        self._gathered.append(pending)
        if len(self._gathered) == MAX_GATHERED:
            self._submit()
        elif at_once:
            self._flush()
        elif len(self._gathered) == 1:
            # The other tasks that are ready now run before this one goes on, and submit too.
            self._loop.call_soon(self._flush)
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError as cancelled:
                held = held or cancelled
        while pending.outcome is None:
            pending.waiter = self._loop.create_future()
            try:
                await pending.waiter
            except asyncio.CancelledError as cancelled:
                held = held or cancelled
        return pending.outcome, held

    def _flush(self) -> None:
        """Commit the gathered rows: at once if the store can, else on the store's thread."""
        if self._gathered:
            outcomes = self._store.commit_now([pending.rows for pending in self._gathered])
            if outcomes is None:
                self._submit()
            else:
                gathered, self._gathered = self._gathered, []
                _settle(gathered, outcomes)
        self._give_way_at = self._loop.time() + GIVE_WAY_SECONDS

    def _submit(self) -> None:
        gathered, self._gathered = self._gathered, []
        try:
            self._store.submit([pending.rows for pending in gathered], self._teller(gathered))
        except EngineClosed as closed:
            _settle(gathered, [closed] * len(gathered))

    def _teller(self, gathered: Sequence[Submission]) -> Callable[[Sequence[Outcome]], None]:
        def tell(outcomes: Sequence[Outcome]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed
                self._loop.call_soon_threadsafe(_settle, gathered, outcomes)

        return tell


def _settle(gathered: Sequence[Submission], outcomes: Sequence[Outcome]) -> None:
    for pending, outcome in zip(gathered, outcomes, strict=True):
        pending.outcome = outcome
        if pending.waiter is not None and not pending.waiter.done():
            pending.waiter.set_result(None)
