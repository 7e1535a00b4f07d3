"""The work that every contender is given: turns of a 400-byte user and a 1,200-byte reply."""

import json
from typing import Any, Final

Message = dict[str, Any]

TURN: Final[list[Message]] = [
    {"role": "user", "content": "u" * 400},
    {"role": "assistant", "content": "a" * 1200},
]
ID_CHARACTERS: Final = 36
"""Session ids are as long as a UUID in text, which is what applications use."""

MESSAGE_BYTES: Final = len(json.dumps(TURN, separators=(",", ":"))) - 2
"""The two messages as compact JSON, with the comma between them."""

ROW_BYTES: Final = 2164
"""The bytes that perdure records for a turn of this size, within a few, and that raw rows have. A
test compares it with the log."""


def session_id(name: str) -> str:
    """Return an id of the usual length that names the session's purpose."""
    return f"{name}-{'0' * ID_CHARACTERS}"[:ID_CHARACTERS]
