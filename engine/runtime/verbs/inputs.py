"""The verbs over inputs: accept them, replace them, join them, abandon them.

Invariants: an accepted input is durable and ends exactly once; the same id or key with the same
content is accepted once, however often it is sent, also after the input has ended.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from perdure.aggregates import (
    AcceptInput,
    DropInputs,
    InputAccepted,
    InputsDropped,
    Session,
    SessionEvent,
    decide,
)
from perdure.aggregates.session.messages import EncodedMessages
from perdure.aggregates.session.recorded import Lane
from perdure.aggregates.session.retries import same_input
from perdure.aggregates.session.work import messages_of, queued
from perdure.errors import IllegalTransition, InputNotQueued, InvalidArgument
from perdure.projections.inputs import InputView, inputs_of
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import (
    Content,
    checked_ids,
    checked_lane,
    content_messages,
    optional_id,
)
from perdure.runtime.core import Core, conflict, known
from perdure.runtime.recovery import close_lost_run
from perdure.runtime.write import write
from perdure.values import IngestOutput, checked_id

Inputs = list[InputView]


async def ingest(
    core: Core,
    session_id: str,
    content: Content,
    *,
    lane: Lane = "queue",
    input_id: str | None = None,
    idempotency_key: str | None = None,
    source: str | None = None,
) -> IngestOutput:
    """Accept an input and keep it until a run takes it. It is durable once this returns.

    - ``content``: a text, which becomes a user message; a message; or several messages.
    - ``lane``: "queue", for the next turn; or "steer", for the running turn at its next boundary.
    - ``input_id``: the input's id; a new one if None.
    - ``idempotency_key``: another name for the input, which makes a retry safe.
    - ``source``: where the input comes from.

    An ``input_id`` or ``idempotency_key`` that is known with the same content answers
    ``duplicate``, also after the input has ended. Raises SessionNotFound, InvalidMessage,
    InvalidArgument, Conflict for a known id or key with other content, InputsFull where the session
    has as many inputs in hand as it may (``max_inputs``, see `Engine.open`), IllegalTransition
    where the lifecycle takes no input (retired, stopped, ended), StaleWriter.
    """
    core.check_open()
    command = AcceptInput(
        now=core.now(),
        input_id=core.new_or_checked(input_id, "input_id"),
        messages=content_messages(content, "content"),
        lane=checked_lane(lane),
        source=optional_id(source, "source"),
        idempotency_key=optional_id(idempotency_key, "idempotency_key"),
        capacity=core.max_inputs,
    )
    return await _accept(core, session_id, command, given=input_id is not None)


async def inputs(core: Core, session_id: str) -> Inputs:
    """Return every input that the session ever accepted, in that order, with its outcome.

    Raises SessionNotFound.
    """
    session_id = core.check_known(session_id)
    return await asyncio.to_thread(inputs_of, core.store.recorder, core.mapper, session_id)


async def supersede_input(
    core: Core,
    session_id: str,
    input_id: str,
    content: Content | None = None,
    *,
    by: str | None = None,
    reason: str | None = None,
) -> IngestOutput:
    """Replace a queued input by another, in one commit.

    - With ``content``, the replacement is a new input in the lane of the old one. ``by`` is its id,
      and makes a retry safe. A retired session takes no new input, so it refuses this.
    - Without ``content``, the replacement is the input that ``by`` names, which must be queued
      itself and stays as it is. A retired session allows this.
    - ``reason`` is recorded with the input that is replaced.

    The answer is ``duplicate`` if this very replacement is recorded already. Raises
    SessionNotFound, InputNotQueued, InvalidMessage, InvalidArgument, Conflict, IllegalTransition,
    StaleWriter.
    """
    core.check_open()
    old, fresh = checked_id(input_id, "input_id"), core.new_or_checked(by, "by")

    drop = DropInputs(
        now=core.now(),
        input_ids=(old,),
        outcome="superseded",
        reason=optional_id(reason, "reason"),
        into=fresh,
    )
    if content is None:
        if by is None or by == old:
            raise InvalidArgument(
                "by must name another queued input, or content be given for a new one",
                parameter="by",
            )
        return await _drop_for(core, session_id, drop, old, fresh)
    messages = content_messages(content, "content")

    def replaced(state: Session) -> AcceptInput:
        item = state.work.inputs.get(old)
        lane = "queue" if item is None else item.lane
        return AcceptInput(now=core.now(), input_id=fresh, messages=messages, lane=lane)

    return await _replace(core, session_id, drop, replaced, messages)


async def coalesce_inputs(
    core: Core,
    session_id: str,
    input_ids: Iterable[str],
    *,
    into: str | None = None,
    reason: str | None = None,
) -> IngestOutput:
    """Join queued inputs of one lane into a new one, in one commit.

    - ``input_ids``: the inputs to join. The new input has all their messages, in this order, and
      goes to the end of the queue.
    - ``into``: the id of the new input; a given one makes a retry safe.
    - ``reason`` is recorded with the inputs that are joined.

    A retired session takes no new input, so it refuses this; there, one turn can take all the
    inputs (``input_ids`` of `apply_turn`). Raises as `supersede_input` does.
    """
    core.check_open()
    names = checked_ids(input_ids, "input_ids")
    if len(set(names)) != len(names) or not names:
        raise InvalidArgument("input_ids must be some ids, each once", parameter="input_ids")
    fresh = core.new_or_checked(into, "into")

    def joined(state: Session) -> AcceptInput:
        waiting = queued(state.work)
        for name in names:
            if name not in waiting:
                raise InputNotQueued(state.id, name)
        items = [state.work.inputs[name] for name in names]
        if len({item.lane for item in items}) != 1:
            raise InvalidArgument("the inputs are not of one lane", parameter="input_ids")
        count = sum(len(msgspec.json.decode(item.messages)) for item in items)
        return AcceptInput(
            now=core.now(),
            input_id=fresh,
            messages=EncodedMessages(b",".join(messages_of(state.work, names)), count),
            lane=items[0].lane,
        )

    drop = DropInputs(
        now=core.now(),
        input_ids=names,
        outcome="coalesced",
        reason=optional_id(reason, "reason"),
        into=fresh,
    )
    return await _replace(core, session_id, drop, joined)


async def abandon_input(
    core: Core, session_id: str, input_id: str, *, reason: str = "cancelled"
) -> None:
    """Give a queued input up, for a recorded reason.

    Raises SessionNotFound, InputNotQueued, InvalidArgument, IllegalTransition, StaleWriter.
    """
    core.check_open()
    command = DropInputs(
        now=core.now(),
        input_ids=(checked_id(input_id, "input_id"),),
        outcome="abandoned",
        reason=checked_id(reason, "reason"),
    )
    await write(core, session_id, command)


async def _accept(
    core: Core, session_id: str, command: AcceptInput, *, given: bool
) -> IngestOutput:
    cached = core.sessions.get(checked_id(session_id, "session_id"))

    async def work(folded: Folded) -> IngestOutput:
        folded = await close_lost_run(core, cached, known(folded))
        known_as = await _find_accepted(core, folded.state, command, given=given)
        if known_as is not None:
            return IngestOutput(status="duplicate", input_id=known_as)
        await core.writer.commit(cached, folded, command)
        return IngestOutput(status="accepted", input_id=command.input_id)

    return await core.writer.run_alone(cached, work)


async def _find_accepted(
    core: Core, state: Session, command: AcceptInput, *, given: bool
) -> str | None:
    """Return the id under which this very input was accepted, None if it was not.

    Raises Conflict if its id or key was used for another input.
    """
    key = command.idempotency_key
    seen = [("idempotency key", key, None if key is None else state.keys.get(key))]
    if given:
        seen.append(("input id", command.input_id, state.inputs.get(command.input_id)))
    for what, name, version in seen:
        if version is None:
            continue
        event = await core.event(state.id, version)
        if (
            not isinstance(event, InputAccepted)
            or not same_input(event, command)
            or (given and event.input_id != command.input_id)
            or (key is not None and event.idempotency_key != key)
        ):
            raise conflict(state.id, what, str(name))
        return event.input_id
    return None


async def _drop_for(
    core: Core, session_id: str, drop: DropInputs, old: str, by: str
) -> IngestOutput:
    """Drop a queued input in favour of another that is queued too."""
    cached = core.sessions.get(checked_id(session_id, "session_id"))

    async def work(folded: Folded) -> IngestOutput:
        folded = await close_lost_run(core, cached, known(folded))
        state = folded.state
        waiting = queued(state.work)
        if old not in waiting and old in state.inputs:
            ledger = await inputs(core, session_id)
            if any((one.id, one.replaced_by) == (old, by) for one in ledger):
                return IngestOutput(status="duplicate", input_id=by)
        if by not in waiting:
            raise InputNotQueued(session_id, by)
        await core.writer.commit(cached, folded, drop)
        return IngestOutput(status="accepted", input_id=by)

    return await core.writer.run_alone(cached, work)


async def _replace(
    core: Core,
    session_id: str,
    drop: DropInputs,
    replacement: Callable[[Session], AcceptInput],
    messages: EncodedMessages | None = None,
) -> IngestOutput:
    """Drop inputs and accept the one that replaces them, in one commit.

    ``messages`` are those of the replacement, if a retry must have the same ones.
    """
    cached = core.sessions.get(checked_id(session_id, "session_id"))
    fresh = str(drop.into)

    async def work(folded: Folded) -> IngestOutput:
        folded = await close_lost_run(core, cached, known(folded))
        version = folded.state.inputs.get(fresh)
        if version is not None:
            dropped = await core.event(session_id, version - 1)
            accepted = await core.event(session_id, version)
            if not _replaced(dropped, accepted, drop, messages):
                raise conflict(session_id, "input id", fresh)
            return IngestOutput(status="duplicate", input_id=fresh)
        accept = replacement(folded.state)
        try:
            await core.writer.commit(cached, folded, drop, accept)
        except IllegalTransition:
            decide(folded.state, accept)  # refuses it as the session is, before the drops
            raise
        return IngestOutput(status="accepted", input_id=fresh)

    return await core.writer.run_alone(cached, work)


def _replaced(
    dropped: SessionEvent,
    accepted: SessionEvent,
    drop: DropInputs,
    messages: EncodedMessages | None,
) -> bool:
    """Whether the two recorded events are this very replacement."""
    return (
        isinstance(dropped, InputsDropped)
        and isinstance(accepted, InputAccepted)
        and (dropped.input_ids, dropped.outcome, dropped.into)
        == (drop.input_ids, drop.outcome, drop.into)
        and (messages is None or bytes(accepted.messages)[1:-1] == messages.joined)
    )
