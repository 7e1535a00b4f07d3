"""The blocking engine: its verbs, its opening and its closing.

Invariants: there is no second implementation; each call runs the asynchronous verb on an event loop
in a thread of its own and waits for it.
"""

import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Literal, Self, overload

from perdure.aggregates import CallShape
from perdure.runtime import Engine as AsyncEngine
from perdure.runtime.arguments import Request
from perdure.runtime.core import Start
from perdure.runtime.environment import Environment
from perdure.runtime.session.checkpointers import CheckpointPolicy
from perdure.runtime.settings import (
    CONTENTION_SECONDS,
    GRACE_SECONDS,
    LEASE_SECONDS,
    MAX_INPUTS,
    RETRY_SECONDS,
)
from perdure.runtime.turn.agent import Builder
from perdure.runtime.watch.streams import LiveEvent, Missed
from perdure.runtime.watch.subscriptions import Delivery
from perdure.store import Durability, Store
from perdure.sync.hosting import Host, run_as_agent
from perdure.sync.parts import Control, Reservation, RuntimeAdapter, blocking, claim_of
from perdure.sync.subscribing import Source, Subscription
from perdure.values import ApplyOutput, Boundary, OpenCallsDecision


class Engine:
    """Sessions of agents, for blocking programs; see `perdure.Engine` for every verb.

    It may be used from several threads, and as ``with Engine.open(url) as engine``. Its agents run
    on one thread, which they must not block. If an agent raises SystemExit or KeyboardInterrupt,
    its turn is recorded as failed, and the exception is raised again where the turn is waited for.
    """

    def __init__(
        self, opening: Callable[[], Coroutine[Any, Any, AsyncEngine]], grace_seconds: float
    ) -> None:
        self._host = Host()
        self._closing = threading.RLock()  # as the host's
        self._sharing = threading.Lock()
        self._adapter: weakref.ref[RuntimeAdapter] | None = None
        try:
            self._engine = self._host.wait(opening())
        except BaseException:
            self._host.stop()
            raise
        self._host.be_patient(grace_seconds)

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
    ) -> Self:
        """Open an engine now; parameters and errors are those of `perdure.Engine.open`."""

        async def open_engine() -> AsyncEngine:
            engine = await AsyncEngine.open(
                url,
                durability=durability,
                environment=environment,
                busy_timeout_seconds=busy_timeout_seconds,
                readonly=readonly,
                agents=agents,
                max_active=max_active,
                max_inputs=max_inputs,
                lease_seconds=lease_seconds,
                grace_seconds=grace_seconds,
                retry_seconds=retry_seconds,
                contention_seconds=contention_seconds,
                checkpoints=checkpoints,
                call_shapes=call_shapes,
            )
            engine._core.agent_starts = run_as_agent  # noqa: SLF001 - of whose tasks the host knows
            return engine

        return cls(open_engine, grace_seconds)

    @property
    def supports_persistent_sessions(self) -> bool:
        """Whether sessions outlive the process."""
        return self._engine.supports_persistent_sessions

    @property
    def control(self) -> Control:
        """The control plane: verbs of a runtime over its sessions, which return reports."""
        return Control(self._engine.control, self._host)

    register = blocking(AsyncEngine.register)
    ingest = blocking(AsyncEngine.ingest)
    inputs = blocking(AsyncEngine.inputs)
    supersede_input = blocking(AsyncEngine.supersede_input)
    coalesce_inputs = blocking(AsyncEngine.coalesce_inputs)
    abandon_input = blocking(AsyncEngine.abandon_input)
    open_calls = blocking(AsyncEngine.open_calls)
    stage_tool_results = blocking(AsyncEngine.stage_tool_results)
    abandon_call = blocking(AsyncEngine.abandon_call)
    stage_tool_filter = blocking(AsyncEngine.stage_tool_filter)
    publish = blocking(AsyncEngine.publish)
    fork = blocking(AsyncEngine.fork)
    join_mob = blocking(AsyncEngine.join_mob)
    leave_mob = blocking(AsyncEngine.leave_mob)
    belongs_to_mob = blocking(AsyncEngine.belongs_to_mob)
    archive_mob = blocking(AsyncEngine.archive_mob)
    load_persisted = blocking(AsyncEngine.load_persisted)
    record_turn = blocking(AsyncEngine.record_turn)
    attach = blocking(AsyncEngine.attach)
    detach = blocking(AsyncEngine.detach)
    interrupt = blocking(AsyncEngine.interrupt)
    cancel_after_boundary = blocking(AsyncEngine.cancel_after_boundary)
    keep_alive = blocking(AsyncEngine.keep_alive)
    stop_loop = blocking(AsyncEngine.stop_loop)
    cancel_all_checkpointers = blocking(AsyncEngine.cancel_all_checkpointers)
    rearm_all_checkpointers = blocking(AsyncEngine.rearm_all_checkpointers)
    checkpoint_committed = blocking(AsyncEngine.checkpoint_committed)
    execution_snapshot = blocking(AsyncEngine.execution_snapshot)
    tool_scope_snapshot = blocking(AsyncEngine.tool_scope_snapshot)
    external_tool_surface_snapshot = blocking(AsyncEngine.external_tool_surface_snapshot)
    peer_ingress_snapshot = blocking(AsyncEngine.peer_ingress_snapshot)
    append_context = blocking(AsyncEngine.append_context)
    stage_context = blocking(AsyncEngine.stage_context)
    checkpoint = blocking(AsyncEngine.checkpoint)
    retire = blocking(AsyncEngine.retire)
    archive = blocking(AsyncEngine.archive)
    read = blocking(AsyncEngine.read)
    list = blocking(AsyncEngine.list)
    history = blocking(AsyncEngine.history)
    receipts = blocking(AsyncEngine.receipts)
    load_receipt = blocking(AsyncEngine.load_receipt)
    as_of = blocking(AsyncEngine.as_of)
    head = blocking(AsyncEngine.head)
    audit = blocking(AsyncEngine.audit)
    discard_live = blocking(AsyncEngine.discard_live)
    end_subscriptions = blocking(AsyncEngine.end_subscriptions)

    def reserve(self, session_id: str) -> Reservation:
        """Reserve the session's next turn in this engine; other turns here are refused until then.

        Give the reservation to `apply_turn`, which uses it up, or return it with `release`; or use
        it as a ``with`` block. Raises SessionBusy, AtCapacity, EngineClosed.
        """
        return Reservation(self._host.wait(self._engine.reserve(session_id)), self._host)

    def release(self, reservation: Reservation) -> None:  # noqa: D102 - the asynchronous verb's
        self._host.wait(self._engine.release(claim_of(reservation)))

    def apply_turn(  # noqa: D102 - the asynchronous verb's
        self,
        session_id: str,
        request: Request = None,
        *,
        run_id: str | None = None,
        boundary: Boundary = "run_start",
        input_ids: Iterable[str] = (),
        reservation: Reservation | None = None,
        join: bool = False,
        open_calls: OpenCallsDecision | None = None,
        reason: str | None = None,
    ) -> ApplyOutput:
        return self._host.wait(
            self._engine.apply_turn(
                session_id,
                request,
                run_id=run_id,
                boundary=boundary,
                input_ids=input_ids,
                reservation=claim_of(reservation),
                join=join,
                open_calls=open_calls,
                reason=reason,
            )
        )

    def runtime_adapter(self) -> RuntimeAdapter:  # noqa: D102 - the asynchronous verb's
        theirs = self._host.wait(self._engine.runtime_adapter())
        with self._sharing:
            adapter = None if self._adapter is None else self._adapter()
            if adapter is None:
                adapter = RuntimeAdapter(theirs, self._host)
                self._adapter = weakref.ref(adapter)
            return adapter

    release.__doc__ = AsyncEngine.release.__doc__
    apply_turn.__doc__ = AsyncEngine.apply_turn.__doc__
    runtime_adapter.__doc__ = AsyncEngine.runtime_adapter.__doc__

    @overload
    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: Literal[False] = False,
    ) -> Subscription[Delivery]: ...

    @overload
    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: bool,
    ) -> Subscription[Delivery | LiveEvent | Missed]: ...

    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: bool = False,
    ) -> Subscription[Any]:
        """Return recorded events from after a position, and wait for more until the engine closes.

        See `perdure.Engine.subscribe`. Close the subscription, from any thread, to end it sooner.
        """

        async def begin() -> AsyncIterator[Any]:
            return self._engine.subscribe(session_id, after=after, mob=mob, live=live)

        return Subscription(Source(self._host.wait(begin())), self._host)

    def close(self) -> None:
        """Let running turns end, write the submitted commands, then release the database.

        Agents that do not stop within the grace period are left behind. Safe to call again.
        """
        self._host.check_caller()
        with self._closing:
            if not self._host.stopped:
                self._host.end(self._engine.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._host.is_ours():  # a fork that leaves its parent's block has nothing to close
            self.close()
