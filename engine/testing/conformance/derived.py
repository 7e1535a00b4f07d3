"""Derived data: snapshots, and the catalog with its position.

Invariants: derived data is written for sessions that the log has, as the engine does it.
"""

from pathlib import Path

from perdure.store import CatalogRow, Derived
from perdure.testing.conformance.part import ConformancePart, check, check_equal, whole_log

_HIDDEN_LABEL = "\0of-a-group"
"""A label that users cannot give, as the catalog uses for groups."""


class DerivedConformance(ConformancePart):
    """The derived data that a store keeps."""

    def test_a_snapshot_is_kept_unless_there_is_a_later_one(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            derived = store.derived
            self.append(store, "s", *range(1, 10))
            self.append(store, "a", 1, 2, 3)
            check_equal(derived.snapshot("s"), None, "the snapshot of a session that has none")
            for version, state, kept in (
                (3, b"\x00three", (3, b"\x00three")),
                (5, b"five", (5, b"five")),
                (4, b"four", (5, b"five")),
                (5, b"five again", (5, b"five again")),
                (9, b"nine", (9, b"nine")),
            ):
                derived.put_snapshot("s", version, state)
                found = derived.snapshot("s")
                check_equal(found and tuple(found), kept, f"the snapshot after version {version}")
            derived.put_snapshot("a", 3, b"")
            check_equal(list(derived.snapshot_ids()), ["a", "s"], "the sessions with a snapshot")

    def test_a_snapshot_that_the_log_cannot_have_led_to_is_replaced(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            self.append(store, "s", 1, 2)
            store.derived.put_snapshot("s", 9, b"of another log")
            store.derived.put_snapshot("s", 2, b"two")
            found = store.derived.snapshot("s")
            check_equal(found and tuple(found), (2, b"two"), "the snapshot")

    def test_the_catalog_is_only_written_from_the_position_that_it_is_at(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            derived = store.derived
            first, second = self.append(store, "s", 1) + self.append(store, "t", 1)
            check_equal(derived.catalog_position(), 0, "the position before the first")
            ours = CatalogRow("s", first, "idle", {"a": "1"}, b"ours")
            theirs = CatalogRow("s", first, "idle", {"a": "2"}, b"theirs")
            check(derived.put_catalog(0, first, [ours]), "the first rows were not written")
            check(not derived.put_catalog(0, second, [theirs]), "a late writer's rows were written")
            check_equal(derived.catalog_position(), first, "the position")
            check_equal(_entries(derived, "s"), {"s": (first, b"ours")}, "the entry")
            check_equal(derived.select_catalog(None, {"a": "2"}, 0, -1), [], "the late labels")
            rest = CatalogRow("t", second, "idle", {}, b"other")
            check(derived.put_catalog(first, second, [rest]), "the next rows were not written")
            check_equal(derived.catalog_position(), second, "the position")
            expected = {"s": (first, b"ours"), "t": (second, b"other")}
            check_equal(_entries(derived, "s", "none", "t"), expected, "the entries")

    def test_the_catalog_is_selected_by_phase_labels_and_position(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            derived = store.derived
            names = ["d", "a", "c", "b"]
            places = [position for name in names for position in self.append(store, name, 1)]
            phases = ["idle", "idle", "archived", "idle"]
            labels = [
                {"team": "x", "tier": "1"},
                {"team": "x"},
                {"team": "x", "tier": "1", _HIDDEN_LABEL: ""},
                {"tier": "1", "é%": "'"},
            ]
            written = [
                CatalogRow(name, position, phase, labelled, name.encode())
                for name, position, phase, labelled in zip(
                    names, places, phases, labels, strict=True
                )
            ]
            derived.put_catalog(0, places[-1], list(reversed(written)))
            for phase in (None, "idle", "archived", "none"):
                for wanted in (
                    {},
                    {"team": "x"},
                    {"team": "x", "tier": "1"},
                    {"tier": "2"},
                    {"é%": "'"},
                    {_HIDDEN_LABEL: ""},
                ):
                    for after in (0, places[0], places[-1]):
                        for limit in (-1, 0, 1, 10):
                            matching = [
                                row.entry
                                for row in written
                                if phase in (None, row.phase)
                                and wanted.items() <= dict(row.labels).items()
                                and row.position > after
                            ]
                            expected = matching if limit < 0 else matching[:limit]
                            check_equal(
                                list(derived.select_catalog(phase, wanted, after, limit)),
                                expected,
                                f"phase={phase} labels={wanted} after={after} limit={limit}",
                            )

    def test_a_session_that_changes_in_the_catalog_keeps_no_label_that_it_lost(
        self, tmp_path: Path
    ) -> None:
        with self.opened(tmp_path) as store:
            derived = store.derived
            first, second = self.append(store, "s", 1, 2)
            before, after = {"team": "x", "tier": "1"}, {"team": "y", "tier": "1"}
            derived.put_catalog(0, first, [CatalogRow("s", first, "idle", before, b"before")])
            changed = CatalogRow("s", first, "retired", after, b"after", gone={"team": "x"})
            derived.put_catalog(first, second, [changed])
            for phase, wanted, expected in (
                ("idle", {}, []),
                ("retired", {}, [b"after"]),
                (None, {"team": "x"}, []),
                (None, after, [b"after"]),
            ):
                found = list(derived.select_catalog(phase, wanted, 0, -1))
                check_equal(found, expected, f"phase={phase} labels={wanted}")

    def test_clearing_deletes_all_derived_data_and_nothing_of_the_log(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            derived = store.derived
            (position,) = self.append(store, "s", 1)
            log = whole_log(store.recorder)
            row = CatalogRow("s", position, "idle", {"a": "1"}, b"entry")
            for _ in range(2):  # a catalog that was cleared is begun again
                derived.put_snapshot("s", 1, b"snapshot")
                check(derived.put_catalog(0, position, [row]), "the catalog was not written")
                derived.clear()
                check_equal(derived.snapshot("s"), None, "the snapshot")
                check_equal(list(derived.snapshot_ids()), [], "the sessions with a snapshot")
                check_equal(derived.catalog_position(), 0, "the position")
                check_equal(_entries(derived, "s"), {}, "the entries")
                check_equal(list(derived.select_catalog(None, {}, 0, -1)), [], "the selection")
                found = list(derived.select_catalog(None, {"a": "1"}, 0, -1))
                check_equal(found, [], "the selection by label")
            check_equal(whole_log(store.recorder), log, "the log")


def _entries(derived: Derived, *session_ids: str) -> dict[str, tuple[int, bytes]]:
    found = derived.catalog_entries(session_ids)
    return {name: (position, entry) for name, (position, entry) in found.items()}
