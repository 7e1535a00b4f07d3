"""Digests: of a conversation as recorded, and in a form that other systems can compare.

Invariants: the recorded digest depends on key order, because it covers recorded bytes; the
canonical one does not, because RFC 8785 orders the keys and fixes the number form first.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, get_args

from eventsourcing.persistence import StoredEvent

from engine.aggregates import Conversation, Landed
from engine.errors import InvalidMessage, Unsupported
from engine.store import Mapper, Recorder
from engine.store.mapper import message_bytes
from projections.history import page_of
from projections.reading import rows_of

_LANDED: Final = frozenset(event.__struct_config__.tag for event in get_args(Landed))
"""The tags of events whose messages are part of the conversation."""


def recorded_digest(recorder: Recorder, session_id: str) -> str:
    """Return the hex SHA-256 of the recorded message array, from the log's bytes alone."""
    return reread(rows_of(recorder, session_id), 0).digest()


def reread(rows: Iterable[StoredEvent], count: int) -> Conversation:
    """Return the conversation that the rows' message bytes make, said to hold ``count`` messages.

    Slices the bytes and parses none of them.
    """
    running = hashlib.sha256(b"[")
    separator = b""
    for row in rows:
        joined = message_bytes(row.state) if row.topic in _LANDED else None
        if joined:
            running.update(separator)
            running.update(joined)
            separator = b","
    return Conversation(count, running)


def canonical_digest(recorder: Recorder, mapper: Mapper, session_id: str) -> str:
    """Return the hex SHA-256 of the message array in RFC 8785 canonical form.

    Raises Unsupported where the ``canonical`` extra is not installed, and InvalidMessage for a
    number outside what RFC 8785 can carry (integers beyond 2^53).
    """
    try:
        import rfc8785  # noqa: PLC0415 - optional, and imported only by those who ask for it
    except ImportError as error:
        raise Unsupported("the canonical digest needs: pip install perdure[canonical]") from error
    messages = page_of(recorder, mapper, session_id).messages
    try:
        canonical = rfc8785.dumps(messages)
    except rfc8785.CanonicalizationError as error:
        raise InvalidMessage("messages", f"has no canonical form: {error}") from error
    return hashlib.sha256(canonical).hexdigest()
