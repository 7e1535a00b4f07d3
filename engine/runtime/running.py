"""The verbs by which the engine runs turns itself: attach an agent, apply a turn, interrupt it.

Invariants: a turn is admitted before its run is begun, and its admission ends after the run's end
is recorded; a session whose control belongs to the machine is interrupted with the authority's
token or not at all.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Final, Literal

from engine.aggregates import (
    Attach,
    BeginRun,
    Detach,
    RequestInterrupt,
    RollBackRun,
    SessionCommand,
)
from engine.aggregates.retries import same_run
from engine.errors import (
    AuthorityRequired,
    EngineClosed,
    InvalidArgument,
    NoAgent,
    PerdureError,
    SessionBusy,
    SessionNotRunning,
    StaleWriter,
)
from engine.machines import LIFECYCLE, Token
from engine.runtime.admission import Claim
from engine.runtime.agents import Agent, AgentLike, Builder, as_agent, name_of
from engine.runtime.arguments import Request, request_messages
from engine.runtime.checkpointers import CheckpointPolicy
from engine.runtime.environment import Environment
from engine.runtime.live import Live
from engine.runtime.recording import BOUNDARIES, LEASE_SECONDS, conflict, known
from engine.runtime.turns import LiveTurn, unhurried
from engine.runtime.working import Working
from engine.runtime.writing import Written
from engine.store import Store
from engine.values import ApplyOutput, Boundary, checked_id
from projections.catalog import SessionView, view_of
from projections.history import receipt_in
from projections.outcomes import outcome_of_run
from projections.snapshots import Folded

GRACE_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 0.1
"""How soon a turn notices that another process asked for its end."""


class Running(Working):
    """The running side of an engine, on top of the work in hand."""

    def __init__(
        self,
        store: Store,
        environment: Environment,
        *,
        agents: Builder | None = None,
        max_active: int | None = None,
        lease_seconds: float = LEASE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        checkpoints: CheckpointPolicy | None = None,
    ) -> None:
        super().__init__(
            store,
            environment,
            max_active=max_active,
            lease_seconds=lease_seconds,
            checkpoints=checkpoints,
        )
        self._builder: Final = agents
        self._agents: Final[dict[str, Agent]] = {}
        self._machine_owned: Final[set[str]] = set()
        self._grace_seconds: Final = grace_seconds
        self._turns: Final[dict[str, LiveTurn]] = {}
        self._watching: asyncio.Task[None] | None = None

    async def attach(self, session_id: str, agent: AgentLike) -> SessionView:
        """Bind an agent to the session, in place of any other; a stopped session is revived.

        ``agent`` has an async ``run_turn(turn)``, or is an async callable. The binding is this
        engine's; that the session is attached is recorded. Raises SessionNotFound, InvalidArgument,
        SessionBusy while a turn runs, IllegalTransition for a session that has ended.
        """
        bound = as_agent(agent)
        if checked_id(session_id, "session_id") in self._turns:
            raise SessionBusy(session_id)
        written = await self._write(session_id, Attach(now=self._now(), agent=name_of(agent)[:255]))
        self._agents[session_id] = bound
        return view_of(written.folded.state)

    async def detach(self, session_id: str) -> SessionView:
        """Bind the agent no more.

        Raises SessionNotFound, IllegalTransition where none is attached or a turn runs.
        """
        written = await self._write(session_id, Detach(now=self._now()))
        self._agents.pop(session_id, None)
        return view_of(written.folded.state)

    async def reserve(self, session_id: str) -> Claim:
        """Take the right to run the session's next turn; others are refused meanwhile.

        Give it to `apply_turn`, which uses it up, or back with `release`; or use it as an ``async
        with`` block. Raises SessionBusy, AtCapacity, EngineClosed.
        """
        self._check_open()
        name = checked_id(session_id, "session_id")
        if self._live.get(name).turn:
            raise SessionBusy(name)
        return self._admission.claim(name)

    async def release(self, reservation: Claim) -> None:
        """Give a reservation back, unused. Safe to call again, and after it was used."""
        reservation.release()

    async def apply_turn(
        self,
        session_id: str,
        request: Request = None,
        *,
        run_id: str | None = None,
        boundary: Boundary = "run_start",
        input_ids: Iterable[str] = (),
        reservation: Claim | None = None,
    ) -> ApplyOutput:
        """Run a turn with the session's agent, and record it: request, answer, receipt, outcome.

        ``request`` is a text (a user message), a message or several, or None where staged results
        or inputs are all there is to go on. ``input_ids`` are queued inputs for this turn to take.
        The run's beginning is recorded first; its end is one commit. How it ended is in
        ``terminal``; a failed turn raises nothing. ``run_id`` makes a retry safe: the same id with
        the same request and inputs returns what is recorded, and runs nothing.

        Cancelling the awaiting task interrupts the turn. Raises SessionNotFound, NoAgent,
        SessionBusy while another turn runs anywhere, AtCapacity, CallsUnresolved, InputNotQueued,
        InvalidMessage, InvalidArgument, Conflict for a known run id with another request,
        IllegalTransition, and StaleWriter where another engine closed this run meanwhile.
        """
        self._check_open()
        if boundary not in BOUNDARIES:
            raise InvalidArgument(
                f"a boundary is one of {', '.join(BOUNDARIES)}, not {boundary!r}",
                parameter="boundary",
            )
        command = BeginRun(
            now=self._now(),
            run_id=self._new_or_checked(run_id, "run_id"),
            epoch=self._ownership.epoch,
            boundary=boundary,
            request=request_messages(request),
            input_ids=tuple(checked_id(one, "input_ids") for one in input_ids),
        )
        live = self._live.get(checked_id(session_id, "session_id"))
        claim = self._claimed(live, session_id, reservation)
        live.turn = claim.in_use = True
        live.users += 1
        try:
            async with self._ownership.holding():
                return await self._applied(live, claim, command)
        finally:
            live.users -= 1
            live.turn = live.driving = False
            claim.release()

    async def interrupt(
        self, session_id: str, *, reason: str | None = None, authority: Token | None = None
    ) -> None:
        """End the session's turn now, and return once its end is recorded.

        A turn that another process runs is asked to end, which it notices within a moment. What
        the turn had landed stays. Raises SessionNotFound, SessionNotRunning,
        AuthorityRequired for a session whose control belongs to the machine.
        """
        turn = self._controlled(session_id, authority)
        if turn is None:
            await self._ask_to_end(session_id, "interrupt", authority)
            return
        turn.interrupt(reason)
        await turn.ended()

    async def cancel_after_boundary(
        self, session_id: str, *, authority: Token | None = None
    ) -> None:
        """Ask for the session's turn to end once its next boundary has landed.

        Recorded, and noticed wherever the turn runs. Raises as `interrupt` does.
        """
        turn = self._controlled(session_id, authority)
        await self._ask_to_end(session_id, "cancel_after_boundary", authority)
        if turn is not None:
            turn.scope.request()

    # How a turn runs

    def _claimed(self, live: Live, session_id: str, reservation: Claim | None) -> Claim:
        if live.turn:
            raise SessionBusy(session_id)
        if reservation is None:
            return self._admission.claim(session_id)
        if reservation.session_id != session_id or not self._admission.holds(reservation):
            raise InvalidArgument(
                f"the reservation is not one of session {session_id!r} any more",
                parameter="reservation",
            )
        return reservation

    async def _applied(self, live: Live, claim: Claim, command: BeginRun) -> ApplyOutput:
        begun = await self._begun(live, command)
        if isinstance(begun, ApplyOutput):
            return begun
        session_id = begun.folded.state.id
        try:
            agent = await self._agent_of(begun.folded)
            if claim.phase == "shut_down":
                raise EngineClosed("the engine shut down before the turn's agent was started")
            claim.fire("begin")
            turn = LiveTurn(
                begun.folded.state,
                command,
                now=self._now,
                commit=lambda later: self._commit_for_run(live, later),
                emit=lambda event: self._streams.emit(session_id, command.run_id, event),
                history=lambda offset, limit: self._messages(session_id, offset, limit),
            )
        except BaseException as reason:
            rolled_back = RollBackRun(
                now=self._now(), run_id=command.run_id, epoch=command.epoch, reason=_told(reason)
            )
            await self._withdrawn(live, rolled_back)
            raise
        self._turns[session_id] = turn
        self._watch()
        try:
            written, terminal = await turn.drive(agent, self._grace_seconds)
        finally:
            del self._turns[session_id]
            self._streams.ended(command.run_id)
        live.terminal = terminal
        self._checkpointers.landed(session_id, written.events)
        landed = receipt_in(written.events[0])
        return ApplyOutput(
            receipt=landed or turn.receipt, snapshot=written.snapshot, terminal=terminal
        )

    async def _begun(self, live: Live, command: BeginRun) -> Written | ApplyOutput:
        """Record the run's beginning, or return what is recorded of it already."""

        async def work(folded: Folded) -> Written | ApplyOutput:
            folded = await self._attended(live, known(folded))
            state = folded.state
            version = state.runs.get(command.run_id)
            if version is None:
                self._check_agent(state.id)
                live.driving = True
                return await self._writer.commit(live, folded, command)
            event = await self._event(state.id, version)
            if not same_run(event, command):
                raise conflict(state.id, "run id", command.run_id)
            outcome = await asyncio.to_thread(
                outcome_of_run,
                self._store.recorder,
                self._mapper,
                state.id,
                run_id=command.run_id,
                version=version,
            )
            if outcome is None:
                raise SessionBusy(state.id)
            return outcome

        try:
            return await self._writer.alone(live, work)
        except asyncio.CancelledError:
            # The commit may have landed all the same, and then nobody else would end the run.
            run = live.folded.state.work.run
            if run is not None and (run.id, run.epoch) == (command.run_id, command.epoch):
                rolled_back = RollBackRun(
                    now=self._now(), run_id=run.id, epoch=run.epoch, reason="cancelled"
                )
                await self._withdrawn(live, rolled_back)
            raise

    async def _withdrawn(self, live: Live, command: RollBackRun) -> None:
        """Roll a run back, however often the caller is cancelled, if nobody else has ended it."""
        with contextlib.suppress(StaleWriter):
            await unhurried(self._commit_for_run(live, command))

    async def _commit_for_run(self, live: Live, command: SessionCommand) -> Written:
        return await self._writer.alone(
            live, lambda folded: self._writer.commit(live, folded, command)
        )

    def _check_agent(self, session_id: str) -> None:
        if session_id not in self._agents and self._builder is None:
            raise NoAgent(session_id)

    async def _agent_of(self, folded: Folded) -> Agent:
        """Return the session's agent, made for it where none is attached."""
        state = folded.state
        agent = self._agents.get(state.id)
        if agent is not None:
            return agent
        if self._builder is None:
            raise NoAgent(state.id)
        made = self._builder(view_of(state))
        if asyncio.iscoroutine(made) or isinstance(made, asyncio.Future):
            made = await made
        return as_agent(made)

    async def _messages(
        self, session_id: str, offset: int, limit: int | None
    ) -> list[dict[str, Any]]:
        return (await self.history(session_id, offset=offset, limit=limit)).messages

    # How a turn is ended

    def _controlled(self, session_id: str, authority: Token | None) -> LiveTurn | None:
        """Return the turn that this engine runs, for who may control it."""
        self._check_open()
        name = checked_id(session_id, "session_id")
        if authority is not LIFECYCLE.token and (
            authority is not None or name in self._machine_owned
        ):
            raise AuthorityRequired(
                f"the control of session {name!r} belongs to the machine: its token is needed",
                session_id=name,
            )
        return self._turns.get(name)

    async def _ask_to_end(
        self,
        session_id: str,
        mode: Literal["interrupt", "cancel_after_boundary"],
        authority: Token | None,
    ) -> None:
        written = await self._write(
            session_id,
            RequestInterrupt(
                now=self._now(), mode=mode, by="caller" if authority is None else "authority"
            ),
        )
        if written.folded.state.work.run is None:
            raise SessionNotRunning(f"session {session_id!r} runs no turn", session_id=session_id)

    def _watch(self) -> None:
        """Look after the turns that run, until none does."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch_turns())

    async def _watch_turns(self) -> None:
        """Notice what other processes ask of the turns that run here."""
        while self._turns:
            await asyncio.sleep(WATCH_SECONDS)
            for session_id, turn in list(self._turns.items()):
                live = self._live.get(session_id)
                if live.lock.locked():
                    continue
                if not self._live.is_current(live):
                    with contextlib.suppress(PerdureError):  # the turn will meet what is wrong
                        await self._live.read(session_id)
                run = live.folded.state.work.run
                if run is None or run.id != turn.run_id:
                    turn.interrupt("another engine closed the run")
                elif run.interrupt == "interrupt":
                    turn.interrupt("asked from elsewhere")
                elif run.interrupt is not None:
                    turn.scope.request()

    async def _drain(self) -> None:
        """Admit no more turns; interrupt those that do not end in time."""
        if not await self._admission.shut_down(self._grace_seconds):
            for turn in list(self._turns.values()):
                turn.interrupt("the engine is closing")
                await turn.ended()


def _told(reason: BaseException) -> str:
    return f"{type(reason).__name__}: {reason}"[:255]
