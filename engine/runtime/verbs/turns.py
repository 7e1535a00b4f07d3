"""The verbs by which the engine runs turns itself: reserve a turn, and apply it.

Invariants: a turn is admitted before its run is begun, and its admission ends after the run's end
is recorded; the owner of a run records its commands even while other processes write.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from perdure.aggregates import BeginRun, RollBackRun, Session, SessionCommand
from perdure.aggregates.session.retries import same_run
from perdure.errors import (
    AtCapacity,
    EngineClosed,
    InvalidArgument,
    NoAgent,
    SessionBusy,
    StaleWriter,
)
from perdure.machines import LIFECYCLE
from perdure.projections.catalog import view_of
from perdure.projections.history import receipt_in
from perdure.projections.outcomes import outcome_of_run
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import (
    Request,
    checked_boundary,
    checked_decision,
    checked_ids,
    optional_text,
    request_messages,
)
from perdure.runtime.cancellation import finish, result_of
from perdure.runtime.core import Core, conflict, known
from perdure.runtime.recovery import close_lost_run, recover_and_read
from perdure.runtime.session.cache import CachedSession
from perdure.runtime.session.commit import Written
from perdure.runtime.turn.admission import Claim
from perdure.runtime.turn.agent import Agent, as_agent
from perdure.runtime.turn.running_turn import RunningTurn
from perdure.runtime.verbs import interrupts, reads
from perdure.values import ApplyOutput, Boundary, OpenCallsDecision, checked_id

JOIN_SECONDS: Final = 0.1
"""How soon a call that has joined another engine's run notices its end."""


async def reserve(core: Core, session_id: str) -> Claim:
    """Reserve the session's next turn in this engine; other turns here are refused until then.

    Nothing is recorded, so another engine on the same database may still begin a turn first. Give
    the reservation to `apply_turn`, which uses it up, or return it with `release`; or use it as an
    ``async with`` block. Raises SessionBusy, AtCapacity, EngineClosed.
    """
    core.check_open()
    name = checked_id(session_id, "session_id")
    if core.sessions.get(name).turn:
        raise core.admission.busy(name)
    return core.admission.claim(name)


async def release(
    core: Core,  # noqa: ARG001 - as every verb
    reservation: Claim,
) -> None:
    """Return an unused reservation. Safe to call again, and after it was used."""
    if not isinstance(reservation, Claim):
        raise InvalidArgument(f"{reservation!r} is no reservation", parameter="reservation")
    reservation.release()


async def apply_turn(
    core: Core,
    session_id: str,
    request: Request = None,
    *,
    run_id: str | None = None,
    boundary: Boundary = "run_start",
    input_ids: Iterable[str] = (),
    reservation: Claim | None = None,
    join: bool = False,
    open_calls: OpenCallsDecision | None = None,
    reason: str | None = None,
) -> ApplyOutput:
    """Run a turn with the session's agent, and record it: request, answer, receipt, outcome.

    - ``request``: a text, which becomes a user message; a message; several messages; or None, if
      staged results or inputs are enough.
    - ``run_id``: makes a retry safe. A known id with the same request and inputs returns the
      recorded outcome, and runs nothing.
    - ``boundary``: the kind of boundary that the end of the turn lands.
    - ``input_ids``: queued inputs that the turn takes.
    - ``reservation``: one of `reserve`, which is used up.
    - ``join``: if the run of this id is in flight already, here or in another engine, wait for its
      end and return its outcome. Cancelling such a call does not interrupt the turn.

    The beginning of the run is one commit, and its end another. ``terminal`` of the result says how
    the turn ended: a failed turn raises nothing. Cancelling the awaiting task interrupts the turn.

    Open tool calls must be answered by staged results or by the first messages of the request, or
    ``open_calls`` says what becomes of them, as with `record_turn`. A turn without a request and
    inputs may begin while calls are open, but not while they are unknown: its agent may execute
    them.

    Raises SessionNotFound, NoAgent, SessionBusy while another turn of the session runs in any
    process, AtCapacity, CallsUnresolved, InputNotQueued, InvalidMessage, InvalidArgument, Conflict
    for a known run id with another request, IllegalTransition, StaleWriter if another engine has
    closed this run.
    """
    core.check_open()
    name = checked_id(session_id, "session_id")
    if join and run_id is None:
        raise InvalidArgument("a run to join is named by its run_id", parameter="join")
    command = BeginRun(
        now=core.now(),
        run_id=core.new_or_checked(run_id, "run_id"),
        epoch=core.ownership.epoch,
        boundary=checked_boundary(boundary),
        request=request_messages(request),
        input_ids=checked_ids(input_ids, "input_ids"),
        machine_owned=name in core.machine_owned,
        open_calls=checked_decision(open_calls),
        reason=optional_text(reason),
    )
    cached = core.sessions.get(name)
    try:
        return await _admit_and_run(core, cached, command, reservation, given=run_id is not None)
    except SessionBusy:
        joined = await _join_run(core, cached, command) if join else None
        if joined is None:
            raise
        return joined


