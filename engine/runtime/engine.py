"""The engine: one door to everything a session can be asked, and its opening and closing.

Invariants: an engine belongs to the event loop it was opened in; after `close` no verb does
anything, and everything submitted before has its outcome.
"""

import asyncio
from types import TracebackType
from typing import Self

from perdure.errors import InvalidArgument
from perdure.runtime.environment import Environment
from perdure.runtime.open import Opening
from perdure.runtime.session.checkpointers import CheckpointPolicy
from perdure.runtime.settings import GRACE_SECONDS, LEASE_SECONDS, RETRY_SECONDS, Settings
from perdure.runtime.turn.agent import Builder
from perdure.runtime.verbs.loops import Living
from perdure.store import Durability, Store, open_store


class Engine(Living):
    """Sessions of agents, each an append-only log driven by one lifecycle.

    Open one with `Engine.open`. It belongs to the event loop it was opened in, and is Unsupported
    in another. All verbs raise `PerdureError` subclasses only: InvalidArgument for an id or another
    argument that is malformed, EngineClosed after `close`, StoreError where the database fails,
    LogCorrupt where a session's log cannot be folded, and those named at each verb. An id that is a
    member of an enumeration of texts means its text.
    """

    def __init__(self, store: Store, environment: Environment, settings: Settings) -> None:
        super().__init__(store, environment, settings)
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
        agents: Builder | None = None,
        max_active: int | None = None,
        lease_seconds: float = LEASE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        checkpoints: CheckpointPolicy | None = None,
    ) -> "Opening[Engine]":
        """Open ``memory:`` or ``sqlite:///path``, making the file if it is not there.

        The path is all that follows the three slashes, so an absolute one makes four. It is taken
        as it is, be there a space, a percent sign or a ``~`` in it, but has no ``?`` and no ``#``;
        its folder must be there.

        ``durability`` is what a returned call has survived: "full", a power cut; "normal", the
        death of the process. ``environment`` gives time and ids. ``busy_timeout_seconds`` is how
        long to wait for another process's write. ``readonly`` opens an existing file and never
        changes it. ``agents`` makes an agent for a session that has none attached.
        ``max_active`` limits how many turns run at once. ``lease_seconds`` is how long after this
        engine was last heard of others may close its runs; ``grace_seconds``, how long an agent
        has to stop; ``retry_seconds``, how long after a failed turn a session that is kept alive
        tries again, which it does three times in all and waits twice as long the second time.
        ``checkpoints`` is a policy by which sessions are checkpointed by themselves. Raises
        InvalidArgument, Unsupported or StoreError.
        """

        def opener() -> Store:
            return open_store(
                url,
                durability=durability,
                busy_timeout_seconds=busy_timeout_seconds,
                readonly=readonly,
            )

        given = Environment() if environment is None else environment
        if not isinstance(given, Environment):
            raise InvalidArgument(
                f"environment must be an Environment, not {given!r}", parameter="environment"
            )
        settings = Settings(
            agents=agents,
            max_active=max_active,
            lease_seconds=lease_seconds,
            grace_seconds=grace_seconds,
            retry_seconds=retry_seconds,
            checkpoints=checkpoints,
        )
        return Opening(opener, lambda store: cls(store, given, settings))

    @property
    def supports_persistent_sessions(self) -> bool:
        """Whether sessions outlive the process."""
        return self._store.persistent

    async def close(self) -> None:
        """Let turns end, settle what was submitted, then release the database.

        No turn is admitted any more. One that has not ended within the grace period is interrupted;
        until then what it asks of the engine is answered. Safe to call again.
        """
        self._check_loop()
        if self._closing is None:
            self._closed = not self._admission.active
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            await self._drain()
        finally:  # the loop may be ending, which cancels the turns as well as this
            await self._admission.emptied()
            self._closed = True
            await self._writer.close()
            await self._ownership.release()
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
