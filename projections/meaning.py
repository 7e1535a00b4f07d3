"""What an event says, held against what it should say where it stands.

Invariants: the law is asked of the authority and nobody else; digests and counts are computed from
the recorded messages, never from what a receipt says; nothing here looks at rows or links.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from engine.aggregates import (
    ContextAppended,
    ContextStaged,
    Session,
    SessionCheckpointed,
    SessionEvent,
    SessionRegistered,
    TurnApplied,
    evolve,
)
from engine.errors import IllegalTransition
from engine.store.mapper import UNDECODABLE, message_bytes
from projections.findings import Kind

Problem = tuple[Kind, str]

_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Any]])
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def replayed(
    before: Session, event: SessionEvent, recorded: bytes
) -> tuple[Session | None, list[Problem]]:
    """Return the state after the event, and what is wrong with the event there.

    ``recorded`` is the row's state, which holds the event. Where anything is wrong, what the state
    would be is not guessed: it is None.
    """
    try:
        after = evolve(before, event)
    except IllegalTransition as refusal:
        return None, [("transition", str(refusal))]
    problems = list(_problems(before, event, after, recorded))
    return (None if problems else after), problems


def _problems(
    before: Session, event: SessionEvent, after: Session, recorded: bytes
) -> Iterable[Problem]:
    match event:
        case TurnApplied() | ContextAppended():
            return _landing_problems(before, event, after, recorded)
        case ContextStaged():
            return _staging_problems(before, event, recorded)
        case SessionCheckpointed():
            return _checkpoint_problems(before, event)
        case SessionRegistered():
            return _registration_problems(before, event)
        case _:
            return ()


def _landing_problems(
    before: Session, event: TurnApplied | ContextAppended, after: Session, recorded: bytes
) -> Iterator[Problem]:
    """Yield what is wrong with an event that made messages part of the conversation."""
    own = _count_of(event.messages, recorded)
    if own is None:
        yield "undecodable", "the messages are not an array of objects at the event's end"
        return
    receipt, count = event.receipt, before.conversation.count + own
    if receipt.message_count != count:
        yield "receipt", f"the receipt counts {receipt.message_count} messages, not {count}"
    if receipt.conversation_digest != after.conversation.digest():
        yield "digest", "the receipt's conversation digest is not that of the recorded messages"
    if receipt.sequence != 1:
        yield "receipt", f"the receipt's sequence is {receipt.sequence}; the run's first is 1"
    if receipt.run_id in before.runs:
        yield "receipt", f"run {receipt.run_id!r} was recorded before"
    if isinstance(event, TurnApplied):
        yield from _turn_problems(before, event, own)
    else:
        yield from _context_problems(before, event, own)


def _turn_problems(before: Session, event: TurnApplied, own: int) -> Iterator[Problem]:
    waiting = before.staged
    if own <= event.staged_context:
        yield "receipt", "the turn has no message of its own"
    if event.staged_context != len(waiting):
        yield "receipt", f"{len(waiting)} staged messages waited, not {event.staged_context}"
    elif waiting and waiting != tuple(map(bytes, _ARRAY.decode(event.messages)[: len(waiting)])):
        yield "receipt", "the turn does not begin with the context that was staged for it"


def _staging_problems(before: Session, event: ContextStaged, recorded: bytes) -> Iterator[Problem]:
    own = _count_of(event.messages, recorded)
    if own is None:
        yield "undecodable", "the messages are not an array of objects at the event's end"
    else:
        yield from _context_problems(before, event, own)


def _context_problems(
    before: Session, event: ContextAppended | ContextStaged, own: int
) -> Iterator[Problem]:
    if own != 1:
        yield "receipt", f"the event brings {own} messages of context, not one"
    if event.idempotency_key is not None and event.idempotency_key in before.keys:
        yield "receipt", f"the idempotency key {event.idempotency_key!r} was recorded before"


def _checkpoint_problems(before: Session, event: SessionCheckpointed) -> Iterator[Problem]:
    conversation = before.conversation
    if event.message_count != conversation.count:
        yield "receipt", f"the checkpoint counts {event.message_count} messages"
    if event.conversation_digest != conversation.digest():
        yield "digest", "the checkpoint's conversation digest is not that of the messages"


def _registration_problems(before: Session, event: SessionRegistered) -> Iterator[Problem]:
    if before.version:
        yield "transition", "the session was registered before"
    try:
        _OBJECT.decode(event.metadata)
    except UNDECODABLE:
        yield "undecodable", "the metadata is not an object"


def _count_of(messages: msgspec.Raw, recorded: bytes) -> int | None:
    """Return how many messages there are, or None where they cannot be read.

    Reading them means to decode all of them, as history does, and to find them by slicing, as
    digests do; both must find the same.
    """
    try:
        count = len(_OBJECTS.decode(messages))
    except UNDECODABLE:
        return None
    sliced = message_bytes(recorded)
    return count if sliced is not None and bytes(sliced) == bytes(messages)[1:-1] else None
