"""Sessions and messages as documents and as lines of text.

Invariants: a document's field names are stable; the lines of a message leave nothing of it out but
that it has no content, name or tool calls, which is not worth one.
"""

import json
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from perdure.projections import SessionView

_T = TypeVar("_T")


def session_document(view: SessionView) -> dict[str, Any]:
    """Return the session as ``--json`` prints it: its fields, the id as ``session_id``."""
    document: dict[str, Any] = msgspec.to_builtins(view)
    return {"session_id": document.pop("id"), **document}


def message_lines(place: int, message: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one message: role and name, content, tool calls, and any other key."""
    rest = dict(message)
    role, name = _take(rest, "role", str) or "?", _take(rest, "name", str)
    yield f"#{place} {role}" + (f" {name}" if name else "")
    content = rest.pop("content", None)
    if content is not None:
        yield from (f"  {line}" for line in _text(content).splitlines())
    for call in _take(rest, "tool_calls", list) or ():
        yield f"  → {_call(call)}"
    for key, value in rest.items():
        yield f"  {key}: {_text(value)}"


def _take(rest: dict[str, Any], key: str, kind: type[_T]) -> _T | None:
    """Take a value out, if it is of its usual kind and not empty; any other value stays."""
    value = rest.get(key)
    if isinstance(value, kind) and value:
        del rest[key]
        return value
    if value is None:
        rest.pop(key, None)
    return None


def _call(call: Any) -> str:
    match call:
        case {
            "id": str(call_id),
            "function": {"name": str(name), "arguments": arguments, **further},
            **rest,
        } if not further and rest in ({}, {"type": "function"}):
            return f"{name}({_text(arguments)}) {call_id}"
        case _:
            return _text(call)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
