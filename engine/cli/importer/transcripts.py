"""Transcripts: one line of JSON to the turns it will be recorded as.

Invariants: pure; every id is a function of the line's content alone, so importing it again meets
the same session and the same runs; a line is taken whole or refused whole, before anything is
written; no key of it is lost.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from perdure.aggregates.session.conversation import EMPTY
from perdure.aggregates.session.messages import EncodedMessages, encode_object
from perdure.errors import InvalidMessage
from perdure.values import checked_id

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""May stand before the first line of a file, so also in the middle of joined files."""

_SHOWN_BYTES: Final = 4


class TranscriptTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn: its messages, and where the conversation stands behind it."""

    run_id: str
    messages: list[dict[str, Any]]
    message_count: int
    conversation_digest: str


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """One session to record; ``metadata`` holds the line's other keys."""

    session_id: str
    metadata: dict[str, Any]
    turns: list[TranscriptTurn]

    def boundaries(self) -> dict[int, str]:
        """Return the conversation digest at each count of messages that a turn ends at."""
        ends = {turn.message_count: turn.conversation_digest for turn in self.turns}
        return {0: EMPTY.digest()} | ends


def read_line(line: bytes) -> Transcript | None:
    """Return the session that a line of a transcript file describes, or None for an empty line.

    A turn starts at each message whose role is ``user``; what precedes the first one belongs to
    the first turn. Raises InvalidMessage with the path to what cannot be recorded, and
    InvalidArgument for an unusable ``id``.
    """
    line = line.strip().removeprefix(BYTE_ORDER_MARK)
    if not line:
        return None
    document = _parsed(line)
    messages = document.pop("messages", None)
    if not isinstance(messages, list):
        raise InvalidMessage("messages", "is missing" if messages is None else "must be a list")
    if not messages:
        raise InvalidMessage("messages", "is empty: a session to import has at least one message")
    given_id = document.pop("id", None)
    metadata = encode_object(document, "line")
    ends = list(_turn_ends(messages))
    session_id = (
        _fingerprint("session", ends[-1][1], metadata.decode())
        if given_id is None
        else checked_id(given_id, "id")
    )
    starts = [0, *(count for count, _ in ends)]
    turns = [
        TranscriptTurn(
            run_id=_fingerprint(session_id, index, digest),
            messages=messages[start:count],
            message_count=count,
            conversation_digest=digest,
        )
        for index, (start, (count, digest)) in enumerate(zip(starts, ends, strict=False))
    ]
    return Transcript(session_id=session_id, metadata=document, turns=turns)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line.decode(), object_pairs_hook=_distinct)
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + _SHOWN_BYTES].hex(" ")
        raise InvalidMessage("line", f"is not UTF-8 at byte {error.start + 1} ({found})") from None
    except json.JSONDecodeError as error:
        raise InvalidMessage(
            "line", f"is not JSON: {error.msg} at character {error.pos + 1}"
        ) from None
    except RecursionError:
        raise InvalidMessage("line", "is nested too deeply to be read") from None
    except ValueError as error:  # an integer of thousands of digits
        raise InvalidMessage("line", f"cannot be read: {str(error).split(';')[0]}") from None
    if not isinstance(document, dict):
        raise InvalidMessage("line", "must be a JSON object with messages")
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object, refusing a repeated key: keeping one of them would lose the other."""
    distinct = dict(pairs)
    if len(distinct) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise InvalidMessage("line", f"has the key {repeated!a} twice in one object")
    return distinct


def _turn_ends(messages: list[Any]) -> Iterator[tuple[int, str]]:
    """Yield, where each turn ends, how many messages there are and their conversation digest."""
    conversation = EMPTY
    seen_user = False
    for place, message in enumerate(messages):
        encoded = encode_object(message, f"messages[{place}]")
        if message.get("role") == "user":
            if seen_user:
                yield place, conversation.digest()
            seen_user = True
        conversation = conversation.extend(EncodedMessages(encoded, 1).array(), 1)
    yield len(messages), conversation.digest()


def _fingerprint(*parts: str | int) -> str:
    """Return the hex SHA-256 of the parts as a JSON array, in which no two of them can merge."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
