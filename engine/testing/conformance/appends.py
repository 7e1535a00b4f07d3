"""Appends: dense versions, refusals that write nothing, submissions whole or not at all.

Invariants: each refusal is checked with the log as it was before and as it is after.
"""

import queue
import random
import threading
from collections.abc import Sequence
from pathlib import Path

from perdure.errors import StaleWriter
from perdure.store import Outcome, Store, StoredRow
from perdure.testing.conformance.part import (
    ConformancePart,
    accepted,
    check,
    check_equal,
    keys_of,
    positions_in,
    rows,
    whole_log,
)

_IDS = ("s", " ", "ü漢", "a/b%_'\"?#", "x" * 255)
_WRITERS = 4
_RACES = 20
_STATES = (b"{}", b'{"a":1,"b":"\xc3\xbc"}', bytes(range(256)), b"x" * 1_000_000)


class AppendConformance(ConformancePart):
    """The submissions that a store accepts, and those that it refuses without writing anything."""

    def test_a_row_is_read_as_it_was_submitted(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            given = {
                name: [
                    StoredRow(name, version, f"tag-{version}", state)
                    for version, state in enumerate(_STATES, 1)
                ]
                for name in _IDS
            }
            for submission in given.values():
                (outcome,) = self.commit(store, submission)
                check(accepted(outcome), f"rows that follow were refused with {outcome!r}")
            for name, submission in given.items():
                found = list(store.recorder.select_rows(name))
                check_equal(found, submission, f"the rows of session {name!r}")

    def test_a_row_that_does_not_follow_is_refused_and_nothing_is_written(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            self.append(store, "s", 1, 2)
            before = whole_log(store.recorder)
            for name, version, newest in (
                ("s", 1, 2),
                ("s", 2, 2),
                ("s", 4, 2),
                ("s", 0, 2),
                ("s", -1, 2),
                ("new", 2, 0),
                ("new", 7, 0),
                ("new", -1, 0),
            ):
                (outcome,) = self.commit(store, rows(name, version, state=b"wrong"))
                of = f"version {version} after version {newest}"
                check(isinstance(outcome, StaleWriter), f"{of} is no StaleWriter: {outcome!r}")
                data = outcome.data if isinstance(outcome, StaleWriter) else {}
                expected = {
                    "session_id": name,
                    "expected_version": version - 1,
                    "actual_version": newest,
                }
                check_equal(data, expected, f"the data of the refusal of {of}")
            check_equal(whole_log(store.recorder), before, "the log after the refusals")
            check_equal(store.recorder.last_version("s"), 2, "the newest version")
            check_equal(store.recorder.last_version("new"), None, "the version of no session")

    def test_a_submission_with_one_wrong_row_leaves_none_behind(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            self.append(store, "s", 1)
            before = whole_log(store.recorder)
            for submission in (
                rows("s", 2, 3, 5),
                rows("s", 2, 2),
                rows("new", 1, 2, 4),
                [*rows("s", 2), *rows("new", 2)],
                [*rows("new", 1), *rows("s", 1)],
            ):
                (outcome,) = self.commit(store, submission)
                of = str(keys_of(submission))
                check(isinstance(outcome, StaleWriter), f"{of} is no StaleWriter: {outcome!r}")
                check_equal(whole_log(store.recorder), before, f"the log after {of} was refused")

    def test_each_submission_of_a_group_has_an_outcome_of_its_own(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            group = [
                rows("s", 1),
                rows("s", 3),
                rows("s", 2),
                [*rows("t", 1, 2), *rows("s", 3)],
                rows("s", 3),
                rows("t", 3),
            ]
            outcomes = self.commit(store, *group)
            check_equal(
                [accepted(outcome) for outcome in outcomes],
                [True, False, True, True, False, True],
                "which submissions were accepted",
            )
            check_equal(
                keys_of(whole_log(store.recorder)),
                [("s", 1), ("s", 2), ("t", 1), ("t", 2), ("s", 3), ("t", 3)],
                "the log",
            )

    def test_random_submissions_leave_the_log_that_a_dictionary_of_versions_says(
        self, tmp_path: Path
    ) -> None:
        chance = random.Random(20261129)  # noqa: S311 - the same submissions each time
        with self.opened(tmp_path) as store:
            newest: dict[str, int] = {}
            expected: list[tuple[str, int]] = []
            for _ in range(40):
                group = [_drawn(chance, newest) for _ in range(chance.randint(1, 4))]
                outcomes = self.commit(store, *group)
                for submission, outcome in zip(group, outcomes, strict=True):
                    after = _followed(newest, submission)
                    of = f"{keys_of(submission)} after {newest}"
                    check_equal(accepted(outcome), after is not None, f"whether it accepted {of}")
                    if after is not None:
                        newest = after
                        expected += keys_of(submission)
            check_equal(keys_of(whole_log(store.recorder)), expected, "the log")
            found = {name: store.recorder.last_version(name) for name in newest}
            check_equal(found, newest, "the newest versions")

    def test_commits_keep_the_order_in_which_they_were_submitted(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            told: queue.SimpleQueue[Sequence[Outcome]] = queue.SimpleQueue()
            count = 100
            for version in range(1, count + 1):
                store.submit([rows("s", version)], told.put)
            outcomes = [outcome for _ in range(count) for outcome in self.told(told)]
            refused = [outcome for outcome in outcomes if not accepted(outcome)]
            check_equal(refused, [], "the refusals of submissions that follow each other")
            check(told.empty(), "a submission was given an outcome more than once")

    def test_a_commit_on_the_callers_thread_overtakes_none_that_was_submitted(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            told: queue.SimpleQueue[Sequence[Outcome]] = queue.SimpleQueue()
            for version in range(1, 100, 2):
                store.submit([rows("s", version)], told.put)
                outcomes = store.commit_now([rows("s", version + 1)])
                if outcomes is None:
                    store.submit([rows("s", version + 1)], told.put)
                    outcomes = self.told(told) + self.told(told)
                else:
                    outcomes = self.told(told) + list(outcomes)
                refused = [outcome for outcome in outcomes if not accepted(outcome)]
                check_equal(refused, [], f"the refusals at version {version}")
            check_equal(store.recorder.last_version("s"), 100, "the newest version")

    def test_one_of_several_writers_wins_each_version(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            won: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
            threads = [
                threading.Thread(target=_race, args=(self, tmp_path, store, b"%d" % n, won))
                for n in range(_WRITERS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            winners = sorted(won.get_nowait() for _ in range(won.qsize()))
            versions = [version for version, _ in winners]
            check_equal(versions, list(range(1, _RACES + 1)), "the versions that were won")
            found = [(row.version, row.state) for row in store.recorder.select_rows("s")]
            check_equal(found, winners, "the rows, by the winners of their versions")

    def test_an_outcome_is_the_positions_of_the_rows(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            told = [
                *zip(rows("s", 1, 2), self.append(store, "s", 1, 2), strict=True),
                *zip(rows("t", 1), self.append(store, "t", 1), strict=True),
            ]
            group = [rows("s", 3), [*rows("t", 2), *rows("s", 4)]]
            for submission, outcome in zip(group, self.commit(store, *group), strict=True):
                told += zip(submission, positions_in(outcome), strict=True)
            found = [
                (row.session_id, row.version, row.position) for row in whole_log(store.recorder)
            ]
            expected = [(row.session_id, row.version, position) for row, position in told]
            check_equal(found, expected, "the log by position")


def _race(
    part: ConformancePart,
    folder: Path,
    store: Store,
    name: bytes,
    won: "queue.SimpleQueue[tuple[int, bytes]]",
) -> None:
    """Try to commit every version, and note the ones that were accepted."""
    with part.another(folder, store) as own:
        for version in range(1, _RACES + 1):
            (outcome,) = part.commit(own, rows("s", version, state=name))
            if accepted(outcome):
                won.put((version, name))


def _drawn(chance: random.Random, newest: dict[str, int]) -> list[StoredRow]:
    """Return a submission that often follows the log, and often does not."""
    drawn: list[StoredRow] = []
    after = dict(newest)
    for _ in range(chance.randint(1, 3)):
        name = chance.choice("ab")
        after[name] = after.get(name, 0) + chance.choice((1, 1, 1, 1, 0, 2, -1))
        drawn += rows(name, after[name])
    return drawn


def _followed(newest: dict[str, int], submission: Sequence[StoredRow]) -> dict[str, int] | None:
    """Return the newest versions after a submission, None where it does not follow them."""
    after = dict(newest)
    for row in submission:
        last = after.get(row.session_id)
        if row.version not in ((0, 1) if last is None else (last + 1,)):
            return None
        after[row.session_id] = row.version
    return after
