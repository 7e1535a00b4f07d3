"""Reads: a session by versions, the log by positions, and whole by a scan.

Invariants: each way of reading is compared with the rows that were committed.
"""

import threading
from pathlib import Path

from perdure.store import Store, StoredRow
from perdure.testing.conformance.part import (
    ConformancePart,
    check,
    check_equal,
    keys_of,
    rows,
    whole_log,
)

_LAST = 7
_IDS = ("B", "Z", "_", "a", "é")
"""In the order of their code points, which is not that of a dictionary."""


class ReadConformance(ConformancePart):
    """The ways of reading the rows that were committed."""

    def test_a_session_is_read_by_range_of_versions(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            self.append(store, "s", *range(1, _LAST + 1))
            self.append(store, "t", 1, 2)
            bounds = (None, 0, 1, 3, _LAST, _LAST + 5)
            for after in bounds:
                for upto in bounds:
                    for newest_first in (False, True):
                        for limit in (None, 0, 2, 100):
                            found = store.recorder.select_rows(
                                "s", after=after, upto=upto, newest_first=newest_first, limit=limit
                            )
                            expected = [
                                version
                                for version in range(1, _LAST + 1)
                                if (after is None or version > after)
                                and (upto is None or version <= upto)
                            ]
                            if newest_first:
                                expected.reverse()
                            check_equal(
                                keys_of(found),
                                [("s", version) for version in expected[:limit]],
                                f"after={after} upto={upto} newest_first={newest_first}"
                                f" limit={limit}",
                            )
            check_equal(list(store.recorder.select_rows("none")), [], "the rows of no session")

    def test_a_page_that_is_bounded_in_bytes_is_a_beginning_and_not_empty(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            self.commit(store, rows("s", *range(1, _LAST + 1), state=b"x" * 100))
            for most_bytes in (1, 100, 250, 10_000):
                for page in (
                    store.recorder.select_rows("s", most_bytes=most_bytes),
                    store.recorder.page_after(0, 100, most_bytes=most_bytes),
                ):
                    of = f"the versions of a page of {most_bytes} bytes"
                    check(len(page) >= min(_LAST, (most_bytes + 99) // 100), f"{of}: too few")
                    versions = [row.version for row in page]
                    check_equal(versions, list(range(1, len(page) + 1)), of)

    def test_pages_by_position_follow_each_other_without_a_gap(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            for version in range(1, _LAST + 1):
                self.append(store, "s", version)
                self.append(store, "t", version)
            recorder = store.recorder
            everything = list(recorder.page_after(0, 1000))
            expected = [(name, n) for n in range(1, _LAST + 1) for name in ("s", "t")]
            check_equal(keys_of(everything), expected, "the log")
            check_equal(whole_log(recorder), everything, "the log, read in small pages")
            for place in (0, 4, len(everything) - 1):
                position = everything[place].position
                few = everything[place + 1 : place + 4]
                check_equal(list(recorder.page_after(position, 3)), few, "a page")
                check_equal(list(recorder.rows_after(position, 3)), few, "a few rows")
                places = [(row.position, row.session_id, row.version) for row in few]
                found = [tuple(one) for one in recorder.places_after(position, 3)]
                check_equal(found, places, "the places of a few rows")

    def test_the_newest_version_and_position_are_those_of_the_log(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            recorder = store.recorder
            check_equal(recorder.settled_position(), 0, "the position of an empty log")
            check_equal(recorder.last_version("s"), None, "the version of no session")
            self.append(store, "s", 1, 2)
            positions = self.append(store, "t", 1)
            check_equal(recorder.last_version("s"), 2, "the newest version")
            check_equal(recorder.last_version("t"), 1, "the newest version")
            check_equal(recorder.settled_position(), positions[-1], "the newest position")

    def test_a_scan_yields_every_row_by_session_and_version(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            given = _interleaved(self, store)
            positions = {(row.session_id, row.version): row for row in whole_log(store.recorder)}
            expected = [
                (positions[row.session_id, row.version].position, *_fields(row)) for row in given
            ]
            for indexed in (True, False):
                found = [tuple(row) for row in store.recorder.scan(indexed=indexed)]
                check_equal(found, expected, f"a scan with indexed={indexed}")

    def test_a_scan_is_of_the_sessions_that_were_asked_for(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            _interleaved(self, store)
            for low in (None, "", "Z", "b"):
                for high in (None, "a", "z", "\U0010ffff"):
                    expected = [
                        (name, version)
                        for name in _IDS
                        if (low is None or name >= low) and (high is None or name < high)
                        for version in (1, 2)
                    ]
                    found = [(row[1], row[2]) for row in store.recorder.scan(low, high)]
                    check_equal(found, expected, f"a scan from {low!r} to {high!r}")
            found = [(row[1], row[2]) for row in store.recorder.scan(only=["é", "B", "none"])]
            expected = [("B", 1), ("B", 2), ("é", 1), ("é", 2)]
            check_equal(found, expected, "a scan of some sessions")

    def test_session_ids_are_listed_with_the_number_of_their_events(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            check_equal(store.recorder.session_ids(), [], "the session ids of an empty log")
            _interleaved(self, store)
            self.append(store, "a", 3)
            sizes = [(name, 3 if name == "a" else 2) for name in _IDS]
            check_equal(list(store.recorder.session_ids()), list(_IDS), "the session ids")
            check_equal([tuple(one) for one in store.recorder.sizes()], sizes, "the sizes")

    def test_a_scan_delays_no_commit(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            _interleaved(self, store)
            scan = store.recorder.scan()
            begun = [next(scan)]
            commit = threading.Thread(target=lambda: self.append(store, "later", 1), daemon=True)
            commit.start()
            commit.join(self.patience_seconds)
            delayed = commit.is_alive()
            begun += scan
            commit.join()
            check(not delayed, "a commit waited for a scan to end")
            found = [row[1] for row in begun if row[1] != "later"]
            check_equal(found, [name for name in _IDS for _ in (1, 2)], "the sessions of the scan")


def _interleaved(part: ConformancePart, store: Store) -> list[StoredRow]:
    """Commit two rows of each session, in another order; return them in the order of a scan."""
    for version in (1, 2):
        for name in reversed(_IDS):
            part.append(store, name, version)
    return [row for name in _IDS for row in rows(name, 1, 2)]


def _fields(row: StoredRow) -> tuple[str, int, str, bytes]:
    return row.session_id, row.version, row.topic, row.state
