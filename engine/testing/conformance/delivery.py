"""Delivery: listeners are told of commits, after which the rows can be read.

Invariants: a test waits for a listener to be set and never for one to stay as it is: a second
listener that was set says that the first one would have been.
"""

import threading
from pathlib import Path

from perdure.store import Store
from perdure.testing.conformance.part import ConformancePart, check, check_equal, rows


class _Failing:
    """A listener that raises."""

    def set(self) -> None:
        raise RuntimeError("a listener failed")


class DeliveryConformance(ConformancePart):
    """The calls that listeners of a store get."""

    def test_a_listener_is_set_after_every_commit(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            listener = threading.Event()
            store.recorder.listen(listener)
            for version in range(1, 6):
                listener.clear()
                self.append(store, "s", version)
                _check_heard(self, listener)
                check_equal(store.recorder.last_version("s"), version, "the version then")
            for version in range(6, 11):
                _check_heard(self, listener)
                listener.clear()
                if store.commit_now([rows("s", version)]) is None:
                    self.append(store, "s", version)
                _check_heard(self, listener)

    def test_a_subscriber_that_catches_up_and_then_listens_reads_every_row_once(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            self.append(store, "s", 1, 2, 3)
            listener = threading.Event()
            store.recorder.listen(listener)
            writer = threading.Thread(target=_write, args=(self, store, 4, 40), daemon=True)
            writer.start()
            found: list[int] = []
            position = 0
            while len(found) < 40:
                listener.clear()
                page = store.recorder.rows_after(position, 7)
                found += [row.version for row in page]
                position = page[-1].position if page else position
                if not page:
                    _check_heard(self, listener)
            writer.join()
            check_equal(found, list(range(1, 41)), "the versions in the order of delivery")

    def test_a_listener_that_was_taken_away_hears_nothing(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            gone, listening = threading.Event(), threading.Event()
            for listener in (gone, listening):
                store.recorder.listen(listener)
            store.recorder.unlisten(gone)
            store.recorder.unlisten(threading.Event())  # was never there
            gone.clear()
            for version in (1, 2):
                listening.clear()
                self.append(store, "s", version)
                _check_heard(self, listening)
            check(not gone.is_set(), "a listener that was taken away was set")

    def test_an_error_of_a_listener_reaches_no_commit_and_no_other_listener(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            listeners = [threading.Event() for _ in range(3)]
            for listener in listeners:
                store.recorder.listen(_Failing())
                store.recorder.listen(listener)
            self.append(store, "s", 1)
            for listener in listeners:
                _check_heard(self, listener)

    def test_closing_sets_every_listener_a_last_time(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            listener = threading.Event()
            store.recorder.listen(listener)
            self.append(store, "s", 1)
            _check_heard(self, listener)
        listener.clear()
        store = self.open_store(tmp_path)
        store.recorder.listen(listener)
        listener.clear()
        store.close()
        _check_heard(self, listener)


def _write(part: ConformancePart, store: Store, first: int, last: int) -> None:
    for version in range(first, last + 1):
        part.append(store, "s", version)


def _check_heard(part: ConformancePart, listener: threading.Event) -> None:
    check(listener.wait(part.patience_seconds), "a listener was not set after a commit")
