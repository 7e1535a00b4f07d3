"""Open calls: which results belong to which calls, and what waits for them.

Invariants: a call is told from others by its message and its place there, never by its id alone;
where an id or a tool's name repeats, results pair with calls in order. These functions change
nothing and know nothing of a session but its open calls.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from perdure.aggregates.session.call_shapes import CallRules
from perdure.aggregates.session.calls import CallAnswered, CallMade, Step, steps_in

CallStatus = Literal["intended", "executed", "unknown"]
"""A call was made; its result is staged; or a run that may have executed it broke off."""

Key = tuple[int, int]
"""The place of a call: of its message in the conversation, and its own in the message."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that has no result in the conversation yet; ``version`` is where it was made.

    ``message`` is the place of its message in the conversation, ``place`` its own among the
    message's calls. One that the provider gave no id is called ``#message.place``, and its result
    names its tool. While a call is ``kept``, the conversation goes on without its result.
    """

    id: str
    name: str
    arguments: Any = None
    version: int
    status: CallStatus = "intended"
    message: int = 0
    place: int = 0
    own_id: bool = True
    kept: bool = False

    @property
    def key(self) -> Key:
        """Where the call is."""
        return self.message, self.place


Calls = tuple[Call, ...]


class Pair(NamedTuple):
    """An answer, and the open call that it answers."""

    answer: CallAnswered
    call: Call


def call_for(calls: Iterable[Call], answer: CallAnswered) -> Call | None:
    """Return the first of the calls that the answer fits, None where it fits none."""
    waiting = list(calls)
    if answer.id is not None:
        for call in waiting:
            if call.id == answer.id and call.own_id:
                return call
    if answer.name is None:
        return None
    named = [call for call in waiting if call.name == answer.name]
    nameless = [call for call in named if not call.own_id]
    if nameless:
        return nameless[0]
    return named[0] if named and answer.id is None else None


def calls_through(
    calls: Calls, steps: Sequence[Step], rules: CallRules, *, start: int, version: int
) -> Calls:
    """Return the open calls after messages: calls made are open, calls answered are not.

    ``start`` is the place of the first of these messages in the conversation.
    """
    waiting = list(calls)
    for step in steps:
        if isinstance(step, CallAnswered):
            answered = call_for(waiting, step)
            if answered is not None:
                waiting.remove(answered)
            continue
        made = _call(step, start=start, version=version)
        same = [n for n, call in enumerate(waiting) if call.id == made.id]
        if same and not rules.number:  # by the first rules, an id given again is the one call
            waiting[same[0]] = made
        else:
            waiting.append(made)
    return tuple(waiting)


def pairs(calls: Iterable[Call], steps: Iterable[Step]) -> list[Pair]:
    """Return which of the open calls the steps answer.

    A call whose result is staged is answered by it in front of the steps, so the others come first,
    among them those that the steps make themselves.
    """
    waiting = list(calls)
    own: set[Key] = set()
    found: list[Pair] = []
    for step in steps:
        if isinstance(step, CallMade):
            made = _call(step, start=_LATER, version=0)
            own.add(made.key)
            waiting.append(made)
            continue
        first = [call for call in waiting if call.status != "executed"]
        call = call_for(first, step) or call_for(waiting, step)
        if call is None:
            continue
        waiting.remove(call)
        if call.key not in own:
            found.append(Pair(step, call))
    return found


_LATER = 1 << 62
"""Behind any message there is: where calls are that no conversation holds yet."""


def in_front(found: Iterable[Pair]) -> set[Key]:
    """Return the calls that are answered by the messages in front, each of which answers some."""
    by_message: dict[int, set[Key]] = {}
    for answer, call in found:
        by_message.setdefault(answer.message, set()).add(call.key)
    front: set[Key] = set()
    number = 0
    while number in by_message:
        front |= by_message[number]
        number += 1
    return front


def unanswered(calls: Calls, steps: Sequence[Step], *, settles_unknown: bool) -> Calls:
    """Return the calls that a turn of these messages would leave behind it.

    A call that was kept is none of them, nor one whose staged result will land in front of the
    messages, unless they answer it themselves too late. An unknown call is to be settled before a
    turn, so a turn's own messages do not count, unless they are to settle it.
    """
    found = pairs(calls, steps)
    front, anywhere = in_front(found), {call.key for _, call in found}

    def is_answered(call: Call) -> bool:
        if call.status == "executed":
            return call.key not in anywhere or call.key in front
        return call.key in front and (call.status == "intended" or settles_unknown)

    return tuple(call for call in calls if not call.kept and not is_answered(call))


def staged_behind(
    calls: Calls, results: Sequence[msgspec.Raw], steps: Sequence[Step], rules: CallRules
) -> tuple[msgspec.Raw, ...]:
    """Return the staged results that land in front of messages that say these steps.

    A result stays out where the messages behind it answer its calls themselves, as a running agent
    does that has not seen it: a call has one result in the conversation. One message that answers
    other calls too lands all the same. By the first rules the messages may answer anywhere; later,
    only in front, where a result belongs.
    """
    found = pairs(calls, steps)
    late = in_front(found) if rules.number else {call.key for _, call in found}
    executed = [call for call in calls if call.status == "executed"]
    landing = []
    for message in results:
        own: set[Key] = set()
        for step in steps_in(b"[" + bytes(message) + b"]", rules):
            call = call_for(executed, step) if isinstance(step, CallAnswered) else None
            if call is not None:
                executed.remove(call)
                own.add(call.key)
        if not own or not own <= late:
            landing.append(message)
    return tuple(landing)


def marked(calls: Calls, keys: Iterable[Key], **changes: Any) -> Calls:
    """Return the calls with changes to those at these places."""
    chosen = set(keys)
    return tuple(
        msgspec.structs.replace(call, **changes) if call.key in chosen else call for call in calls
    )


def without(calls: Calls, keys: Iterable[Key]) -> Calls:
    """Return the calls that are not at these places."""
    dropped = set(keys)
    return tuple(call for call in calls if call.key not in dropped)


def executed_by(calls: Calls, call_ids: Iterable[str]) -> list[Call]:
    """Return the calls whose results were staged under these ids, in order.

    Raises KeyError where an id is no open call's.
    """
    found: list[Call] = []
    for call_id in call_ids:
        same = [call for call in calls if call.id == call_id and call not in found]
        if not same:
            raise KeyError(call_id)
        found.append(next((call for call in same if call.status != "executed"), same[0]))
    return found


def _call(step: CallMade, *, start: int, version: int) -> Call:
    message = start + step.message
    own = step.id is not None
    return Call(
        id=step.id if step.id is not None else f"#{message}.{step.place}",
        name=step.name,
        arguments=step.arguments,
        version=version,
        message=message,
        place=step.place,
        own_id=own,
    )
