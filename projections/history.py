"""History: a session's messages, a page at a time, straight from the recorded bytes.

Invariants: a page costs its own messages and a logarithm of what lies before; nothing in flight is
ever shown, because only committed events are read.
"""

import itertools
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from perdure.aggregates import decode_messages
from perdure.aggregates.session import events
from perdure.projections.origins import ConversationPart, parts_between, parts_of
from perdure.projections.rows import events_of, link_of
from perdure.store import Mapper, Recorder, links
from perdure.values import Receipt

_NEIGHBOURS: Final = 8


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages ``offset`` to ``offset + limit`` of a conversation, oldest first.

    ``message_count`` is that of the whole conversation; ``messages`` are plain dicts.
    """

    session_id: str
    offset: int
    limit: int | None
    message_count: int
    messages: list[dict[str, Any]]


def receipt_in(event: events.SessionEvent) -> Receipt | None:
    """Return the receipt of an event that landed messages, None where it landed none."""
    return event.receipt if isinstance(event, events.Landed) else None


def events_of_run(
    recorder: Recorder, mapper: Mapper, session_id: str, run_id: str, version: int
) -> Iterator[events.SessionEvent]:
    """Yield the events of a run, from the version that recorded it first to the run's end.

    Costs as much as the run has events. Raises LogCorrupt for a damaged row.
    """
    for _, event in events_of(recorder, mapper, session_id, after=max(0, version - 2)):
        if event.version < version:
            continue
        receipt = receipt_in(event)
        own = getattr(event, "run_id", None) if receipt is None else receipt.run_id
        if own == run_id or isinstance(event, events.RunOver):
            yield event
        if isinstance(event, events.RunOver) or (
            event.version == version and not isinstance(event, events.RunBegun)
        ):
            return


def receipt_of_run(
    recorder: Recorder,
    mapper: Mapper,
    session_id: str,
    *,
    run_id: str,
    version: int,
    sequence: int,
) -> Receipt | None:
    """Return one receipt of a run that a version recorded first, None where it has no such."""
    for event in events_of_run(recorder, mapper, session_id, run_id, version):
        receipt = receipt_in(event)
        if receipt is not None and receipt.sequence == sequence:
            return receipt
    return None


def receipts_of(recorder: Recorder, mapper: Mapper, session_id: str) -> list[Receipt]:
    """Return all receipts of a session, oldest first. Raises LogCorrupt for a damaged row."""
    found = events_of(recorder, mapper, session_id)
    return [receipt for _, event in found if (receipt := receipt_in(event)) is not None]


def page_of(
    recorder: Recorder,
    mapper: Mapper,
    session_id: str,
    *,
    offset: int = 0,
    limit: int | None = None,
) -> HistoryPage:
    """Return one page of the conversation as recorded now.

    Raises LogCorrupt where one of the rows that the page is read from is damaged.
    """
    last = recorder.last_version(session_id) or 0
    total = count_at(recorder, mapper, session_id, last)
    wanted = max(0, total - offset if limit is None else min(limit, total - offset))
    messages: list[dict[str, Any]] = []
    if wanted:
        end = offset + wanted
        parts = parts_of(recorder, mapper, session_id, last, end, start=offset)
        for part, first, behind in parts_between(parts, offset, end):
            messages += _messages_between(recorder, mapper, part, first, behind)
    return HistoryPage(
        session_id=session_id,
        offset=offset,
        limit=limit,
        message_count=total,
        messages=messages,
    )


def _messages_between(
    recorder: Recorder, mapper: Mapper, part: ConversationPart, offset: int, end: int
) -> list[dict[str, Any]]:
    """Return messages ``offset`` to ``end`` of a conversation, all recorded by one session."""
    name, last = part.session_id, part.version
    messages: list[dict[str, Any]] = []
    start = version_reaching(recorder, mapper, name, last, offset + 1)
    # The first one's link was checked when the search met it.
    for _, event in events_of(recorder, mapper, name, after=start - 1, upto=last):
        if not isinstance(event, events.Landed) or event.receipt is None:
            continue
        decoded = decode_messages(event.messages)
        before = event.receipt.message_count - len(decoded)
        messages += decoded[max(0, offset - before) :]
        if len(messages) >= end - offset:
            break
    return messages[: end - offset]


def version_reaching(
    recorder: Recorder, mapper: Mapper, session_id: str, last: int, count: int
) -> int:
    """Return the first version at which the conversation has at least ``count`` messages."""
    low, high = 1, last
    while low < high:
        middle = (low + high) // 2
        if count_at(recorder, mapper, session_id, middle) >= count:
            high = middle
        else:
            low = middle + 1
    return low


def count_at(recorder: Recorder, mapper: Mapper, session_id: str, version: int) -> int:
    """Return how many messages the conversation has at ``version``: its newest receipt says.

    A fork without a receipt of its own has those that it kept of its origin.
    """
    while version > 0:
        rows = recorder.select_rows(session_id, upto=version, newest_first=True, limit=_NEIGHBOURS)
        for row, before in itertools.zip_longest(rows, rows[1:]):
            first = row.version == 1
            if before is None and not first:
                break  # the next neighbours begin with it
            head = links.genesis(session_id) if first else link_of(before)
            event = mapper.to_event(row, head)
            receipt = receipt_in(event)
            if receipt is not None:
                return receipt.message_count
            if isinstance(event, events.SessionForked):
                return event.origin_messages
        if len(rows) < _NEIGHBOURS:
            break
        version = rows[-1].version
    return 0
