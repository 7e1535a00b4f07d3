"""Cancellation held back: work that is finished although the task that waits for it is cancelled.

Invariants: a caller that was cancelled during the work learns it once, after the work has ended and
however it has; it learns it by the very exception that reached it, because cancel scopes (anyio's,
and so those of Starlette and FastAPI) know their own cancellation by its exception.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")


async def finish(
    work: Awaitable[_T],
) -> tuple[asyncio.Future[_T], asyncio.CancelledError | None]:
    """Wait until the work is done; return it, and the first cancellation that was held back."""
    done = asyncio.ensure_future(work)
    held: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait({done})
        except asyncio.CancelledError as cancelled:
            held = held or cancelled
    return done, held


def result_of(done: asyncio.Future[_T], held: asyncio.CancelledError | None) -> _T:
    """Return the result of the work, or raise the cancellation that was held back for it."""
    if held is not None:
        raise held from None if done.cancelled() else done.exception()
    return done.result()


async def finish_and_apply(work: Callable[[], Awaitable[_T]], effects: Callable[[_T], None]) -> _T:
    """Finish the work, apply its effects as it ends, and return its result."""

    async def both() -> _T:
        result = await work()
        effects(result)  # before the next task that waits for the work's lock
        return result

    return result_of(*await finish(both()))
