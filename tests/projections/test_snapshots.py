"""G6: snapshots and all other derived data are functions of the log, and only ever a shortcut."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perdure.aggregates import InputsDropped
from perdure.errors import LogCorrupt
from perdure.projections import audit_store, catch_up, rebuild
from perdure.projections import rows as reading
from perdure.projections.snapshots import Kept, Snapshot, load, nothing_folded
from perdure.projections.snapshots import catch_up as fold_on
from perdure.store import Mapper, Store, links, open_store
from perdure.sync import Engine
from perdure.testing import scripted_environment
from tests.support.alterations import attacker

LONG = "long"
DERIVED = ("snapshots", "catalog", "catalog_labels", "tracking")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with a session of a few MB, in which snapshots fell due by growth."""
    path = tmp_path_factory.mktemp("long") / "log.db"
    with Engine.open(f"sqlite:///{path}", environment=scripted_environment()) as engine:
        engine.register(LONG, labels={"team": "ü", "tier": "1"}, metadata={"a": [1, 2]})
        engine.register("short", labels={"team": "ü"})
        engine.register("archived")
        for n in range(300):
            engine.record_turn(LONG, [user(f"{n} " + "é" * 4000)], run_id=f"run-{n}")
            if n % 50 == 0:
                engine.stage_context(LONG, f"stage {n}", idempotency_key=f"k-{n}")
                engine.record_turn("short", [user("hi")], run_id=f"short-{n}")
        engine.checkpoint("short")
        engine.archive("archived")
        engine.list()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, written: bytes) -> Path:
    path = tmp_path / "log.db"
    path.write_bytes(written)
    return path


def derived_rows(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in DERIVED
        }


def opened(path: Path) -> Store:
    return open_store(f"sqlite:///{path}")


def states(path: Path) -> dict[str, Any]:
    with Engine.open(f"sqlite:///{path}") as engine:
        views = {view.id: view for view in engine.list()}
        return {
            name: (engine.read(name), engine.head(name), views[name])
            for name in (LONG, "short", "archived")
        }


def test_g6_a_snapshot_fell_due_by_growth_alone(path: Path) -> None:
    kept = {name: version for name, version, _ in derived_rows(path)["snapshots"]}
    assert set(kept) == {LONG, "short"}
    assert 100 < kept[LONG] < 300


def test_g6_deleted_derived_data_is_rebuilt_byte_for_byte(path: Path) -> None:
    before, seen = derived_rows(path), states(path)
    assert all(before.values())
    with attacker(path) as connection:
        for table in DERIVED:
            connection.execute(f"DELETE FROM {table}")
    store = opened(path)
    catch_up(store, Mapper())
    store.close()
    assert derived_rows(path) == before
    assert states(path) == seen


def test_g6_dropped_tables_are_made_and_filled_again_byte_for_byte(path: Path) -> None:
    before, seen = derived_rows(path), states(path)
    with attacker(path) as connection:
        for table in DERIVED:
            connection.execute(f"DROP TABLE {table}")
    assert states(path) == seen
    assert derived_rows(path) == before


def test_g6_a_rebuild_over_good_or_forged_derived_data_gives_the_same_bytes(path: Path) -> None:
    before = derived_rows(path)
    with attacker(path) as connection:
        connection.execute("UPDATE catalog SET phase = 'x', entry = 'nonsense'")
        connection.execute("UPDATE catalog_labels SET value = 'x'")
        connection.execute("UPDATE snapshots SET version = 1000000, state = 'nonsense'")
    for _ in range(2):
        store = opened(path)
        rebuild(store, Mapper())
        store.close()
        assert derived_rows(path) == before


def test_g6_a_forged_catalog_is_believed_by_listings_alone(path: Path) -> None:
    """What is not promised, so that nobody takes a listing for evidence."""
    url = f"sqlite:///{path}"
    with attacker(path) as connection:
        connection.execute(
            "UPDATE catalog SET entry ="
            " CAST(replace(CAST(entry AS TEXT), '[\"archived\"', '[\"idle\"') AS BLOB)"
            " WHERE session_id = 'archived'"
        )

    def phases(engine: Engine) -> list[str]:
        return [view.phase for view in engine.list() if view.id == "archived"]

    with Engine.open(url) as engine:
        assert phases(engine) == ["idle"]
        assert engine.read("archived").phase == "archived"
        assert engine.audit().ok
    with Engine.open(url, readonly=True) as engine:
        assert phases(engine) == ["archived"]
    with attacker(path) as connection:
        connection.execute("DROP TABLE catalog")
    with Engine.open(url) as engine:
        assert phases(engine) == ["archived"]


