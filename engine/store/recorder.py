"""What all recorders share: dense versions, and how a refusal is told.

Invariants: a stream's versions follow each other without a gap; a submission is accepted whole or
not at all.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from eventsourcing.persistence import IntegrityError, StoredEvent

from perdure.errors import StaleWriter, StoreError

Outcome = Sequence[int] | Exception
"""The positions of a submission's events, or why it was refused."""

Place = tuple[int, str, int]
"""Where an event is: its position, its session id and its version."""

LARGEST_POSITION: Final = 2**53 - 1
"""The last position that is believed: a log that grows by a million events a second reaches it in
285 years. SQLite gives rows behind the largest integer a random position."""

FIRST_VERSIONS = (0, 1)


class StaleAppend(StaleWriter, IntegrityError):
    """An append that does not follow the newest event; also an eventsourcing IntegrityError."""


class RecorderRefusal(StoreError, IntegrityError):
    """A constraint of the database refused a row; also an eventsourcing IntegrityError."""


def stored_event(session_id: Any, version: int, topic: str, state: bytes) -> StoredEvent:
    """Return a row as eventsourcing knows it, by the shortest way.

    Its own constructor sets each field of the frozen dataclass through a call; that takes four
    times as long, for every event that is written or read.
    """
    event = object.__new__(StoredEvent)
    fields = event.__dict__
    fields["originator_id"] = session_id
    fields["originator_version"] = version
    fields["topic"] = topic
    fields["state"] = state
    return event


def check_dense(
    events: Sequence[StoredEvent], last_version: Callable[[str], int | None]
) -> dict[str, int]:
    """Return the newest version of each stream after the events.

    Raises StaleAppend unless every event follows the newest one of its stream.
    """
    newest: dict[str, int] = {}
    for event in events:
        session_id = str(event.originator_id)
        last = newest.get(session_id)
        if last is None:
            last = last_version(session_id)
        version = event.originator_version
        if (version not in FIRST_VERSIONS) if last is None else (version != last + 1):
            raise StaleAppend(session_id, version - 1, last or 0)
        newest[session_id] = version
    return newest
