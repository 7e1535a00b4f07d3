"""Opening an engine off the event loop.

Invariants: a cancelled opening closes the store that it has opened.
"""

import asyncio
import functools
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from perdure.runtime.cancellation import finish, result_of
from perdure.store import Store


class Closeable(Protocol):
    """An object that can be closed once it is open."""

    async def close(self) -> None:
        """Write the submitted commands, then release everything."""


_Engine = TypeVar("_Engine", bound=Closeable)


class Opening(Generic[_Engine]):
    """An engine about to be opened: ``async with`` it, or ``await`` it and close it yourself."""

    def __init__(self, opener: Callable[[], Store], engine: Callable[[Store], _Engine]) -> None:
        self._opener = opener
        self._make = engine
        self._engine: _Engine | None = None

    async def _open(self) -> _Engine:
        # Threads wait as futures here: a task would be cancelled by a loop that ends.
        in_a_thread = functools.partial(asyncio.get_running_loop().run_in_executor, None)
        opening, held = await finish(in_a_thread(self._opener))
        if held is not None and opening.exception() is None:
            await finish(in_a_thread(opening.result().close))  # nobody else will
        self._engine = self._make(result_of(opening, held))
        return self._engine

    def __await__(self) -> Generator[Any, None, _Engine]:
        return self._open().__await__()

    async def __aenter__(self) -> _Engine:
        return await self._open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._engine is not None:
            await self._engine.close()
