"""A conversation as a model may be shown it: every tool call directly followed by its result.

Invariants: recorded messages are not changed, and a conversation in which each result has its place
is returned as it is. A call without a recorded result gets a stand-in, in the shape of its provider
and marked as not recorded; a result that was recorded later is shown where it belongs. No message
or part is left out, and none is shown twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from perdure.aggregates.session.call_shapes import CallRules, CallShape
from perdure.aggregates.session.calls import CallAnswered, Found, found_in, text_at
from perdure.aggregates.session.open_calls import Call, Key, call_for

Message = dict[str, Any]

MARK: Final = "[not recorded]"
"""The beginning of each stand-in's text."""

_WITHOUT: Final = {
    "intended": "This call has no result yet.",
    "executed": "The result of this call has not come yet.",
    "unknown": "It is not known whether this call was executed.",
    "given up": "This call was given up: there will be no result.",
}
_TURNS: Final = ("user", "system", "developer")
"""The roles of messages that may not stand between a call and its result."""


class _Made(NamedTuple):
    """A call that a message makes, by its place, with the shape that it was found by."""

    key: Key
    shape: CallShape
    id: str | None
    tool: str


class _Result(NamedTuple):
    """Where a result is: the place of its message, and its own in the message's list."""

    message: int
    item: int | None
    shape: CallShape


def presentable(
    messages: Sequence[Message], rules: CallRules, open_calls: Iterable[Call]
) -> list[Message]:
    """Return the messages with every call directly followed by its result, or by a stand-in.

    ``open_calls`` are the session's, by which a stand-in says why there is no result.
    """
    parts = [list(found_in(message, rules)) for message in messages]
    if not any(parts):
        return list(messages)
    made, results = _paired(parts)
    waiting = {call.key: call.status for call in open_calls}
    taken: dict[int, set[int | None]] = {}
    shown: list[Message] = []
    place = 0
    while place < len(messages):
        end = _block_end(parts, made, place)
        for number in range(place, end):
            left = _left(messages[number], parts[number], taken.get(number))
            shown += [] if left is None else [left]
        calls = [call for number in range(place, end) for call in made.get(number, ())]
        if calls and not _in_place(messages, calls, results, end):
            shown += _behind(messages, calls, results, waiting, rules)
            for call in calls:
                result = results.get(call.key)
                if result is not None and result.message >= end:
                    taken.setdefault(result.message, set()).add(result.item)
        place = end
    return shown


def _paired(parts: list[list[Found]]) -> tuple[dict[int, list[_Made]], dict[Key, _Result]]:
    """Return the calls that each message makes, and the result of each call that has one."""
    made: dict[int, list[_Made]] = {}
    results: dict[Key, _Result] = {}
    waiting: list[Call] = []
    for number, found in enumerate(parts):
        for shape, part, item in found:
            call_id, tool = text_at(part, shape.id), text_at(part, shape.tool)
            if shape.kind == "result":
                call = call_for(waiting, CallAnswered(call_id, tool, number))
                if call is not None:
                    waiting.remove(call)
                    whole = item is None or not isinstance(part, dict)
                    results[call.key] = _Result(number, None if whole else item, shape)
                continue
            key = number, len(made.setdefault(number, []))
            made[number].append(_Made(key, shape, call_id, str(tool)))
            waiting.append(
                Call(
                    id=call_id or "",
                    name=str(tool),
                    version=0,
                    message=key[0],
                    place=key[1],
                    own_id=call_id is not None,
                )
            )
    return made, results


def _block_end(parts: list[list[Found]], made: Mapping[int, list[_Made]], place: int) -> int:
    """Return where the messages end whose results come behind all of them together.

    That is one message, or as many in a row as are a call each.
    """
    end = place + 1
    if any(call.shape.at for call in made.get(place, ())) or place not in made:
        return end
    while end in made and all(found.shape.kind == "call" for found in parts[end]):
        if any(call.shape.at for call in made[end]):
            break
        end += 1
    return end


