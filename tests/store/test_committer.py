"""The group committer: shared transactions, an outcome for each, and none before its commit."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from perdure import EngineClosed, StoreError
from perdure.store import SQLiteRecorder, StoredRow
from perdure.store.committer import MAX_BATCH, Committer
from perdure.store.recorder import Outcome, StaleAppend


def event(session_id: str, version: int, state: bytes = b"{}") -> StoredRow:
    return StoredRow(session_id, version, "tag", state)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[SQLiteRecorder]:
    with contextlib.closing(SQLiteRecorder(tmp_path / "log.db")) as made:
        yield made


class Outcomes:
    """Collects outcomes in the order they are told, and waits for them."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, Outcome]] = []
        self._news = threading.Condition()

    def settle(self, key: Any) -> Callable[[Outcome], None]:
        def settle(outcome: Outcome) -> None:
            with self._news:
                self.told.append((key, outcome))
                self._news.notify_all()

        return settle

    def wait(self, count: int) -> dict[Any, Outcome]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.told) >= count, 30)
        return dict(self.told)


def submit(
    committer: Committer, events: Sequence[StoredRow], settle: Callable[[Outcome], None]
) -> None:
    committer.submit([events], lambda outcomes: settle(outcomes[0]))


class Recorder:
    """A recorder that never commits on the caller's thread."""

    def insert_now(self, _submissions: Sequence[Sequence[StoredRow]]) -> list[Outcome] | None:
        return None


class Gate(Recorder):
    """A recorder that waits before it writes, so that submissions pile up behind it."""

    def __init__(self, recorder: Any) -> None:
        self.recorder = recorder
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[int] = []

    def insert_many(self, submissions: Sequence[Sequence[StoredRow]]) -> list[Outcome]:
        self.batches.append(len(submissions))
        self.entered.set()
        assert self.open.wait(30)
        outcomes: list[Outcome] = self.recorder.insert_many(submissions)
        return outcomes


