"""Sessions and messages as documents and as lines of text.

Invariants: a document's field names are stable; a line of text leaves nothing of a message out.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from projections import SessionView


def session_document(view: SessionView) -> dict[str, Any]:
    """Return the session as ``--json`` prints it: its fields, the id as ``session_id``."""
    document: dict[str, Any] = msgspec.to_builtins(view)
    return {"session_id": document.pop("id"), **document}


def message_lines(place: int, message: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one message: who, what was said, each tool call, and any other key."""
    rest = dict(message)
    role, name = rest.pop("role", "?"), rest.pop("name", None)
    yield f"#{place} {role}" + (f" {name}" if name else "")
    content = rest.pop("content", None)
    if content is not None:
        yield from (f"  {line}" for line in _text(content).splitlines())
    calls = rest.pop("tool_calls", None)
    for call in calls if isinstance(calls, list) else [calls] if calls else []:
        yield f"  → {_call(call)}"
    for key, value in rest.items():
        yield f"  {key}: {_text(value)}"


def _call(call: Any) -> str:
    match call:
        case {"id": call_id, "function": {"name": name, "arguments": arguments}}:
            return f"{name}({_text(arguments)}) {call_id}"
        case _:
            return _text(call)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
