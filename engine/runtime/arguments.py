"""Checks of callers' arguments, before anything else happens."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec

from perdure.aggregates.session.call_shapes import CallShape
from perdure.aggregates.session.messages import (
    NO_MESSAGES,
    EncodedMessages,
    encode_messages,
    encode_object,
)
from perdure.aggregates.session.recorded import Lane
from perdure.errors import InvalidArgument, InvalidMessage
from perdure.values import Boundary, OpenCallsDecision, Usage, checked_id

_T = TypeVar("_T")

Content = str | Mapping[str, Any] | Iterable[Mapping[str, Any]]
"""The content of an input: a text, which becomes a user message; a message; or several."""

Request = Content | None
"""The request of a turn: like the content of an input, or none."""

PendingPolicy = Literal["refuse", "abandon", "drain"]
"""How to treat queued input when its session is archived; see `Engine.archive`."""

BOUNDARIES: Final[tuple[Boundary, ...]] = get_args(Boundary)
LANES: Final[tuple[Lane, ...]] = get_args(Lane)
PENDING_POLICIES: Final[tuple[PendingPolicy, ...]] = get_args(PendingPolicy)
DECISIONS: Final[tuple[OpenCallsDecision, ...]] = get_args(OpenCallsDecision)
LARGEST_COUNT: Final = 2**63 - 1
LONGEST_SECONDS: Final = 10 * 365 * 24 * 3600.0


def context_message(text: object) -> EncodedMessages:
    """Return a trimmed context text as the one system message it is recorded as."""
    if not isinstance(text, str):
        raise InvalidArgument(f"text must be text, not {type(text).__name__}", parameter="text")
    trimmed = text.strip()
    if not trimmed:
        raise InvalidArgument("text is empty", parameter="text")
    return encode_messages([{"role": "system", "content": trimmed}])


def request_messages(request: Request) -> EncodedMessages:
    """Return a request as the messages to record, none for None.

    Raises InvalidMessage unless it is a message, and for an empty text.
    """
    match request:
        case None:
            return NO_MESSAGES
        case str():
            if not request.strip():
                raise InvalidMessage("request", "is empty")
            return encode_messages([{"role": "user", "content": request}])
        case Mapping():
            return encode_messages([request])
        case _:
            return encode_messages(request)


def content_messages(content: Content, what: str) -> EncodedMessages:
    """Return the content of an input as the messages to record.

    Raises InvalidArgument for an empty text and for None, InvalidMessage unless it is a message.
    """
    if content is None or (isinstance(content, str) and not content.strip()):
        raise InvalidArgument(f"{what} is empty", parameter=what)
    return request_messages(content)


def checked_lane(lane: Lane) -> Lane:
    """Return the lane if it is one."""
    if lane not in LANES:
        raise InvalidArgument(f"a lane is 'queue' or 'steer', not {lane!r}", parameter="lane")
    return lane if type(lane) is str else LANES[LANES.index(lane)]


def checked_boundary(boundary: Boundary) -> Boundary:
    """Return the boundary if it is one."""
    if boundary not in BOUNDARIES:
        raise InvalidArgument(
            f"a boundary is one of {', '.join(BOUNDARIES)}, not {boundary!r}", parameter="boundary"
        )
    return boundary if type(boundary) is str else BOUNDARIES[BOUNDARIES.index(boundary)]


def encoded_json(value: object, what: str) -> msgspec.Raw:
    """Return any JSON value encoded under the same rules as a message.

    Raises InvalidMessage with the path to the first offending value.
    """
    try:
        encoded = encode_object({what: value}, "")
    except InvalidMessage as refusal:  # its path begins with the object that we put around it
        path = str(refusal.data["path"]).removeprefix(".")
        raise InvalidMessage(path, refusal.data["reason"]) from None
    return msgspec.Raw(encoded[len(f'{{"{what}":') : -1])


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels whose names and values are 1 to 255 printable characters."""
    if not isinstance(labels, Mapping):
        raise InvalidArgument(f"labels must be a mapping, not {labels!r}", parameter="labels")
    return {
        checked_id(name, "label name"): checked_id(value, f"label {name!r}")
        for name, value in labels.items()
    }


def several(given: Iterable[_T], what: str) -> Iterable[_T]:
    """Return an argument that can be iterated. A text is one thing, not one for each letter."""
    if isinstance(given, str) or not hasattr(type(given), "__iter__"):
        raise InvalidArgument(f"{what} must be several, not {given!r}", parameter=what)
    return given


