"""Test vectors: inputs with the digests and links that every implementation must find.

Invariants: they are computed by the code that runs, never written down; each file explains its
fields.
"""

import hashlib
from typing import Any, Final

from perdure.aggregates import (
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
from perdure.aggregates.session.conversation import EMPTY
from perdure.contracts.events import COMMENT
from perdure.errors import Unsupported
from perdure.store import Mapper, links

_CONVERSATIONS: Final[dict[str, list[dict[str, Any]]]] = {
    "one message": [{"role": "user", "content": "hi"}],
    "key order is kept": [{"role": "user", "content": "hi"}, {"content": "hi", "role": "user"}],
    "text beyond ASCII is not escaped": [{"role": "user", "content": "olá 東京 👩‍👩‍👧"}],
    "what JSON escapes is": [{"role": "user", "content": 'a"b\\c\n\t\x00\x1f\x7f\u2028'}],
    "numbers in shortest form": [{"n": [0, -0.0, 0.1, 1e16, 1e-7, 2**64, -1]}],
    "nesting": [{"role": "assistant", "content": None, "tool_calls": [{"id": "c", "ok": True}]}],
}
_CANONICAL: Final[dict[str, list[dict[str, Any]]]] = {
    "one message": [{"role": "user", "content": "hi"}],
    "keys are ordered": [{"role": "user", "content": "hi"}, {"content": "hi", "role": "user"}],
    "keys are ordered inside, too": [{"b": {"d": 1, "c": [{"z": 1, "y": 2}]}, "a": None}],
    "keys are ordered by their UTF-16 units": [{"\ufb33": 1, "😀": 2, "é": 3, "a": 4, "": 5}],
    "text beyond ASCII is not escaped": [{"role": "user", "content": "olá 東京 👩‍👩‍👧"}],
    "what JSON escapes is": [{"role": "user", "content": 'a"b\\c\n\t\b\f\r\x00\x1f\x7f\u2028/'}],
    "numbers as ECMAScript writes them": [
        {"n": [0, -0.0, 1.0, 0.1, 1e16, 1e21, 1e-6, 1e-7, 5e-324, 2**53 - 1, -1]}
    ],
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


def vectors() -> dict[str, Any]:
    """Return every file of vectors. Raises Unsupported where RFC 8785 is not to be had."""
    return {
        "digests.json": _digests(),
        "links.json": _links(),
        "canonical-digests.json": _canonical_digests(),
    }


def _digests() -> dict[str, Any]:
    """Return conversations with the bytes that are hashed and their digest."""
    found = [{"name": "empty", "hashed": "[]", "conversation_digest": EMPTY.digest()}]
    for name, conversation in _CONVERSATIONS.items():
        messages = encode_messages(conversation)
        digest = EMPTY.extend(messages.array(), messages.count).digest()
        text = bytes(messages.array()).decode()
        found.append({"name": name, "hashed": text, "conversation_digest": digest})
    return {
        "about": "Conversation digests: conversation_digest is the hex SHA-256 of the UTF-8 bytes "
        "of hashed, the recorded messages as one JSON array. README.md explains.",
        "$comment": COMMENT,
        "vectors": found,
    }


def _canonical_digests() -> dict[str, Any]:
    """Return conversations with their canonical form and its digest."""
    try:
        import rfc8785  # noqa: PLC0415 - optional, and imported only by those who ask for it
    except ImportError as error:
        raise Unsupported("the canonical vectors need: pip install perdure[canonical]") from error
    found = []
    for name, conversation in _CANONICAL.items():
        recorded = bytes(encode_messages(conversation).array()).decode()
        canonical = rfc8785.dumps(conversation)
        found.append(
            {
                "name": name,
                "recorded": recorded,
                "canonical": canonical.decode(),
                "canonical_digest": hashlib.sha256(canonical).hexdigest(),
            }
        )
    return {
        "about": "Canonical digests: canonical is the array in recorded, parsed and written again "
        "in the form of RFC 8785; canonical_digest is the hex SHA-256 of its UTF-8 bytes. "
        "README.md explains.",
        "$comment": COMMENT,
        "vectors": found,
    }


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
    return {
        "about": "Links: one session's log as it is stored. genesis is the link before its first "
        "event, each state ends with its own link, and head is the last one's. README.md explains.",
        "$comment": COMMENT,
        "session_id": state.id,
        "genesis": genesis,
        "stored": [{"topic": row.topic, "state": row.state.decode()} for row in rows],
        "head": head,
    }
