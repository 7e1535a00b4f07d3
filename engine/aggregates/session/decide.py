"""`decide`: refuse a command, or return the events that it leads to.

Invariants: `decide` is pure (time and ids arrive on the command); it asks the authority for every
move, so an illegal one is refused before anything is written; the events it returns follow the
state's version without a gap. An empty tuple of events means that the state is already as the
command asks.
"""

from typing import Final, assert_never

import msgspec

from perdure.aggregates.session import commands, events
from perdure.aggregates.session.call_shapes import RULES
from perdure.aggregates.session.decide_calls import (
    given_up,
    settled_calls,
    tool_results_staged,
)
from perdure.aggregates.session.decide_run import (
    fields_of,
    interrupt_event,
    receipt_of,
    turn_event,
)
from perdure.aggregates.session.evolve import evolve, fold
from perdure.aggregates.session.lifecycle import advance, without_inputs
from perdure.aggregates.session.recorded import NO_OBJECT
from perdure.aggregates.session.state import Session
from perdure.aggregates.session.work import (
    call_to_give_up,
    calls_held_open,
    in_phase,
    kept_by_inputs,
    queued,
    run_ended,
)
from perdure.errors import Conflict, IllegalTransition, InputNotQueued, InputsFull
from perdure.machines import LIFECYCLE
from perdure.machines.builtin.session import INPUT_CAPACITY

Decision = tuple[events.SessionEvent, ...]
NOTHING: Final[Decision] = ()

_SORTED: Final = msgspec.json.Encoder(order="sorted")


def decide(state: Session, command: commands.SessionCommand) -> Decision:
    """Return the events that the command leads to, none if the state is already as it asks.

    Raises IllegalTransition where the lifecycle refuses; Conflict where a registration or a tool
    result differs from the one recorded, or a call with a result is to be given up; SessionBusy,
    CallsUnresolved, InputNotQueued, CallNotOpen, SessionNotRunning and StaleWriter as `turn_event`
    and the commands say. Whether a run id, an input id or an idempotency key was used before is for
    the caller to settle first, from ``state.runs``, ``state.inputs`` and ``state.keys``, with the
    functions of `retries`.

    The event of the command itself is the last one. The decision about open calls comes before it,
    and before that, in a session whose log is older, the rules that calls are found by.
    """
    adopted = _adopted_rules(state, command)
    if adopted is None:
        return _decided(state, command)
    decided = _decided(evolve(state, adopted), command)
    return (adopted, *decided) if decided else NOTHING


def _adopted_rules(
    state: Session, command: commands.SessionCommand
) -> events.CallRulesAdopted | None:
    """Return the event by which a session takes on newer rules, or further shapes, if it must."""
    if not isinstance(command, commands.LandingCommand):
        return None
    rules = state.work.rules.with_shapes(command.call_shapes)
    if rules is state.work.rules or "note" not in LIFECYCLE.allowed(state.lifecycle):
        return None
    return events.CallRulesAdopted(**fields_of(state, command), rules=rules)


def _decided(state: Session, command: commands.SessionCommand) -> Decision:
    match command:
        case commands.RecordTurn() | commands.BeginRun():
            settled = settled_calls(state, command)
            after = fold(state, settled) if settled else state
            return (*settled, *_legal(after, turn_event(after, command)))
        case (
            commands.ApplyBoundary()
            | commands.CompleteRun()
            | commands.FailRun()
            | commands.CancelRun()
            | commands.RollBackRun()
        ):
            return _legal(state, turn_event(state, command))
        case commands.Register() | commands.Fork():
            return _register(state, command)
        case commands.AppendContext() | commands.StageContext():
            return _legal(state, _context(state, command))
        case (
            commands.AcceptInput()
            | commands.DropInputs()
            | commands.StageToolResults()
            | commands.AbandonCall()
            | commands.StageToolFilter()
            | commands.RequestInterrupt()
        ):
            return _work(state, command)
        case commands.CommitCheckpoint():
            return _checkpoint(state, command)
        case commands.Attach():
            event: events.SessionEvent = events.SessionAttached(
                **fields_of(state, command), agent=command.agent
            )
            return _if_it_moves(state, event)
        case commands.Detach():
            return _legal(state, events.SessionDetached(**fields_of(state, command)))
        case commands.Publish():
            event = events.EventPublished(
                **fields_of(state, command), name=command.name, payload=command.payload
            )
            return _legal(state, event)
        case commands.JoinMob() | commands.LeaveMob():
            return _membership(state, command)
        case commands.Retire():
            return _if_it_moves(
                state, events.SessionRetired(**fields_of(state, command), reason=command.reason)
            )
        case commands.Archive():
            return _archive(state, command)
        case (
            commands.Stop()
            | commands.Recover()
            | commands.Reset()
            | commands.Recycle()
            | commands.Destroy()
        ):
            return _over(state, command)
        case _:
            assert_never(command)


