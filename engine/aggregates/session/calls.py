"""Tool calls and their results, found in recorded messages of the shapes that providers use.

Invariants: a call is open from the message that makes it until one that answers it; messages
without tools cost two searches of their bytes and are not parsed. Nothing here invents a result.

Shapes: OpenAI chat completions (``tool_calls``, of functions or custom; role ``tool`` with
``tool_call_id``), OpenAI responses (items of a type ``…_call`` with a ``call_id``, for functions,
custom tools, shells, computers, and their ``…_call_output``; those without a ``call_id`` are run by
the provider), Anthropic messages (content blocks ``tool_use`` and ``tool_result``). The chat
completions' older ``function_call`` has no id to answer it by.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Any]])


class CallMade(NamedTuple):
    """A tool call as a message makes it; ``arguments`` as the model wrote them."""

    id: str
    name: str
    arguments: Any


class CallAnswered(NamedTuple):
    """That a message answers the call with this id."""

    id: str


class Tools(NamedTuple):
    """The tool calls that messages make and answer, in the order of the messages.

    A provider may give an id again to another call once the first is answered, so the order counts.
    """

    steps: list[CallMade | CallAnswered]

    @property
    def answered(self) -> list[str]:
        """The ids of the calls that are answered."""
        return [step.id for step in self.steps if isinstance(step, CallAnswered)]


def tools_in(array: msgspec.Raw | bytes) -> Tools | None:
    """Return the tool calls and answers in a recorded JSON array of messages, None for none."""
    recorded = bytes(array)
    if b"_" not in recorded:  # a single byte is found many times faster than a word
        return None
    if b"tool_" not in recorded and b"_call" not in recorded:
        return None
    steps: list[CallMade | CallAnswered] = []
    for message in _OBJECTS.decode(recorded):
        steps += _made(message)
        steps += map(CallAnswered, _answered(message))
    return Tools(steps) if steps else None


def _made(message: dict[str, Any]) -> Iterator[CallMade]:
    for call in _objects(message.get("tool_calls")):
        tool = call.get("function") or call.get("custom")  # some write the other as null
        if isinstance(tool, dict) and isinstance(call.get("id"), str):
            yield CallMade(call["id"], str(tool.get("name")), _given(tool))
    kind, call_id = message.get("type"), message.get("call_id")
    if isinstance(kind, str) and kind.endswith("_call") and isinstance(call_id, str):
        yield CallMade(call_id, str(message.get("name", kind)), _given(message))
    for block in _objects(message.get("content")):
        if block.get("type") == "tool_use" and isinstance(block.get("id"), str):
            yield CallMade(block["id"], str(block.get("name")), block.get("input"))


def _answered(message: dict[str, Any]) -> Iterator[str]:
    if message.get("role") == "tool" and isinstance(message.get("tool_call_id"), str):
        yield message["tool_call_id"]
    kind = message.get("type")
    if isinstance(kind, str) and kind.endswith("_call_output"):
        call_id = message.get("call_id", message.get("id"))  # a local shell's output has only "id"
        if isinstance(call_id, str):
            yield call_id
    for block in _objects(message.get("content")):
        if block.get("type") == "tool_result" and isinstance(block.get("tool_use_id"), str):
            yield block["tool_use_id"]


def _given(call: dict[str, Any]) -> Any:
    """Return a call's arguments, under the name that its shape has for them."""
    return next(
        (call[name] for name in ("arguments", "input", "action", "operation") if name in call), None
    )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
