"""Events to rows and back: one typed decoder for all known events, by permanent tag.

Invariants: nothing is imported or executed on load; the row's own columns and the event inside must
agree; a decoded event has its present shape, also where an older version of perdure wrote it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from perdure.aggregates.session.events import RunCompleted, SessionEvent, tag_of
from perdure.aggregates.session.recorded import SCHEMA
from perdure.aggregates.session.upcast import UPCASTERS, Upcaster, upcast
from perdure.errors import LogCorrupt
from perdure.store import links
from perdure.store.recorder import StoredRow

UNDECODABLE: Final = (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError)
"""The errors of decoding bytes that are no event; UnicodeDecodeError is a ValueError."""

_MESSAGES: Final = b',"messages":['
_BEFORE_ARRAY: Final = len(_MESSAGES) - 1
_AFTER_ARRAY: Final = len(b',"link":"') + links.LINK_LENGTH + len(b'"}')
_AFTER_MESSAGES: Final = len(b"]") + _AFTER_ARRAY
_WITH_A_RESULT: Final = b'{"tag":"%b",' % RunCompleted.__struct_config__.tag.encode()  # type: ignore[union-attr]


class _Landed(msgspec.Struct):
    messages: msgspec.Raw


_LANDED: Final = msgspec.json.Decoder(_Landed)


class Mapper:
    """Encodes events for storing and decodes stored ones; ``upcasters`` is for tests."""

    def __init__(self, upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS) -> None:
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[SessionEvent] = msgspec.json.Decoder(SessionEvent)
        self._upcasters = upcasters

    def to_stored(
        self, events: Sequence[SessionEvent], previous: str
    ) -> tuple[list[StoredRow], str]:
        """Return the rows for consecutive events of one session, and the new head."""
        rows = []
        for event in events:
            state, previous = links.seal(previous, self._encoder.encode(event))
            rows.append(StoredRow(event.session_id, event.version, tag_of(event), state))
        return rows, previous

    def decode(self, state: bytes) -> SessionEvent:
        """Return the event inside a row's state.

        Raises one of `UNDECODABLE` where it is no known event, in the present shape or in one
        that can be upcast to it.
        """
        try:
            event = self._decoder.decode(state)
        except msgspec.ValidationError:
            present = upcast(state, self._upcasters)
            if present is None:
                raise
            return self._decoder.decode(present)
        if event.v == SCHEMA:
            return event
        if event.v > SCHEMA:
            raise msgspec.ValidationError(
                f"event schema {event.v} is newer than this version of perdure knows ({SCHEMA})"
            )
        present = upcast(state, self._upcasters)
        return event if present is None else self._decoder.decode(present)

    def to_event(self, row: StoredRow, previous: str | None) -> SessionEvent:
        """Return the row's event after checking it against its row and the link before it.

        ``previous`` None leaves the link unchecked. Raises LogCorrupt, with the contradiction.
        """
        session_id, version = str(row.session_id), row.version
        state: Any = row.state  # bytes, unless someone changed it
        if not isinstance(state, bytes):
            kind = type(state).__name__
            raise LogCorrupt(session_id, version, "undecodable", f"the state is {kind}, not bytes")
        try:
            event = self.decode(state)
        except UNDECODABLE as error:
            raise LogCorrupt(session_id, version, "undecodable", f"no event: {error}") from error
        if (problem := contradiction(row, event)) is not None:
            raise LogCorrupt(session_id, version, "identity", problem)
        if previous is not None and not links.holds(previous, state):
            raise LogCorrupt(
                session_id, version, "link", "the link does not match the event and the one before"
            )
        return event


def contradiction(row: Any, event: SessionEvent) -> str | None:
    """Return how an event contradicts the row it is stored in, or None where they agree."""
    if event.session_id != row.session_id:
        return f"the event says it belongs to session {event.session_id!r}"
    if event.version != row.version:
        return f"the event says it is version {event.version}"
    if tag_of(event) != row.topic:
        return f"the event is a {tag_of(event)}, but its row says {row.topic!r}"
    return None


def message_bytes(state: bytes) -> memoryview | None:
    """Return the comma-joined messages of an event that landed some, None where there are none.

    They are found by slicing. The bytes that are searched for have unescaped quotes around a key
    that follows a comma. That cannot occur inside a string, nor in an object before ``messages``,
    as none of them has keys that users choose. The event of a completed run is different: it has
    the run's result, with keys of users'. There the array is the last value before the link, and is
    decoded to learn its length. Metadata has such keys too, so do not call this for registrations.
    Raises one of `UNDECODABLE` for bytes that are no event, or a state that is not bytes.
    """
    start = _start_of_array(state)
    return None if start < 0 else memoryview(state)[start + 1 : -_AFTER_MESSAGES]


def is_sliced(state: bytes, array: bytes) -> bool:
    """Whether `message_bytes` finds exactly this array, which holds the event's messages."""
    start = _start_of_array(state)
    return (
        start >= 0
        and start + len(array) == len(state) - _AFTER_ARRAY
        and state.startswith(array, start)
    )


def _start_of_array(state: bytes) -> int:
    """Return where the array of messages begins in an event's bytes, -1 where there is none."""
    if not state.startswith(_WITH_A_RESULT):
        found = state.find(_MESSAGES)
        return found if found < 0 else found + _BEFORE_ARRAY
    array = _LANDED.decode(state).messages
    start = len(state) - _AFTER_ARRAY - len(array)
    return start if start >= 0 and state.startswith(array, start) else -1
