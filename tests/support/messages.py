"""Messages as tests write them, and their digest by the standard library alone."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


CALL: Final = {
    "role": "assistant",
    "tool_calls": [{"id": "c-1", "function": {"name": "ask", "arguments": "{}"}}],
}


def digest(messages: Sequence[dict[str, Any]]) -> str:
    text = json.dumps(messages, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
