"""Positions: a reader who remembers the last one misses nothing.

Invariants: a position need not follow the one before it, but none appears below one that was
already read or settled.
"""

import threading
from pathlib import Path

from perdure.store import PositionedRow, Store
from perdure.testing.conformance.part import (
    PAGE,
    ConformancePart,
    check,
    check_equal,
    keys_of,
    whole_log,
)

_WRITERS = 4
_COMMITS = 20


class PositionConformance(ConformancePart):
    """The order in which rows appear to readers of the whole log."""

    def test_positions_are_whole_numbers_that_rise(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            told = [
                position
                for version in range(1, 11)
                for name in ("s", "t")
                for position in self.append(store, name, version)
            ]
            check(all(type(one) is int and one >= 1 for one in told), f"the positions are {told}")
            check_equal(told, sorted(set(told)), "the positions in the order of commits")

    def test_no_row_appears_below_a_position_that_was_read(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            recorder = store.recorder
            by_page, by_rows = list[PositionedRow](), list[PositionedRow]()
            by_place: list[tuple[int, str, int]] = []
            for version in range(1, 11):
                self.append(store, "s", version)
                by_page += recorder.page_after(by_page[-1].position if by_page else 0, PAGE)
                by_rows += recorder.rows_after(by_rows[-1].position if by_rows else 0, PAGE)
                by_place += recorder.places_after(by_place[-1][0] if by_place else 0, PAGE)
            log = whole_log(recorder)
            check_equal(by_page, log, "the rows that were read as they came, a page at a time")
            check_equal(by_rows, log, "the rows that were read as they came, a few at a time")
            places = [(row.position, row.session_id, row.version) for row in log]
            check_equal(
                list(map(tuple, by_place)), places, "the places that were read as they came"
            )

    def test_a_reader_misses_nothing_while_several_threads_write(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            threads = [
                threading.Thread(target=_write, args=(self, tmp_path, store, n), daemon=True)
                for n in range(_WRITERS)
            ]
            found: list[PositionedRow] = []
            settled = [(store.recorder.settled_position(), 0)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                position = store.recorder.settled_position()
                found += _read_on(store, found)
                below = sum(row.position <= position for row in found)
                settled.append((position, below))
            found += _read_on(store, found)
            log = whole_log(store.recorder)
            check_equal(len(log), _WRITERS * _COMMITS * 2, "the number of rows")
            check_equal(keys_of(found), keys_of(log), "the rows that were read as they came")
            for position, below in settled:
                later = sum(row.position <= position for row in log)
                check_equal(below, later, f"the rows up to position {position} once it was settled")


def _write(part: ConformancePart, folder: Path, store: Store, number: int) -> None:
    """Commit to a session of this writer's own, through a store of its own where that can be."""
    with part.another(folder, store) as own:
        for version in range(1, 2 * _COMMITS, 2):
            part.append(own, f"session-{number}", version, version + 1)


def _read_on(store: Store, found: list[PositionedRow]) -> list[PositionedRow]:
    """Return the rows after the last one that was found."""
    last = found[-1].position if found else 0
    more: list[PositionedRow] = []
    while page := store.recorder.page_after(last, PAGE):
        more += page
        last = page[-1].position
    return more
