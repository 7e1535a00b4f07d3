"""The engine: one class with every verb, and its opening and closing.

Invariants: an engine belongs to the event loop it was opened in; after `close` no verb does
anything, and each command that was submitted before has its outcome.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from types import TracebackType
from typing import Any, Final, Literal, Self, overload

from perdure.aggregates import CallShape
from perdure.errors import InvalidArgument
from perdure.runtime import adapter
from perdure.runtime.arguments import checked_call_shapes
from perdure.runtime.control import Control
from perdure.runtime.core import Core, Start
from perdure.runtime.environment import Environment
from perdure.runtime.facade import verb
from perdure.runtime.open import Opening
from perdure.runtime.session.checkpointers import CheckpointPolicy
from perdure.runtime.settings import (
    CONTENTION_SECONDS,
    GRACE_SECONDS,
    LEASE_SECONDS,
    MAX_INPUTS,
    RETRY_SECONDS,
    Settings,
)
from perdure.runtime.turn.agent import Builder
from perdure.runtime.verbs import (
    attachments,
    calls,
    checkpoints,
    context,
    forks,
    inputs,
    interrupts,
    loops,
    mobs,
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

    Open one with `Engine.open`. It belongs to the event loop it was opened in: in another loop its
    verbs raise Unsupported.

    Every verb raises subclasses of `PerdureError` only. Besides those named at the verb:

    - InvalidArgument for an argument that is malformed, an id among them;
    - EngineClosed after `close`;
    - StoreError if the database fails;
    - LogCorrupt if a session's log cannot be folded.

    An id that is a member of an enumeration of texts stands for its text.
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
        max_inputs: int = MAX_INPUTS,
        lease_seconds: float = LEASE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        contention_seconds: float = CONTENTION_SECONDS,
        checkpoints: CheckpointPolicy | None = None,
        call_shapes: Iterable[CallShape] = (),
    ) -> "Opening[Engine]":
        """Open ``memory:`` or ``sqlite:///path``; a file that does not exist is made.

        Everything after the three slashes is the path, so an absolute path makes four slashes. It
        is used as it is, with any space, percent sign or ``~``; ``?`` and ``#`` are refused. Its
        folder must exist. ``url`` may also be a function that opens a store of your own. It is
        called on another thread, and ``durability``, ``busy_timeout_seconds`` and ``readonly`` have
        no effect on it.

        - ``durability``: "full", so that a returned call survives a power cut; or "normal", so that
          it survives the end of the process.
        - ``environment``: where time and ids come from.
        - ``busy_timeout_seconds``: how long to wait while another process writes.
        - ``readonly``: open an existing file, and never change it.
        - ``agents``: makes an agent for a session to which none is attached.
        - ``max_active``: how many turns may run at once.
        - ``max_inputs``: how many inputs this engine lets a session have in hand, 1,024 at most.
        - ``lease_seconds``: engines that cannot know whether this one's process lives may close its
          runs once its lease was not renewed for so long; an hour at most.
        - ``grace_seconds``: how long an agent has to stop.
        - ``retry_seconds``: how long after a failed turn the loop of a session tries again. It
          tries three times in all, and waits twice as long the second time.
        - ``contention_seconds``: how long a verb is decided again, with pauses, while other engines
          write to its session between its decision and its commit; then it raises StaleWriter.
        - ``checkpoints``: a policy by which the engine checkpoints sessions by itself.
        - ``call_shapes``: shapes of tool calls and results besides those that perdure knows; a
          session that this engine writes to records them.

        Raises InvalidArgument, Unsupported, StoreError.
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
            max_inputs=max_inputs,
            lease_seconds=lease_seconds,
            grace_seconds=grace_seconds,
            retry_seconds=retry_seconds,
            contention_seconds=contention_seconds,
            checkpoints=checkpoints,
            call_shapes=checked_call_shapes(call_shapes),
        )
        return Opening(opener, lambda store: cls(store, given, settings))

    @property
    def supports_persistent_sessions(self) -> bool:
        """Whether sessions outlive the process."""
        return self._core.store.persistent

    @property
    def control(self) -> Control:
        """The control plane: verbs of a runtime over its sessions, which return reports."""
        return Control(self._core)

    runtime_adapter = verb(adapter.runtime_adapter)

    # Sessions
    register = verb(sessions.register)
    retire = verb(sessions.retire)
    archive = verb(sessions.archive)
    discard_live = verb(sessions.discard_live)
    fork = verb(forks.fork)
    join_mob = verb(mobs.join_mob)
    leave_mob = verb(mobs.leave_mob)
    belongs_to_mob = verb(mobs.belongs_to_mob)
    archive_mob = verb(mobs.archive_mob)

    # Turns
    attach = verb(attachments.attach)
    detach = verb(attachments.detach)
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
    end_subscriptions = verb(reads.end_subscriptions)

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
        """Return recorded events from after a position: of one session, of a mob, or of all.

        - ``session_id``: the session whose events to return; of every session if None.
        - ``after``: the position of the last delivery, 0 for everything from the beginning, or
          "end" for the events recorded from this call on. A position beyond the end of the log is
          refused: it is of another log, or of this one before it was restored.
        - ``mob``: only events of the mob's members, of each from its joining to its leaving.
        - ``live``: also return, as `LiveEvent`, what turns of this engine emit from this call on. A
          subscriber that is too slow for them loses the oldest, and `Missed` tells how many. It
          never delays a turn.

        Each recorded event is delivered once, in order and after its commit, also if another
        process made it. The iterator waits for more events, and ends when the engine is closed.
        Keep the position of the last delivery to go on from there later. Raises InvalidArgument,
        StoreError.
        """
        return reads.subscribe(self._core, session_id, after, mob=mob, live=live)

    async def close(self) -> None:
        """Let running turns end, write the submitted commands, then release the database.

        No further turn is admitted. A turn that has not ended within the grace period is
        interrupted; until then it may still use the engine. Safe to call again.
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
        await core.writer.close()  # snapshots that the last commits made


async def _end_turns(core: Core) -> None:
    """Admit no more turns, wait for those that run, and stop loops and checkpointers.

    A turn that does not end within the grace period is interrupted.
    """
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
