"""Checking the runs, inputs, calls and groups that an event names against the work in hand.

Invariants: the expected fields come from the functions by which such an event is decided. The event
has been folded already, so the inputs and calls that it names exist. Only the log is asked.
"""

from collections.abc import Iterator, Sequence
from typing import Final, assert_never

import msgspec

from perdure.aggregates import Session
from perdure.aggregates.session import events
from perdure.aggregates.session.calls import tools_in
from perdure.aggregates.session.state import calls_in_the_way
from perdure.aggregates.session.work import in_phase, queued, run_ended
from perdure.projections.audit.findings import Kind

Problem = tuple[Kind, str]

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def account_problems(
    before: Session, event: events.SessionEvent, after: Session
) -> Iterator[Problem]:
    """Yield the problems with the runs, inputs, calls and groups that the event names.

    Events that land or stage messages, checkpoints and registrations are `messages_and_receipts`'s
    to judge; of them nothing is asked here.
    """
    match event:
        case events.RunBegun():
            yield from known_run_problems(before, event.run_id)
            yield from doubt_problems(before, event.run_id)
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
    """Yield the problem with a run that began while the outcome of a call was unknown."""
    if unknown := calls_in_the_way(before, run_id, recorded):
        yield "transition", f"a run began while the call {unknown[0]!r} was unknown"


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
    answered = [_answered(message) for message in _ARRAY.decode(event.messages)]
    if not answered or not all(answered):
        yield "transition", "not every message that was staged answers a call"
    if event.call_ids != tuple(call_id for each in answered for call_id in each):
        yield "transition", "the calls named are not those that the staged messages answer"
    executed = [i for i in event.call_ids if before.work.calls[i].status == "executed"]
    if executed or len(set(event.call_ids)) != len(event.call_ids):
        yield "transition", "a call that had its result is given another"


def _abandoned_call_problems(before: Session, event: events.CallAbandoned) -> Iterator[Problem]:
    call = before.work.calls.get(event.call_id)
    if call is None or call.status == "executed":
        yield "transition", f"the call {event.call_id!r} was not open without a result"


def _group_problems(before: Session, event: events.MobJoined | events.MobLeft) -> Iterator[Problem]:
    if (event.mob in before.mobs) == isinstance(event, events.MobJoined):
        yield "transition", f"the event changes nothing about the group {event.mob!r}"


def _answered(message: msgspec.Raw) -> Sequence[str]:
    tools = tools_in(b"[" + bytes(message) + b"]")
    return () if tools is None else tools.answered
