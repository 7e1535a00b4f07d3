"""Checking an event's messages, receipt and registration against the state before it.

Invariants: only the authority says whether a move is legal; digests and counts are computed from
the recorded messages, never read from a receipt; nothing here looks at rows or links.

Not checked. Some fields have no second source in the log, and any value of them is lawful: a
receipt's ``boundary`` (but that of context, which lands at once), labels, metadata, usage, sources,
reasons, keys that are new, the result of a run, the content of a filter or of a published event. Of
a request there is only its digest, and nothing marks where its messages end. A change of such a
value is evident by its link, and only by that.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from perdure.aggregates import Session, evolve
from perdure.aggregates.session import events
from perdure.aggregates.session.decide_run import steered_by
from perdure.aggregates.session.work import (
    calls_held_open,
    check_not_answered,
    results_to_land,
    staged_inputs,
)
from perdure.errors import CallNotOpen
from perdure.machines import LIFECYCLE
from perdure.projections.audit.runs_inputs_calls import (
    Problem,
    account_problems,
    doubt_problems,
    known_run_problems,
)
from perdure.projections.rows import UNLAWFUL, why_unlawful
from perdure.store.mapper import UNDECODABLE, is_sliced
from perdure.values import CallbackPending, Receipt, Usage

_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Any]])
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_CALLBACK: Final = msgspec.json.Decoder(CallbackPending)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def replayed(
    before: Session, event: events.SessionEvent, recorded: bytes
) -> tuple[Session | None, list[Problem]]:
    """Return the state after the event, and the problems with the event there.

    ``recorded`` is the row's state, which holds the event. The state is None where there is a
    problem.
    """
    try:
        after = evolve(before, event)
    except UNLAWFUL as error:
        return None, [("transition", why_unlawful(error))]
    if isinstance(event, events.TurnApplied) and _is_sound(before, event, after, recorded):
        return after, []
    problems = list(_problems(before, event, after, recorded))
    return (None if problems else after), problems


def _is_sound(before: Session, event: events.TurnApplied, after: Session, recorded: bytes) -> bool:
    """Whether `_problems` has nothing to say of a turn; False where that must be asked.

    Nearly all of a log is turns, and nearly all of them bring just their own messages.
    """
    receipt = event.receipt
    own = _count_of(event.messages, recorded)
    return bool(
        own
        and receipt.message_count == before.conversation.count + own
        and receipt.conversation_digest == after.conversation.digest()
        and receipt.sequence == 1
        and receipt.run_id not in before.runs
        and not (event.staged_results or event.staged_context)
        and not (before.work.results or before.staged_context)
        and not before.work.calls
        and _is_possible(event.usage)
    )


def _is_possible(usage: Usage | None) -> bool:
    return usage is None or (usage.input_tokens >= 0 and usage.output_tokens >= 0)


def _problems(
    before: Session, event: events.SessionEvent, after: Session, recorded: bytes
) -> Iterable[Problem]:
    match event:
        case (
            events.TurnApplied()
            | events.BoundaryApplied()
            | events.RunCompleted()
            | events.ContextAppended()
        ):
            return _landing_problems(before, event, after, recorded)
        case events.ContextStaged() | events.InputAccepted() | events.ToolResultsStaged():
            return _waiting_problems(before, event, after, recorded)
        case events.SessionCheckpointed():
            return _checkpoint_problems(before, event)
        case events.SessionRegistered() | events.SessionForked():
            return _registration_problems(before, event)
        case _:
            return account_problems(before, event, after)


def _landing_problems(
    before: Session, event: events.Landed, after: Session, recorded: bytes
) -> Iterator[Problem]:
    """Yield the problems with an event that made messages part of the conversation."""
    own = _count_of(event.messages, recorded)
    if own is None:
        yield "undecodable", "the messages are not an array of objects at the event's end"
        return
    if not isinstance(event, events.ContextAppended) and not _is_possible(event.usage):
        yield "receipt", "the usage counts fewer than no tokens"
    if isinstance(event, events.RunCompleted):
        yield from _result_problems(event)
    if event.receipt is None:
        yield from _no_receipt_problems(before, event, own)
        return
    receipt, count = event.receipt, before.conversation.count + own
    if receipt.message_count != count:
        yield "receipt", f"the receipt counts {receipt.message_count} messages, not {count}"
    if receipt.conversation_digest != after.conversation.digest():
        yield "digest", "the receipt's conversation digest is not that of the recorded messages"
    if isinstance(event, events.ContextAppended):
        yield from _first_receipt_problems(before, receipt)
        if receipt.boundary != "immediate" or receipt.contributing_input_ids:
            yield "receipt", "context lands at once and takes no input, and its receipt differs"
        yield from _context_problems(before, event, own)
        if calls_held_open(before.work):
            yield "transition", "context landed between a call and its result"
        return
    if isinstance(event, events.TurnApplied):
        yield from _first_receipt_problems(before, receipt)
        yield from doubt_problems(before, receipt.run_id, _own_of(event))
    else:
        yield from _run_receipt_problems(before, event, receipt)
        yield from _run_messages_problems(before, event, receipt)
    yield from _prefix_problems(before, event, own)


def _no_receipt_problems(
    before: Session, event: events.RunCompleted, own: int
) -> Iterator[Problem]:
    """Yield the problems with a run's end that landed nothing."""
    if own:
        yield "receipt", f"the event brings {own} messages and has no receipt for them"
    if event.staged_context or event.staged_results:
        yield "receipt", "the event has no receipt, and counts staged messages"
    if event.terminal == "no_pending_boundary":
        return
    if before.work.results or (before.staged_context and not calls_held_open(before.work)):
        yield "receipt", "the run ended without the messages that were staged for it"


