"""Cancellation held back: work that is finished although the task that waits for it is cancelled.

Invariants: the waiting task learns of its cancellation once, after the work has ended, with or
without success.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")


async def finish(work: Awaitable[_T]) -> tuple[asyncio.Future[_T], bool]:
    """Wait until the work has ended; return it, and whether a cancellation was held back."""
    done = asyncio.ensure_future(work)
    cancelled = False
    while not done.done():
        try:
            await asyncio.wait({done})
        except asyncio.CancelledError:
            cancelled = True
    return done, cancelled


def result_of(done: asyncio.Future[_T], *, cancelled: bool) -> _T:
    """Return the result of the work, or raise the cancellation that was held back."""
    if cancelled:
        raise asyncio.CancelledError from done.exception()
    return done.result()


async def finish_and_apply(work: Callable[[], Awaitable[_T]], effects: Callable[[_T], None]) -> _T:
    """Finish the work, apply its effects as it ends, and return its result."""

    async def both() -> _T:
        result = await work()
        effects(result)  # before the next task that waits for the work's lock
        return result

    done, cancelled = await finish(both())
    return result_of(done, cancelled=cancelled)
