"""Each test of the suite that every store passes fails for a store that is broken there.

A fault is planted in a store that passes otherwise; the test named beside it must fail, and say so
with the words given.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from perdure import StaleWriter, StoreError
from perdure.store import (
    CatalogRow,
    Lease,
    MemoryStore,
    Outcome,
    Settle,
    Store,
    StoredRow,
    Submission,
    open_store,
)
from perdure.testing import StoreConformance
from tests.store import test_conformance

Plant = Callable[[Any], None]
"""Breaks a store that was just opened."""


class Fault(NamedTuple):
    test: str
    says: str
    plant: Plant
    kind: str = "memory"


class Broken(test_conformance.TestSQLite):
    """A store of a kind, with a fault planted in it whenever it is opened."""

    __test__ = False
    patience_seconds: ClassVar[float] = 0.3

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def open_store(self, folder: Path) -> Store:
        store = super().open_store(folder) if self.fault.kind == "sqlite" else MemoryStore()
        self.fault.plant(store)
        return store


def replacing(part: str, name: str, broken: Callable[..., Any]) -> Plant:
    """Put a function in place of a member; it is given the original first."""

    def plant(store: Any) -> None:
        target = store if part == "store" else getattr(store, part)
        original = getattr(target, name)
        setattr(target, name, lambda *given, **named: broken(original, *given, **named))

    return plant


def recorder(name: str, broken: Callable[..., Any]) -> Plant:
    return replacing("recorder", name, broken)


def all_of(*plants: Plant) -> Plant:
    def plant(store: Any) -> None:
        for one in plants:
            one(store)

    return plant


# Appends


def states_are_text(select: Any, *given: Any, **named: Any) -> list[StoredRow]:
    return [
        StoredRow(
            row.session_id, row.version, row.topic, row.state.decode("utf-8", "replace").encode()
        )
        for row in select(*given, **named)
    ]


def refused_rows_are_written(store: Any) -> None:
    insert_many = store.recorder.insert_many

    def broken(submissions: Sequence[Submission]) -> list[Outcome]:
        outcomes: list[Outcome] = insert_many(submissions)
        for submission, outcome in zip(submissions, outcomes, strict=True):
            if isinstance(outcome, Exception):
                store.recorder._rows.extend(submission)
        return outcomes

    store.recorder.insert_many = broken


def refusals_are_of_the_store(
    insert_many: Any, submissions: Sequence[Submission]
) -> Sequence[Outcome]:
    return [
        StoreError(str(one)) if isinstance(one, StaleWriter) else one
        for one in insert_many(submissions)
    ]


def rows_are_written_one_by_one(
    insert_many: Any, submissions: Sequence[Submission]
) -> Sequence[Outcome]:
    outcomes: list[Outcome] = []
    for submission in submissions:
        found = insert_many([[row] for row in submission])
        refused = [one for one in found if isinstance(one, Exception)]
        outcomes.append(refused[0] if refused else [position for (position,) in found])
    return outcomes


def a_refusal_ends_the_group(
    insert_many: Any, submissions: Sequence[Submission]
) -> Sequence[Outcome]:
    outcomes: list[Outcome] = []
    for submission in submissions:
        refused = next((one for one in outcomes if isinstance(one, Exception)), None)
        outcomes += insert_many([submission]) if refused is None else [refused]
    return outcomes


def everything_is_accepted(store: Any) -> None:
    def insert_many(submissions: Sequence[Submission]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for submission in submissions:
            start = len(store.recorder._rows)
            for place, row in enumerate(submission, start):
                store.recorder._rows.append(row)
                store.recorder._places.setdefault(row.session_id, []).append(place)
            outcomes.append(range(start + 1, start + len(submission) + 1))
        return outcomes

    store.recorder.insert_many = insert_many


def pairs_are_turned_round(store: Any) -> None:
    submit = store.submit
    held: list[tuple[Sequence[Submission], Settle]] = []

    def broken(submissions: Sequence[Submission], settle: Settle) -> None:
        held.append((submissions, settle))
        if len(held) == 2:
            for one in reversed(held):
                submit(*one)
            held.clear()

    store.submit = broken


def outcomes_are_told_twice(submit: Any, submissions: Sequence[Submission], settle: Settle) -> None:
    submit(submissions, settle)
    submit([], lambda _: settle([range(1)] * len(submissions)))


def commits_overtake(store: Any) -> None:
    submit, commit_now = store.submit, store.commit_now
    held: list[tuple[Sequence[Submission], Settle]] = []

    def overtaking(submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        outcomes: Sequence[Outcome] | None = commit_now(submissions)
        while held:
            submit(*held.pop())
        return outcomes

    store.submit = lambda *given: held.append(given)
    store.commit_now = overtaking


def _by_another(row: StoredRow) -> StoredRow:
    return StoredRow(row.session_id, row.version, row.topic, b"another")


def positions_are_turned_round(
    insert_many: Any, submissions: Sequence[Submission]
) -> Sequence[Outcome]:
    return [
        one if isinstance(one, Exception) else list(reversed(one))
        for one in insert_many(submissions)
    ]


APPENDS = [
    Fault(
        "test_a_row_is_read_as_it_was_submitted",
        "the rows of session",
        recorder("select_rows", states_are_text),
    ),
    Fault(
        "test_a_row_that_does_not_follow_is_refused_and_nothing_is_written",
        "the log after the refusals",
        refused_rows_are_written,
    ),
    Fault(
        "test_a_row_that_does_not_follow_is_refused_and_nothing_is_written",
        "is no StaleWriter",
        recorder("insert_many", refusals_are_of_the_store),
    ),
    Fault(
        "test_a_submission_with_one_wrong_row_leaves_none_behind",
        "the log after [('s', 2), ('s', 3), ('s', 5)] was refused",
        recorder("insert_many", rows_are_written_one_by_one),
    ),
    Fault(
        "test_each_submission_of_a_group_has_an_outcome_of_its_own",
        "which submissions were accepted",
        recorder("insert_many", a_refusal_ends_the_group),
    ),
    Fault(
        "test_random_submissions_leave_the_log_that_a_dictionary_of_versions_says",
        "whether it accepted",
        everything_is_accepted,
    ),
    Fault(
        "test_commits_keep_the_order_in_which_they_were_submitted",
        "the refusals of submissions that follow each other",
        pairs_are_turned_round,
    ),
    Fault(
        "test_commits_keep_the_order_in_which_they_were_submitted",
        "an outcome more than once",
        replacing("store", "submit", outcomes_are_told_twice),
    ),
    Fault(
        "test_a_commit_on_the_callers_thread_overtakes_none_that_was_submitted",
        "the refusals at version 1",
        commits_overtake,
    ),
    Fault(
        "test_one_of_several_writers_wins_each_version",
        "the versions that were won",
        everything_is_accepted,
    ),
    Fault(
        "test_one_of_several_writers_wins_each_version",
        "the rows, by the winners of their versions",
        recorder("select_rows", lambda select, name: [_by_another(row) for row in select(name)]),
    ),
    Fault(
        "test_an_outcome_is_the_positions_of_the_rows",
        "the log by position",
        recorder("insert_many", positions_are_turned_round),
    ),
]

# Reads


def upto_is_left_out(select: Any, session_id: str, **named: Any) -> Any:
    if named.get("upto"):
        named["upto"] -= 1
    return select(session_id, **named)


def rows_over_the_bound_are_left_out(page: Any, *given: Any, **named: Any) -> Any:
    return [row for row in page(*given) if len(row.state) <= named.get("most_bytes", 10**9)]


def one_too_many(read: Any, position: int, limit: int, **named: Any) -> Any:
    return read(position, limit + 1, **named)


def out_of_order(scan: Any, *given: Any, **named: Any) -> Iterator[Any]:
    return iter(sorted(scan(*given, **named)))


def without_an_end(scan: Any, low: Any = None, _high: Any = None, **named: Any) -> Iterator[Any]:
    return iter(list(scan(low, None, **named)))


def scans_hold_the_lock(store: Any) -> None:
    scan = store.recorder.scan

    def broken(*given: Any, **named: Any) -> Iterator[Any]:
        with store.recorder._write_lock:
            yield from scan(*given, **named)

    store.recorder.scan = broken


READS = [
    Fault(
        "test_a_session_is_read_by_range_of_versions",
        "upto=",
        recorder("select_rows", upto_is_left_out),
    ),
    Fault(
        "test_a_page_that_is_bounded_in_bytes_is_a_beginning_and_not_empty",
        "the versions of a page of 1 bytes: too few",
        recorder("page_after", rows_over_the_bound_are_left_out),
    ),
    *(
        Fault(
            "test_pages_by_position_follow_each_other_without_a_gap",
            says,
            recorder(name, one_too_many),
        )
        for name, says in (
            ("page_after", "a page"),
            ("rows_after", "a few rows"),
            ("places_after", "the places of a few rows"),
        )
    ),
    Fault(
        "test_pages_by_position_follow_each_other_without_a_gap",
        "begins at or before it",
        recorder("page_after", lambda read, position, limit: read(max(position - 1, 0), limit)),
    ),
    Fault(
        "test_the_newest_version_and_position_are_those_of_the_log",
        "the newest position",
        recorder("settled_position", lambda settled: max(settled() - 1, 0)),
    ),
    Fault(
        "test_the_newest_version_and_position_are_those_of_the_log",
        "the version of no session",
        recorder("last_version", lambda last, session_id: last(session_id) or 0),
    ),
    Fault(
        "test_a_scan_yields_every_row_by_session_and_version",
        "a scan with indexed=True",
        recorder("scan", out_of_order),
    ),
    Fault(
        "test_a_scan_is_of_the_sessions_that_were_asked_for",
        "a scan from None to 'a'",
        recorder("scan", without_an_end),
    ),
    Fault(
        "test_session_ids_are_listed_with_the_number_of_their_events",
        "the session ids",
        recorder("session_ids", lambda ids: ids()[::-1]),
    ),
    Fault(
        "test_session_ids_are_listed_with_the_number_of_their_events",
        "the sizes",
        recorder("sizes", lambda sizes: [(name, 2) for name, _ in sizes()]),
    ),
    Fault(
        "test_a_scan_delays_no_commit",
        "a commit waited for a scan to end",
        scans_hold_the_lock,
    ),
]

# Positions


def a_row_is_seen_late(read: Any, position: int, limit: int, **named: Any) -> Any:
    """Show the row behind a position later than the next, as where positions precede commits."""
    found = list(read(position, limit, **named))
    return found[1:] if position == 3 and len(found) > 1 else [] if position == 3 else found


POSITIONS = [
    Fault(
        "test_positions_are_whole_numbers_that_rise",
        "the positions in the order of commits",
        recorder(
            "insert_many",
            lambda insert, submissions: [[1000 - p for p in one] for one in insert(submissions)],
        ),
    ),
    Fault(
        "test_positions_are_whole_numbers_that_rise",
        "the positions are",
        recorder(
            "insert_many",
            lambda insert, submissions: [[p / 2 for p in one] for one in insert(submissions)],
        ),
    ),
    *(
        Fault(
            "test_no_row_appears_below_a_position_that_was_read",
            says,
            recorder(name, a_row_is_seen_late),
        )
        for name, says in (
            ("rows_after", "the rows that were read as they came, a few at a time"),
            ("places_after", "the places that were read as they came"),
        )
    ),
    Fault(
        "test_a_reader_misses_nothing_while_several_threads_write",
        "once it was settled",
        recorder("settled_position", lambda settled: settled() + 5),
    ),
]

# Delivery


def listeners_are_not_spared(store: Any) -> None:
    def notify() -> None:
        for listener in tuple(store.recorder._listeners):
            listener.set()

    store.recorder._notify = notify


DELIVERY = [
    Fault(
        "test_a_listener_is_set_after_every_commit",
        "a listener was not set",
        recorder("_notify", lambda _: None),
    ),
    Fault(
        "test_a_subscriber_that_catches_up_and_then_listens_reads_every_row_once",
        "the versions in the order of delivery",
        recorder("rows_after", lambda read, position, limit: read(max(position - 1, 0), limit)),
    ),
    Fault(
        "test_a_listener_that_was_taken_away_hears_nothing",
        "a listener that was taken away was set",
        recorder("unlisten", lambda *_: None),
    ),
    Fault(
        "test_an_error_of_a_listener_reaches_no_commit_and_no_other_listener",
        "a listener failed",
        listeners_are_not_spared,
    ),
    Fault(
        "test_closing_sets_every_listener_a_last_time",
        "a listener was not set",
        recorder("close", lambda _: None),
    ),
]

# Leases

FOR_EVER = {"forget_seconds": 1e9}
AT_ONCE = {"forget_seconds": 0.0}


def never_expired(find: Any, epoch: str, **named: Any) -> Lease | None:
    found = find(epoch, **named)
    return None if found is None else Lease(found.holder, expired=False)


def the_first_stays(put: Any, epoch: str, holder: str, **named: Any) -> None:
    if holder != "second":
        put(epoch, holder, **named)


LEASES = [
    Fault(
        "test_a_lease_is_found_until_it_expires",
        "a lease at its last moment",
        replacing("leases", "find", never_expired),
    ),
    Fault(
        "test_a_renewed_lease_takes_the_place_of_the_last",
        "the renewed lease",
        replacing("leases", "put", the_first_stays),
    ),
    Fault(
        "test_only_leases_that_expired_long_ago_are_forgotten",
        "a lease expired long ago",
        replacing("leases", "put", lambda put, *given, **named: put(*given, **named | FOR_EVER)),
    ),
    Fault(
        "test_only_leases_that_expired_long_ago_are_forgotten",
        "a lease that expired just now",
        replacing("leases", "put", lambda put, *given, **named: put(*given, **named | AT_ONCE)),
    ),
    Fault(
        "test_a_lease_that_was_given_up_is_gone",
        "the lease that was dropped",
        replacing("leases", "drop", lambda *_: None),
    ),
    Fault(
        "test_the_log_keeps_out_an_owner_that_is_late",
        "a late commit is no StaleWriter",
        everything_is_accepted,
    ),
]

# Derived data


def the_last_snapshot_wins(store: Any) -> None:
    derived = store.derived
    derived.put_snapshot = lambda name, *kept: derived._snapshots.__setitem__(name, kept)


def beyond_the_log_is_not_known(store: Any) -> None:
    store.derived._last_version = lambda _: None


def late_rows_are_written(store: Any) -> None:
    put = store.derived.put_catalog

    def broken(_expected: int, position: int, rows: Sequence[CatalogRow]) -> bool:
        found: bool = put(store.derived.catalog_position(), position, rows)
        return found

    store.derived.put_catalog = broken


def rows_stay_behind(store: Any) -> None:
    put = store.derived.put_catalog

    def broken(expected: int, position: int, rows: Sequence[CatalogRow]) -> bool:
        if put(expected, position, rows):
            return True
        store.derived._catalog.update((row.session_id, row) for row in rows)
        return False

    store.derived.put_catalog = broken


def labels_stay(store: Any) -> None:
    put = store.derived.put_catalog

    def broken(expected: int, position: int, rows: Sequence[CatalogRow]) -> bool:
        kept = [row._replace(labels={**row.gone, "tier": "1"}) for row in rows]
        found: bool = put(expected, position, kept)
        return found

    store.derived.put_catalog = broken


def the_position_stays(store: Any) -> None:
    clear = store.derived.clear

    def broken() -> None:
        position = store.derived.catalog_position()
        clear()
        store.derived._position = position

    store.derived.clear = broken


def the_log_goes_too(store: Any) -> None:
    clear = store.derived.clear

    def broken() -> None:
        clear()
        store.recorder._rows.clear()
        store.recorder._places.clear()

    store.derived.clear = broken


SELECTION = "test_the_catalog_is_selected_by_phase_labels_and_position"

DERIVED = [
    Fault(
        "test_a_snapshot_is_kept_unless_there_is_a_later_one",
        "the snapshot after version 4",
        the_last_snapshot_wins,
    ),
    Fault(
        "test_a_snapshot_that_the_log_cannot_have_led_to_is_replaced",
        "the snapshot",
        beyond_the_log_is_not_known,
    ),
    Fault(
        "test_the_catalog_is_only_written_from_the_position_that_it_is_at",
        "a late writer's rows were written",
        late_rows_are_written,
    ),
    Fault(
        "test_the_catalog_is_only_written_from_the_position_that_it_is_at",
        "the entry",
        rows_stay_behind,
    ),
    *(
        Fault(SELECTION, "phase=", replacing("derived", "select_catalog", broken))
        for broken in (
            lambda select, _phase, labels, after, limit: select(None, labels, after, limit),
            lambda select, phase, _labels, after, limit: select(phase, {}, after, limit),
            lambda select, phase, labels, _after, limit: select(phase, labels, 0, limit),
            lambda select, phase, labels, after, _limit: select(phase, labels, after, -1),
            lambda select, *given: select(*given)[::-1],
        )
    ),
    Fault(
        "test_a_session_that_changes_in_the_catalog_keeps_no_label_that_it_lost",
        "labels={'team': 'x'}",
        labels_stay,
    ),
    Fault(
        "test_clearing_deletes_all_derived_data_and_nothing_of_the_log",
        "the position",
        the_position_stays,
    ),
    Fault(
        "test_clearing_deletes_all_derived_data_and_nothing_of_the_log",
        "the log",
        the_log_goes_too,
    ),
]

# Closing


def what_is_queued_is_lost(store: Any) -> None:
    store.submit = lambda *_: None


def closing_again_fails(store: Any) -> None:
    close = store.close

    def broken() -> None:
        if store._closed:
            raise RuntimeError("it was closed already")
        close()

    store.close = broken


CLOSING = [
    Fault(
        "test_closing_settles_every_submission_that_was_accepted",
        "the outcomes when the store was closed",
        what_is_queued_is_lost,
    ),
    Fault(
        "test_a_closed_store_commits_nothing",
        "submit after close",
        replacing("store", "close", lambda _: None),
    ),
    Fault(
        "test_a_closed_store_commits_nothing",
        "commit_now after close",
        lambda store: setattr(store, "commit_now", store.recorder.insert_many),
    ),
    Fault(
        "test_a_closed_store_commits_nothing",
        "whether insert_many refused each as closed",
        recorder("close", lambda _: None),
    ),
    Fault(
        "test_a_closed_store_is_not_read",
        "last_version after close",
        recorder("_check_open", lambda _: None),
    ),
    Fault("test_closing_again_is_safe", "it was closed already", closing_again_fails),
]

# Persistence


def nothing_is_persistent(store: Any) -> None:
    store.persistent = True


def other_processes_are_not_noticed(store: Any) -> None:
    store.recorder._watcher._data_version = lambda: 0


def elsewhere_it_is_written(store: Any) -> None:
    reopening = store.reopening().args
    store.reopening = lambda: Writable(str(reopening[1]))


def only_here_it_is_reopened(store: Any) -> None:
    reopened = store.reopening()

    def nested() -> Any:
        return reopened()

    store.reopening = lambda: nested


class Writable(NamedTuple):
    path: str

    def __call__(self) -> Store:
        return open_store(f"sqlite:///{self.path}")


def altered_rows_are_left_out(select: Any, *given: Any, **named: Any) -> Any:
    return [row for row in select(*given, **named) if row.state.startswith(b"{")]


def damage_is_hidden(store: Any) -> None:
    for name, nothing in (
        ("integrity_problems", list),
        ("select_rows", lambda _: []),
        ("last_version", lambda _: None),
        ("scan", lambda: iter(())),
    ):
        setattr(store.recorder, name, nothing)


def damage_is_an_error_of_sqlite(store: Any) -> None:
    def raising(_session_id: str) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    store.recorder.last_version = raising


PERSISTENCE = [
    Fault("test_a_log_is_whole_when_it_is_opened_again", "the log", nothing_is_persistent),
    Fault(
        "test_a_commit_is_in_the_log_once_its_outcome_is_known",
        "the newest version: found None, expected 1",
        nothing_is_persistent,
    ),
    Fault(
        "test_stores_on_one_log_refuse_what_does_not_follow_each_others_commits",
        "rows that follow were refused",
        nothing_is_persistent,
    ),
    Fault(
        "test_a_listener_hears_of_another_stores_commit",
        "a listener did not hear of a commit",
        other_processes_are_not_noticed,
        "sqlite",
    ),
    Fault(
        "test_a_store_that_is_opened_elsewhere_reads_the_log_and_never_writes",
        "the store opened elsewhere is not read-only",
        elsewhere_it_is_written,
        "sqlite",
    ),
    Fault(
        "test_a_store_that_is_opened_elsewhere_reads_the_log_and_never_writes",
        "pickle",
        only_here_it_is_reopened,
        "sqlite",
    ),
    Fault(
        "test_an_altered_row_is_read_as_it_is_and_harms_no_other",
        "the states of the session",
        recorder("select_rows", altered_rows_are_left_out),
        "sqlite",
    ),
    Fault(
        "test_damaged_storage_is_an_error_of_the_store_and_never_another",
        "neither an error nor",
        damage_is_hidden,
        "sqlite",
    ),
    Fault(
        "test_damaged_storage_is_an_error_of_the_store_and_never_another",
        "malformed",
        damage_is_an_error_of_sqlite,
        "sqlite",
    ),
]

# An engine

ENGINES = [
    Fault(
        "test_an_engine_lives_on_the_store",
        "the sessions with a label",
        replacing("derived", "select_catalog", lambda *_: []),
    ),
]

FAULTS = [
    *APPENDS,
    *READS,
    *POSITIONS,
    *DELIVERY,
    *LEASES,
    *DERIVED,
    *CLOSING,
    *PERSISTENCE,
    *ENGINES,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.test.removeprefix("test_"))
def test_a_broken_store_fails_the_test_of_its_fault(fault: Fault, tmp_path: Path) -> None:
    with pytest.raises(Exception) as failure:  # noqa: PT011 - the words say which
        getattr(Broken(fault), fault.test)(tmp_path)
    assert fault.says in str(failure.value)


def test_every_test_of_the_suite_has_a_fault_that_it_finds() -> None:
    tests = {name for name in dir(StoreConformance) if name.startswith("test_")}
    assert tests == {fault.test for fault in FAULTS}
    assert len(tests) == 48


def test_a_store_that_can_be_open_only_once_must_refuse_a_second_time(tmp_path: Path) -> None:
    suite = test_conformance.TestSQLite()
    suite.shared = False  # type: ignore[misc]
    with pytest.raises(AssertionError, match="opening a log that is open"):
        suite.test_a_commit_is_in_the_log_once_its_outcome_is_known(tmp_path)


@pytest.mark.parametrize("hook", ["open_store", "alter_state", "damage_storage"])
def test_a_hook_that_is_missing_is_named(hook: str, tmp_path: Path) -> None:
    class Bare(StoreConformance):
        pass

    with pytest.raises(NotImplementedError, match=hook):
        getattr(Bare(), hook)(*[tmp_path, "s", 1, b""][: 4 if hook == "alter_state" else 1])