def checked_ids(given: Iterable[str], what: str) -> tuple[str, ...]:
    """Return several ids, each as `checked_id` does."""
    return tuple([checked_id(one, what) for one in several(given, what)])


def checked_count(value: object, what: str, *, least: int = 0, other: str = "") -> None:
    """Raise InvalidArgument unless the value is a whole number that a database can hold.

    ``least`` is the smallest allowed number; ``other`` names another value that is allowed.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST_COUNT:
        choice = f" or {other}" if other else ""
        raise InvalidArgument(
            f"{what} must be a number from {least}{choice}, not {value!r}", parameter=what
        )


def checked_limit(value: object, what: str) -> None:
    """Raise InvalidArgument unless the value is a count from 1, or None for no limit."""
    if value is not None:
        checked_count(value, what, least=1)


def checked_seconds(value: object, what: str, *, may_be_zero: bool = False) -> None:
    """Raise InvalidArgument unless the value is a number of seconds that a clock can add."""
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not 0 <= value <= LONGEST_SECONDS
        or not (value or may_be_zero)
    ):
        least = "from" if may_be_zero else "above"
        raise InvalidArgument(
            f"{what} must be seconds {least} 0, at most ten years, not {value!r}", parameter=what
        )


def checked_metadata(metadata: Mapping[str, Any]) -> msgspec.Raw:
    """Return metadata as one encoded JSON object. Raises InvalidMessage with the path."""
    plain = dict(metadata) if isinstance(metadata, Mapping) else metadata
    return msgspec.Raw(encode_object(plain, "metadata"))


def checked_usage(usage: Usage) -> Usage:
    """Return usage whose token counts are whole numbers from 0."""
    if not isinstance(usage, Usage):
        raise InvalidArgument(f"usage must be a Usage, not {usage!r}", parameter="usage")
    for field in usage.__struct_fields__:
        checked_count(getattr(usage, field), f"usage.{field}")
    if type(usage) is Usage and type(usage.input_tokens) is type(usage.output_tokens) is int:
        return usage
    return Usage(input_tokens=int(usage.input_tokens), output_tokens=int(usage.output_tokens))


def optional_id(value: str | None, what: str) -> str | None:
    """Return an id as `checked_id` does, or None."""
    return None if value is None else checked_id(value, what)


def optional_text(value: str | None) -> str | None:
    """Return a reason as `checked_id` does, or None."""
    return None if value is None else checked_id(value, "reason")


def checked_decision(decision: OpenCallsDecision | None) -> OpenCallsDecision | None:
    """Return the decision about open calls, if it is one. Raises InvalidArgument."""
    if decision is not None and decision not in DECISIONS:
        raise InvalidArgument(
            f"open_calls is 'abandon' or 'keep', not {decision!r}", parameter="open_calls"
        )
    return decision


def checked_call_shapes(shapes: object) -> tuple[CallShape, ...]:
    """Return the shapes of calls, if calls and results can be told apart by each."""
    if not isinstance(shapes, Iterable):
        raise InvalidArgument("call_shapes must be CallShapes", parameter="call_shapes")
    given = tuple(shapes)
    for shape in given:
        if not isinstance(shape, CallShape):
            raise InvalidArgument(
                f"call_shapes must be CallShapes, not {type(shape).__name__}",
                parameter="call_shapes",
            )
        if (why := _why_no_shape(shape)) is not None:
            raise InvalidArgument(f"the call shape {shape.name!r} {why}", parameter="call_shapes")
    return given


def _why_no_shape(shape: CallShape) -> str | None:
    """Return why a shape cannot be used or recorded, None where it can."""
    if not (shape.id or shape.by_name) or (shape.by_name and not shape.tool):
        return "must say where the call's id is, or with by_name, where the tool's name is"
    if shape.kind == "call" and not (shape.tool and shape.stand_in):
        return "must say where the tool's name is, and what stands in for a missing result"
    try:
        again = msgspec.json.decode(msgspec.json.encode(shape), type=CallShape)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return f"cannot be recorded: {error}"
    return None if again == shape else "would read back as something else"


def checked_pending(pending: PendingPolicy) -> PendingPolicy:
    """Return the policy for pending input if it is one."""
    if pending not in PENDING_POLICIES:
        raise InvalidArgument(
            f"pending is 'refuse', 'abandon' or 'drain', not {pending!r}", parameter="pending"
        )
    return pending
