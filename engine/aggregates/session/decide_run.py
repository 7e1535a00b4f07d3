"""Deciding the commands of a turn: runs that begin, land and end, at once or step by step.

Invariants: only this module composes the messages that land, always in one order: staged tool
results, staged context, the messages of the run's inputs, the request, the agent's own messages. A
staged result is left out where the messages behind it begin with a result of its call. While a call
of the conversation is open, staged context stays where it is and a boundary takes no input, so that
nothing comes between the call and its result. A command of a run that is not current, or of another
owner than the current one, is refused as stale before anything else is looked at.
"""

from typing import Any, NamedTuple, assert_never

import msgspec

from perdure.aggregates.session import commands, events
from perdure.aggregates.session.messages import NO_MESSAGES, EncodedMessages
from perdure.aggregates.session.retries import request_digest
from perdure.aggregates.session.state import Session, calls_in_the_way
from perdure.aggregates.session.work import (
    calls_after,
    calls_held_open,
    check_not_answered,
    check_waits_for,
    messages_of,
    queued,
    results_to_land,
    run_ended,
    staged_inputs,
)
from perdure.errors import (
    AuthorityRequired,
    CallsUnresolved,
    InputNotQueued,
    PerdureError,
    SessionBusy,
    SessionNotRunning,
    StaleWriter,
)
from perdure.machines import LIFECYCLE
from perdure.values import Boundary, Receipt


def turn_event(state: Session, command: commands.TurnCommand) -> events.SessionEvent:
    """Return the event that the command leads to, whether or not the lifecycle allows it.

    Raises SessionBusy where another run is current, CallsUnresolved where calls are open that the
    turn does not answer, InputNotQueued for an input that is not there to take,
    CallNotOpen for a call's second result, or an end that waits for a call which is not open,
    StaleWriter where the run is not the current one of this owner.
    """
    match command:
        case commands.RecordTurn():
            _check_free(state, command)
            return _whole_turn(state, command)
        case commands.BeginRun():
            _check_free(state, command)
            return events.RunBegun(
                **fields_of(state, command),
                run_id=command.run_id,
                boundary=command.boundary,
                epoch=command.epoch,
                request_digest=request_digest(command.request),
                input_ids=command.input_ids,
                machine_owned=command.machine_owned,
            )
        case (
            commands.ApplyBoundary()
            | commands.CompleteRun()
            | commands.FailRun()
            | commands.CancelRun()
            | commands.RollBackRun()
        ):
            _check_owner(state, command)
            return _run_event(state, command)
        case _:
            assert_never(command)


def receipt_of(
    state: Session,
    landing: EncodedMessages,
    *,
    run_id: str,
    boundary: Boundary,
    input_ids: tuple[str, ...] = (),
    sequence: int = 1,
) -> tuple[Receipt, msgspec.Raw]:
    """Return the receipt of the boundary that lands these messages, and the messages' array."""
    array = landing.array()
    after = state.conversation.foresee(array, landing.count)
    receipt = Receipt(
        run_id=run_id,
        boundary=boundary,
        contributing_input_ids=input_ids,
        conversation_digest=after.digest(),
        message_count=after.count,
        sequence=sequence,
    )
    return receipt, array


def given_by(command: commands.RecordTurn | commands.BeginRun) -> msgspec.Raw | None:
    """Return the messages of a turn whose first ones may answer open calls.

    None where nothing can come between: where a run begins without a request or inputs, its agent
    may execute the calls that are open. Inputs land in front of a request, so that with them a
    request answers nothing.
    """
    if isinstance(command, commands.RecordTurn):
        return command.messages.array()
    if command.input_ids:
        return NO_MESSAGES.array()
    return command.request.array() if command.request.count else None


def _check_free(state: Session, command: commands.RecordTurn | commands.BeginRun) -> None:
    """Refuse a new run where one is current, calls are in the way, or an input is not there.

    A session that takes no turn any more is refused for that reason, before the others.
    """
    work = state.work
    if work.run is not None:
        raise SessionBusy(state.id, work.run.id)
    refusal: PerdureError | None = None
    in_the_way = calls_in_the_way(state, command.run_id, given_by(command)) if work.calls else ()
    if in_the_way:
        refusal = CallsUnresolved(state.id, [(call.id, call.status) for call in in_the_way])
    elif command.input_ids:
        waiting = queued(work)
        for input_id in command.input_ids:
            if input_id not in waiting:
                refusal = InputNotQueued(state.id, input_id)
                break
    if refusal is not None:
        if "begin_run" not in LIFECYCLE.allowed(state.lifecycle):
            LIFECYCLE.replay(
                state.lifecycle, "begin_run", (command.run_id, len(command.input_ids)), state.id
            )
        raise refusal


def _check_owner(state: Session, command: commands.OwnRunCommand) -> None:
    run = state.work.run
    if run is None or (run.id, run.epoch) != (command.run_id, command.epoch):
        began = state.runs.get(command.run_id, 0)
        raise StaleWriter(state.id, began, state.version, retryable=False)


def _whole_turn(state: Session, command: commands.RecordTurn) -> events.TurnApplied:
    landing, results, context = command.messages, 0, 0
    if state.staged_context or state.work.results:
        first = _first(state, landing)
        results, context = len(first.results), len(first.context)
        landing = first.joined + landing
    receipt, array = receipt_of(
        state,
        landing,
        run_id=command.run_id,
        boundary=command.boundary,
        input_ids=command.input_ids,
    )
    return events.TurnApplied(
        session_id=state.id,
        version=state.version + 1,
        at=command.now,
        receipt=receipt,
        usage=command.usage,
        staged_context=context,
        staged_results=results,
        messages=array,
    )


