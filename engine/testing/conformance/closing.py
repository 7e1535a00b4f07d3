"""Closing: submissions are settled before it, everything is refused after it.

Invariants: closing may be asked for again, and changes nothing then.
"""

import queue
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from perdure.errors import EngineClosed
from perdure.store import Outcome, Recorder
from perdure.testing.conformance.part import (
    ConformancePart,
    accepted,
    check,
    check_equal,
    check_raises,
    rows,
)


class ClosingConformance(ConformancePart):
    """The effects of closing a store."""

    def test_closing_settles_every_submission_that_was_accepted(self, tmp_path: Path) -> None:
        store = self.open_store(tmp_path)
        told: queue.SimpleQueue[Sequence[Outcome]] = queue.SimpleQueue()
        for version in range(1, 51):
            store.submit([rows("s", version)], told.put)
        store.close()
        outcomes = [one for _ in range(told.qsize()) for one in told.get_nowait()]
        check_equal(len(outcomes), 50, "the outcomes when the store was closed")
        check(all(map(accepted, outcomes)), "a submission was accepted and not committed")

    def test_a_closed_store_commits_nothing(self, tmp_path: Path) -> None:
        store = self.open_store(tmp_path)
        self.append(store, "s", 1)
        store.close()
        told: list[Sequence[Outcome]] = []
        check_raises(
            EngineClosed, lambda: store.submit([rows("s", 2)], told.append), "submit after close"
        )
        check_equal(told, [], "the outcomes of a submission that was refused")
        check_equal(store.commit_now([rows("s", 2)]), None, "commit_now after close")
        outcomes = store.recorder.insert_many([rows("s", 2), rows("t", 1)])
        refused = [isinstance(outcome, EngineClosed) for outcome in outcomes]
        check_equal(refused, [True, True], "whether insert_many refused each as closed")

    def test_a_closed_store_is_not_read(self, tmp_path: Path) -> None:
        store = self.open_store(tmp_path)
        self.append(store, "s", 1)
        store.close()
        for name, read in _reads(store.recorder).items():
            check_raises(EngineClosed, read, f"{name} after close")

    def test_closing_again_is_safe(self, tmp_path: Path) -> None:
        store = self.open_store(tmp_path)
        self.append(store, "s", 1)
        for _ in range(3):
            store.close()


def _reads(recorder: Recorder) -> dict[str, Callable[[], Any]]:
    return {
        "last_version": lambda: recorder.last_version("s"),
        "select_rows": lambda: recorder.select_rows("s"),
        "page_after": lambda: recorder.page_after(0, 10),
        "rows_after": lambda: recorder.rows_after(0, 10),
        "places_after": lambda: recorder.places_after(0, 10),
        "settled_position": recorder.settled_position,
        "scan": lambda: list(recorder.scan()),
        "session_ids": recorder.session_ids,
        "sizes": recorder.sizes,
        "integrity_problems": recorder.integrity_problems,
    }
