"""The engine: one door to everything a session can be asked, and its opening and closing.

Invariants: an engine belongs to the event loop it was opened in; after `close` no verb does
anything, and everything submitted before has its outcome.
"""

import asyncio
from types import TracebackType
from typing import Self

from engine.runtime.environment import Environment
from engine.runtime.opening import Opening
from engine.runtime.recording import Recording
from engine.store import Durability, Store, open_store


class Engine(Recording):
    """Sessions of agents, each an append-only log driven by one lifecycle.

    Open one with `Engine.open`. It belongs to the event loop it was opened in. All verbs raise
    `PerdureError` subclasses only: EngineClosed after `close`, StoreError where the database fails,
    LogCorrupt where a session's log cannot be folded, and those named at each verb.
    """

    def __init__(self, store: Store, environment: Environment) -> None:
        super().__init__(store, environment)
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    def open(
        cls,
        url: str,
        *,
        durability: Durability = "full",
        environment: Environment | None = None,
        busy_timeout_seconds: float = 5.0,
        readonly: bool = False,
    ) -> "Opening[Engine]":
        """Open ``memory:`` or ``sqlite:///path``, making the file if it is not there.

        ``durability`` is what a returned call has survived: "full", a power cut; "normal", the
        death of the process. ``environment`` gives time and ids. ``busy_timeout_seconds`` is how
        long to wait for another process's write. ``readonly`` opens an existing file and never
        changes it. Raises InvalidArgument, Unsupported or StoreError.
        """

        def opener() -> Store:
            return open_store(
                url,
                durability=durability,
                busy_timeout_seconds=busy_timeout_seconds,
                readonly=readonly,
            )

        given = environment or Environment()
        return Opening(opener, lambda store: cls(store, given))

    @property
    def supports_persistent_sessions(self) -> bool:
        """Whether sessions outlive the process."""
        return self._store.persistent

    async def close(self) -> None:
        """Settle what was submitted, then release the database. Safe to call again."""
        if self._closing is None:
            self._closed = True
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._store.close)
        await self._writer.close()  # what the last commits left behind

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
