"""How a recorded event changes a session's state.

Invariants: `evolve` refuses nothing that was recorded legally, and reads nothing but the state and
the event. The conversation that a fork goes on from is part of its initial state, because it lies
in another session's events.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import immutables
import msgspec

from perdure.aggregates.session import events
from perdure.aggregates.session.conversation import Conversation
from perdure.aggregates.session.lifecycle import advance
from perdure.aggregates.session.messages import NO_MESSAGES
from perdure.aggregates.session.open_calls import Key, executed_by, marked, without
from perdure.aggregates.session.retries import request_digest
from perdure.aggregates.session.state import Session, origin_in
from perdure.aggregates.session.work import (
    DROPS,
    INPUTS,
    Input,
    Run,
    Work,
    answered_by,
    calls_after,
    calls_in_doubt,
    in_phase,
    moved,
    queued,
    run_ended,
)
from perdure.values import Usage

_replace = msgspec.structs.replace
_NO_REQUEST: Final = request_digest(NO_MESSAGES)


def evolve(state: Session, event: events.SessionEvent) -> Session:
    """Return the state after a recorded event.

    Raises IllegalTransition where the law has no such move. For a recorded event that means that
    the log was not written by this law.
    """
    match event:
        case events.TurnApplied():
            return _after_whole_turn(state, event)
        case events.RunBegun() | events.BoundaryApplied() | events.RunCompleted():
            return _run_went_on(state, event)
        case (
            events.RunFailed()
            | events.RunCancelled()
            | events.RunRolledBack()
            | events.RunInterrupted()
            | events.SessionStopped()
        ):
            return _moved(state, event, work=_after_end(state.work, event))
        case events.ContextAppended():
            start = state.conversation.count
            return _moved(
                state,
                event,
                conversation=_extended(state.conversation, event),
                runs=state.runs.set(event.receipt.run_id, event.version),
                keys=_with_key(state.keys, event),
                work=calls_after(state.work, event.messages, start, event.version),
            )
        case events.ContextStaged():
            waiting, run_id = bytes(event.messages)[1:-1], event.run_id
            return _moved(
                state,
                event,
                staged_context=(*state.staged_context, waiting),
                keys=_with_key(state.keys, event),
                runs=state.runs if run_id is None else state.runs.set(run_id, event.version),
            )
        case events.InputAccepted():
            return _moved(
                state,
                event,
                inputs=state.inputs.set(event.input_id, event.version),
                keys=_with_key(state.keys, event),
                work=_accepted(state.work, event),
            )
        case events.SessionRegistered() | events.SessionForked():
            return _registered(state, event)
        case events.MobJoined():
            return _moved(state, event, mobs=(*state.mobs, event.mob))
        case events.MobLeft():
            return _moved(state, event, mobs=tuple(mob for mob in state.mobs if mob != event.mob))
        case events.SessionCheckpointed():
            return _moved(state, event, checkpoint_version=event.version)
        case (
            events.InputsDropped()
            | events.ToolResultsStaged()
            | events.CallAbandoned()
            | events.CallsKept()
            | events.CallRulesAdopted()
            | events.ToolFilterStaged()
            | events.InterruptRequested()
            | events.SessionReset()
            | events.SessionDestroyed()
        ):
            return _moved(state, event, work=_work_after(state.work, event))
        case (
            events.SessionAttached()
            | events.SessionDetached()
            | events.EventPublished()
            | events.SessionRecycled()
            | events.SessionRetired()
            | events.SessionArchived()
        ):
            return _moved(state, event)
        case _:
            assert_never(event)


def fold(state: Session, history: Iterable[events.SessionEvent]) -> Session:
    """Return the state after all of the events, in order."""
    for event in history:
        state = evolve(state, event)
    return state


def _moved(state: Session, event: events.SessionEvent, **changes: Any) -> Session:
    """Return the state with the changes that every event makes, and these."""
    return _replace(
        state,
        version=event.version,
        updated_at=event.at,
        lifecycle=advance(state.lifecycle, event),
        **changes,
    )


def _registered(state: Session, event: events.SessionRegistered | events.SessionForked) -> Session:
    return _moved(
        state,
        event,
        labels=event.labels,
        metadata=event.metadata,
        created_at=event.at,
        origin=origin_in(event) if isinstance(event, events.SessionForked) else None,
        work=_replace(state.work, rules=event.rules),
    )


def _run_went_on(
    state: Session, event: events.RunBegun | events.BoundaryApplied | events.RunCompleted
) -> Session:
    """Return the state after a run that the engine drives began, landed, or ended well."""
    work = state.work
    if isinstance(event, events.RunBegun):
        run = Run(
            id=event.run_id,
            epoch=event.epoch,
            machine_owned=event.machine_owned,
            asked=event.request_digest != _NO_REQUEST,
        )
        inputs = moved(work.inputs, "stage", event.input_ids, event.run_id)
        return _moved(
            state,
            event,
            runs=state.runs.set(event.run_id, event.version),
            work=_filtered(_replace(work, run=run, inputs=inputs)),
        )
    if isinstance(event, events.RunCompleted) and event.receipt is None:
        inputs = run_ended(work, event.run_id).inputs
        return _moved(
            state,
            event,
            usage=_summed(state.usage, event.usage),
            work=_replace(work, run=None, inputs=inputs),
        )
    work = _after_landing(work, event, state.conversation.count)
    if isinstance(event, events.BoundaryApplied):
        run_id, steered = event.receipt.run_id, event.steered_input_ids
        work = _replace(work, inputs=moved(work.inputs, "stage", steered, run_id))
        if event.staged_results and work.run is not None:
            outside = answered_by(work, event.messages, event.staged_results)
            answered = *work.run.answered, *outside
            work = _replace(work, run=_replace(work.run, answered=answered))
    else:
        work = _replace(work, run=None, inputs=run_ended(work, event.run_id).inputs)
    return _moved(
        state,
        event,
        conversation=_extended(state.conversation, event),
        staged_context=state.staged_context[event.staged_context :],
        usage=_summed(state.usage, event.usage),
        work=work,
    )


def _after_whole_turn(state: Session, event: events.TurnApplied) -> Session:
    """Return the state after a whole turn: `_moved`, spelt out, as nearly all of a log is turns."""
    receipt, conversation = event.receipt, state.conversation
    return _replace(
        state,
        version=event.version,
        updated_at=event.at,
        lifecycle=advance(state.lifecycle, event),
        conversation=conversation.extend(
            event.messages, receipt.message_count - conversation.count
        ),
        runs=state.runs.set(receipt.run_id, event.version),
        staged_context=state.staged_context[event.staged_context :],
        usage=_summed(state.usage, event.usage),
        work=_after_turn(state.work, event, conversation.count),
    )


def _after_turn(work: Work, event: events.TurnApplied, start: int) -> Work:
    """Return the work after a whole turn: its inputs were staged, applied and consumed at once."""
    input_ids, run_id = event.receipt.contributing_input_ids, event.receipt.run_id
    if input_ids:
        inputs = moved(work.inputs, "stage", input_ids, run_id)
        work = _replace(work, inputs=inputs)
    work = _after_landing(work, event, start)
    return _replace(work, inputs=run_ended(work, run_id).inputs) if input_ids else work


def _after_landing(
    work: Work,
    event: events.TurnApplied | events.BoundaryApplied | events.RunCompleted,
    start: int,
) -> Work:
    """Return the work after a boundary: its inputs applied, its results and filter in effect."""
    work = calls_after(work, event.messages, start, event.version)
    if event.receipt is not None and event.receipt.contributing_input_ids:
        input_ids, run_id = event.receipt.contributing_input_ids, event.receipt.run_id
        work = _replace(work, inputs=moved(work.inputs, "apply", input_ids, run_id))
    if work.results:  # landed messages answer the calls of those that did not land
        work = _replace(work, results=())
    return _filtered(work)


def _filtered(work: Work) -> Work:
    """Return the work with the filter in effect that was staged, if one was."""
    if work.next_filter is None:
        return work
    return _replace(
        work,
        filter=work.next_filter,
        filter_version=work.next_filter_version,
        next_filter=None,
        next_filter_version=0,
    )


def _after_end(work: Work, event: events.RunAborted) -> Work:
    """Return the work after a run that did not end well, if there was one."""
    inputs, calls = work.inputs, work.calls
    if work.run is not None:
        inputs = run_ended(work, work.run.id).inputs
        if not isinstance(event, events.RunRolledBack):
            calls = calls_in_doubt(work)
    return _replace(work, run=None, inputs=inputs, calls=calls)


def _accepted(work: Work, event: events.InputAccepted) -> Work:
    accepted = INPUTS.replay(INPUTS.initial, "accept", (event.lane,), event.input_id)
    item = Input(
        lane=event.lane,
        lifecycle=INPUTS.replay(accepted, "queue", (), event.input_id),
        messages=event.messages,
    )
    return _replace(work, inputs={**work.inputs, event.input_id: item})


def _work_after(
    work: Work,
    event: events.InputsDropped
    | events.ToolResultsStaged
    | events.CallAbandoned
    | events.CallsKept
    | events.CallRulesAdopted
    | events.ToolFilterStaged
    | events.InterruptRequested
    | events.SessionReset
    | events.SessionDestroyed,
) -> Work:
    match event:
        case events.InputsDropped():
            verb = DROPS[event.outcome]
            return _replace(work, inputs=moved(work.inputs, verb, event.input_ids))
        case events.ToolResultsStaged():
            return _with_results(work, event)
        case events.CallAbandoned():
            return _replace(work, calls=without(work.calls, given_up_by(work, event)))
        case events.CallsKept():
            kept = [(one.message, one.place) for one in event.calls]
            return _replace(work, calls=marked(work.calls, kept, kept=True))
        case events.CallRulesAdopted():
            return _replace(work, rules=event.rules)
        case events.ToolFilterStaged():
            return _replace(work, next_filter=event.filter, next_filter_version=event.version)
        case events.InterruptRequested():
            if work.run is None or work.run.interrupt == "interrupt":  # never to be less urgent
                return work
            reason = work.run.interrupt_reason or event.reason
            run = _replace(work.run, interrupt=event.mode, interrupt_reason=reason)
            return _replace(work, run=run)
        case events.SessionReset():
            return _replace(work, inputs=moved(work.inputs, "abandon", queued(work)))
        case events.SessionDestroyed():
            inputs = moved(work.inputs, "abandon", in_phase(work, "queued", "staged"))
            if work.run is not None:
                inputs = moved(inputs, "consume", in_phase(work, "applied"), work.run.id)
            return _replace(work, run=None, inputs=inputs)


def _with_results(work: Work, event: events.ToolResultsStaged) -> Work:
    keys = [call.key for call in executed_by(work.calls, event.call_ids)]
    each = msgspec.json.decode(event.messages, type=list[msgspec.Raw])
    calls = marked(work.calls, keys, status="executed")
    return _replace(work, results=(*work.results, *each), calls=calls)


def given_up_by(work: Work, event: events.CallAbandoned) -> list[Key]:
    """Return where the call is that was given up: the first of its id, where no place is named."""
    if event.message is not None and event.place is not None:
        return [(event.message, event.place)]
    same = [call for call in work.calls if call.id == event.call_id]
    return [call.key for call in same if call.status != "executed"][:1]


def _extended(conversation: Conversation, event: events.Landed) -> Conversation:
    if event.receipt is None:
        return conversation
    return conversation.extend(event.messages, event.receipt.message_count - conversation.count)


def _summed(usage: Usage, more: Usage | None) -> Usage:
    return usage if more is None else usage + more


def _with_key(
    keys: immutables.Map[str, int],
    event: events.ContextAppended | events.ContextStaged | events.InputAccepted,
) -> immutables.Map[str, int]:
    if event.idempotency_key is None:
        return keys
    return keys.set(event.idempotency_key, event.version)
