"""The verbs that keep sessions alive and show what they do: loops, checkpointers, views, adapter.

Invariants: nothing here records anything of its own; what a loop or a checkpointer does, it does
through the same verbs as everybody else.
"""

import asyncio
import weakref
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from perdure.aggregates.session.work import queued
from perdure.errors import (
    Conflict,
    IllegalTransition,
    InputNotQueued,
    InvalidArgument,
    SessionBusy,
)
from perdure.machines import LIFECYCLE, SESSION, Token
from perdure.projections.catalog import SessionView
from perdure.projections.history import events_of_run
from perdure.projections.snapshots import Kept, catch_up, nothing_folded, snapshot_of
from perdure.runtime.arguments import LARGEST_COUNT
from perdure.runtime.environment import Environment
from perdure.runtime.session.cache import keep_snapshot
from perdure.runtime.settings import Settings
from perdure.runtime.turn.agent import AgentLike
from perdure.runtime.turn.agent_views import (
    ExecutionSnapshot,
    ExternalToolSurfaceSnapshot,
    PeerIngressSnapshot,
    Shown,
    StagedFilter,
    ToolScopeSnapshot,
    execution_of,
    shown_by,
    tool_scope_of,
)
from perdure.runtime.verbs.turns import Running
from perdure.runtime.watch.keep_alive import (
    BUSY_DELAY_SECONDS,
    LONGEST_RETRY_SECONDS,
    Backoff,
    Drained,
    Loops,
    ToDo,
)
from perdure.runtime.watch.subscriptions import places
from perdure.store import Store
from perdure.values import Cancelled, Failed, checked_id


class _Versioned(msgspec.Struct):
    version: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_COUNT)]


class RuntimeAdapter:
    """One engine's control for the machine that owns its sessions; see `Engine.runtime_adapter`.

    Whoever holds it has the machine's token, and may end any turn with it; the turns of the
    sessions that it has taken nobody may interrupt without one. It must be held for as long as they
    are to stay taken. The control plane, which stops and destroys, is the machine's as well and
    asks for no token: keep it from those who are to have none.
    """

    def __init__(self, engine: "Living") -> None:
        self._engine: Final = engine

    @property
    def authority(self) -> Token:
        """The token that the machine's verbs need."""
        return self._engine._authority  # noqa: SLF001 - the engine's other half

    async def take(
        self, session_id: str, agent: AgentLike | None = None, *, keep_alive: bool = False
    ) -> None:
        """Make the session's control the machine's: plain interrupts are refused from here on.

        ``agent`` is attached, and ``keep_alive`` starts a loop. Raises SessionNotFound, with an
        agent what `Engine.attach` does, and with a loop what `Engine.keep_alive` does.
        """
        name = self._engine._check_known(session_id)  # noqa: SLF001 - the engine's other half
        if agent is not None:
            await self._engine.attach(name, agent)
        if keep_alive:
            await self._engine.keep_alive(name)  # whose first turn comes after the next line
        self._engine._machine_owned.add(name)  # noqa: SLF001 - the engine's other half

    async def give_back(self, session_id: str) -> None:
        """Let everybody control the session again, but for the end of a turn that runs now."""
        name = checked_id(session_id, "session_id")
        self._engine._machine_owned.discard(name)  # noqa: SLF001 - the engine's other half

    async def interrupt(self, session_id: str, *, reason: str | None = None) -> None:
        """End the session's turn now, with the machine's authority."""
        await self._engine.interrupt(session_id, reason=reason, authority=self.authority)

    async def cancel_after_boundary(self, session_id: str) -> None:
        """End the session's turn after its next boundary, with the machine's authority."""
        await self._engine.cancel_after_boundary(session_id, authority=self.authority)