def _result_problems(event: events.RunCompleted) -> Iterator[Problem]:
    """Yield the problems with a run's result, which for a callback is the call."""
    if event.terminal == "callback_pending":
        try:
            _CALLBACK.decode(event.result)
        except UNDECODABLE as error:
            yield "undecodable", f"the result is no call that waits: {error}"


def _first_receipt_problems(before: Session, receipt: Receipt) -> Iterator[Problem]:
    if receipt.sequence != 1:
        yield "receipt", f"the receipt's sequence is {receipt.sequence}; the run's first is 1"
    yield from known_run_problems(before, receipt.run_id)


def _run_receipt_problems(
    before: Session, event: events.BoundaryApplied | events.RunCompleted, receipt: Receipt
) -> Iterator[Problem]:
    """Yield the problems with the receipt of a boundary of a run that began before."""
    due = LIFECYCLE.value(before.lifecycle, "sequence") + 1
    if receipt.sequence != due:
        yield "receipt", f"the receipt's sequence is {receipt.sequence}; the run's next is {due}"
    if receipt.contributing_input_ids != staged_inputs(before.work):
        yield "receipt", "the receipt does not name just the inputs that its run had taken"
    if isinstance(event, events.RunCompleted) and receipt.run_id != event.run_id:
        yield "receipt", f"run {event.run_id!r} ends with a receipt of run {receipt.run_id!r}"
    if isinstance(event, events.BoundaryApplied) and event.steered_input_ids != steered_by(
        before, event.messages
    ):
        yield "transition", "the run does not take on just the inputs that were to steer it"


def _run_messages_problems(
    before: Session, event: events.BoundaryApplied | events.RunCompleted, receipt: Receipt
) -> Iterator[Problem]:
    """Yield the problems behind the staged messages, where those of the run's inputs come first.

    Once a call was answered from outside during the run, there is no request behind those any more,
    and the rest is the agent's own.
    """
    array = _ARRAY.decode(event.messages)
    if isinstance(event, events.RunCompleted) and not array:
        yield "receipt", "the event has a receipt, and no messages"
    brought = [
        message
        for input_id in receipt.contributing_input_ids
        for message in _ARRAY.decode(before.work.inputs[input_id].messages)
    ]
    rest = array[max(0, event.staged_results + event.staged_context) :]
    if brought != rest[: len(brought)]:
        yield "receipt", "the run's inputs do not land with the messages that they brought"
    own = msgspec.Raw(b"[" + b",".join(map(bytes, rest[len(brought) :])) + b"]")
    try:
        check_not_answered(before.id, before.work, msgspec.Raw(_behind_staged(before, event)))
    except CallNotOpen as error:
        yield "transition", str(error)
    run = before.work.run
    if receipt.sequence == 1 and run is not None and run.asked and before.work.rules.number:
        yield from doubt_problems(before, run.id, own)


