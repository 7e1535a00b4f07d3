"""The group committer: one thread that writes whatever is waiting in one transaction.

Invariants: submissions are committed in the order they came; each learns its own outcome, and only
after the transaction that holds it is durable; after `close` nothing is accepted, and everything
accepted before has its outcome. No error of the recorder, or of whoever is told, ends the thread.
"""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from eventsourcing.persistence import StoredEvent

from engine.errors import EngineClosed, StoreError
from engine.store.recording import Outcome

_LOGGER: Final = logging.getLogger("perdure")

MAX_BATCH: Final = 256
"""A batch closes once it holds this many submissions."""

MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
"""A batch closes once it holds this much, so that a flood of large turns is bounded in memory."""


class BatchRecorder(Protocol):
    """What the committer writes through."""

    def insert_many(self, submissions: Sequence[Sequence[StoredEvent]]) -> list[Outcome]:
        """Insert each submission whole or not at all, and return their outcomes in order."""


class _Submission(NamedTuple):
    events: Sequence[StoredEvent]
    settle: Callable[[Outcome], None]


class Committer:
    """Commits the submissions of any number of threads through one recorder."""

    def __init__(self, recorder: BatchRecorder) -> None:
        self._recorder: Final = recorder
        self._waiting: Final[queue.SimpleQueue[_Submission | None]] = queue.SimpleQueue()
        self._lock: Final = threading.Lock()
        self._closed = False
        self._thread: Final = threading.Thread(
            target=self._run, name="perdure-committer", daemon=True
        )
        self._thread.start()

    def submit(self, events: Sequence[StoredEvent], settle: Callable[[Outcome], None]) -> None:
        """Queue the events of one commit; ``settle`` is called on the committer's thread.

        Raises EngineClosed after `close`.
        """
        with self._lock:
            if self._closed:
                raise EngineClosed("the engine is closed")
            self._waiting.put(_Submission(events, settle))

    def close(self) -> None:
        """Commit what is queued, then stop. Safe to call again."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, closing = self._drain(first)
            for submission, outcome in zip(batch, self._outcomes(batch), strict=True):
                _settle(submission, outcome)
            if closing:
                return

    def _outcomes(self, batch: Sequence[_Submission]) -> list[Outcome]:
        """Commit the batch and return an outcome for each, whatever the recorder does."""
        try:
            outcomes = self._recorder.insert_many([submission.events for submission in batch])
            if len(outcomes) == len(batch):
                return outcomes
            raise StoreError(f"{len(outcomes)} outcomes for {len(batch)} submissions")
        except BaseException as error:
            _LOGGER.exception("a commit of %d submissions failed", len(batch))
            failure = StoreError(f"the commit failed: {error!r}")
            failure.__cause__ = error
            return [failure] * len(batch)

    def _drain(self, first: _Submission) -> tuple[list[_Submission], bool]:
        """Return everything queued behind ``first``, and whether the end was among it."""
        batch = [first]
        size = _size(first)
        while len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            try:
                following = self._waiting.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
            size += _size(following)
        return batch, False


def _settle(submission: _Submission, outcome: Outcome) -> None:
    """Tell the outcome. Who cannot be told does not keep the others from being told."""
    try:
        submission.settle(outcome)
    except Exception:
        _LOGGER.exception("the outcome of a commit could not be delivered")


def _size(submission: _Submission) -> int:
    size = 0
    for event in submission.events:
        size += len(event.state)
    return size
