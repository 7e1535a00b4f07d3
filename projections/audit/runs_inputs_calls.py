"""What an event says of the work in hand (runs, inputs, calls), held against what was in hand.

Invariants: what should be said comes from the functions with which such an event is decided; the
event has been followed already, so what it names is there; only the log is asked.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from perdure.aggregates import (
    CallAbandoned,
    InputsDropped,
    InterruptRequested,
    MobJoined,
    MobLeft,
    RunBegun,
    RunCancelled,
    RunFailed,
    RunInterrupted,
    RunRolledBack,
    Session,
    SessionAttached,
    SessionDestroyed,
    SessionEvent,
    SessionRecycled,
    SessionReset,
    SessionRetired,
    SessionStopped,
    ToolResultsStaged,
)
from perdure.aggregates.session.calls import tools_in
from perdure.aggregates.session.state import calls_in_the_way
from perdure.aggregates.session.work import in_phase, queued, run_ended
from perdure.projections.audit.findings import Kind

Problem = tuple[Kind, str]

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])

_Ending = RunFailed | RunCancelled | RunRolledBack | RunInterrupted | SessionStopped


def account_problems(before: Session, event: SessionEvent, after: Session) -> Iterator[Problem]:
    """Yield what is wrong with what the event says of the runs, inputs, calls and groups in hand.

    What lands messages is not judged here, nor are messages that cannot be read.
    """
    match event:
        case RunBegun():
            yield from known_run_problems(before, event.run_id)
            yield from doubt_problems(before, event.run_id)
        case RunFailed() | RunCancelled() | RunRolledBack() | RunInterrupted() | SessionStopped():
            yield from _ending_problems(before, event)
        case InterruptRequested():
            yield from _request_problems(before, event)
        case InputsDropped():
            yield from _dropping_problems(before, event)
        case SessionReset() | SessionRecycled() | SessionDestroyed():
            yield from _starting_over_problems(before, event)
        case ToolResultsStaged():
            yield from _results_problems(before, event)
        case CallAbandoned():
            call = before.work.calls.get(event.call_id)
            if call is None or call.status == "executed":
                yield "transition", f"the call {event.call_id!r} was not open without a result"
        case SessionAttached() | SessionRetired() if after.lifecycle == before.lifecycle:
            yield "transition", "the event changes nothing"
        case MobJoined() | MobLeft():
            if (event.mob in before.mobs) == isinstance(event, MobJoined):
                yield "transition", f"the event changes nothing about the group {event.mob!r}"
        case _:
            return


def input_due(before: Session, event: SessionEvent) -> str | None:
    """Return the id of the new input that the event behind this one must bring."""
    if isinstance(event, InputsDropped) and event.into not in before.inputs:
        return event.into
    return None


def known_run_problems(before: Session, run_id: str) -> Iterator[Problem]:
    """Yield what is wrong with the id of a run that is new."""
    if run_id in before.runs:
        yield "receipt", f"run {run_id!r} was recorded before"


def doubt_problems(
    before: Session, run_id: str, recorded: msgspec.Raw | None = None
) -> Iterator[Problem]:
    """Yield what keeps a run from beginning: calls of which nobody knows what became of them."""
    if unknown := calls_in_the_way(before, run_id, recorded):
        yield "transition", f"a run began while the call {unknown[0]!r} was unknown"


def _ending_problems(before: Session, event: _Ending) -> Iterator[Problem]:
    run = before.work.run
    abandoned = () if run is None else run_ended(before.work, run.id).abandoned
    if event.abandoned_input_ids != abandoned:
        yield "transition", "the inputs abandoned are not those that were staged too often"
    if isinstance(event, RunInterrupted) and (
        run is None or (run.id, run.epoch) != (event.run_id, event.epoch)
    ):
        yield "transition", f"run {event.run_id!r} of that owner was not current"


def _request_problems(before: Session, event: InterruptRequested) -> Iterator[Problem]:
    run = before.work.run
    if run is None or run.id != event.run_id:
        yield "transition", f"run {event.run_id!r} was not current"
    elif run.machine_owned and event.by == "caller":
        yield "transition", f"run {event.run_id!r} belonged to the machine, and a caller ended it"


def _dropping_problems(before: Session, event: InputsDropped) -> Iterator[Problem]:
    """Yield what is wrong with inputs dropped, each of which must have been queued.

    What replaces them was queued too, or comes with the event behind this one, and so is new.
    """
    waiting = queued(before.work)
    if not event.input_ids or not set(event.input_ids) <= set(waiting):
        yield "transition", "the inputs dropped are not some of those that were queued"
    replacement = event.into
    if (replacement is None) != (event.outcome == "abandoned"):
        yield "transition", "only what is superseded or coalesced goes into another input"
    elif replacement is not None and (
        replacement in event.input_ids
        or (replacement in before.inputs and replacement not in waiting)
    ):
        yield "transition", f"the input {replacement!r} could not replace another any more"


def _starting_over_problems(
    before: Session, event: SessionReset | SessionRecycled | SessionDestroyed
) -> Iterator[Problem]:
    waiting = queued(before.work)
    match event:
        case SessionReset() if event.abandoned_input_ids != waiting:
            yield "transition", "the inputs abandoned are not those that were queued"
        case SessionRecycled() if event.transferred_input_ids != waiting:
            yield "transition", "the inputs carried over are not those that were queued"
        case SessionDestroyed():
            if event.abandoned_input_ids != in_phase(before.work, "queued", "staged"):
                yield "transition", "the inputs abandoned are not those that were pending"


def _results_problems(before: Session, event: ToolResultsStaged) -> Iterator[Problem]:
    answered = [_answered(message) for message in _ARRAY.decode(event.messages)]
    if not answered or not all(answered):
        yield "transition", "not every message that was staged answers a call"
    if event.call_ids != tuple(call_id for each in answered for call_id in each):
        yield "transition", "the calls named are not those that the staged messages answer"
    executed = [i for i in event.call_ids if before.work.calls[i].status == "executed"]
    if executed or len(set(event.call_ids)) != len(event.call_ids):
        yield "transition", "a call that had its result is given another"


def _answered(message: msgspec.Raw) -> Sequence[str]:
    tools = tools_in(b"[" + bytes(message) + b"]")
    return () if tools is None else tools.answered
