"""Tool calls and their results, found in recorded messages of the shapes that providers use.

Invariants: a call is open from the message that makes it until one that answers it; messages
without tools cost two searches of their bytes and are not parsed. Nothing here invents a result.

Shapes: OpenAI chat completions (``tool_calls``; role ``tool`` with ``tool_call_id``), OpenAI
responses (items ``function_call`` and ``function_call_output``), Anthropic messages (content blocks
``tool_use`` and ``tool_result``).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec


class CallMade(NamedTuple):
    """A tool call as a message makes it; ``arguments`` as the model wrote them."""

    id: str
    name: str
    arguments: Any


class Answer(NamedTuple):
    """That a message answers the call with this id."""

    id: str


class Tools(NamedTuple):
    """What messages say about tools, in the order they say it.

    A provider may give an id again to another call once the first is answered, so the order counts.
    """

    steps: list[CallMade | Answer]

    @property
    def answered(self) -> list[str]:
        """The ids of the calls that are answered."""
        return [step.id for step in self.steps if isinstance(step, Answer)]


def tools_in(array: msgspec.Raw | bytes) -> Tools | None:
    """Return what a recorded JSON array of messages says about tools, None where it is nothing."""
    recorded = bytes(array)
    if b"_" not in recorded:  # a single byte is found many times faster than a word
        return None
    if b"tool_" not in recorded and b"function_call" not in recorded:
        return None
    steps: list[CallMade | Answer] = []
    for message in msgspec.json.decode(recorded):
        steps += _made(message)
        steps += map(Answer, _answered(message))
    return Tools(steps) if steps else None


def _made(message: dict[str, Any]) -> Iterator[CallMade]:
    for call in _objects(message.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, dict) and isinstance(call.get("id"), str):
            yield CallMade(call["id"], str(function.get("name")), function.get("arguments"))
    if message.get("type") == "function_call" and isinstance(message.get("call_id"), str):
        yield CallMade(message["call_id"], str(message.get("name")), message.get("arguments"))
    for block in _objects(message.get("content")):
        if block.get("type") == "tool_use" and isinstance(block.get("id"), str):
            yield CallMade(block["id"], str(block.get("name")), block.get("input"))


def _answered(message: dict[str, Any]) -> Iterator[str]:
    if message.get("role") == "tool" and isinstance(message.get("tool_call_id"), str):
        yield message["tool_call_id"]
    if message.get("type") == "function_call_output" and isinstance(message.get("call_id"), str):
        yield message["call_id"]
    for block in _objects(message.get("content")):
        if block.get("type") == "tool_result" and isinstance(block.get("tool_use_id"), str):
            yield block["tool_use_id"]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
