"""Decisions on commands about open tool calls: results staged, calls given up or kept.

Invariants: as in `decide`; nothing here makes up a result.
"""

import msgspec

from perdure.aggregates.session import commands, events
from perdure.aggregates.session.call_shapes import CallPlace
from perdure.aggregates.session.calls import CallAnswered, steps_in
from perdure.aggregates.session.decide_run import fields_of, given_by
from perdure.aggregates.session.evolve import evolve
from perdure.aggregates.session.lifecycle import advance
from perdure.aggregates.session.open_calls import Call, Calls, call_for, marked
from perdure.aggregates.session.state import Session, calls_in_the_way
from perdure.errors import CallNotOpen, Conflict
from perdure.machines import LIFECYCLE


def settled_calls(
    state: Session, command: commands.RecordTurn | commands.BeginRun
) -> tuple[events.SessionEvent, ...]:
    """Return the events of the caller's decision about open calls that the turn does not answer."""
    if command.open_calls is None or state.work.run is not None:
        return ()
    if "begin_run" not in LIFECYCLE.allowed(state.lifecycle):
        return ()  # which `turn_event` says
    unanswered = [
        call
        for call in calls_in_the_way(state, command.run_id, given_by(command))
        if call.status != "executed"  # whose result is there: the turn has it in the wrong place
    ]
    if not unanswered:
        return ()
    if command.open_calls == "keep":
        places = tuple(
            CallPlace(call_id=call.id, message=call.message, place=call.place)
            for call in unanswered
        )
        kept = events.CallsKept(**fields_of(state, command), calls=places, reason=command.reason)
        return (kept,)
    decided: list[events.SessionEvent] = []
    for call in unanswered:
        decided.append(given_up(state, command, call, command.reason))
        state = evolve(state, decided[-1])
    return tuple(decided)


def given_up(
    state: Session, command: commands.Command, call: Call, reason: str | None
) -> events.CallAbandoned:
    """Return the event by which a call is given up."""
    return events.CallAbandoned(
        **fields_of(state, command),
        call_id=call.id,
        reason=reason,
        message=call.message,
        place=call.place,
    )


def tool_results_staged(
    state: Session, command: commands.StageToolResults
) -> tuple[events.SessionEvent, ...]:
    """Return the results staged: each message answers open calls, and each call once.

    A message that is staged already is not staged again.
    """
    calls, fresh = state.work.calls, []
    call_ids: list[str] = []
    known = [bytes(message) for message in state.work.results]
    for message in msgspec.json.decode(command.messages.array(), type=list[msgspec.Raw]):
        if bytes(message) in known:
            known.remove(bytes(message))
            continue
        steps = steps_in(b"[" + bytes(message) + b"]", state.work.rules)
        answers = [step for step in steps if isinstance(step, CallAnswered)]
        if not answers:
            raise CallNotOpen(state.id, "(a message that answers no call)")
        for answer in answers:
            call = _waiting(state, calls, answer, call_ids)
            calls = marked(calls, [call.key], status="executed")
            call_ids.append(call.id)
        fresh.append(message)
    event = events.ToolResultsStaged(
        **fields_of(state, command),
        call_ids=tuple(call_ids),
        messages=msgspec.Raw(b"[" + b",".join(map(bytes, fresh)) + b"]"),
    )
    advance(state.lifecycle, event)
    return (event,) if fresh else ()


def _waiting(state: Session, calls: Calls, answer: CallAnswered, call_ids: list[str]) -> Call:
    """Return the call that a result answers, which has none yet. Raises CallNotOpen, Conflict."""
    call = call_for([one for one in calls if one.status != "executed"], answer)
    if call is not None:
        return call
    named = str(answer.name if answer.id is None else answer.id)
    executed = call_for(calls, answer)
    if executed is None:
        raise CallNotOpen(state.id, named)
    if executed.id in call_ids:
        raise CallNotOpen(state.id, executed.id, "a message before this one answers it")
    raise Conflict(
        f"session {state.id!r} has another result staged for call {executed.id!r}",
        session_id=state.id,
        key=executed.id,
    )
