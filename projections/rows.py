"""Reading one session in pages, so that a long one never has to fit in memory.

Invariants: an event that is yielded agrees with its row, follows the one yielded before it without
a gap, and carries the link that follows from it.
"""

from collections.abc import Iterator
from typing import Final, TypeGuard

from perdure.aggregates import SessionEvent
from perdure.errors import IllegalTransition, LogCorrupt
from perdure.store import Mapper, Recorder, StoredRow, links
from perdure.store.mapper import UNDECODABLE

PAGE: Final = 256
"""Rows read at a time: enough to be worth a query, and few enough that the memory they take is used
again for the next; a page of thousands is memory that a fresh process has never touched."""

PAGE_BYTES: Final = 4 * 1024 * 1024
"""The same in bytes, but for one event that is larger."""

UNLAWFUL: Final = (IllegalTransition, *UNDECODABLE)
"""The errors of folding an event that breaks the law, or names an input or call that is missing."""


def why_unlawful(error: Exception) -> str:
    """Return the reason for which an event could not be folded."""
    if isinstance(error, IllegalTransition):
        return str(error)
    return f"it names an input or a call that is not there: {error}"


def unlawful(event: SessionEvent, error: Exception) -> LogCorrupt:
    """Return the finding for an event that could not be followed."""
    return LogCorrupt(event.session_id, event.version, "transition", why_unlawful(error))


def is_text(session_id: object) -> TypeGuard[str]:
    """Whether a stored session id is still text: neither of another type nor damaged UTF-8."""
    if not isinstance(session_id, str):
        return False
    try:
        session_id.encode()
    except UnicodeEncodeError:
        return False
    return True


def rows_of(
    recorder: Recorder, session_id: str, *, after: int = 0, upto: int | None = None
) -> Iterator[StoredRow]:
    """Yield the session's rows from after one version up to another, in order."""
    while page := recorder.select_rows(
        session_id, after=after, upto=upto, limit=PAGE, most_bytes=PAGE_BYTES
    ):
        yield from page
        after = page[-1].version


def link_of(row: StoredRow) -> str | None:
    """Return the link that a row carries, or None where it carries none."""
    return links.stored_link(row.state) if isinstance(row.state, bytes) else None


def events_of(
    recorder: Recorder,
    mapper: Mapper,
    session_id: str,
    *,
    after: int = 0,
    head: str | None = None,
    upto: int | None = None,
) -> Iterator[tuple[StoredRow, SessionEvent]]:
    """Yield the session's rows with their events, checked, from after one version up to another.

    ``head`` is the link of the version to start after; where it is not known, the first event's
    link is taken on trust. Raises LogCorrupt where a row contradicts itself or the one before it.
    """
    if not after:
        head = links.genesis(session_id)
    for row in rows_of(recorder, session_id, after=after, upto=upto):
        if row.version != after + 1:
            raise LogCorrupt(
                session_id,
                after + 1,
                "missing",
                f"the event after version {after} is version {row.version}",
            )
        event = mapper.to_event(row, head)
        yield row, event
        state = row.state
        after, head = (
            after + 1,
            links.stored_link(state) if head is None else links.sealed_link(state),
        )


def event_at(recorder: Recorder, mapper: Mapper, session_id: str, version: int) -> SessionEvent:
    """Return one event. Raises LogCorrupt unless it is there and follows the one before it."""
    found = None
    for _, event in events_of(
        recorder, mapper, session_id, after=max(0, version - 2), upto=version
    ):
        found = event
    if found is None or found.version != version:
        raise LogCorrupt(session_id, version, "missing", "there is no such event any more")
    return found
