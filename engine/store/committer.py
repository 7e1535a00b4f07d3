"""The group committer: one thread that writes all waiting submissions in one transaction.

Invariants: submissions are committed in the order in which they came; each has an outcome of its
own, which is told only once its transaction is durable; after `close` none is accepted, and all
accepted ones have their outcome. No error of the recorder or of a `settle` function ends the
thread. A commit on the caller's own thread comes after every earlier submission.
"""

import logging
import queue
import threading
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from perdure.errors import EngineClosed, StoreError
from perdure.store.recorder import Outcome, Submission
from perdure.store.store import Settle

_LOGGER: Final = logging.getLogger("perdure")

MAX_BATCH: Final = 256
"""How many submissions a batch has at most."""

MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
"""No submission is added to a batch of so many bytes, which bounds the memory for large turns."""


class BatchRecorder(Protocol):
    """The recorder that a committer writes through."""

    def insert_many(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Record the submissions; see `Recorder.insert_many`."""

    def insert_now(self, submissions: Sequence[Submission]) -> list[Outcome] | None:
        """Record the submissions if that takes no waiting, else do nothing and return None."""


class _Group(NamedTuple):
    submissions: Sequence[Submission]
    settle: Settle


class Committer:
    """Commits the submissions of any number of threads through one recorder."""

    def __init__(self, recorder: BatchRecorder) -> None:
        self._recorder: Final = recorder
        self._waiting: Final[queue.SimpleQueue[_Group | None]] = queue.SimpleQueue()
        self._lock: Final = threading.Lock()
        self._closed = False
        self._unsettled = 0
        self._left: _Group | None = None
        self._thread: Final = threading.Thread(
            target=self._run, name="perdure-committer", daemon=True
        )
        self._thread.start()

    def commit_now(self, submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        """Commit on the calling thread if the queue is empty and the recorder need not wait.

        Returns the outcomes, or None where nothing was done and the submissions are to be queued.
        """
        with self._lock:  # another thread submits either before this commit or after it
            if self._unsettled or self._closed:
                return None
            try:
                return self._recorder.insert_now(submissions)
            except Exception as error:
                _LOGGER.exception("a commit of %d submissions failed", len(submissions))
                return [_failure(error)] * len(submissions)

    def submit(self, submissions: Sequence[Submission], settle: Settle) -> None:
        """Queue submissions; ``settle`` is called with their outcomes on the committer's thread.

        They share a transaction with others, so give `MAX_BATCH` of them at most. Raises
        EngineClosed after `close`.
        """
        with self._lock:
            if self._closed:
                raise EngineClosed("the engine is closed")
            self._unsettled += 1
            self._waiting.put(_Group(submissions, settle))

    def close(self) -> None:
        """Commit all queued submissions, then end the thread. Safe to call again."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._left or self._waiting.get()) is not None:
            batch, closing = self._drain(first)
            outcomes = self._outcomes([one for group in batch for one in group.submissions])
            start = 0
            with self._lock:
                self._unsettled -= len(batch)
            for group in batch:
                end = start + len(group.submissions)
                _settle(group, outcomes[start:end])
                start = end
            if closing:
                return

    def _outcomes(self, batch: Sequence[Submission]) -> list[Outcome]:
        """Commit the batch; return an outcome for each submission, even if the recorder raises."""
        try:
            outcomes = self._recorder.insert_many(batch)
            if len(outcomes) == len(batch):
                return outcomes
            raise StoreError(f"{len(outcomes)} outcomes for {len(batch)} submissions")
        except BaseException as error:
            _LOGGER.exception("a commit of %d submissions failed", len(batch))
            return [_failure(error)] * len(batch)

    def _drain(self, first: _Group) -> tuple[list[_Group], bool]:
        """Return the groups that fit in a batch behind ``first``, and whether `close` follows."""
        batch, self._left = [first], None
        count, size = len(first.submissions), _size(first)
        while count < MAX_BATCH and size < MAX_BATCH_BYTES:
            try:
                following = self._waiting.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return batch, True
            count += len(following.submissions)
            if count > MAX_BATCH:
                self._left = following
                break
            batch.append(following)
            size += _size(following)
        return batch, False


def _failure(error: BaseException) -> StoreError:
    failure = StoreError(f"the commit failed: {error!r}")
    failure.__cause__ = error
    return failure


def _settle(group: _Group, outcomes: Sequence[Outcome]) -> None:
    """Tell a group its outcomes; an error in that keeps no other group from its own."""
    try:
        group.settle(outcomes)
    except Exception:
        _LOGGER.exception("the outcome of a commit could not be delivered")


def _size(group: _Group) -> int:
    size = 0
    for submission in group.submissions:
        for row in submission:
            size += len(row.state)
    return size