def _register(state: Session, command: commands.Register | commands.Fork) -> Decision:
    described = {
        **fields_of(state, command),
        "labels": command.labels or {},
        "metadata": NO_OBJECT if command.metadata is None else command.metadata,
        "rules": RULES.with_shapes(command.call_shapes),
    }
    origin = command.origin if isinstance(command, commands.Fork) else None
    event: events.SessionEvent
    if origin is None:
        event = events.SessionRegistered(**described)
    else:
        event = events.SessionForked(
            **described | {"rules": origin.rules},
            origin_session_id=origin.session_id,
            origin_version=origin.version,
            origin_messages=origin.message_count,
            origin_digest=origin.conversation_digest,
        )
    if not state.version:
        return _legal(state, event)
    _legal(state, event)
    for name, asked, recorded in (
        ("labels", command.labels, state.labels),
        ("metadata", _comparable(command.metadata), _comparable(state.metadata)),
        ("origin", origin, state.origin),
    ):
        if asked is not None and asked != recorded:
            raise Conflict(
                f"session {state.id!r} is registered already, with other {name}",
                session_id=state.id,
                parameter=name,
            )
    return NOTHING


def _context(
    state: Session, command: commands.AppendContext | commands.StageContext
) -> events.SessionEvent:
    """Return the context staged, or landed at once; that which would come behind a call waits."""
    appended = command if isinstance(command, commands.AppendContext) else None
    if appended is None or calls_held_open(state.work):
        return events.ContextStaged(
            **fields_of(state, command),
            source=command.source,
            idempotency_key=command.idempotency_key,
            run_id=appended.run_id if appended is not None and appended.run_id_given else None,
            messages=command.message.array(),
        )
    receipt, array = receipt_of(
        state, command.message, run_id=appended.run_id, boundary="immediate"
    )
    return events.ContextAppended(
        **fields_of(state, command),
        receipt=receipt,
        source=command.source,
        idempotency_key=command.idempotency_key,
        messages=array,
    )


def _work(state: Session, command: commands.WorkCommand) -> Decision:
    match command:
        case commands.AcceptInput():
            _check_room(state, command)
            event: events.SessionEvent = events.InputAccepted(
                **fields_of(state, command),
                input_id=command.input_id,
                lane=command.lane,
                source=command.source,
                idempotency_key=command.idempotency_key,
                messages=command.messages.array(),
            )
        case commands.DropInputs():
            waiting = queued(state.work)
            for input_id in command.input_ids:
                if input_id not in waiting:
                    raise InputNotQueued(state.id, input_id)
            event = events.InputsDropped(
                **fields_of(state, command),
                input_ids=command.input_ids,
                outcome=command.outcome,
                reason=command.reason,
                into=command.into,
            )
        case commands.StageToolResults():
            return tool_results_staged(state, command)
        case commands.AbandonCall():
            call = call_to_give_up(state.id, state.work, command.call_id, command.key)
            event = given_up(state, command, call, command.reason)
        case commands.StageToolFilter():
            event = events.ToolFilterStaged(**fields_of(state, command), filter=command.filter)
        case commands.RequestInterrupt():
            event = interrupt_event(state, command)
        case _:
            assert_never(command)
    return _legal(state, event)


def _check_room(state: Session, command: commands.AcceptInput) -> None:
    """Raise InputsFull where nothing but the number of inputs in hand is in the input's way."""
    capacity = INPUT_CAPACITY.actual
    if command.capacity is not None:
        capacity = min(capacity, command.capacity)
    in_hand = LIFECYCLE.value(state.lifecycle, "queued") + LIFECYCLE.value(
        state.lifecycle, "staged"
    )
    if in_hand >= capacity and "accept_input" in LIFECYCLE.allowed(without_inputs(state.lifecycle)):
        raise InputsFull(state.id, capacity)


