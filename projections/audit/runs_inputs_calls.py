"""Checking the runs, inputs, calls and groups that an event names against the work in hand.

Invariants: the expected fields come from the functions by which such an event is decided. The event
has been folded already, so the inputs and calls that it names exist. Only the log is asked.
"""

from collections.abc import Iterator
from typing import Final, assert_never

import msgspec

from perdure.aggregates import Session
from perdure.aggregates.session import events
from perdure.aggregates.session.calls import CallAnswered, steps_in
from perdure.aggregates.session.messages import NO_MESSAGES
from perdure.aggregates.session.open_calls import call_for, marked
from perdure.aggregates.session.state import calls_in_the_way
from perdure.aggregates.session.work import in_phase, queued, run_ended
from perdure.projections.audit.findings import Kind

Problem = tuple[Kind, str]

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def account_problems(  # noqa: C901, PLR0912 - a case for each kind of event
    before: Session, event: events.SessionEvent, after: Session
) -> Iterator[Problem]:
    """Yield the problems with the runs, inputs, calls and groups that the event names.

    Events that land or stage messages, checkpoints and registrations are `messages_and_receipts`'s
    to judge; of them nothing is asked here.
    """
    match event:
        case events.RunBegun():
            yield from known_run_problems(before, event.run_id)
            yield from _beginning_problems(before, event)
        case (
            events.RunFailed()
            | events.RunCancelled()
            | events.RunRolledBack()
            | events.RunInterrupted()
            | events.SessionStopped()
        ):
            yield from _ending_problems(before, event)
        case events.InterruptRequested():
            yield from _request_problems(before, event)
        case events.InputsDropped():
            yield from _dropping_problems(before, event)
        case events.SessionReset() | events.SessionRecycled() | events.SessionDestroyed():
            yield from _starting_over_problems(before, event)
        case events.ToolResultsStaged():
            yield from _results_problems(before, event)
        case events.CallAbandoned():
            yield from _abandoned_call_problems(before, event)
        case events.CallsKept():
            yield from _kept_calls_problems(before, event)
        case events.CallRulesAdopted():
            if event.rules.number < before.work.rules.number or event.rules == before.work.rules:
                yield "transition", "the rules by which calls are found are not newer ones"
        case events.SessionAttached() | events.SessionRetired():
            if after.lifecycle == before.lifecycle:
                yield "transition", "the event changes nothing"
        case events.MobJoined() | events.MobLeft():
            yield from _group_problems(before, event)
        case (
            events.SessionDetached()
            | events.ToolFilterStaged()
            | events.EventPublished()
            | events.SessionArchived()
        ):
            pass  # the lifecycle is all there is to ask
        case (
            events.SessionRegistered()
            | events.SessionForked()
            | events.TurnApplied()
            | events.BoundaryApplied()
            | events.RunCompleted()
            | events.ContextAppended()
            | events.ContextStaged()
            | events.InputAccepted()
            | events.SessionCheckpointed()
        ):
            pass
        case _:
            assert_never(event)


def input_due(before: Session, event: events.SessionEvent) -> str | None:
    """Return the id of the new input that the event behind this one must bring."""
    if isinstance(event, events.InputsDropped) and event.into not in before.inputs:
        return event.into
    return None


def known_run_problems(before: Session, run_id: str) -> Iterator[Problem]:
    """Yield the problem with a new run whose id was recorded before."""
    if run_id in before.runs:
        yield "receipt", f"run {run_id!r} was recorded before"


def doubt_problems(
    before: Session, run_id: str, recorded: msgspec.Raw | None = None
) -> Iterator[Problem]:
    """Yield what keeps a run from beginning: open calls that it leaves without a result."""
    if calls := calls_in_the_way(before, run_id, recorded):
        status = "unknown" if calls[0].status == "unknown" else "open"
        yield "transition", f"a run began while the call {calls[0].id!r} was {status}"


def _beginning_problems(before: Session, event: events.RunBegun) -> Iterator[Problem]:
    """Yield what keeps a run from beginning; its request shows only when it lands."""
    given = NO_MESSAGES.array() if event.input_ids else None
    yield from doubt_problems(before, event.run_id, given)