def test_g6_the_state_from_the_log_alone_is_the_state_from_a_snapshot(path: Path) -> None:
    store = opened(path)
    mapper = Mapper()
    for name in (LONG, "short"):
        assert store.derived.snapshot(name) is not None
        shortcut, due = load(store, mapper, name)
        alone, _ = fold_on(store.recorder, mapper, nothing_folded(name))
        assert shortcut == alone
        assert due is None
    store.close()


def test_g6_the_state_at_every_version_is_the_same_with_and_without_the_snapshot(
    path: Path,
) -> None:
    store = opened(path)
    mapper = Mapper()
    (kept,) = [version for name, version in _kept(path) if name == LONG]
    for version in (1, kept - 1, kept, kept + 1, 300):
        shortcut, _ = load(store, mapper, LONG, upto=version)
        alone, _ = fold_on(store.recorder, mapper, nothing_folded(LONG), upto=version)
        assert shortcut is not None
        assert shortcut.state == alone.state
        assert shortcut.state.version == version
    store.close()


def _kept(path: Path) -> list[tuple[str, int]]:
    return [(name, version) for name, version, _ in derived_rows(path)["snapshots"]]


SPOILT = {
    "of another type": "UPDATE snapshots SET state = CAST(state AS TEXT)",
    "empty": "UPDATE snapshots SET state = x''",
    "of an earlier version": "UPDATE snapshots SET version = version - 1",
    "of version 0": "UPDATE snapshots SET version = 0",
    "of a negative version": "UPDATE snapshots SET version = -1",
    "of a version to come": "UPDATE snapshots SET version = 1000000",
    "of a version that is no number": "UPDATE snapshots SET version = 'x'",
    "of a fractional version": "UPDATE snapshots SET version = 1.5",
    "with a byte more": "UPDATE snapshots SET state = state || x'20'",
    "cut short": "UPDATE snapshots SET state = substr(state, 1, length(state) / 2)",
}


@pytest.mark.parametrize("how", SPOILT)
def test_g6_a_snapshot_that_is_spoilt_is_found_and_ignored(path: Path, how: str) -> None:
    good, seen = derived_rows(path)["snapshots"], states(path)
    with attacker(path) as connection:
        connection.execute(SPOILT[how])
    store = opened(path)
    findings = audit_store(store).findings
    store.close()
    assert [(f.session_id, f.kind) for f in findings] == [(LONG, "snapshot"), ("short", "snapshot")]
    assert states(path) == seen
    if how not in ("of an earlier version", "of version 0", "of a negative version"):
        assert derived_rows(path)["snapshots"] == good


def test_g6_any_changed_byte_of_a_snapshot_is_found_and_ignored(path: Path) -> None:
    chance = random.Random(6)  # noqa: S311 - the same bytes every time
    state = dict(_snapshots(path))["short"]
    store = opened(path)
    mapper = Mapper()
    right, _ = load(store, mapper, "short")
    for place in chance.sample(range(len(state)), 150):
        changed = bytes([state[place] ^ (1 << chance.randrange(8))])
        spoilt = state[:place] + changed + state[place + 1 :]
        with attacker(path) as connection:
            statement = "UPDATE snapshots SET state = ? WHERE session_id = 'short'"
            connection.execute(statement, (spoilt,))
        (finding,) = audit_store(store, session_ids=["short"]).findings
        assert (finding.session_id, finding.kind) == ("short", "snapshot")
        found, due = load(store, mapper, "short")
        assert found == right
        assert due == Kept(right.state.version if right else 0, state)
    store.close()


def _snapshots(path: Path) -> list[tuple[str, bytes]]:
    return [(name, state) for name, _, state in derived_rows(path)["snapshots"]]


def test_g6_a_snapshot_forged_with_its_seal_is_found_by_the_audit(path: Path) -> None:
    """The seal has no key, so opening cannot tell; the audit folds the log itself."""
    state = dict(_snapshots(path))["short"]
    forged = msgspec.structs.replace(
        msgspec.json.decode(state, type=Snapshot), labels={"team": "another"}
    )
    store = opened(path)
    newest = store.recorder.select_rows("short", newest_first=True, limit=1)[0]
    sealed, _ = links.seal(links.stored_link(newest.state) or "", msgspec.json.encode(forged))
    with attacker(path) as connection:
        connection.execute("UPDATE snapshots SET state = ? WHERE session_id = 'short'", (sealed,))
    (finding,) = audit_store(store).findings
    assert (finding.session_id, finding.kind) == ("short", "snapshot")
    store.close()


