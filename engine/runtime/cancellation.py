"""Cancellation held back: work that comes to its end although who waits for it is cancelled.

Invariants: whoever was cancelled meanwhile learns it once, when nothing is left of the work, and
whatever became of that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")


async def finish(work: Awaitable[_T]) -> tuple[asyncio.Future[_T], bool]:
    """Wait until the work is done; return it, and whether a cancellation was held back."""
    done = asyncio.ensure_future(work)
    cancelled = False
    while not done.done():
        try:
            await asyncio.wait({done})
        except asyncio.CancelledError:
            cancelled = True
    return done, cancelled


def result_of(done: asyncio.Future[_T], *, cancelled: bool) -> _T:
    """Return what the work led to, or raise the cancellation that was held back for it."""
    if cancelled:
        raise asyncio.CancelledError from done.exception()
    return done.result()


async def finish_and_apply(work: Callable[[], Awaitable[_T]], effects: Callable[[_T], None]) -> _T:
    """Return what the work led to; its effects take place with its end, whoever is cancelled."""

    async def both() -> _T:
        result = await work()
        effects(result)  # before anybody who waited for the work's lock goes on
        return result

    done, cancelled = await finish(both())
    return result_of(done, cancelled=cancelled)