def _checkpoint(state: Session, command: commands.CommitCheckpoint) -> Decision:
    event = events.SessionCheckpointed(
        **fields_of(state, command),
        message_count=state.conversation.count,
        conversation_digest=state.conversation.digest(),
    )
    decision = _legal(state, event)
    return NOTHING if state.checkpoint_version == state.version else decision


def _membership(state: Session, command: commands.JoinMob | commands.LeaveMob) -> Decision:
    joins = isinstance(command, commands.JoinMob)
    event = (events.MobJoined if joins else events.MobLeft)(
        **fields_of(state, command), mob=command.mob
    )
    decision = _legal(state, event)
    return NOTHING if (command.mob in state.mobs) == joins else decision


def _archive(state: Session, command: commands.Archive) -> Decision:
    """Return the events that archive the session, and before it abandon its inputs and retire it.

    Queued inputs are abandoned only if the command says so; otherwise they refuse it. Where
    retiring is refused, archiving is refused as well, and the error names archiving.
    """
    decided: list[events.SessionEvent] = []
    after = state

    def then(event: events.SessionEvent) -> None:
        nonlocal after
        decided.append(event)
        after = fold(after, [event])

    waiting = queued(state.work)
    if waiting and command.abandon_inputs:
        then(
            events.InputsDropped(
                **fields_of(after, command),
                input_ids=waiting,
                outcome="abandoned",
                reason="archived",
            )
        )
    retired = events.SessionRetired(**fields_of(after, command), reason=command.reason)
    try:
        retires = _changes(after, retired)
    except IllegalTransition:
        retires = False
    if retires:
        then(retired)
    try:
        then(events.SessionArchived(**fields_of(after, command), reason=command.reason))
    except IllegalTransition:
        if not waiting or command.abandon_inputs:
            raise
        _archive(
            state, msgspec.structs.replace(command, abandon_inputs=True)
        )  # where that is refused too, its error is the better one
        raise kept_by_inputs("archive", state.id, state.lifecycle, waiting) from None
    return tuple(decided)


def _over(
    state: Session,
    command: commands.Stop
    | commands.Recover
    | commands.Reset
    | commands.Recycle
    | commands.Destroy,
) -> Decision:
    """Return the event that ends or restarts a session's work, with the inputs that it moves."""
    work = state.work
    run_id = None if work.run is None else work.run.id
    match command:
        case commands.Stop():
            abandoned = () if run_id is None else run_ended(work, run_id).abandoned
            event: events.SessionEvent = events.SessionStopped(
                **fields_of(state, command),
                cause=command.cause,
                reason=command.reason,
                abandoned_input_ids=abandoned,
            )
        case commands.Recover() if work.run is None:
            LIFECYCLE.replay(
                state.lifecycle, "recover", (), state.id
            )  # refused for a session that has ended
            return NOTHING
        case commands.Recover():
            assert work.run is not None  # noqa: S101 - the case before took the other
            event = events.RunInterrupted(
                **fields_of(state, command),
                run_id=work.run.id,
                epoch=work.run.epoch,
                abandoned_input_ids=run_ended(work, work.run.id).abandoned,
            )
        case commands.Reset():
            event = events.SessionReset(
                **fields_of(state, command), abandoned_input_ids=queued(work)
            )
        case commands.Recycle():
            event = events.SessionRecycled(
                **fields_of(state, command), transferred_input_ids=queued(work)
            )
        case commands.Destroy():
            event = events.SessionDestroyed(
                **fields_of(state, command),
                reason=command.reason,
                abandoned_input_ids=in_phase(work, "queued", "staged"),
            )
        case _:
            assert_never(command)
    return _legal(state, event)


def _legal(state: Session, event: events.SessionEvent) -> Decision:
    """Return the event as the decision, once the authority has allowed its moves."""
    advance(state.lifecycle, event)
    return (event,)


def _if_it_moves(state: Session, event: events.SessionEvent) -> Decision:
    """Return the event if it would move the lifecycle, else nothing."""
    return (event,) if _changes(state, event) else NOTHING


def _changes(state: Session, event: events.SessionEvent) -> bool:
    """Whether the event would move the lifecycle. Raises IllegalTransition where it is refused."""
    return advance(state.lifecycle, event) != state.lifecycle


def _comparable(raw: msgspec.Raw | None) -> bytes | None:
    """Return JSON of which equal objects are equal bytes, and in which true is not 1."""
    return None if raw is None else _SORTED.encode(msgspec.json.decode(raw))
