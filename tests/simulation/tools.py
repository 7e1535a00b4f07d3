"""Tool calls and results in three providers' shapes, made and read without the engine's table.

Invariants: every message has a number of its own in it, so that no two are equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

SHAPES: Final = ("chat", "responses", "anthropic")


def made(shape: str, ids: Sequence[str], number: int) -> list[dict[str, Any]]:
    """Return messages that make calls: one, or of the responses' shape one for each call."""
    if shape == "responses":
        return [
            {"type": "function_call", "call_id": one, "name": "look", "arguments": f"{number}.{n}"}
            for n, one in enumerate(ids)
        ]
    if shape == "anthropic":
        blocks = [
            {"type": "tool_use", "id": one, "name": "look", "input": {"n": number}} for one in ids
        ]
        return [{"role": "assistant", "content": blocks}]
    function = {"name": "look", "arguments": f"{number}"}
    calls = [{"id": one, "type": "function", "function": function} for one in ids]
    return [{"role": "assistant", "content": None, "tool_calls": calls}]


def result(shape: str, call_id: str, number: int) -> dict[str, Any]:
    """Return a message that answers a call."""
    said = f"result {number}"
    if shape == "responses":
        return {"type": "function_call_output", "call_id": call_id, "output": said}
    if shape == "anthropic":
        block = {"type": "tool_result", "tool_use_id": call_id, "content": said}
        return {"role": "user", "content": [block]}
    return {"role": "tool", "tool_call_id": call_id, "content": said}


def ids_made(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ids of the calls that messages make, in order."""
    found: list[str] = []
    for message in messages:
        found += [call["id"] for call in message.get("tool_calls") or ()]
        if message.get("type") == "function_call":
            found.append(message["call_id"])
        found += [block["id"] for block in _blocks(message, "tool_use")]
    return found


def ids_answered(message: Mapping[str, Any]) -> list[str]:
    """Return the ids of the calls that a message answers, in order."""
    found = [block["tool_use_id"] for block in _blocks(message, "tool_result")]
    if message.get("role") == "tool":
        found.append(message["tool_call_id"])
    if message.get("type") == "function_call_output":
        found.append(message["call_id"])
    return found


def _blocks(message: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    content = message.get("content")
    if not isinstance(content, list):
        return []
    return [block for block in content if block["type"] == kind]