def _prefix_problems(
    before: Session,
    event: events.TurnApplied | events.BoundaryApplied | events.RunCompleted,
    own: int,
) -> Iterator[Problem]:
    """Yield the problems with the staged messages that a turn begins with."""
    results, context = before.work.results, before.staged_context
    if results:
        results = results_to_land(before.work, _behind_staged(before, event))
    if context and calls_held_open(before.work, results):
        context = ()
    waiting = [*map(bytes, results), *context]
    brought = event.staged_results + event.staged_context
    if isinstance(event, events.TurnApplied) and own <= brought:
        yield "receipt", "the turn has no message of its own"
    if (event.staged_results, event.staged_context) != (len(results), len(context)):
        yield "receipt", f"{len(waiting)} staged messages waited, not {brought}"
    elif waiting and waiting != list(map(bytes, _ARRAY.decode(event.messages)[: len(waiting)])):
        yield "receipt", "the turn does not begin with the context that was staged for it"


def _own_of(event: events.TurnApplied) -> msgspec.Raw:
    """Return the turn's own messages, behind those that were staged for it."""
    own = _ARRAY.decode(event.messages)[max(0, event.staged_results + event.staged_context) :]
    return msgspec.Raw(b"[" + b",".join(map(bytes, own)) + b"]")


def _behind_staged(
    before: Session, event: events.TurnApplied | events.BoundaryApplied | events.RunCompleted
) -> bytes:
    """Return the messages that may answer a call themselves for which a result is staged.

    By the first rules these are all that land behind the results; later, those behind the staged
    context.
    """
    behind = max(0, event.staged_results)
    if before.work.rules.number:
        behind += max(0, event.staged_context)
    array = _ARRAY.decode(event.messages)[behind:]
    return b"[" + b",".join(map(bytes, array)) + b"]"


def _waiting_problems(
    before: Session,
    event: events.ContextStaged | events.InputAccepted | events.ToolResultsStaged,
    after: Session,
    recorded: bytes,
) -> Iterator[Problem]:
    own = _count_of(event.messages, recorded)
    if own is None:
        yield "undecodable", "the messages are not an array of objects at the event's end"
    elif isinstance(event, events.ContextStaged):
        yield from _context_problems(before, event, own)
        yield from _waiting_context_problems(before, event)
    elif isinstance(event, events.InputAccepted):
        yield from _key_problems(before, event)
        if event.input_id in before.inputs:
            yield "transition", f"the input {event.input_id!r} was accepted before"
    else:
        yield from account_problems(before, event, after)


def _context_problems(
    before: Session, event: events.ContextAppended | events.ContextStaged, own: int
) -> Iterator[Problem]:
    if own != 1:
        yield "receipt", f"the event brings {own} messages of context, not one"
    yield from _key_problems(before, event)


def _waiting_context_problems(before: Session, event: events.ContextStaged) -> Iterator[Problem]:
    """Yield the problems of context that was to land at once, and waits for tool results."""
    if event.run_id is not None:
        yield from known_run_problems(before, event.run_id)
        if not calls_held_open(before.work):
            yield "transition", "context was to land at once, and waits for no call"


def _key_problems(
    before: Session, event: events.ContextAppended | events.ContextStaged | events.InputAccepted
) -> Iterator[Problem]:
    if event.idempotency_key is not None and event.idempotency_key in before.keys:
        yield "receipt", f"the idempotency key {event.idempotency_key!r} was recorded before"


def _checkpoint_problems(before: Session, event: events.SessionCheckpointed) -> Iterator[Problem]:
    conversation = before.conversation
    if before.checkpoint_version == before.version:
        yield "transition", "nothing happened since the checkpoint before"
    if event.message_count != conversation.count:
        yield "receipt", f"the checkpoint counts {event.message_count} messages"
    if event.conversation_digest != conversation.digest():
        yield "digest", "the checkpoint's conversation digest is not that of the messages"


def _registration_problems(
    before: Session, event: events.SessionRegistered | events.SessionForked
) -> Iterator[Problem]:
    if before.version:
        yield "transition", "the session was registered before"
    try:
        _OBJECT.decode(event.metadata)
    except UNDECODABLE:
        yield "undecodable", "the metadata is not an object"
    if isinstance(event, events.SessionForked):
        conversation = before.conversation
        if event.origin_messages != conversation.count:
            yield "receipt", f"the fork counts {event.origin_messages} messages of its origin"
        if event.origin_digest != conversation.digest():
            yield "digest", "the fork's digest is not that of its origin's messages"


def _count_of(messages: msgspec.Raw, recorded: bytes) -> int | None:
    """Return how many messages there are, or None where they cannot be read.

    Reading them means to decode all of them, as history does, and to find them by slicing, as
    digests do; both must find the same.
    """
    try:
        count = len(_OBJECTS.decode(messages))
    except UNDECODABLE:
        return None
    return count if is_sliced(recorded, bytes(messages)) else None
