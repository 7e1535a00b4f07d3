"""Persistence: a log that is opened again, by several stores at once, and after it was damaged.

Invariants: every test says something of a store that is not persistent as well: it has a log of its
own, which begins empty. No test kills a process: that a commit survives this, or a power cut, is
for the store's own tests.
"""

import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure.errors import StaleWriter, StoreError
from perdure.store import Recorder, Store
from perdure.testing.conformance.part import (
    ConformancePart,
    check,
    check_equal,
    check_raises,
    keys_of,
    rows,
    whole_log,
)


class PersistenceConformance(ConformancePart):
    """A log that is opened again, and that several stores have open."""

    def test_a_log_is_whole_when_it_is_opened_again(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            self.append(store, "s", 1, 2)
            self.append(store, "t", 1)
            self.commit(store, rows("s", 4))
            log = whole_log(store.recorder)
        with self.opened(tmp_path) as again:
            check_equal(again.persistent, store.persistent, "whether the store is persistent")
            if not store.persistent:
                check_equal(whole_log(again.recorder), [], "a new log")
                return
            check_equal(whole_log(again.recorder), log, "the log")
            (stale,) = self.commit(again, rows("s", 2))
            check(isinstance(stale, StaleWriter), f"version 2 again is no StaleWriter: {stale!r}")
            check(self.append(again, "s", 3)[0] > log[-1].position, "the new position is not newer")

    def test_a_commit_is_in_the_log_once_its_outcome_is_known(self, tmp_path: Path) -> None:
        """A second store reads it while the first one, which may keep more in memory, is open."""
        with self.opened(tmp_path) as store:
            for version in range(1, 6):
                self.append(store, "s", version)
                if _is_refused_a_second_store(self, tmp_path, store):
                    continue
                with self.opened(tmp_path) as other:
                    expected = version if store.persistent else None
                    check_equal(other.recorder.last_version("s"), expected, "the newest version")

    def test_stores_on_one_log_refuse_what_does_not_follow_each_others_commits(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as ours:
            self.append(ours, "s", 1)
            if _is_refused_a_second_store(self, tmp_path, ours):
                return
            with self.opened(tmp_path) as theirs:
                if not ours.persistent:
                    self.append(theirs, "s", 1)
                    check_equal(len(whole_log(ours.recorder)), 1, "the rows of each log")
                    return
                self.append(theirs, "s", 2)
                log = whole_log(ours.recorder)
                check_equal(
                    keys_of(log), [("s", 1), ("s", 2)], "the log as the other store sees it"
                )
                for outcome in self.commit(ours, rows("s", 2), rows("s", 4)):
                    check(isinstance(outcome, StaleWriter), f"no StaleWriter: {outcome!r}")
                self.append(ours, "s", 3)
                self.append(theirs, "s", 4)
                check_equal(whole_log(ours.recorder), whole_log(theirs.recorder), "both logs")

    def test_a_listener_hears_of_another_stores_commit(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as ours:
            if _is_refused_a_second_store(self, tmp_path, ours):
                return
            with self.opened(tmp_path) as theirs:
                heard = threading.Event()
                ours.recorder.listen(heard)
                for version in range(1, 4):
                    heard.clear()
                    self.append(theirs if ours.persistent else ours, "s", version)
                    check(heard.wait(self.patience_seconds), "a listener did not hear of a commit")
                    check_equal(ours.recorder.last_version("s"), version, "the version then")

    def test_a_store_that_is_opened_elsewhere_reads_the_log_and_never_writes(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            self.append(store, "s", 1, 2)
            log = whole_log(store.recorder)
            reopening = store.reopening()
            if reopening is None:
                return
            check(store.persistent, "a store that is not persistent is opened elsewhere")
            reader = pickle.loads(pickle.dumps(reopening))()  # noqa: S301 - made in this line
            try:
                check(reader.recorder.readonly, "the store opened elsewhere is not read-only")
                check_equal(whole_log(reader.recorder), log, "the log as it is read elsewhere")
                check_equal(list(reader.recorder.scan()), list(store.recorder.scan()), "a scan")
                (outcome,) = self.commit(reader, rows("s", 3))
                check(isinstance(outcome, StoreError), f"a reader's commit: {outcome!r}")
            finally:
                reader.close()
            check_equal(whole_log(store.recorder), log, "the log")
            check(not store.recorder.readonly, "the store itself is read-only")

    def test_an_altered_row_is_read_as_it_is_and_harms_no_other(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            self.append(store, "r", 1)
            self.append(store, "s", 1, 2, 3)
            check_equal(store.recorder.integrity_problems(), [], "the problems of a sound log")
        if not store.persistent:
            return
        self.alter_state(tmp_path, "s", 2, b"\xffother bytes\x00")
        sound = rows("s", 1)[0].state
        with self.opened(tmp_path) as again:
            states = [row.state for row in again.recorder.select_rows("s")]
            check_equal(states, [sound, b"\xffother bytes\x00", sound], "the states of the session")
            found = [(row[1], row[4]) for row in again.recorder.scan()]
            expected = [("r", sound), *(("s", state) for state in states)]
            check_equal(found, expected, "the states in a scan")
            self.append(again, "r", 2)

    def test_damaged_storage_is_an_error_of_the_store_and_never_another(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            for version in range(1, 30):
                self.commit(store, rows("s", version, state=b"x" * 5000))
        if not store.persistent:
            return
        self.damage_storage(tmp_path)
        try:
            with self.opened(tmp_path) as again:
                problems = _problems_of(again.recorder)
        except StoreError as error:
            problems = [str(error)]
        check(bool(problems), "neither an error nor `integrity_problems` says that it is damaged")


def _is_refused_a_second_store(part: ConformancePart, folder: Path, store: Store) -> bool:
    """Whether the log can be open only once; then opening it again must be refused."""
    if part.shared or not store.persistent:
        return False
    check_raises(StoreError, lambda: part.open_store(folder), "opening a log that is open")
    return True


def _problems_of(recorder: Recorder) -> list[str]:
    """Return the sentences by which a damaged log says so; any other error passes through."""
    problems = []
    reads: tuple[Callable[[], Any], ...] = (
        lambda: recorder.select_rows("s"),
        lambda: recorder.last_version("s"),
        lambda: list(recorder.scan()),
    )
    for read in reads:
        try:
            read()
        except StoreError as error:
            problems.append(str(error))
    try:
        problems += recorder.integrity_problems()
    except StoreError as error:
        problems.append(str(error))
    return problems
