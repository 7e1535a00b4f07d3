"""Digests: of a conversation as recorded, and in a form that other systems can compare.

Invariants: the recorded digest depends on key order, because it covers recorded bytes; the
canonical one does not, because RFC 8785 orders the keys and fixes the number form first.
"""

import hashlib
from collections.abc import Iterable

from perdure.aggregates import Conversation
from perdure.aggregates.session.conversation import EMPTY
from perdure.errors import InvalidMessage, LogCorrupt, Unsupported
from perdure.projections.history import page_of
from perdure.projections.origins import LANDED, forked_state, origin_of
from perdure.projections.rows import rows_of
from perdure.store import Mapper, Recorder, StoredRow
from perdure.store.mapper import UNDECODABLE, message_bytes


def recorded_digest(recorder: Recorder, session_id: str) -> str:
    """Return the hex SHA-256 of the recorded message array, from the log's bytes alone.

    Raises LogCorrupt where a fork's origin is missing or unreadable.
    """
    mapper = Mapper()
    origin = origin_of(recorder, mapper, session_id)
    before = EMPTY
    if origin is not None:
        before = forked_state(recorder, mapper, session_id, origin).conversation
    return reread(rows_of(recorder, session_id), before.count, before).digest()


def reread(rows: Iterable[StoredRow], count: int, before: Conversation = EMPTY) -> Conversation:
    """Return the conversation that the rows' message bytes make, said to hold ``count`` messages.

    ``before`` is the conversation that a fork goes on from. Slices the bytes and parses next to
    none of them. Raises LogCorrupt for a row that is no event.
    """
    landed = (_joined(row) for row in rows if row.topic in LANDED)
    return before.followed((joined for joined in landed if joined), count)


def _joined(row: StoredRow) -> memoryview | None:
    try:
        return message_bytes(row.state)
    except UNDECODABLE as error:
        raise LogCorrupt(
            str(row.session_id), row.version, "undecodable", f"no event: {error}"
        ) from error


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