def _run_event(state: Session, command: commands.OwnRunCommand) -> events.SessionEvent:
    match command:
        case commands.ApplyBoundary():
            landing = _landing(state, command)
            return events.BoundaryApplied(
                **landing,
                steered_input_ids=steered_by(state, landing["messages"]),
                usage=command.usage,
            )
        case commands.CompleteRun():
            return _completed(state, command)
        case commands.FailRun():
            return events.RunFailed(
                **_ending(state, command),
                kind=command.kind,
                message=command.message,
                recoverable=command.recoverable,
            )
        case commands.CancelRun():
            return events.RunCancelled(**_ending(state, command), reason=command.reason)
        case commands.RollBackRun():
            return events.RunRolledBack(**_ending(state, command), reason=command.reason)
        case _:
            assert_never(command)


def _completed(state: Session, command: commands.CompleteRun) -> events.RunCompleted:
    """Return the run's end; it lands nothing where nothing was pending and no message came."""
    if command.waits_for is not None:
        check_waits_for(state.id, state.work, command.messages.array(), command.waits_for)
    nothing = command.terminal == "no_pending_boundary" and not command.messages.count
    if nothing and not staged_inputs(state.work):
        landing: dict[str, Any] = {
            **fields_of(state, command),
            "messages": NO_MESSAGES.array(),
        }
    else:
        landing = _landing(state, command)
        if not landing["receipt"].message_count - state.conversation.count:
            landing |= {"receipt": None}
    return events.RunCompleted(
        **landing,
        run_id=command.run_id,
        terminal=command.terminal,
        result=command.result,
        usage=command.usage,
    )


def _landing(
    state: Session, command: commands.ApplyBoundary | commands.CompleteRun
) -> dict[str, Any]:
    """Return the fields of an event that lands staged messages, the request and the agent's."""
    sequence = LIFECYCLE.value(state.lifecycle, "sequence") + 1
    own = command.request + command.messages if sequence == 1 else command.messages
    first = _first(state, own)
    landing, input_ids = first.joined + own, first.input_ids
    receipt, array = receipt_of(
        state,
        landing,
        run_id=command.run_id,
        boundary=command.boundary,
        input_ids=input_ids,
        sequence=sequence,
    )
    return {
        **fields_of(state, command),
        "receipt": receipt,
        "staged_context": len(first.context),
        "staged_results": len(first.results),
        "messages": array,
    }


def _ending(state: Session, command: commands.OwnRunCommand) -> dict[str, Any]:
    """Return the fields of an event by which a run ends without landing anything."""
    return {
        **fields_of(state, command),
        "run_id": command.run_id,
        "abandoned_input_ids": run_ended(state.work, command.run_id).abandoned,
    }


class _First(NamedTuple):
    """What lands in front of a run's own messages: each part, and all of it as it is recorded."""

    results: tuple[msgspec.Raw, ...]
    context: tuple[bytes, ...]
    input_ids: tuple[str, ...]
    joined: EncodedMessages


def _first(state: Session, own: EncodedMessages) -> _First:
    """Return the staged messages and the inputs that land in front of these messages.

    Raises CallNotOpen where they answer a call again whose staged result lands in front.
    """
    input_ids = staged_inputs(state.work)
    brought = NO_MESSAGES
    for text in messages_of(state.work, input_ids):
        brought = brought + EncodedMessages(text, _count(text))
    rest = (brought + own).array() if state.work.calls else NO_MESSAGES.array()
    check_not_answered(state.id, state.work, rest)
    results = results_to_land(state.work, rest) if state.work.results else ()
    context = () if calls_held_open(state.work, results) else state.staged_context
    joined = _joined([*map(bytes, results)]) + _joined([*context]) + brought
    return _First(results, context, input_ids, joined)


def steered_by(state: Session, landing: msgspec.Raw) -> tuple[str, ...]:
    """Return the inputs that a boundary takes on: none while a call that it lands is open."""
    waiting = queued(state.work, "steer")
    if not waiting:
        return ()
    after = calls_after(state.work, landing, state.conversation.count, state.version + 1)
    return () if calls_held_open(after) else waiting


def _joined(messages: list[bytes]) -> EncodedMessages:
    return EncodedMessages(b",".join(messages), len(messages))


def _count(joined: bytes) -> int:
    return len(msgspec.json.decode(b"[" + joined + b"]", type=list[msgspec.Raw]))


def fields_of(state: Session, command: commands.Command) -> dict[str, Any]:
    """Return the fields every event has, for the version that follows the state's."""
    return {"session_id": state.id, "version": state.version + 1, "at": command.now}


def interrupt_event(
    state: Session, command: commands.RequestInterrupt
) -> events.InterruptRequested:
    """Return the event of a request that the current run end.

    Raises SessionNotRunning where no run is current, or another than the one named, and
    AuthorityRequired where the run belongs to the machine and a caller asks.
    """
    run = state.work.run
    if run is None:
        raise SessionNotRunning(state.id, command.run_id)
    if command.run_id not in (None, run.id):
        raise SessionNotRunning(state.id, command.run_id, current=run.id)
    if run.machine_owned and command.by == "caller":
        raise AuthorityRequired(
            f"the run of session {state.id!r} belongs to the machine: its token is needed",
            session_id=state.id,
        )
    return events.InterruptRequested(
        session_id=state.id,
        version=state.version + 1,
        at=command.now,
        run_id=run.id,
        mode=command.mode,
        by=command.by,
        reason=command.reason,
    )
