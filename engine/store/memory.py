"""The memory recorder: eventsourcing's, made to refuse gaps.

Invariants: versions are dense in every stream; a refused insert has changed nothing. The streams of
the engine start at 1; 0 is accepted as a start too, because eventsourcing's own suites use it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.popo import POPOProcessRecorder

from perdure.store.recorder import Place, StaleAppend, check_dense
from perdure.store.sqlite.watcher import ring


class MemoryRecorder(POPOProcessRecorder):
    """Keeps events in this process only; durable for as long as it lives."""

    readonly = False

    def last_version(self, session_id: str) -> int | None:
        """Return the newest version of a stream, or None where it has no event."""
        with self._database_lock:
            index = self._stored_events_index.get(session_id)
            return next(reversed(index)) if index else None

    def select_events(
        self,
        originator_id: Any,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
        most_bytes: int | None = None,  # noqa: ARG002 - they are in memory anyhow
    ) -> Sequence[StoredEvent]:
        """Return a stream's events by range: versions are dense, so nothing is searched."""
        with self._database_lock:
            index = self._stored_events_index.get(str(originator_id))
            if not index:
                return []
            first, last = next(iter(index)), next(reversed(index))
            low = first if gt is None else max(first, gt + 1)
            high = last if lte is None else min(last, lte)
            versions = range(high, low - 1, -1) if desc else range(low, high + 1)
            return [self._stored_events[index[v]] for v in versions[:limit]]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
        most_bytes: int | None = None,  # noqa: ARG002 - they are in memory anyhow
    ) -> Sequence[Notification]:
        """Return events of all streams by range of positions."""
        return super().select_notifications(
            start, limit, stop, topics, inclusive_of_start=inclusive_of_start
        )

    def notifications_after(self, position: int, limit: int) -> Sequence[Notification]:
        """Return a few events from after a position."""
        return self.select_notifications(position, limit, inclusive_of_start=False)

    def places_after(self, position: int, limit: int) -> Sequence[Place]:
        """Return where a few events from after a position are, and of which sessions."""
        with self._database_lock:
            found = self._stored_events[position : position + limit]
        return [
            (place, str(event.originator_id), event.originator_version)
            for place, event in enumerate(found, position + 1)
        ]

    def _assert_uniqueness(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        check_dense(stored_events, self.last_version)
        super()._assert_uniqueness(stored_events, **kwargs)

    def insert_many(
        self, submissions: Sequence[Sequence[StoredEvent]]
    ) -> list[Sequence[int] | Exception]:
        """Insert each submission on its own; return its positions, or why it was refused."""
        outcomes: list[Sequence[int] | Exception] = []
        for submission in submissions:
            try:
                outcomes.append(self.insert_events(submission) or ())
            except StaleAppend as refusal:
                outcomes.append(refusal)
        return outcomes

    def _notify_listeners(self) -> None:
        ring(tuple(self._listeners))  # a copy, because others come and go meanwhile

    def scan(
        self,
        low: str | None = None,
        high: str | None = None,
        only: Sequence[str] = (),
        *,
        indexed: bool = True,  # noqa: ARG002 - there is one index, and it cannot differ
    ) -> Iterator[tuple[Any, Any, Any, Any, Any]]:
        """Yield raw rows (position, session id, version, topic, state), a session at a time."""
        with self._database_lock:
            rows = [
                (place + 1, str(e.originator_id), e.originator_version, e.topic, e.state)
                for place, e in enumerate(self._stored_events)
            ]
        for row in sorted(rows, key=lambda row: (row[1], row[2], row[0])):
            in_range = (low is None or row[1] >= low) and (high is None or row[1] < high)
            if row[1] in only if only else in_range:
                yield row

    def session_ids(self) -> list[Any]:
        """Return every distinct session id in the log, in order."""
        with self._database_lock:
            return sorted(key for key, versions in self._stored_events_index.items() if versions)

    def integrity_problems(self) -> list[str]:
        """Return nothing: memory has no pages to be damaged."""
        return []

    def close(self) -> None:
        """Set every listener a last time; there is nothing to release."""
        self._notify_listeners()