def test_g6_a_snapshot_hides_no_change_of_the_messages_before_it(path: Path) -> None:
    with attacker(path) as connection:
        connection.execute(
            "UPDATE stored_events SET"
            " state = CAST(replace(CAST(state AS TEXT), '\"hi\"', '\"no\"') AS BLOB)"
            " WHERE originator_id = 'short' AND originator_version = 2"
        )
    store = opened(path)
    with pytest.raises(LogCorrupt) as caught:
        load(store, Mapper(), "short")
    store.close()
    assert (caught.value.data["version"], caught.value.data["kind"]) == (2, "link")


def test_g6_a_snapshot_of_a_session_without_a_log_is_found(path: Path) -> None:
    with attacker(path) as connection:
        connection.execute("INSERT INTO snapshots VALUES ('nobody', 3, x'00')")
        connection.execute("INSERT INTO snapshots VALUES (CAST(x'ff' AS TEXT), 3, x'00')")
    store = opened(path)
    findings = audit_store(store).findings
    store.close()
    assert [(f.session_id, f.version, f.kind) for f in findings] == [
        ("\\udcff", 0, "snapshot"),
        ("nobody", 0, "snapshot"),
    ]


@pytest.mark.parametrize("checkpoints", [True, False])
def test_g10_all_snapshots_together_are_no_larger_than_the_log(
    monkeypatch: pytest.MonkeyPatch, *, checkpoints: bool
) -> None:
    """With a checkpoint after every turn, which is when most snapshots are taken."""
    store = open_store("memory:")
    monkeypatch.setattr("perdure.runtime.engine.open_store", lambda *_args, **_options: store)
    put: list[int] = []
    keep = store.derived.put_snapshot

    def put_snapshot(session_id: str, version: int, state: bytes) -> None:
        put.append(len(state))
        keep(session_id, version, state)

    monkeypatch.setattr(store.derived, "put_snapshot", put_snapshot)
    with Engine.open("memory:") as engine:
        engine.register("s")
        for n in range(3000):
            engine.record_turn("s", [user("short")], run_id=f"run-{n}")
            if checkpoints:
                engine.checkpoint("s")
        written = sum(len(row[4]) for row in store.recorder.scan())
    assert put
    assert sum(put) <= written


def test_an_event_about_what_is_not_there_is_corruption_and_nothing_else(tmp_path: Path) -> None:
    with Engine.open(f"sqlite:///{tmp_path / 'log.db'}") as engine:
        engine.register("s")
        link = engine.head("s").link
        dropped = InputsDropped(
            session_id="s",
            version=2,
            at="2026-01-31T12:00:00.000000Z",
            input_ids=("nobody's",),
            outcome="abandoned",
        )
        rows, _ = Mapper().to_stored([dropped], link)
        engine._engine._core.store.recorder.insert_many([rows])
        for look in (engine.read, engine.inputs):
            with pytest.raises(LogCorrupt, match="that is not there"):
                look("s")
        (finding,) = engine.audit().findings
        assert (finding.version, finding.kind) == (2, "transition")


def test_a_page_is_bounded_in_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_BYTES", 10_000)
    with Engine.open(f"sqlite:///{tmp_path / 'log.db'}") as engine:
        engine.register("s")
        for n in range(30):
            engine.record_turn("s", [user("x" * (4000 if n % 2 else 400))])
        recorder = engine._engine._core.store.recorder
        pages: list[int] = []
        select = recorder.select_rows

        def watched(*given: Any, **named: Any) -> Any:
            page = select(*given, **named)
            pages.append(sum(len(row.state) for row in page))
            return page

        monkeypatch.setattr(recorder, "select_rows", watched)
        assert len(list(reading.rows_of(recorder, "s"))) == 31
        assert len(pages) > 7
        assert max(pages) < 10_000 + 5000
        monkeypatch.undo()
        found = recorder.page_after(0, 500, most_bytes=10_000)
        assert sum(len(row.state) for row in found[:-1]) < 10_000
        assert recorder.page_after(2**63 - 1, 5) == []
        assert engine.head("s").version == 31