def test_submissions_of_many_threads_share_transactions_in_order(
    recorder: SQLiteRecorder,
) -> None:
    gate, outcomes = Gate(recorder), Outcomes()
    committer = Committer(gate)
    statements: list[str] = []
    recorder._writer.set_trace_callback(statements.append)
    submit(committer, [event("first", 1)], outcomes.settle("first"))
    assert gate.entered.wait(30)

    def submit_many(thread: int) -> None:
        for n in range(1, 11):
            submit(committer, [event(f"s{thread}", n)], outcomes.settle((thread, n)))

    threads = [threading.Thread(target=submit_many, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gate.open.set()
    found = outcomes.wait(201)
    committer.close()
    recorder._writer.set_trace_callback(None)
    assert gate.batches == [1, 200]
    transactions = [s for s in statements if s.startswith(("BEGIN", "COMMIT"))]
    assert transactions == ["BEGIN IMMEDIATE", "COMMIT"] * 2
    positions = [outcome[0] for outcome in found.values() if not isinstance(outcome, Exception)]
    assert positions == list(range(1, 202))  # told in order, and landed in that order
    for number in range(20):
        told = [key[1] for key, _ in outcomes.told if key != "first" and key[0] == number]
        assert told == list(range(1, 11))


def test_a_batch_is_bounded(recorder: SQLiteRecorder) -> None:
    gate, outcomes = Gate(recorder), Outcomes()
    committer = Committer(gate)
    for n in range(1, MAX_BATCH + 3):
        submit(committer, [event("s", n)], outcomes.settle(n))
    gate.open.set()
    assert not any(isinstance(o, Exception) for o in outcomes.wait(MAX_BATCH + 2).values())
    committer.close()
    assert max(gate.batches) <= MAX_BATCH
    assert sum(gate.batches) == MAX_BATCH + 2


def test_close_settles_all_that_was_accepted_and_accepts_nothing_more(
    recorder: SQLiteRecorder,
) -> None:
    gate, outcomes = Gate(recorder), Outcomes()
    committer = Committer(gate)
    for n in range(1, 51):
        submit(committer, [event("s", n)], outcomes.settle(n))
    closing = threading.Thread(target=committer.close)
    closing.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            submit(committer, [event("late", 1)], outcomes.settle("late"))
        except EngineClosed:
            break
    gate.open.set()
    closing.join()
    told = dict(outcomes.told)
    assert [list(told[n]) for n in range(1, 51) if not isinstance(told[n], Exception)] == [
        [n] for n in range(1, 51)
    ]
    committer.close()
    with pytest.raises(EngineClosed):
        submit(committer, [event("s", 51)], outcomes.settle(51))
    assert not committer._thread.is_alive()


def test_each_submission_of_a_batch_learns_its_own_outcome(recorder: SQLiteRecorder) -> None:
    gate, outcomes = Gate(recorder), Outcomes()
    committer = Committer(gate)
    submit(committer, [event("s", 1)], outcomes.settle("one"))
    assert gate.entered.wait(30)
    submit(committer, [event("s", 2)], outcomes.settle("two"))
    submit(committer, [event("s", 2)], outcomes.settle("stale"))
    submit(committer, [event("s", 3)], outcomes.settle("three"))
    gate.open.set()
    found = outcomes.wait(4)
    committer.close()
    assert [type(found[key]) for key in ("one", "two", "stale", "three")] == [
        range,
        range,
        StaleAppend,
        range,
    ]


@pytest.mark.parametrize("place", [0, 3, 6])
def test_one_submission_that_cannot_be_written_does_not_take_its_neighbours_along(
    recorder: SQLiteRecorder, place: int
) -> None:
    recorder._writer.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
    submissions = [[event(f"s{n}", 1)] for n in range(7)]
    submissions[place] = [event("large", 1), event("large", 2, b"x" * 20_000)]
    outcomes = recorder.insert_many(submissions)
    assert isinstance(outcomes[place], StoreError)
    assert "larger than SQLite can hold" in str(outcomes[place])
    assert sum(isinstance(outcome, range) for outcome in outcomes) == 6
    assert recorder.last_version("large") is None
    assert len(list(recorder.scan())) == 6


def test_the_fast_path_leaves_what_cannot_be_written_to_the_careful_one(
    recorder: SQLiteRecorder,
) -> None:
    recorder.insert_many([[event("a", 1)], [event("b", 1)]])
    recorder._writer.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
    outcomes = recorder.insert_many([[event("a", 2, b"x" * 20_000)], [event("b", 2)]])
    assert isinstance(outcomes[0], StoreError)
    assert outcomes[1] == range(3, 4)
    assert recorder.insert_many([[event("a", 2)]]) == [range(4, 5)]


@pytest.mark.parametrize(
    "broken",
    [
        ValueError("a bug"),
        MemoryError(),
        OverflowError("too long"),
        SystemExit(3),
        KeyboardInterrupt(),
        sqlite3.ProgrammingError("closed"),
    ],
    ids=repr,
)
def test_no_error_of_the_recorder_ends_the_committer_or_leaves_anyone_waiting(
    recorder: SQLiteRecorder, broken: BaseException
) -> None:
    class Broken(Recorder):
        failing = True

        def insert_many(self, submissions: Sequence[Sequence[StoredRow]]) -> list[Outcome]:
            if self.failing:
                raise broken
            return recorder.insert_many(submissions)

    writing, outcomes = Broken(), Outcomes()
    committer = Committer(writing)
    for n in range(5):
        submit(committer, [event("s", 1)], outcomes.settle(n))
    for outcome in outcomes.wait(5).values():
        assert isinstance(outcome, StoreError)
        assert outcome.__cause__ is broken
    writing.failing = False
    submit(committer, [event("s", 1)], outcomes.settle("after"))
    assert outcomes.wait(6)["after"] == range(1, 2)
    committer.close()


def test_a_wrong_number_of_outcomes_is_an_error_for_all(recorder: SQLiteRecorder) -> None:
    class Forgetful(Recorder):
        def insert_many(self, submissions: Sequence[Sequence[StoredRow]]) -> list[Outcome]:
            return recorder.insert_many(submissions)[1:]

    outcomes = Outcomes()
    committer = Committer(Forgetful())
    submit(committer, [event("s", 1)], outcomes.settle("s"))
    assert isinstance(outcomes.wait(1)["s"], StoreError)
    committer.close()


def test_one_who_cannot_be_told_does_not_keep_the_others_from_being_told(
    recorder: SQLiteRecorder,
) -> None:
    def deaf(_outcome: Outcome) -> None:
        raise RuntimeError("the event loop is closed")

    gate, outcomes = Gate(recorder), Outcomes()
    committer = Committer(gate)
    submit(committer, [event("s", 1)], deaf)
    submit(committer, [event("s", 2)], outcomes.settle("two"))
    gate.open.set()
    assert outcomes.wait(1)["two"] == range(2, 3)
    committer.close()


def test_a_listener_that_fails_is_not_taken_for_a_failed_commit(recorder: SQLiteRecorder) -> None:
    class Deaf:
        def set(self) -> None:
            raise RuntimeError("nobody home")

    listener = Deaf()
    recorder.listen(listener)
    assert recorder.insert_many([[event("s", 1)]]) == [range(1, 2)]
    assert recorder.insert_many([[event("s", 2)]]) == [range(2, 3)]
    assert list(recorder.insert([event("s", 3)])) == [3]
    recorder.unlisten(listener)


@pytest.mark.parametrize("fast", [True, False])
def test_g2_an_outcome_is_never_told_before_its_commit_is_visible_to_others(
    recorder: SQLiteRecorder,
    fast: bool,
) -> None:
    """The caller looks at once, through a connection of its own, and must find the rows."""
    looking = sqlite3.connect(recorder.path, check_same_thread=False)
    found: list[int] = []

    def look(_outcome: Outcome) -> None:
        found.append(looking.execute("SELECT count(*) FROM stored_events").fetchone()[0])

    committer = Committer(recorder)
    expected = []
    for n in range(1, 31):
        done = threading.Event()

        def settle(outcome: Outcome, done: threading.Event = done) -> None:
            look(outcome)
            done.set()

        if not fast:
            recorder._known.clear()
        submit(committer, [event("s", n)], settle)
        assert done.wait(30)
        expected.append(n)
    committer.close()
    looking.close()
    assert found == expected


def test_what_an_earlier_failure_could_not_roll_back_is_not_taken_for_a_commit(
    recorder: SQLiteRecorder,
) -> None:
    recorder.insert_many([[event("s", 1)]])
    recorder._writer.execute("BEGIN IMMEDIATE")
    recorder._writer.execute("DELETE FROM stored_events")
    assert recorder.insert_many([[event("s", 2)]]) == [range(2, 3)]
    assert not recorder._writer.in_transaction
    assert [row[2] for row in recorder.scan()] == [1, 2]