def _in_place(
    messages: Sequence[Message],
    calls: Sequence[_Made],
    results: Mapping[Key, _Result],
    end: int,
) -> bool:
    """Whether all the calls are answered, and where they should be."""
    found = [results.get(call.key) for call in calls]
    behind = sorted(
        (one.message, -1 if one.item is None else one.item)
        for one in found
        if one is not None and one.message >= end
    )
    if None in found:
        return False
    if not behind:
        return True
    if all(not call.shape.at for call in calls):  # items of their own: they need not be adjacent
        between = messages[end : behind[-1][0]]
        return not any(message.get("role") in _TURNS for message in between)
    if behind[0][1] >= 0:  # parts of one list, which they begin
        return behind == [(end, item) for item in range(len(behind))]
    return [number for number, _ in behind] == list(range(end, end + len(behind)))


def _behind(
    messages: Sequence[Message],
    calls: Sequence[_Made],
    results: Mapping[Key, _Result],
    waiting: Mapping[Key, str],
    rules: CallRules,
) -> list[Message]:
    """Return the results of calls as messages of their own, parts of one kind in one message."""
    found: list[tuple[tuple[str, ...], Message]] = []
    whole: set[int] = set()
    own = sorted(
        (result.message, -1 if result.item is None else result.item, result)
        for call in calls
        if (result := results.get(call.key)) is not None and result.message > call.key[0]
    )
    for number, item, result in own:
        if item >= 0:
            path = _list_path(result.shape.at)
            found.append((path, _with(messages[number], path, [_at(messages[number], path)[item]])))
        elif number not in whole:
            whole.add(number)
            found.append(((), messages[number]))
    for call in calls:
        if call.key not in results:
            why = _WITHOUT[waiting.get(call.key, "given up")]
            stand_in = _filled(call.shape.stand_in, call, f"{MARK} {why}")
            lists = (_list_path(one.shape.at) for one in found_in(stand_in, rules) if one.item == 0)
            found.append((next(lists, ()), stand_in))
    return _merged(found)


def _merged(found: Iterable[tuple[tuple[str, ...], Message]]) -> list[Message]:
    """Return messages, those in a row whose parts lie in lists at the same path as one."""
    shown: list[tuple[tuple[str, ...], Message]] = []
    for path, message in found:
        if path and shown and shown[-1][0] == path:
            before = shown.pop()[1]
            both = [*_at(before, path), *_at(message, path)]
            shown.append((path, _with(before, path, both)))
        else:
            shown.append((path, message))
    return [message for _, message in shown]


def _left(message: Message, found: list[Found], taken: set[int | None] | None) -> Message | None:
    """Return a message without the parts that are shown elsewhere, None where none is left."""
    if not taken:
        return message
    if None in taken:
        return None
    path = next(_list_path(one.shape.at) for one in found if one.item in taken)
    items = [part for item, part in enumerate(_at(message, path)) if item not in taken]
    return _with(message, path, items) if items else None


def _list_path(at: str) -> tuple[str, ...]:
    """Return the keys that lead to the list in which parts lie."""
    before, marked, _ = at.rpartition("[]")
    return tuple(before.split(".")) if marked else ()


def _at(message: Any, path: Sequence[str]) -> Any:
    for key in path:
        message = message.get(key) if isinstance(message, dict) else None
    return message


def _with(message: Message, path: Sequence[str], items: list[Any]) -> Message:
    """Return the message with other items in the list at a path."""
    if len(path) == 1:
        return {**message, path[0]: items}
    return {**message, path[0]: _with(message[path[0]], path[1:], items)}


def _filled(template: Any, call: _Made, text: str) -> Any:
    """Return a stand-in with the call's id, tool and text filled in."""
    match template:
        case dict():
            return {
                key: _filled(value, call, text)
                for key, value in template.items()
                if value != "{id}" or call.id is not None
            }
        case list() | tuple():
            return [_filled(item, call, text) for item in template]
        case str():
            if template == "{id}":
                return call.id
            return template.replace("{tool}", call.tool).replace("{text}", text)
        case _:
            return template
