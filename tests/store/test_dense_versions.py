"""Dense versions: a row that does not follow the newest event is refused and not written."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from perdure import StaleWriter
from perdure.store import MemoryRecorder, SQLiteRecorder, StoredRow
from perdure.store.recorder import StaleAppend

KINDS = ("memory", "sqlite")

Recorder = MemoryRecorder | SQLiteRecorder


@contextlib.contextmanager
def recorder_of(kind: str, folder: Path) -> Iterator[Recorder]:
    if kind == "memory":
        yield MemoryRecorder()
        return
    recorder = SQLiteRecorder(folder / "log.db", durability="normal")
    with contextlib.closing(recorder):
        yield recorder


@pytest.fixture(params=KINDS)
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Recorder]:
    with recorder_of(request.param, tmp_path) as made:
        yield made


def events(session_id: str, *versions: int, state: bytes = b"{}") -> list[StoredRow]:
    return [StoredRow(session_id, version, "tag", state) for version in versions]


def rows(recorder: Recorder) -> list[tuple[Any, ...]]:
    return list(recorder.scan())


def insert_one_by_one(recorder: Recorder, submissions: Sequence[Sequence[StoredRow]]) -> list[Any]:
    outcomes: list[Any] = []
    for submission in submissions:
        try:
            outcomes.append(recorder.insert(submission))
        except StaleAppend as refusal:
            outcomes.append(refusal)
    return outcomes


@pytest.mark.parametrize(
    "versions",
    [(4,), (2,), (1,), (0,), (-1,), (5, 6), (3, 3), (3, 5), (4, 3), (3, 4, 4), (3, 2), (3, 4, 6)],
)
def test_g4_a_gap_a_duplicate_or_a_step_back_is_refused_and_writes_nothing(
    recorder: Recorder, versions: tuple[int, ...]
) -> None:
    recorder.insert(events("s", 1, 2))
    before = rows(recorder)
    with pytest.raises(StaleWriter) as refusal:
        recorder.insert(events("s", *versions))
    assert isinstance(refusal.value, IntegrityError)
    assert refusal.value.data["session_id"] == "s"
    assert isinstance(recorder.insert_many([events("s", *versions)])[0], StaleAppend)
    assert rows(recorder) == before
    assert recorder.last_version("s") == 2
    recorder.insert(events("s", 3))
    assert recorder.last_version("s") == 3


@pytest.mark.parametrize("first", [2, -1, 7])
def test_g4_a_stream_starts_at_one(recorder: Recorder, first: int) -> None:
    with pytest.raises(StaleWriter):
        recorder.insert(events("s", first))
    assert recorder.last_version("s") is None
    assert rows(recorder) == []


def test_g4_in_one_batch_each_submission_succeeds_or_fails_on_its_own(recorder: Recorder) -> None:
    recorder.insert(events("known", 1))
    outcomes = recorder.insert_many(
        [
            events("known", 2),
            events("known", 2, state=b"the loser"),
            events("new", 1, 2),
            events("new", 4),
            events("known", 3),
            events("gap", 1, 3),
            events("gap", 1),
        ]
    )
    assert [isinstance(outcome, StaleAppend) for outcome in outcomes] == [
        False,
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert [list(o) for o in outcomes if not isinstance(o, Exception)] == [[2], [3, 4], [5], [6]]
    assert [(row[1], row[2], row[0]) for row in rows(recorder)] == [
        ("gap", 1, 6),
        ("known", 1, 1),
        ("known", 2, 2),
        ("known", 3, 5),
        ("new", 1, 3),
        ("new", 2, 4),
    ]
    assert b"the loser" not in [row[4] for row in rows(recorder)]


def test_an_empty_submission_is_accepted_and_writes_nothing(recorder: Recorder) -> None:
    assert [list(o) for o in recorder.insert_many([[], []]) if not isinstance(o, Exception)] == [
        [],
        [],
    ]
    assert rows(recorder) == []


SUBMISSIONS = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-1, 6)), max_size=4), max_size=12
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("together", [True, False])
@given(drawn=SUBMISSIONS, steps=st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_g4_random_submissions_leave_what_a_dict_of_versions_says(
    kind: str,
    together: bool,
    drawn: list[list[tuple[str, int]]],
    steps: list[int],
) -> None:
    model: dict[str, int] = {}
    expected: list[tuple[str, int]] = []
    submissions = [[*itertools.chain(*(events(s, v) for s, v in one))] for one in drawn]
    accepted = []
    for one in drawn:
        trial = dict(model)
        good = True
        for session_id, version in one:
            last = trial.get(session_id)
            good = good and (version in (0, 1) if last is None else version == last + 1)
            trial[session_id] = version
        accepted.append(good)
        if good:
            model = trial
            expected += one
    with tempfile.TemporaryDirectory() as folder, recorder_of(kind, Path(folder)) as recorder:
        outcomes: list[Any] = []
        if together:
            waiting = iter(submissions)
            for size in steps:
                outcomes += recorder.insert_many(list(itertools.islice(waiting, size)))
        else:
            outcomes = insert_one_by_one(recorder, submissions)
        assert [not isinstance(outcome, Exception) for outcome in outcomes] == accepted
        found = recorder.page_after(0, 1000)
        assert [(row.session_id, row.version) for row in found] == expected
        assert [row.position for row in found] == list(range(1, len(expected) + 1))
        positions = [p for o in outcomes if not isinstance(o, Exception) for p in o]
        assert positions == list(range(1, len(expected) + 1))
        assert {s: recorder.last_version(s) for s in "ab"} == {s: model.get(s) for s in "ab"}


def test_g4_what_another_connection_wrote_meanwhile_is_met_by_the_fast_path(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        ours, theirs = (
            stack.enter_context(contextlib.closing(SQLiteRecorder(tmp_path / "log.db")))
            for _ in range(2)
        )
        ours.insert_many([events("s", 1), events("other", 1)])
        assert ours._known == {"s": 1, "other": 1}
        assert theirs.insert_many([events("s", 2, state=b"theirs")]) == [range(3, 4)]
        outcomes = ours.insert_many([events("s", 2, state=b"ours"), events("other", 2)])
        assert isinstance(outcomes[0], StaleAppend)
        assert outcomes[0].data["actual_version"] == 2
        assert outcomes[1] == range(4, 5)
        assert [row[4] for row in ours.scan(only=["s"])] == [b"{}", b"theirs"]
        # What followed theirs went the careful way, which learns; then the fast path carries on.
        assert ours._insert_at_once([events("s", 3)]) is None
        assert ours.insert_many([events("s", 3)]) == [range(5, 6)]
        # A version skipped by us is a gap, even where another connection has just filled it.
        assert ours._insert_at_once([events("s", 4)]) == [range(6, 7)]
        theirs.insert_many([events("s", 5)])
        assert isinstance(ours.insert_many([events("s", 7)])[0], StaleAppend)
        assert ours.insert_many([events("s", 6)]) == [range(8, 9)]


def test_g4_the_fast_path_never_carries_what_does_not_follow(tmp_path: Path) -> None:
    with contextlib.closing(SQLiteRecorder(tmp_path / "log.db")) as recorder:
        recorder.insert_many([events("s", 1)])
        for wrong in (events("s", 1), events("s", 3), events("s", 2, 4), events("new", 1)):
            assert recorder._insert_at_once([wrong]) is None
        assert len(rows(recorder)) == 1
        assert recorder._insert_at_once([events("s", 2)]) == [range(2, 3)]
