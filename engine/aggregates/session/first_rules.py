"""How tool calls were found before there was a table of shapes: the rules of number 0.

Invariants: nothing here ever changes, because logs of those versions are read by it for ever.

Shapes: OpenAI chat completions (``tool_calls``, of functions or custom; role ``tool`` with
``tool_call_id``), OpenAI responses (items of any type ``…_call`` with a ``call_id``, and
``…_call_output``), Anthropic messages (content blocks ``tool_use`` and ``tool_result``).
"""

from collections.abc import Iterator
from typing import Any


def may_hold_tools(recorded: bytes) -> bool:
    """Whether messages may say something about tools; False where they certainly do not."""
    if b"_" not in recorded:  # a single byte is found many times faster than a word
        return False
    return b"tool_" in recorded or b"_call" in recorded


def made(message: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the id, the tool's name and the arguments of each call that the message makes."""
    for call in _objects(message.get("tool_calls")):
        tool = call.get("function") or call.get("custom")  # some write the other as null
        if isinstance(tool, dict) and isinstance(call.get("id"), str):
            yield call["id"], str(tool.get("name")), _given(tool)
    kind, call_id = message.get("type"), message.get("call_id")
    if isinstance(kind, str) and kind.endswith("_call") and isinstance(call_id, str):
        yield call_id, str(message.get("name", kind)), _given(message)
    for block in _objects(message.get("content")):
        if block.get("type") == "tool_use" and isinstance(block.get("id"), str):
            yield block["id"], str(block.get("name")), block.get("input")


def answered(message: dict[str, Any]) -> Iterator[str]:
    """Yield the id of each call that the message answers."""
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
    """Return the arguments of a call, under the name that its shape has for them."""
    return next(
        (call[name] for name in ("arguments", "input", "action", "operation") if name in call), None
    )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
