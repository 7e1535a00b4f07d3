"""What may be asked of a session, and what follows: `decide` refuses, or returns events.

Invariants: `decide` is pure (time and ids arrive on the command); it asks the authority for every
move, so an illegal one is refused before anything is written; the events it returns follow the
state's version without a gap. Deciding nothing (an empty tuple) means that what was asked holds
already.
"""

from typing import Any, Final, assert_never

import msgspec

from engine.aggregates.conversation import Conversation
from engine.aggregates.events import (
    NO_OBJECT,
    ContextAppended,
    ContextStaged,
    SessionArchived,
    SessionCheckpointed,
    SessionEvent,
    SessionRegistered,
    SessionRetired,
    TurnApplied,
)
from engine.aggregates.messages import NO_MESSAGES, Messages
from engine.aggregates.session import Session, advance
from engine.errors import Conflict, IllegalTransition
from engine.values import Boundary, Receipt, Usage


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What every command has: when it was given, as RFC 3339 text in UTC with microseconds."""

    now: str


class Register(Command, frozen=True, kw_only=True):
    """Make the session exist. None leaves labels or metadata as they are, or empty at first."""

    labels: dict[str, str] | None = None
    metadata: msgspec.Raw | None = None


class RecordTurn(Command, frozen=True, kw_only=True):
    """Record a turn that the embedder has already run."""

    run_id: str
    messages: Messages
    boundary: Boundary = "run_start"
    input_ids: tuple[str, ...] = ()
    usage: Usage | None = None


class AppendContext(Command, frozen=True, kw_only=True):
    """Make one encoded context message part of the conversation now."""

    run_id: str
    message: Messages
    source: str | None = None
    idempotency_key: str | None = None


class StageContext(Command, frozen=True, kw_only=True):
    """Keep one encoded context message for the next turn."""

    message: Messages
    source: str | None = None
    idempotency_key: str | None = None


class CommitCheckpoint(Command, frozen=True, kw_only=True):
    """Record a checkpoint, unless nothing happened since the last one."""


class Retire(Command, frozen=True, kw_only=True):
    """Take no new input from here on."""

    reason: str | None = None


class Archive(Command, frozen=True, kw_only=True):
    """End the session for good; a live one is retired first, in the same commit."""

    reason: str | None = None


SessionCommand = (
    Register | RecordTurn | AppendContext | StageContext | CommitCheckpoint | Retire | Archive
)

Decision = tuple[SessionEvent, ...]
NOTHING: Final[Decision] = ()

_SORTED: Final = msgspec.json.Encoder(order="sorted")


def decide(state: Session, command: SessionCommand) -> Decision:
    """Return the events that the command leads to from this state, none if it holds already.

    Raises IllegalTransition where the lifecycle refuses, and Conflict where a registration
    differs from the one recorded. Whether a run id or an idempotency key was used before is for
    the caller to settle first, from ``state.runs`` and ``state.keys``, with `same_turn` and
    `same_context`.
    """
    match command:
        case Register():
            return _register(state, command)
        case RecordTurn():
            return _record_turn(state, command)
        case AppendContext():
            return _append_context(state, command)
        case StageContext():
            event: SessionEvent = ContextStaged(
                **_next(state, command),
                source=command.source,
                idempotency_key=command.idempotency_key,
                messages=command.message.array(),
            )
            return _legal(state, event)
        case CommitCheckpoint():
            return _checkpoint(state, command)
        case Retire():
            event = SessionRetired(**_next(state, command), reason=command.reason)
            return _legal(state, event) if _changes(state, event) else NOTHING
        case Archive():
            return _archive(state, command)
        case _:
            assert_never(command)


def _register(state: Session, command: Register) -> Decision:
    event = SessionRegistered(
        **_next(state, command),
        labels=command.labels or {},
        metadata=NO_OBJECT if command.metadata is None else command.metadata,
    )
    if not state.version:
        return _legal(state, event)
    _legal(state, event)
    for name, asked, recorded in (
        ("labels", command.labels, state.labels),
        ("metadata", _comparable(command.metadata), _comparable(state.metadata)),
    ):
        if asked is not None and asked != recorded:
            raise Conflict(
                f"session {state.id!r} is registered already, with other {name}",
                session_id=state.id,
                parameter=name,
            )
    return NOTHING


def _record_turn(state: Session, command: RecordTurn) -> Decision:
    messages = command.messages
    if state.staged:
        joined = b",".join((*state.staged, messages.joined))
        messages = Messages(joined, len(state.staged) + messages.count)
    array = messages.array()
    after = state.conversation.extend(array, messages.count)
    event = TurnApplied(
        session_id=state.id,
        version=state.version + 1,
        at=command.now,
        receipt=_receipt(after, command.run_id, command.boundary, command.input_ids),
        usage=command.usage,
        staged_context=len(state.staged),
        messages=array,
    )
    return _legal(state, event)


def _append_context(state: Session, command: AppendContext) -> Decision:
    array = command.message.array()
    after = state.conversation.extend(array, command.message.count)
    event = ContextAppended(
        **_next(state, command),
        receipt=_receipt(after, command.run_id, "immediate"),
        source=command.source,
        idempotency_key=command.idempotency_key,
        messages=array,
    )
    return _legal(state, event)


def _checkpoint(state: Session, command: CommitCheckpoint) -> Decision:
    event = SessionCheckpointed(
        **_next(state, command),
        message_count=state.conversation.count,
        conversation_digest=state.conversation.digest(),
    )
    decision = _legal(state, event)
    return NOTHING if state.checkpoint_version == state.version else decision


def _archive(state: Session, command: Archive) -> Decision:
    retired = SessionRetired(**_next(state, command), reason=command.reason)
    try:
        first = _changes(state, retired)
    except IllegalTransition:
        first = False  # where retiring is refused so is archiving, and that is what was asked
    archived = SessionArchived(**_next(state, command, after=int(first)), reason=command.reason)
    if not first:
        return _legal(state, archived)
    advance(advance(state.lifecycle, retired), archived)
    return (retired, archived)


def same_turn(event: SessionEvent, command: RecordTurn) -> bool:
    """Whether the recorded event is this very turn: same messages, boundary, inputs and usage."""
    return (
        isinstance(event, TurnApplied)
        and event.receipt.boundary == command.boundary
        and event.receipt.contributing_input_ids == command.input_ids
        and event.usage == command.usage
        and _own_messages(event) == command.messages.joined
    )


def same_context(event: SessionEvent, command: AppendContext | StageContext) -> bool:
    """Whether the recorded event holds this very context: same text and same source."""
    return (
        isinstance(event, ContextAppended | ContextStaged)
        and event.source == command.source
        and bytes(event.messages)[1:-1] == command.message.joined
    )


def _own_messages(event: TurnApplied) -> bytes:
    """Return the turn's messages without the staged context in front of them."""
    joined = bytes(event.messages)[1:-1]
    if not event.staged_context:
        return joined
    each = msgspec.json.decode(event.messages, type=list[msgspec.Raw])
    own = NO_MESSAGES
    for message in each[event.staged_context :]:
        own = own + Messages(bytes(message), 1)
    return own.joined


def _legal(state: Session, event: SessionEvent) -> Decision:
    """Return the event as the decision, once the authority has allowed its moves."""
    advance(state.lifecycle, event)
    return (event,)


def _changes(state: Session, event: SessionEvent) -> bool:
    """Whether the event would move the lifecycle. Raises IllegalTransition where it is refused."""
    return advance(state.lifecycle, event) != state.lifecycle


def _next(state: Session, command: Command, *, after: int = 0) -> dict[str, Any]:
    """Return the fields every event has, for the version that follows the state's."""
    return {"session_id": state.id, "version": state.version + 1 + after, "at": command.now}


def _receipt(
    after: Conversation, run_id: str, boundary: Boundary, inputs: tuple[str, ...] = ()
) -> Receipt:
    """Return the receipt of the boundary after which the conversation is this."""
    return Receipt(
        run_id=run_id,
        boundary=boundary,
        contributing_input_ids=inputs,
        conversation_digest=after.digest(),
        message_count=after.count,
        sequence=1,
    )


def _comparable(raw: msgspec.Raw | None) -> bytes | None:
    """Return JSON so that equal objects are equal bytes, and true is not 1."""
    return None if raw is None else _SORTED.encode(msgspec.json.decode(raw))
