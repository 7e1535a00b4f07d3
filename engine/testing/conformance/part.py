"""The base of all parts of the suite: the hooks of a store, rows to commit, and checks.

Invariants: a check is a call that raises AssertionError, never an ``assert``, which ``python -O``
leaves out; no test depends on speed: a wait ends with the event that it waits for.
"""

import contextlib
import queue
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from perdure.store import Outcome, PositionedRow, Recorder, Store, StoredRow, Submission

_Error = TypeVar("_Error", bound=BaseException)

PAGE: int = 3
"""Rows read at a time, so that a log of a few rows has several pages."""


class ConformancePart:
    """A part of the suite, and the hooks that its tests use; see `StoreConformance`."""

    shared: ClassVar[bool] = True
    patience_seconds: ClassVar[float] = 30.0

    def open_store(self, folder: Path) -> Store:
        """Return the store in ``folder``, which is empty at first and each test's own.

        Opening the same folder again opens the same log, if the store is persistent, and otherwise
        a new one. A store that lies elsewhere derives a name of its own from the folder's.
        """
        raise NotImplementedError("the suite needs open_store")

    def alter_state(self, folder: Path, session_id: str, version: int, state: bytes) -> None:
        """Put other bytes in the place of a row's state. No store is open in the folder."""
        raise NotImplementedError("for a persistent store, the suite needs alter_state")

    def damage_storage(self, folder: Path) -> None:
        """Damage the storage so that a part of the log cannot be read. No store is open."""
        raise NotImplementedError("for a persistent store, the suite needs damage_storage")

    def opened(self, folder: Path) -> contextlib.closing[Store]:
        """Return the store in ``folder``, to be closed at the end of a ``with`` block."""
        return contextlib.closing(self.open_store(folder))

    def another(self, folder: Path, store: Store) -> contextlib.AbstractContextManager[Store]:
        """Return another store on the log of this one, or this one where there can be no other."""
        alone = not (self.shared and store.persistent)
        return contextlib.nullcontext(store) if alone else self.opened(folder)

    def commit(self, store: Store, *submissions: Submission) -> list[Outcome]:
        """Submit all submissions as one group, and return their outcomes."""
        told: queue.SimpleQueue[Sequence[Outcome]] = queue.SimpleQueue()
        store.submit(submissions, told.put)
        return self.told(told)

    def told(self, outcomes: "queue.SimpleQueue[Sequence[Outcome]]") -> list[Outcome]:
        """Return the outcomes that a `settle` put into a queue. Fails where none come."""
        try:
            return list(outcomes.get(timeout=self.patience_seconds))
        except queue.Empty:
            raise AssertionError("a submission was never given an outcome") from None

    def append(self, store: Store, session_id: str, *versions: int) -> list[int]:
        """Commit rows of these versions, which must be accepted, and return their positions."""
        (outcome,) = self.commit(store, rows(session_id, *versions))
        check(accepted(outcome), f"rows that follow were refused with {outcome!r}")
        return positions_in(outcome)


def rows(session_id: str, *versions: int, state: bytes = b'{"some":"state"}') -> list[StoredRow]:
    """Return a row for each version of a session."""
    return [StoredRow(session_id, version, "a-tag", state) for version in versions]


def accepted(outcome: Outcome) -> bool:
    """Whether an outcome says that a submission was recorded."""
    return not isinstance(outcome, BaseException)


def positions_in(outcome: Outcome) -> list[int]:
    """Return the positions of an outcome, none where the submission was refused."""
    return [] if isinstance(outcome, BaseException) else list(outcome)


def whole_log(recorder: Recorder) -> list[PositionedRow]:
    """Return all rows of a log by position, read a page at a time."""
    found: list[PositionedRow] = []
    while page := recorder.page_after(found[-1].position if found else 0, PAGE):
        check(
            not found or page[0].position > found[-1].position,
            f"the page after position {found[-1].position if found else 0} begins at or before it",
        )
        found += page
    return found


def keys_of(found: Sequence[StoredRow]) -> list[tuple[str, int]]:
    """Return the session ids and versions of rows."""
    return [(row.session_id, row.version) for row in found]


def check(holds: bool, sentence: str) -> None:  # noqa: FBT001 - the one thing that is checked
    """Raise AssertionError with the sentence unless the condition holds."""
    if not holds:
        raise AssertionError(sentence)


def check_equal(found: Any, expected: Any, of: str) -> None:
    """Raise AssertionError unless both are equal; ``of`` says what ``found`` is."""
    if found != expected:
        raise AssertionError(f"{of}: found {found!r}, expected {expected!r}")


def check_raises(kind: type[_Error], function: Callable[[], Any], of: str) -> _Error:
    """Return the error that the call raises. Raises AssertionError where it raises none."""
    try:
        returned = function()
    except kind as error:
        return error
    raise AssertionError(f"{of}: expected {kind.__name__}, but it returned {returned!r}")
