"""Read models beside a damaged log, a failing database and a writer at work."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure import Engine as AsyncEngine
from perdure import LogCorrupt, StoreError
from perdure.projections import canonical_digest, recorded_digest
from perdure.projections.snapshots import MINIMUM_GROWTH_BYTES
from perdure.store import Mapper, open_store
from perdure.sync import Engine
from perdure.testing import scripted_environment
from tests.support.alterations import attacker, loosened
from tests.support.sessions import receipt_of

BAD, GOOD = "bad", ("good-1", "good-2")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


# One bad row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of three sessions side by side; the catalog was never asked for."""
    path = tmp_path / "log.db"
    with Engine.open(f"sqlite:///{path}", environment=scripted_environment()) as engine:
        for name in (GOOD[0], BAD, GOOD[1]):
            engine.register(name)
        for n in range(5):
            for name in (GOOD[0], BAD, GOOD[1]):
                engine.record_turn(name, [user(f"{name} {n}")], run_id=f"run-{n}")
    return path


DAMAGES: dict[str, tuple[int, str]] = {
    "a changed message": (
        3,
        "state = CAST(replace(CAST(state AS TEXT), 'bad 1', 'bad x') AS BLOB)",
    ),
    "bytes that are no JSON": (3, "state = x'00ff'"),
    "invalid UTF-8 in a message": (
        3,
        "state = CAST(replace(CAST(state AS TEXT), 'bad 1', CAST(x'ff' AS TEXT)) AS BLOB)",
    ),
    "nothing": (3, "state = x''"),
    "no state": (3, "state = NULL"),
    "a state that is text": (3, "state = CAST(state AS TEXT)"),
    "a state that is a number": (3, "state = 7"),
    "another topic": (3, "topic = 'session-retired'"),
    "no topic": (3, "topic = NULL"),
    "a topic that is a blob": (3, "topic = x'ff'"),
    "a topic that is invalid UTF-8": (3, "topic = CAST(x'ff' AS TEXT)"),
    "no version": (3, "originator_version = NULL"),
    "a version that is text": (3, "originator_version = 'x'"),
    "a version that is a fraction": (3, "originator_version = 3.5"),
    "a version far ahead": (2**63 - 1, "originator_version = 9223372036854775807"),
    "version 0": (3, "originator_version = 0"),
    "a version twice": (4, "originator_version = 4"),
    "no session": (3, "originator_id = NULL"),
    "a session that is a blob": (3, "originator_id = x'ff'"),
    "a session that is a number": (3, "originator_id = 7"),
    "a session that is invalid UTF-8": (3, "originator_id = CAST(x'ff' AS TEXT)"),
    "a session of no name": (3, "originator_id = ''"),
}
"""By the damage to a row of version 3: the version at which reading must fail, and the SQL."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_j_one_bad_row_starves_no_other_session(path: Path, damage: str) -> None:
    at_version, change = DAMAGES[damage]
    with Engine.open(f"sqlite:///{path}") as engine:
        before = {
            name: (engine.read(name), engine.history(name), engine.receipts(name)) for name in GOOD
        }
    with attacker(path) as connection:
        loose = any(word in change for word in ("originator", "NULL", "blob", "7"))
        if loose:
            loosened(connection)
        connection.execute(
            f"UPDATE stored_events SET {change}"
            " WHERE originator_id = 'bad' AND originator_version = 3"
        )
    with Engine.open(f"sqlite:///{path}", readonly=loose) as engine:
        for name in GOOD:
            found = (engine.read(name), engine.history(name), engine.receipts(name))
            assert found == before[name]
            page = engine.history(name, offset=2, limit=2)
            assert page.messages == before[name][1].messages[2:4]
        listed = {view.id: view for view in engine.list()}
        assert {name: listed[name] for name in GOOD} == {name: before[name][0] for name in GOOD}
        assert listed[BAD].damaged_at in (at_version, 3)
        assert listed[BAD].damaged_at == listed[BAD].version + 1
        for read in (engine.read, engine.head, engine.receipts, engine.history):
            with pytest.raises(LogCorrupt) as caught:
                read(BAD)
            assert caught.value.data["session_id"] == BAD
            assert caught.value.data["version"] in (at_version, 3)
        report = engine.audit()
        assert not report.ok
        assert not {finding.session_id for finding in report.findings} & {*GOOD}
        assert engine.audit(GOOD).ok


@pytest.mark.parametrize(
    "damage", ["a changed message", "bytes that are no JSON", "another topic", "nothing"]
)
def test_j_beside_a_bad_row_others_go_on_writing_and_listening(path: Path, damage: str) -> None:
    with attacker(path) as connection:
        connection.execute(
            f"UPDATE stored_events SET {DAMAGES[damage][1]}"
            " WHERE originator_id = 'bad' AND originator_version = 3"
        )

    async def scenario() -> None:
        async with AsyncEngine.open(f"sqlite:///{path}") as engine:
            for name in GOOD:
                await engine.record_turn(name, [user("more")], run_id="more")
                await engine.checkpoint(name)
            with pytest.raises(LogCorrupt):
                await engine.record_turn(BAD, [user("more")])
            heard: list[tuple[str, int]] = []
            async with asyncio.timeout(10):
                async for delivery in engine.subscribe():
                    heard.append((delivery.session_id, delivery.version))
                    if delivery.session_id == GOOD[1] and delivery.version == 8:
                        break
            assert [version for name, version in heard if name == GOOD[0]] == [*range(1, 9)]
            assert [version for name, version in heard if name == BAD] == [*range(1, 7)]

    asyncio.run(scenario())


# Derived data that fails


def large(n: int) -> list[dict[str, str]]:
    """A turn of which six make a snapshot fall due."""
    return [user(f"{n}" * (MINIMUM_GROWTH_BYTES // 5))]


def test_h_writes_land_though_no_derived_table_is_left(path: Path) -> None:
    with Engine.open(f"sqlite:///{path}") as engine:
        engine.record_turn(GOOD[0], large(1), run_id="large-1")
        with attacker(path) as connection:
            for table in ("snapshots", "catalog", "catalog_labels", "tracking"):
                connection.execute(f"DROP TABLE {table}")
        for n in range(2, 8):
            engine.record_turn(GOOD[0], large(n), run_id=f"large-{n}")
        engine.checkpoint(GOOD[0])
        assert engine.read(GOOD[0]).version == 14
        engine.discard_live(GOOD[0])
        assert engine.read(GOOD[0]).version == 14
        engine.record_turn(GOOD[0], [user("on")], run_id="on")
        assert engine.audit().ok
    with Engine.open(f"sqlite:///{path}") as engine:
        assert [view.version for view in engine.list()] == [15, 6, 6]


SPOILT: dict[str, str] = {
    **{
        f"{table} {how}": f"{statement} {table}{rest}"
        for table in ("tracking", "catalog", "catalog_labels", "snapshots", "leases")
        for how, statement, rest in (
            ("dropped", "DROP TABLE", ""),
            ("of other columns", f"DROP TABLE {table}; CREATE TABLE", "(x)"),
            ("a view", f"DROP TABLE {table}; CREATE VIEW", " AS SELECT 1 AS x"),
        )
    },
    "catalog_by_phase dropped": "DROP INDEX catalog_by_phase",
    "catalog_by_phase of another": "DROP INDEX catalog_by_phase;"
    "CREATE INDEX catalog_by_phase ON stored_events (topic)",
    "catalog_by_phase a table": "DROP INDEX catalog_by_phase; CREATE TABLE catalog_by_phase (x)",
    "catalog emptied": "DELETE FROM catalog",
    "tracking emptied": "DELETE FROM tracking",
    "tracking ahead": "UPDATE tracking SET notification_id = 100000",
    "tracking far ahead": "UPDATE tracking SET notification_id = 9223372036854775807",
    "tracking of text": "UPDATE tracking SET notification_id = 'x'",
    "tracking of bytes": "UPDATE tracking SET notification_id = x'37'",
    "tracking of a fraction": "UPDATE tracking SET notification_id = 7.5",
    "tracking behind": "UPDATE tracking SET notification_id = 7",
    "tracking before the beginning": "UPDATE tracking SET notification_id = -7",
}
"""Damages to the derived tables as a whole, as SQL."""


@pytest.mark.parametrize("change", SPOILT)
def test_h_a_derived_table_that_is_dropped_or_not_ours_is_made_and_filled_again(
    path: Path, change: str
) -> None:
    url = f"sqlite:///{path}"
    with Engine.open(url) as engine:
        engine.register("labelled", labels={"team": "a"})
        engine.join_mob("labelled", "group")
        before = engine.list()
        assert [view.version for view in before] == [6, 6, 6, 2]
    with attacker(path) as connection:
        connection.executescript(SPOILT[change])
    for _ in range(2):
        with Engine.open(url) as engine:
            assert engine.list() == before
            assert engine.list(labels={"team": "a"}) == engine.list(mob="group") == before[-1:]
    with Engine.open(url) as engine:
        for name in GOOD:
            engine.record_turn(name, [user("on")], run_id="on")
        assert [(view.version, view.damaged_at) for view in engine.list()] == [
            (7, None),
            (6, None),
            (7, None),
            (2, None),
        ]
        engine.checkpoint(BAD)
        assert engine.audit().ok


@pytest.mark.parametrize(
    "change", [change for change in SPOILT if change[:8] == "tracking" and "ahead" not in change]
)
def test_h_the_catalog_is_right_though_its_position_is_spoilt_under_an_engine(
    path: Path, change: str
) -> None:
    with Engine.open(f"sqlite:///{path}") as engine:
        before = engine.list()
        with attacker(path) as connection:
            connection.executescript(SPOILT[change])
        assert engine.list() == before
        engine.record_turn(GOOD[0], [user("on")], run_id="on")
        assert [(view.version, view.damaged_at) for view in engine.list()] == [
            (7, None),
            (6, None),
            (6, None),
        ]


@pytest.mark.parametrize("position", ["7.5", "100.5", "'x'", "x'37'", "NULL"])
def test_h_a_session_is_listed_though_an_event_of_it_has_no_position(
    path: Path, position: str
) -> None:
    with attacker(path) as connection:
        loosened(connection)
        connection.execute(
            f"UPDATE stored_events SET position = {position}"
            " WHERE originator_id = 'good-2' AND originator_version = 6"
        )
    for _ in range(2):
        with Engine.open(f"sqlite:///{path}", readonly=True) as engine:
            listed = [(view.id, view.damaged_at) for view in engine.list()]
        assert [name for name, _ in listed] == [GOOD[0], BAD, GOOD[1]]
        assert listed[:2] == [(GOOD[0], None), (BAD, None)]


@pytest.mark.parametrize("seen_before", [True, False])
def test_h_an_event_recorded_twice_is_damage_and_not_one_that_was_derived_before(
    path: Path, seen_before: bool
) -> None:
    with Engine.open(f"sqlite:///{path}") as engine:
        if seen_before:
            engine.list()
    with attacker(path) as connection:
        loosened(connection)
        connection.execute(
            "INSERT INTO stored_events SELECT position + 1000, originator_id, originator_version,"
            " topic, state FROM stored_events"
            " WHERE originator_id = 'bad' AND originator_version = 3"
        )
    with Engine.open(f"sqlite:///{path}", readonly=True) as engine:
        assert [view.damaged_at for view in engine.list()] == [None, 7, None]


def test_h_writes_land_though_derived_tables_refuse_every_change(path: Path) -> None:
    with Engine.open(f"sqlite:///{path}") as engine:
        with attacker(path) as connection:
            for table in ("snapshots", "catalog", "tracking"):
                connection.execute(
                    f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table}"
                    " BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
        for n in range(6):
            engine.record_turn(GOOD[0], large(n), run_id=f"large-{n}")
        engine.checkpoint(GOOD[0])
        engine.discard_live(GOOD[0])
        assert engine.read(GOOD[0]).version == 13
        assert [(finding.kind, finding.detail) for finding in engine.audit().findings] == [
            ("storage", f"there is a trigger 'no_{table}' on {table}")
            for table in ("catalog", "snapshots", "tracking")
        ]


@pytest.mark.parametrize("error", [StoreError("full"), RuntimeError("a bug")])
def test_h_a_snapshot_that_cannot_be_kept_fails_no_write(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    store = open_store("memory:")
    monkeypatch.setattr("perdure.runtime.engine.open_store", lambda *_args, **_options: store)
    tried: list[str] = []

    def put_snapshot(session_id: str, version: int, state: bytes) -> None:
        tried.append(session_id)
        raise error

    monkeypatch.setattr(store.derived, "put_snapshot", put_snapshot)
    with Engine.open("memory:") as engine:
        engine.register("s")
        for n in range(6):
            assert (
                receipt_of(engine.record_turn("s", large(n), run_id=f"{n}")).message_count == n + 1
            )
        engine.discard_live("s")
        assert engine.read("s").version == 7
    assert tried


def test_h_nothing_derived_shows_a_commit_that_failed(path: Path) -> None:
    with Engine.open(f"sqlite:///{path}") as engine:
        before = engine.list()
        with attacker(path) as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON stored_events"
                " BEGIN SELECT RAISE(FAIL, 'disk full'); END"
            )
        for n in range(5):
            with pytest.raises(StoreError):
                engine.record_turn(GOOD[0], large(n), run_id=f"large-{n}")
        assert engine.list() == before
        assert engine.read(GOOD[0]).version == 6
        assert engine.history(GOOD[0]).message_count == 5
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM snapshots").fetchone() == (0,)


def test_h_a_list_never_runs_ahead_of_the_log_nor_behind_what_was_acknowledged(
    path: Path,
) -> None:
    async def scenario() -> None:
        done = False
        acknowledged = 6

        async def write(engine: AsyncEngine) -> None:
            nonlocal done, acknowledged
            for n in range(100):
                await engine.record_turn(GOOD[0], [user("on")], run_id=f"on-{n}")
                acknowledged += 1
            done = True

        async with AsyncEngine.open(f"sqlite:///{path}") as engine:
            writing = asyncio.create_task(write(engine))
            while not done:
                known = acknowledged
                view = (await engine.list())[0]
                with closing(sqlite3.connect(path)) as connection:
                    (committed,) = connection.execute(
                        "SELECT max(originator_version) FROM stored_events WHERE originator_id = ?",
                        (GOOD[0],),
                    ).fetchone()
                assert known <= view.version <= committed
                assert view.message_count == view.version - 1
                await asyncio.sleep(0)
            await writing

    asyncio.run(scenario())


def test_a_catalog_that_cannot_be_read_is_made_anew(path: Path) -> None:
    with Engine.open(f"sqlite:///{path}") as engine:
        before = engine.list()
        for value in ("'{}'", "'nonsense'", "x'ff'"):
            with attacker(path) as connection:
                connection.execute(f"UPDATE catalog SET entry = {value}")
            assert engine.list() == before


# History and digests

Recorded = tuple[Callable[[int, int | None], list[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def recorded() -> Any:
    """A session of turns of every size, with context staged, appended and checkpoints between."""
    messages: list[dict[str, Any]] = []
    with Engine.open("memory:") as engine:
        engine.register("s")
        for n in range(60):
            if n % 7 == 0:
                engine.stage_context("s", f"staged {n}")
                messages.append({"role": "system", "content": f"staged {n}"})
            if n % 11 == 0:
                for _ in range(12):
                    engine.register("s")
                    engine.checkpoint("s")
            turn = [{"role": "user", "content": f"é {n}.{k}", "n": k} for k in range(1 + n % 4)]
            engine.record_turn("s", turn)
            messages += turn
            if n % 5 == 0:
                engine.append_context("s", f"note {n}")
                messages.append({"role": "system", "content": f"note {n}"})
        for _ in range(10):
            engine.stage_context("s", "not part of it yet")
        yield engine, messages


@given(offset=st.integers(0, 250), limit=st.none() | st.integers(0, 250))
def test_any_page_of_history_is_that_slice_of_the_whole(
    recorded: Any, offset: int, limit: int | None
) -> None:
    engine, messages = recorded
    page = engine.history("s", offset=offset, limit=limit)
    end = None if limit is None else offset + limit
    assert page.messages == messages[offset:end]
    assert page.message_count == len(messages)
    assert (page.offset, page.limit) == (offset, limit)


def test_the_recorded_digest_is_that_of_the_compact_json_of_the_messages() -> None:
    messages: list[dict[str, Any]] = [
        {
            "role": "user",
            "content": 'ü 漢 🙂 "quoted" \\ \n\t\x7f',
            "n": [1, -2.5, 1e21, True, None],
        },
        {"b": {"z": 1, "a": 2}, "a": []},
    ]
    store_url = "memory:"
    with Engine.open(store_url) as engine:
        engine.register("s")
        engine.record_turn("s", messages[:1])
        out = engine.record_turn("s", messages[1:])
        text = json.dumps(messages, separators=(",", ":"), ensure_ascii=False)
        text = text.replace("1e+21", "1e21")
        expected = hashlib.sha256(text.encode()).hexdigest()
        store = engine._engine._core.store
        assert receipt_of(out).conversation_digest == expected
        assert recorded_digest(store.recorder, "s") == expected


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(message=st.dictionaries(st.text(), _VALUES, min_size=1, max_size=5))
def test_the_canonical_digest_does_not_depend_on_the_order_of_keys(message: dict[str, Any]) -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: backwards(item) for key, item in reversed(value.items())}
        return [backwards(item) for item in value] if isinstance(value, list) else value

    with Engine.open("memory:") as engine:
        store, mapper = engine._engine._core.store, Mapper()
        for name, one in (("as given", message), ("backwards", backwards(message))):
            engine.register(name)
            engine.record_turn(name, [one])
        digests = {canonical_digest(store.recorder, mapper, n) for n in ("as given", "backwards")}
        assert len(digests) == 1
        same_order = json.dumps(message) == json.dumps(backwards(message))
        recorded = {recorded_digest(store.recorder, name) for name in ("as given", "backwards")}
        assert (len(recorded) == 1) == same_order
