"""Tool calls and their results, found in recorded messages by the table of call shapes.

Invariants: a call is open from the message that makes it until one that answers it; messages
without tools cost a few searches of their bytes and are not parsed; which calls are found
depends on the messages and on the rules that their log names, and on nothing else. Nothing here
invents a result.
"""

import functools
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from perdure.aggregates.session import first_rules
from perdure.aggregates.session.call_shapes import CallRules, CallShape
from perdure.aggregates.session.framework_shapes import FRAMEWORK_SHAPES
from perdure.aggregates.session.provider_shapes import PROVIDER_SHAPES

TABLE: Final[tuple[CallShape, ...]] = (*PROVIDER_SHAPES, *FRAMEWORK_SHAPES)
"""Table number 1: of the shapes whose parts lie at the same place, the first that fits counts."""

_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Any]])


class CallMade(NamedTuple):
    """A tool call as a message makes it; ``arguments`` as the model wrote them.

    ``id`` is None where the provider gave it none. ``message`` is the place of the message among
    those that were read, ``place`` that of the call in its message.
    """

    id: str | None
    name: str
    arguments: Any
    message: int
    place: int
    shape: CallShape | None = None


class CallAnswered(NamedTuple):
    """That a message answers the call with this id, or where it has none, of this tool."""

    id: str | None
    name: str | None
    message: int


Step = CallMade | CallAnswered
"""What messages say about tools, one thing at a time, in the order they say it.

A provider may give an id again to another call, so the order counts.
"""


class Found(NamedTuple):
    """A part of a message that a shape fits; ``item`` is its place in the list that holds it."""

    shape: CallShape
    part: Any
    item: int | None


class _At(NamedTuple):
    """The shapes whose parts lie at one place, and the first key of the path to it."""

    path: str
    key: str
    shapes: tuple[CallShape, ...]


def steps_in(array: msgspec.Raw | bytes, rules: CallRules) -> list[Step]:
    """Return the calls and results in a recorded JSON array of messages, in order."""
    recorded = bytes(array)
    if not rules.number:
        return _first_steps(recorded)
    if not _may_hold_tools(recorded) and not any(
        _marker(shape) in recorded for shape in rules.shapes
    ):
        return []
    return steps_of(_OBJECTS.decode(recorded), rules)


def steps_of(messages: list[dict[str, Any]], rules: CallRules) -> list[Step]:
    """Return what messages say about tools, by the table of the rules, which is not number 0's."""
    steps: list[Step] = []
    for number, message in enumerate(messages):
        steps += _steps_of(number, message, rules)
    return steps


def found_in(message: dict[str, Any], rules: CallRules) -> Iterator[Found]:
    """Yield the parts of a message that are calls or results, each with the shape that fits it.

    Some clients write one call at two places of a message: what repeats an id of another place is
    left out.
    """
    ids: set[str] = set()
    for at in _places(rules.shapes):
        if at.key and at.key not in message:
            continue
        here: set[str] = set()
        for item, part in parts_at(message, at.path):
            shape = _fitting(at.shapes, message, part)
            if shape is None:
                continue
            own = text_at(part, shape.id)
            if own is not None and own in ids:
                continue
            if own is not None and shape.kind == "call":
                here.add(own)
            yield Found(shape, part, item)
        ids |= here


def parts_at(message: Any, path: str) -> Iterator[tuple[int | None, Any]]:
    """Yield what lies at a path, each with its place in the last list on the way, if there is."""
    if not path:
        yield None, message
        return
    key, _, rest = path.partition(".")
    name = key.removesuffix("[]")
    value = message.get(name) if isinstance(message, dict) else None
    if value is None:
        return
    if name == key:
        yield from parts_at(value, rest)
    elif isinstance(value, list):
        for item, inner in enumerate(value):
            yield from ((item, part) for _, part in parts_at(inner, rest))


def text_at(part: Any, paths: tuple[str, ...]) -> str | None:
    """Return the first text that lies at one of these paths of a part, None where none does."""
    return next(
        (text for path in paths for _, text in parts_at(part, path) if isinstance(text, str)), None
    )


def _steps_of(number: int, message: dict[str, Any], rules: CallRules) -> Iterator[Step]:
    place = 0
    for shape, part, _ in found_in(message, rules):
        call_id, tool = text_at(part, shape.id), text_at(part, shape.tool)
        if shape.kind == "result":
            yield CallAnswered(call_id, tool, number)
            continue
        given = [value for path in shape.arguments for _, value in parts_at(part, path)]
        arguments = given[0] if given else None
        yield CallMade(call_id, str(tool), arguments, number, place, shape)
        place += 1


def _fitting(shapes: tuple[CallShape, ...], message: Any, part: Any) -> CallShape | None:
    """Return the first of the shapes that the part has, None where it has none of them."""
    for shape in shapes:
        if (
            all(text_at(message, (path,)) in texts for path, texts in shape.message.items())
            and all(text_at(part, (path,)) in texts for path, texts in shape.part.items())
            and not any(text_at(part, (path,)) in texts for path, texts in shape.unless.items())
            and _is_named(shape, part)
        ):
            return shape
    return None


def _is_named(shape: CallShape, part: Any) -> bool:
    """Whether the part has the id and the tool's name without which it cannot be told apart."""
    has_id = text_at(part, shape.id) is not None
    has_tool = text_at(part, shape.tool) is not None
    if shape.kind == "call":
        return has_tool and (has_id or shape.by_name)
    return has_id or (shape.by_name and has_tool)


def _may_hold_tools(recorded: bytes) -> bool:
    """Whether messages may hold a shape of the table; False where they certainly do not."""
    if b"tool" in recorded or b"function" in recorded:
        return True
    if b"_" not in recorded:  # a single byte is found many times faster than a word
        return False
    return b"_call" in recorded or b"mcp_approval" in recorded


@functools.lru_cache(maxsize=16)
def _places_of(encoded: bytes) -> tuple[_At, ...]:
    own = msgspec.json.decode(encoded, type=tuple[CallShape, ...])
    by_path: dict[str, list[CallShape]] = {}
    for shape in (*own, *TABLE):
        by_path.setdefault(shape.at, []).append(shape)
    return tuple(
        _At(path, path.partition(".")[0].removesuffix("[]"), tuple(shapes))
        for path, shapes in by_path.items()
    )


_PLACES: Final = _places_of(b"[]")


def _places(own: tuple[CallShape, ...]) -> tuple[_At, ...]:
    return _places_of(msgspec.json.encode(own)) if own else _PLACES


def _marker(shape: CallShape) -> bytes:
    """Return a text, as JSON has it, without which no message has a part of the shape."""
    keys = [
        key.removesuffix("[]") for path in (shape.at, *shape.part) for key in path.split(".") if key
    ]
    says = [texts[0] for texts in (shape.part | shape.message).values() if len(texts) == 1]
    longest = max((*keys, *says), key=len, default="")
    return msgspec.json.encode(longest)[1:-1]


def _first_steps(recorded: bytes) -> list[Step]:
    if not first_rules.may_hold_tools(recorded):
        return []
    steps: list[Step] = []
    for number, message in enumerate(_OBJECTS.decode(recorded)):
        made = enumerate(first_rules.made(message))
        steps += [CallMade(*call, number, place) for place, call in made]
        steps += [CallAnswered(call_id, None, number) for call_id in first_rules.answered(message)]
    return steps
