"""The log format for other languages: a JSON Schema of every event, and test vectors.

Invariants: every file under ``specs/`` is made here and never by hand; `documents` is a function of
the code alone, so a test can compare.
"""

import inspect
import sys
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from engine.aggregates import (
    Archive,
    RecordTurn,
    Register,
    SessionCommand,
    SessionEvent,
    decide,
    encode_messages,
    fold,
    initial_state,
)
from engine.aggregates.conversation import EMPTY
from engine.store import Mapper, links
from engine.values import Receipt

_ABOUT_MESSAGES: Final = {
    "type": "array",
    "items": {"type": "object"},
    "description": "Recorded verbatim; always the last field before the link.",
}
_ABOUT_LINK: Final = {
    "type": "string",
    "pattern": "^[0-9a-f]{64}$",
    "description": "hex SHA-256 of the previous link's 64 characters and this object without it.",
}
_CONVERSATIONS: Final[dict[str, list[dict[str, Any]]]] = {
    "one message": [{"role": "user", "content": "hi"}],
    "key order is kept": [{"role": "user", "content": "hi"}, {"content": "hi", "role": "user"}],
    "text beyond ASCII is not escaped": [{"role": "user", "content": "olá 東京 👩‍👩‍👧"}],
    "what JSON escapes is": [{"role": "user", "content": 'a"b\\c\n\t\x00\x1f\x7f\u2028'}],
    "numbers in shortest form": [{"n": [0, -0.0, 0.1, 1e16, 1e-7, 2**64, -1]}],
    "nesting": [{"role": "assistant", "content": None, "tool_calls": [{"id": "c", "ok": True}]}],
}

_NOW: Final = "2026-01-31T12:00:00.000000Z"
_COMMANDS: Final[tuple[SessionCommand, ...]] = (
    Register(now=_NOW, labels={"team": "support"}),
    RecordTurn(
        now=_NOW,
        run_id="run-1",
        messages=encode_messages([{"role": "user", "content": "olá"}]),
    ),
    Archive(now=_NOW),
)


def documents() -> dict[str, str]:
    """Return the text of every file, by its path below ``specs/``."""
    files: dict[str, Any] = {
        f"events/{event.__struct_config__.tag}.schema.json": _event_schema(event)
        for event in get_args(SessionEvent)
    }
    files["events/receipt.schema.json"] = _schema(Receipt)
    files["vectors/digests.json"] = _digests()
    files["vectors/links.json"] = _links()
    return {path: _pretty(document) for path, document in files.items()}


def write(folder: Path) -> None:
    """Write every file below ``folder``."""
    for path, text in documents().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def _event_schema(event: type) -> dict[str, Any]:
    """Return the schema of an event as it is stored: with its link, its messages an array."""
    schema = _schema(event)
    body = schema["$defs"][event.__name__]
    if "messages" in body["properties"]:
        body["properties"]["messages"] = _ABOUT_MESSAGES
    if "metadata" in body["properties"]:
        body["properties"]["metadata"] = {"type": "object"}
    body["properties"]["link"] = _ABOUT_LINK
    body["required"] = [*body["required"], "link"]
    return schema


def _schema(kind: type) -> dict[str, Any]:
    """Return msgspec's schema, with descriptions that no Python version indents differently."""
    schema = msgspec.json.schema(kind)
    for definition in schema["$defs"].values():
        definition["description"] = inspect.cleandoc(definition["description"])
    return schema


def _digests() -> list[dict[str, Any]]:
    """Return conversations with the bytes that are hashed and their digest."""
    vectors = []
    for name, conversation in _CONVERSATIONS.items():
        messages = encode_messages(conversation)
        digest = EMPTY.extend(messages.array(), messages.count).digest()
        text = bytes(messages.array()).decode()
        vectors.append({"name": name, "hashed": text, "conversation_digest": digest})
    return [{"name": "empty", "hashed": "[]", "conversation_digest": EMPTY.digest()}, *vectors]


def _links() -> dict[str, Any]:
    """Return a small log as it is stored, with the link before it and its head."""
    state = initial_state("session-1")
    genesis = links.genesis(state.id)
    events: list[SessionEvent] = []
    for command in _COMMANDS:
        decided = decide(state, command)
        state = fold(state, decided)
        events += decided
    rows, head = Mapper().to_stored(events, genesis)
    stored = [{"topic": row.topic, "state": row.state.decode()} for row in rows]
    return {"session_id": state.id, "genesis": genesis, "stored": stored, "head": head}


def _pretty(document: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "specs"))