class Living(Running):
    """The part of an engine that acts by itself, on top of what it does when asked."""

    def __init__(self, store: Store, environment: Environment, settings: Settings) -> None:
        super().__init__(store, environment, settings)
        self._loops: Final = Loops(
            self._to_do,
            self._drained,
            lambda: self._position("end"),
            lambda after: places(store.recorder, after, lambda: self._closed),
            look_again_seconds=settings.lease_seconds,
            retry_seconds=settings.retry_seconds,
        )
        self._retry_seconds: Final = settings.retry_seconds
        self._adapter: weakref.ref[RuntimeAdapter] | None = None

    async def runtime_adapter(self) -> RuntimeAdapter:
        """Return the engine's one adapter, shared by all who ask and gone when nobody holds it."""
        self._check_open()
        adapter = None if self._adapter is None else self._adapter()
        if adapter is None:
            adapter = RuntimeAdapter(self)
            self._adapter = weakref.ref(adapter)
            weakref.finalize(adapter, self._machine_owned.clear)
        return adapter

    # Loops

    async def keep_alive(self, session_id: str) -> None:
        """Run the session's queued input through its agent, now and whenever there is more.

        The loop ends with the session, when a retired one is drained, with `stop_loop`, or with
        the engine. A turn that fails is tried again after ``retry_seconds`` (see `Engine.open`),
        and then twice as long; its inputs are abandoned once three turns have had them. An
        interrupted turn is tried again once something new is recorded. Raises SessionNotFound,
        IllegalTransition for a session that has ended.
        """
        state = (await self._live.read(self._check_known(session_id))).state
        if state.phase in SESSION.final:
            raise IllegalTransition(
                machine=SESSION.name,
                subject=f"session {state.id!r}",
                verb="keep_alive",
                phase=state.phase,
                allowed=LIFECYCLE.allowed(state.lifecycle),
            )
        self._loops.start(state.id)

    async def stop_loop(self, session_id: str) -> bool:
        """Stop the session's loop, its turn interrupted; return whether there was one."""
        self._check_open()
        return await self._loops.stop(checked_id(session_id, "session_id"))

    async def attach(self, session_id: str, agent: AgentLike) -> SessionView:
        """Bind an agent to the session, in place of any other; a stopped session is revived.

        ``agent`` has an async ``run_turn(turn)``, or is an async callable. The binding is this
        engine's; that the session is attached is recorded. Raises SessionNotFound, InvalidArgument,
        SessionBusy while a turn runs, IllegalTransition for a session that has ended.
        """
        view = await super().attach(session_id, agent)
        self._loops.wake(session_id)
        return view

    async def _to_do(self, session_id: str) -> ToDo | None:
        state = await self._looked_after(session_id)
        work, waiting = state.work, queued(state.work)
        if not waiting and "append_context" not in LIFECYCLE.allowed(state.lifecycle):
            return None
        answered = bool(work.results) and all(c.status == "executed" for c in work.calls.values())
        busy = work.run is not None
        ready = not busy and (bool(waiting) or answered)
        return ToDo(state.version, waiting, ready=ready, busy=busy)

    async def _drained(self, session_id: str, input_ids: Sequence[str]) -> Drained:
        run_id = self._environment.new_id()
        out = await self.apply_turn(session_id, run_id=run_id, input_ids=input_ids)
        cancelled = isinstance(out.terminal, Cancelled)
        ended_at = await self._ended_at(session_id, run_id) if cancelled else 0
        retries = isinstance(out.terminal, Failed)
        if retries and input_ids:  # which may be abandoned now, and nothing after them has to wait
            waiting = queued((await self._live.read(session_id)).state.work)
            retries = not set(input_ids).isdisjoint(waiting)
        return Drained(out.terminal, ended_at, retries)

    async def _ended_at(self, session_id: str, run_id: str) -> int:
        """Return the version at which the end of a run is recorded."""
        began_at = (await self._live.read(session_id)).state.runs[run_id]

        def found() -> int:
            recorder = self._store.recorder
            *_, end = events_of_run(recorder, self._mapper, session_id, run_id, began_at)
            return end.version

        return await asyncio.to_thread(found)

    async def _drain_session(self, session_id: str, reason: str | None) -> None:
        state = await self._looked_after(session_id)
        if state.phase in SESSION.final:
            return  # which archiving refuses
        if queued(state.work):
            self._check_agent(session_id)
        await super()._drain_session(session_id, reason)
        failures = Backoff(self._retry_seconds, LONGEST_RETRY_SECONDS)
        while True:
            waiting = queued((await self._looked_after(session_id)).work)
            if self._loops.state(session_id) == "running":  # which drains it as well
                await asyncio.sleep(BUSY_DELAY_SECONDS)
                continue
            if not waiting:
                return
            try:
                drained = await self._drained(session_id, waiting)
            except (SessionBusy, InputNotQueued):
                if self._loops.state(session_id) != "running":
                    raise
                continue
            if isinstance(drained.terminal, Cancelled):
                return
            if drained.retries:
                await failures.wait()
            else:
                failures.reset()

    # Checkpointers

    async def cancel_all_checkpointers(self) -> None:
        """Let no session be checkpointed by itself until `rearm_all_checkpointers`."""
        self._check_open()
        self._checkpointers.cancel_all()

    async def rearm_all_checkpointers(self) -> None:
        """Let sessions be checkpointed by themselves again."""
        self._check_open()
        self._checkpointers.rearm_all()

    async def checkpoint_committed(self, session_id: str, snapshot: bytes) -> None:
        """Keep a snapshot that came with a commit, once it is found to agree with the log.

        Agreeing means to be, byte for byte, what the log folds to: a seal has no key, and what is
        kept is believed until the next audit. Costs a fold up to the snapshot's version.
        Raises SessionNotFound, InvalidArgument for what is not bytes, Conflict for one that is
        another session's, or not what the log folds to, and LogCorrupt where it cannot be folded.
        """
        session_id = self._check_known(session_id)
        if not isinstance(snapshot, bytes):
            raise InvalidArgument("a snapshot is bytes", parameter="snapshot")
        try:
            version = msgspec.json.decode(snapshot, type=_Versioned).version
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Conflict(f"this is no snapshot: {error}", session_id=session_id) from error
        kept = Kept(version, snapshot)
        folded, _ = await asyncio.to_thread(
            catch_up,
            self._store.recorder,
            self._mapper,
            nothing_folded(session_id),
            upto=version,
        )
        if snapshot_of(folded) != kept:
            raise Conflict(
                f"the snapshot is not what the log of session {session_id!r} says",
                session_id=session_id,
                version=version,
            )
        await asyncio.to_thread(keep_snapshot, self._store, session_id, kept)

    # Views

    async def execution_snapshot(self, session_id: str) -> ExecutionSnapshot | None:
        """Return where the session's agent is in its work, None where it has no agent.

        An agent that was made on demand is the session's while it runs a turn, here and in the
        other views. Raises SessionNotFound, and InvalidArgument where what the agent offers for
        this (see `Agent`) fails or returns something else.
        """
        session_id = self._check_known(session_id)
        given = self._shown(session_id, "execution_snapshot", ExecutionSnapshot)
        turn = self._turns.get(session_id)
        if turn is None and session_id not in self._agents:
            return None
        terminal = self._live.get(session_id).terminal
        return execution_of(given, turn, self._loops.state(session_id), terminal)

    async def tool_scope_snapshot(self, session_id: str) -> ToolScopeSnapshot | None:
        """Return which tools the session's agent knows and may use, None where nothing says.

        Raises as `execution_snapshot` does.
        """
        session_id = self._check_known(session_id)
        given = self._shown(session_id, "tool_scope_snapshot", ToolScopeSnapshot)
        work = (await self._live.read(session_id)).state.work
        filters = tuple(
            None
            if raw is None
            else StagedFilter(filter=msgspec.json.decode(raw), revision=revision)
            for raw, revision in (
                (work.filter, work.filter_version),
                (work.next_filter, work.next_filter_version),
            )
        )
        return tool_scope_of(given, (filters[0], filters[1]))

    async def external_tool_surface_snapshot(
        self, session_id: str
    ) -> ExternalToolSurfaceSnapshot | None:
        """Return what the session's agent shows of tools from outside, None where it does not.

        Raises as `execution_snapshot` does.
        """
        session_id = self._check_known(session_id)
        return self._shown(
            session_id, "external_tool_surface_snapshot", ExternalToolSurfaceSnapshot
        )

    async def peer_ingress_snapshot(self, session_id: str) -> PeerIngressSnapshot | None:
        """Return what other agents may send to the session's, None where it does not say.

        Raises as `execution_snapshot` does.
        """
        session_id = self._check_known(session_id)
        return self._shown(session_id, "peer_ingress_snapshot", PeerIngressSnapshot)

    def _shown(self, session_id: str, hook: str, kind: type[Shown]) -> Shown | None:
        """Return what the agent shows that runs the session's turn, or is attached to it."""
        turn = self._turns.get(session_id)
        agent = None if turn is None else turn.agent
        return shown_by(self._agents.get(session_id) if agent is None else agent, hook, kind)

    async def _drain(self) -> None:
        self._loops.start_no_more()
        await super()._drain()
        await self._loops.stop_all()
        await self._checkpointers.stop()
