"""The recorder interface of the eventsourcing library, answered by a recorder of perdure's.

Invariants: rows become eventsourcing's objects, and its objects rows, in this module alone; the
engine itself reads and writes rows, and none of them is copied on its way.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import (
    ListenNotifySubscription,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)

from perdure.store.recorder import Listener, PositionedRow, StoredRow


class EventsourcingRecorder(ProcessRecorder):
    """An eventsourcing process recorder whose subclasses implement perdure's `Recorder`.

    Its session ids are texts: an originator id of another type is stored as its text.
    """

    @abstractmethod
    def insert(self, rows: Sequence[StoredRow], tracking: Tracking | None) -> Sequence[int]:
        """Record the rows and the tracking in one transaction; return the rows' positions.

        Raises IntegrityError where a row does not follow, or the tracking is not further.
        """

    @abstractmethod
    def select_rows(
        self,
        session_id: str,
        *,
        after: int | None = None,
        upto: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredRow]:
        """Return a session's rows; see `Recorder`."""

    @abstractmethod
    def page_after(self, position: int, limit: int) -> Sequence[PositionedRow]:
        """Return the rows after a position; see `Recorder`."""

    @abstractmethod
    def settled_position(self) -> int:
        """Return the newest settled position; see `Recorder`."""

    @abstractmethod
    def listen(self, listener: Listener) -> None:
        """Call ``listener.set()`` after every commit; see `Recorder`."""

    @abstractmethod
    def unlisten(self, listener: Listener) -> None:
        """End what `listen` began; see `Recorder`."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Insert the events in one transaction, with tracking if given; return their positions."""
        rows = [
            StoredRow(str(one.originator_id), one.originator_version, one.topic, one.state)
            for one in stored_events
        ]
        return list(self.insert(rows, kwargs.get("tracking")))

    def select_events(
        self,
        originator_id: Any,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return a stream's events by range of versions."""
        rows = self.select_rows(
            str(originator_id), after=gt, upto=lte, newest_first=desc, limit=limit
        )
        return [StoredEvent(originator_id, row.version, row.topic, row.state) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return events of all streams by range of positions."""
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        found: list[Notification] = []
        while len(found) < limit and (page := self.page_after(after, limit)):
            after = page[-1].position
            found += [
                Notification(row.session_id, row.version, row.topic, row.state, row.position)
                for row in page
                if (stop is None or row.position <= stop) and (not topics or row.topic in topics)
            ]
            if stop is not None and after >= stop:
                break
        return found[:limit]

    def max_notification_id(self) -> int | None:
        """Return the newest position, None where nothing is recorded."""
        return self.settled_position() or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription["EventsourcingRecorder"]:
        """Return an iterator over events from after position ``gt``, old ones and new ones."""
        return RecorderSubscription(recorder=self, gt=gt, topics=topics)


class RecorderSubscription(ListenNotifySubscription[EventsourcingRecorder]):
    """An eventsourcing subscription to one of our recorders."""

    def __init__(
        self, recorder: EventsourcingRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        recorder.listen(self._has_been_notified)
        self._has_been_notified.set()  # for the commits before it listened

    def stop(self) -> None:
        """Stop the iteration and the listening."""
        super().stop()
        self._recorder.unlisten(self._has_been_notified)