# Steps of a turn


async def _admit_and_run(
    core: Core,
    cached: CachedSession,
    command: BeginRun,
    reservation: Claim | None,
    *,
    given: bool,
) -> ApplyOutput:
    """Run a turn in its claim; a run whose id was ``given`` needs none once it has ended."""
    try:
        claim = _claim_turn(core, cached, cached.folded.state.id, reservation)
    except (SessionBusy, AtCapacity, EngineClosed):
        recorded = await _find_outcome(core, cached, command) if given else None
        if recorded is None:
            raise
        return recorded
    cached.turn = claim.in_use = True
    claim.run_id = command.run_id
    cached.starting = asyncio.Event()
    cached.users += 1
    try:
        async with core.ownership.hold_lease():
            return await _run_claimed_turn(core, cached, claim, command)
    finally:
        cached.starting.set()
        cached.starting = None
        cached.users -= 1
        cached.turn = cached.driving = claim.in_use = False
        claim.release()


async def _join_run(core: Core, cached: CachedSession, command: BeginRun) -> ApplyOutput | None:
    """Wait for the end of the run of this id and content, and return what it came to.

    None where it is not the run in flight. A run that has lost its owner is closed meanwhile.
    """
    session_id = cached.folded.state.id
    if cached.starting is not None:
        await cached.starting.wait()
    while True:
        state = await recover_and_read(core, session_id)
        outcome = await _find_outcome(core, cached, command)
        if outcome is not None:
            return outcome
        if state.work.run is None or state.work.run.id != command.run_id:
            return None
        turn = core.turns.get(session_id)
        if turn is None:
            await asyncio.sleep(JOIN_SECONDS)
        else:
            await turn.wait_until_ended()


def _claim_turn(
    core: Core, cached: CachedSession, session_id: str, reservation: Claim | None
) -> Claim:
    if cached.turn:
        raise core.admission.busy(session_id)
    if reservation is None:
        return core.admission.claim(session_id)
    if (
        not isinstance(reservation, Claim)
        or reservation.session_id != session_id
        or not core.admission.holds(reservation)
    ):
        raise InvalidArgument(
            f"the reservation is not one of session {session_id!r} any more",
            parameter="reservation",
        )
    return reservation


async def _run_claimed_turn(
    core: Core, cached: CachedSession, claim: Claim, command: BeginRun
) -> ApplyOutput:
    """Begin the run, drive its agent, and return how it ended."""
    begun = await _begin_run(core, cached, command)
    if isinstance(begun, ApplyOutput):
        return begun
    state = begun.folded.state
    session_id = state.id
    if claim.phase == "shut_down":
        await _roll_back_run(core, cached, command, "the engine is closing")
        raise EngineClosed("the engine shut down before the turn's agent was started")
    claim.fire("begin")
    turn = RunningTurn(
        state,
        command,
        now=core.now,
        commit=lambda later: _commit_for_run(core, cached, command, later),
        emit=lambda event: core.streams.emit(session_id, command.run_id, event),
        history=lambda offset, limit: _read_messages(core, session_id, offset, limit),
    )
    core.turns[session_id] = turn
    if cached.starting is not None:
        cached.starting.set()
    interrupts.watch_turns(core)
    try:
        written, terminal = await turn.drive(
            lambda: _find_or_make_agent(core, state), core.grace_seconds
        )
    except StaleWriter:
        closed = await _find_outcome(core, cached, command) if turn.closed else None
        if closed is None:
            raise
        turn.terminal = closed.terminal
        return msgspec.structs.replace(closed, duplicate=False)
    finally:
        cached.terminal = turn.terminal
        del core.turns[session_id]
        core.streams.forget_run(session_id, command.run_id)
    landed = receipt_in(written.events[-1])
    return ApplyOutput(receipt=landed or turn.receipt, snapshot=written.snapshot, terminal=terminal)


