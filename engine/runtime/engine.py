"""The engine: one door to everything a session can be asked, and its opening and closing.

Invariants: an engine belongs to the event loop it was opened in; after `close` no verb does
anything, and everything submitted before has its outcome.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any, Final, Literal, Self, overload

from perdure.errors import InvalidArgument
from perdure.runtime import adapter
from perdure.runtime.control import Control
from perdure.runtime.core import Core, Start
from perdure.runtime.environment import Environment
from perdure.runtime.facade import verb
from perdure.runtime.open import Opening
from perdure.runtime.session.checkpointers import CheckpointPolicy
from perdure.runtime.settings import GRACE_SECONDS, LEASE_SECONDS, RETRY_SECONDS, Settings
from perdure.runtime.turn.agent import Builder
from perdure.runtime.verbs import (
    calls,
    checkpoints,
    context,
    forks,
    groups,
    inputs,
    interrupts,
    loops,
    reads,
    record,
    sessions,
    turns,
    views,
)
from perdure.runtime.watch.streams import LiveEvent, Missed
from perdure.runtime.watch.subscriptions import Delivery
from perdure.store import Durability, Store, open_store


class Engine:
    """Sessions of agents, each an append-only log driven by one lifecycle.

    Open one with `Engine.open`. It belongs to the event loop it was opened in, and is Unsupported
    in another. All verbs raise `PerdureError` subclasses only: InvalidArgument for an id or another
    argument that is malformed, EngineClosed after `close`, StoreError where the database fails,
    LogCorrupt where a session's log cannot be folded, and those named at each verb. An id that is a
    member of an enumeration of texts means its text.
    """

    def __init__(self, store: Store, environment: Environment, settings: Settings) -> None:
        self._core: Final = Core(
            store,
            environment,
            settings,
            take_checkpoint=checkpoints.checkpoint,
            find_work=loops.find_work,
            run_queued=loops.run_queued,
        )
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    def open(
        cls,
        url: str | Callable[[], Store],
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
        its folder must be there. In place of a URL, a function that opens a store of your own; it
        is called on another thread, and decides what the next three parameters would.

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
        return self._core.store.persistent

    @property
    def control(self) -> Control:
        """The control plane: what a runtime asks of sessions, answered with reports."""
        return Control(self._core)

    runtime_adapter = verb(adapter.runtime_adapter)

    # Sessions
    register = verb(sessions.register)
    retire = verb(sessions.retire)
    archive = verb(sessions.archive)
    discard_live = verb(sessions.discard_live)
    fork = verb(forks.fork)
    join_mob = verb(groups.join_mob)
    leave_mob = verb(groups.leave_mob)
    belongs_to_mob = verb(groups.belongs_to_mob)
    archive_mob = verb(groups.archive_mob)

    # Turns
    attach = verb(turns.attach)
    detach = verb(turns.detach)
    reserve = verb(turns.reserve)
    release = verb(turns.release)
    apply_turn = verb(turns.apply_turn)
    record_turn = verb(record.record_turn)
    interrupt = verb(interrupts.interrupt)
    cancel_after_boundary = verb(interrupts.cancel_after_boundary)
    keep_alive = verb(loops.keep_alive)
    stop_loop = verb(loops.stop_loop)

    # Inputs, context and tool calls
    ingest = verb(inputs.ingest)
    supersede_input = verb(inputs.supersede_input)
    coalesce_inputs = verb(inputs.coalesce_inputs)
    abandon_input = verb(inputs.abandon_input)
    inputs = verb(inputs.inputs)  # last, as the name is the method's from here on
    append_context = verb(context.append_context)
    stage_context = verb(context.stage_context)
    open_calls = verb(calls.open_calls)
    stage_tool_results = verb(calls.stage_tool_results)
    abandon_call = verb(calls.abandon_call)
    stage_tool_filter = verb(calls.stage_tool_filter)
    publish = verb(calls.publish)

    # Reading
    read = verb(reads.read)
    load_persisted = verb(reads.load_persisted)
    list = verb(reads.list_sessions, "list")
    history = verb(reads.history)
    receipts = verb(reads.receipts)
    load_receipt = verb(reads.load_receipt)
    as_of = verb(reads.as_of)
    head = verb(reads.head)
    audit = verb(reads.audit)
    execution_snapshot = verb(views.execution_snapshot)
    tool_scope_snapshot = verb(views.tool_scope_snapshot)
    external_tool_surface_snapshot = verb(views.external_tool_surface_snapshot)
    peer_ingress_snapshot = verb(views.peer_ingress_snapshot)

    # Checkpoints
    checkpoint = verb(checkpoints.checkpoint)
    checkpoint_committed = verb(checkpoints.checkpoint_committed)
    cancel_all_checkpointers = verb(checkpoints.cancel_all_checkpointers)
    rearm_all_checkpointers = verb(checkpoints.rearm_all_checkpointers)

    # Following, and closing

    @overload
    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: Literal[False] = False,
    ) -> AsyncGenerator[Delivery, None]: ...

    @overload
    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: bool,
    ) -> AsyncGenerator[Delivery | LiveEvent | Missed, None]: ...

    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Return recorded events from after a position, of one session, a group's, or all.

        ``after`` is the last delivery's position, 0 for all there ever were, or "end" for what is
        recorded from this call on.

        A group's are those of its members, from joining to leaving. ``live`` adds what turns that
        run in this engine emit from this call on, as `LiveEvent`; a subscriber too slow for them is
        told with `Missed` how many are gone, and never delays a turn.

        Each recorded event is delivered once, in order, after its commit, whichever process made
        it. The iterator waits for more, and ends when the engine is closed. Keep the last
        delivery's position to go on from there later. Raises InvalidArgument, StoreError.
        """
        return reads.subscribe(self._core, session_id, after, mob=mob, live=live)

    async def close(self) -> None:
        """Let turns end, settle what was submitted, then release the database.

        No turn is admitted any more. One that has not ended within the grace period is interrupted;
        until then what it asks of the engine is answered. Safe to call again.
        """
        core = self._core
        core.check_event_loop()
        if self._closing is None:
            core.closed = not core.admission.active
            self._closing = asyncio.ensure_future(_close(core))
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def _close(core: Core) -> None:
    try:
        await _end_turns(core)
    finally:  # the loop may be ending, which cancels the turns as well as this
        await core.admission.wait_until_empty()
        core.closed = True
        await core.writer.close()
        await core.ownership.release()
        await asyncio.to_thread(core.store.close)
        await core.writer.close()  # what the last commits left behind


async def _end_turns(core: Core) -> None:
    """Admit no more turns, interrupt those that do not end in time, and stop what begins them."""
    core.loops.start_no_more()
    if not await core.admission.shut_down(core.grace_seconds):
        for turn in core.turns.values():
            turn.interrupt("the engine is closing")
        # Turns that are only beginning end at once.
        await core.admission.wait_until_empty()
    if core.turn_watch is not None:
        core.turn_watch.cancel()
        await asyncio.wait({core.turn_watch})
    await core.loops.stop_all()
    await core.checkpointers.stop()