def _ending_problems(before: Session, event: events.RunAborted) -> Iterator[Problem]:
    run = before.work.run
    abandoned = () if run is None else run_ended(before.work, run.id).abandoned
    if event.abandoned_input_ids != abandoned:
        yield "transition", "the inputs abandoned are not those that were staged too often"
    if isinstance(event, events.RunInterrupted) and (
        run is None or (run.id, run.epoch) != (event.run_id, event.epoch)
    ):
        yield "transition", f"run {event.run_id!r} of that owner was not current"


def _request_problems(before: Session, event: events.InterruptRequested) -> Iterator[Problem]:
    run = before.work.run
    if run is None or run.id != event.run_id:
        yield "transition", f"run {event.run_id!r} was not current"
    elif run.machine_owned and event.by == "caller":
        yield "transition", f"run {event.run_id!r} belonged to the machine, and a caller ended it"


def _dropping_problems(before: Session, event: events.InputsDropped) -> Iterator[Problem]:
    """Yield the problems with dropped inputs, each of which must have been queued.

    The input that replaces them was queued too, or is new and comes with the next event.
    """
    waiting = queued(before.work)
    if not event.input_ids or not set(event.input_ids) <= set(waiting):
        yield "transition", "the inputs dropped are not some of those that were queued"
    replacement = event.into
    if (replacement is None) != (event.outcome == "abandoned"):
        yield "transition", "only a superseded or coalesced input goes into another"
    elif replacement is not None and (
        replacement in event.input_ids
        or (replacement in before.inputs and replacement not in waiting)
    ):
        yield "transition", f"the input {replacement!r} could not replace another any more"


def _starting_over_problems(
    before: Session, event: events.SessionReset | events.SessionRecycled | events.SessionDestroyed
) -> Iterator[Problem]:
    waiting = queued(before.work)
    match event:
        case events.SessionReset():
            if event.abandoned_input_ids != waiting:
                yield "transition", "the inputs abandoned are not those that were queued"
        case events.SessionRecycled():
            if event.transferred_input_ids != waiting:
                yield "transition", "the inputs carried over are not those that were queued"
        case events.SessionDestroyed():
            if event.abandoned_input_ids != in_phase(before.work, "queued", "staged"):
                yield "transition", "the inputs abandoned are not those that were pending"
        case _:
            assert_never(event)


def _results_problems(before: Session, event: events.ToolResultsStaged) -> Iterator[Problem]:
    answered = [
        steps_in(b"[" + bytes(message) + b"]", before.work.rules)
        for message in _ARRAY.decode(event.messages)
    ]
    if not answered or not all(any(isinstance(s, CallAnswered) for s in each) for each in answered):
        yield "transition", "not every message that was staged answers a call"
    calls, named = before.work.calls, []
    for step in (step for each in answered for step in each if isinstance(step, CallAnswered)):
        call = call_for([one for one in calls if one.status != "executed"], step)
        if call is None:
            yield "transition", "a call that had its result is given another"
            return
        calls = marked(calls, [call.key], status="executed")
        named.append(call.id)
    if event.call_ids != tuple(named):
        yield "transition", "the calls named are not those that the staged messages answer"


def _abandoned_call_problems(before: Session, event: events.CallAbandoned) -> Iterator[Problem]:
    waiting = [
        call
        for call in before.work.calls
        if call.id == event.call_id
        and call.status != "executed"
        and event.message in (None, call.message)
        and event.place in (None, call.place)
    ]
    if not waiting or (event.message is None) != (event.place is None):
        yield "transition", f"the call {event.call_id!r} was not open without a result"


def _kept_calls_problems(before: Session, event: events.CallsKept) -> Iterator[Problem]:
    open_calls = {
        (call.id, call.message, call.place) for call in before.work.calls if not call.kept
    }
    kept = [(call.call_id, call.message, call.place) for call in event.calls]
    if not kept or len(set(kept)) != len(kept) or not open_calls.issuperset(kept):
        yield "transition", "the calls kept are not some of those that were open"


def _group_problems(before: Session, event: events.MobJoined | events.MobLeft) -> Iterator[Problem]:
    if (event.mob in before.mobs) == isinstance(event, events.MobJoined):
        yield "transition", f"the event changes nothing about the group {event.mob!r}"
