"""Reading one session's rows in pages, so that a long session never has to fit in memory."""

from collections.abc import Iterator
from typing import Final

from eventsourcing.persistence import StoredEvent

from engine.store import Recorder

PAGE: Final = 1000
"""Rows read at a time."""


def rows_of(
    recorder: Recorder, session_id: str, *, after: int = 0, upto: int | None = None
) -> Iterator[StoredEvent]:
    """Yield the session's rows from after one version up to another, in order."""
    while True:
        page = recorder.select_events(session_id, gt=after, lte=upto, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].originator_version