async def _begin_run(core: Core, cached: CachedSession, command: BeginRun) -> Written | ApplyOutput:
    """Record the beginning of the run, or return the recorded outcome of a known one."""

    async def work(folded: Folded) -> Written | ApplyOutput:
        folded = await close_lost_run(core, cached, known(folded))
        state = folded.state
        version = state.runs.get(command.run_id)
        if version is None:
            if "begin_run" in LIFECYCLE.allowed(state.lifecycle):  # else the commit refuses it
                core.check_agent(state.id)
            cached.driving = True
            return await core.writer.commit(cached, folded, command)
        outcome = await _load_outcome(core, state.id, command, version)
        if outcome is None:
            raise SessionBusy(state.id, command.run_id)
        return outcome

    try:
        return await core.writer.run_alone(cached, work)
    except asyncio.CancelledError as cancelled:
        # The commit may have landed, and then only this call can end the run.
        if _is_of(cached.folded, command):
            await _roll_back_run(core, cached, command, "cancelled", cancelled)
        raise


async def _find_outcome(core: Core, cached: CachedSession, command: BeginRun) -> ApplyOutput | None:
    """Return the outcome of the run, None if there is no such run or it has not ended."""
    state = (await core.sessions.read(cached.folded.state.id)).state
    version = state.runs.get(command.run_id)
    return None if version is None else await _load_outcome(core, state.id, command, version)


async def _load_outcome(
    core: Core, session_id: str, command: BeginRun, version: int
) -> ApplyOutput | None:
    event = await core.event(session_id, version)
    if not same_run(event, command):
        raise conflict(session_id, "run id", command.run_id)
    return await asyncio.to_thread(
        outcome_of_run,
        core.store.recorder,
        core.mapper,
        session_id,
        run_id=command.run_id,
        version=version,
    )


async def _roll_back_run(
    core: Core,
    cached: CachedSession,
    begun: BeginRun,
    reason: str,
    cancelled: asyncio.CancelledError | None = None,
) -> None:
    """Roll a run back unless it has ended, however often the caller is cancelled.

    Raises ``cancelled``, or the CancelledError that reached the caller meanwhile; StoreError.
    """
    rolled_back = RollBackRun(now=core.now(), run_id=begun.run_id, epoch=begun.epoch, reason=reason)
    rolling, again = await finish(_commit_for_run(core, cached, begun, rolled_back))
    with contextlib.suppress(StaleWriter):
        result_of(rolling, cancelled or again)


async def _commit_for_run(
    core: Core, cached: CachedSession, begun: BeginRun, command: SessionCommand
) -> Written:
    """Commit a command of the run's owner, for as long as the run is current and its own.

    Other processes may write to the session at the same time, any number of times: the owner then
    decides again, and loses nothing that its agent has done. Raises StaleWriter once the run has
    ended or belongs to another owner.
    """
    while True:
        try:
            written = await core.writer.run_alone(
                cached, lambda folded: core.writer.commit(cached, folded, command)
            )
        except StaleWriter:
            if not _is_of(await core.sessions.read(cached.folded.state.id), begun):
                raise
        else:
            return written


async def _find_or_make_agent(core: Core, state: Session) -> Agent:
    """Return the session's agent; one is made if none is attached."""
    core.agent_starts()
    agent = core.agents.get(state.id)
    if agent is not None:
        return agent
    if core.builder is None:
        raise NoAgent(state.id)
    made = core.builder(view_of(state))
    if inspect.isawaitable(made):
        made = await made
    return as_agent(made)


async def _read_messages(
    core: Core, session_id: str, offset: int, limit: int | None
) -> list[dict[str, Any]]:
    return (await reads.history(core, session_id, offset=offset, limit=limit)).messages


def _is_of(folded: Folded, begun: BeginRun) -> bool:
    """Whether the session's current run is this one, of this owner."""
    run = folded.state.work.run
    return run is not None and (run.id, run.epoch) == (begun.run_id, begun.epoch)
