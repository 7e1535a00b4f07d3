"""History: a session's messages, a page at a time, straight from the recorded bytes.

Invariants: a page costs its own messages and a logarithm of what lies before; nothing in flight is
ever shown, because only what was committed is read.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from eventsourcing.persistence import StoredEvent

from engine.aggregates import ContextAppended, SessionEvent, TurnApplied, decode_messages
from engine.store import Mapper, Recorder
from engine.values import Receipt
from projections.reading import rows_of

_NEIGHBOURS: Final = 8

Landed = TurnApplied | ContextAppended
"""The events that make messages part of the conversation, with a receipt."""


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages ``offset`` to ``offset + limit`` of a conversation, oldest first.

    ``message_count`` is that of the whole conversation; ``messages`` are plain dicts.
    """

    session_id: str
    offset: int
    limit: int | None
    message_count: int
    messages: list[dict[str, Any]]


def landed(mapper: Mapper, row: StoredEvent) -> Landed | None:
    """Return the row's event if it landed messages. Raises LogCorrupt where it is no event."""
    event = mapper.to_event(row, previous=None)
    return event if isinstance(event, Landed) else None


def receipt_in(event: SessionEvent) -> Receipt:
    """Return the receipt of an event that is known to have landed messages."""
    assert isinstance(event, Landed)  # noqa: S101 - the caller's run index says so
    return event.receipt


def receipts_of(recorder: Recorder, mapper: Mapper, session_id: str) -> list[Receipt]:
    """Return all receipts of a session, oldest first. Raises LogCorrupt for an unreadable row."""
    found = (landed(mapper, row) for row in rows_of(recorder, session_id))
    return [event.receipt for event in found if event is not None]


def page_of(
    recorder: Recorder,
    mapper: Mapper,
    session_id: str,
    *,
    offset: int = 0,
    limit: int | None = None,
) -> HistoryPage:
    """Return one page of the conversation as recorded now. Raises LogCorrupt for a bad row."""
    last = recorder.last_version(session_id) or 0
    total = _count_at(recorder, mapper, session_id, last)
    wanted = max(0, total - offset if limit is None else min(limit, total - offset))
    messages: list[dict[str, Any]] = []
    if wanted:
        start = _version_reaching(recorder, mapper, session_id, last, offset + 1)
        for event in _from_version(recorder, mapper, session_id, start, last):
            decoded = decode_messages(event.messages)
            before = event.receipt.message_count - len(decoded)
            messages += decoded[max(0, offset - before) :]
            if len(messages) >= wanted:
                break
    return HistoryPage(
        session_id=session_id,
        offset=offset,
        limit=limit,
        message_count=total,
        messages=messages[:wanted],
    )


def _from_version(
    recorder: Recorder, mapper: Mapper, session_id: str, start: int, last: int
) -> Iterator[Landed]:
    for row in rows_of(recorder, session_id, after=start - 1, upto=last):
        if (event := landed(mapper, row)) is not None:
            yield event


def _version_reaching(
    recorder: Recorder, mapper: Mapper, session_id: str, last: int, count: int
) -> int:
    """Return the first version at which the conversation has at least ``count`` messages."""
    low, high = 1, last
    while low < high:
        middle = (low + high) // 2
        if _count_at(recorder, mapper, session_id, middle) >= count:
            high = middle
        else:
            low = middle + 1
    return low


def _count_at(recorder: Recorder, mapper: Mapper, session_id: str, version: int) -> int:
    """Return how many messages the conversation has at ``version``: its newest receipt says."""
    while version > 0:
        rows = recorder.select_events(session_id, lte=version, desc=True, limit=_NEIGHBOURS)
        for row in rows:
            if (event := landed(mapper, row)) is not None:
                return event.receipt.message_count
        if not rows:
            break
        version = rows[-1].originator_version - 1
    return 0
