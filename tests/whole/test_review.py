"""What a fresh reader found: each case once, so that it stays found."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from perdure import Engine, LogCorrupt, sync
from perdure.projections import recorded_digest
from perdure.store import Store, open_store
from perdure.store.sqlite import schema
from tests.support.command import import_, line, perdure
from tests.support.messages import says, user
from tests.support.sessions import receipt_of


def altered(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_auditing_a_log_that_is_being_written_finds_nothing(sqlite_url: str) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url, durability="normal") as engine:
            for name in range(10):
                await engine.register(f"s{name}")
            done = False

            async def write() -> None:
                turns = 0
                while not done or turns < 50:
                    name = f"s{turns % 11}"
                    await engine.register(name)
                    await engine.record_turn(name, [user("x" * 500)])
                    await engine.checkpoint(name)
                    turns += 1

            writing = asyncio.create_task(write())
            reports = [await engine.audit() for _ in range(15)]
            done = True
            await writing
        assert [report.findings for report in reports] == [[]] * 15

    asyncio.run(main())


@pytest.mark.parametrize(
    "alteration",
    [
        """UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT),
        '"message_count":1', '"message_count":7') AS BLOB) WHERE originator_version = 2""",
        "DELETE FROM stored_events WHERE originator_version = 2",
        "DELETE FROM stored_events WHERE originator_version = 1",
    ],
)
def test_g7_no_receipt_is_given_again_from_an_altered_log(
    sqlite_url: str, tmp_path: Path, alteration: str
) -> None:
    with sync.Engine.open(sqlite_url) as engine:
        engine.register("s")
        engine.record_turn("s", [user("a")], run_id="run-1")
        engine.record_turn("s", [user("b")], run_id="run-2")
        altered(tmp_path / "sessions.db", alteration)
        for ask in (
            lambda: engine.record_turn("s", [user("a")], run_id="run-1"),
            lambda: engine.load_receipt("s", "run-1"),
        ):
            with pytest.raises(LogCorrupt):
                ask()


def test_metadata_may_have_messages_of_its_own(url: str) -> None:
    with sync.Engine.open(url) as engine:
        engine.register("s", metadata={"a": 1, "messages": [1, 2]})
        receipt = receipt_of(engine.record_turn("s", [user("a")]))
        engine.checkpoint("s")
        store = engine._engine._core.store
        assert recorded_digest(store.recorder, "s") == receipt.conversation_digest
        engine.discard_live("s")
        assert engine.read("s").conversation_digest == receipt.conversation_digest


def test_a_session_continued_beyond_a_line_is_unchanged_by_it(sqlite_url: str) -> None:
    lines = [
        line("s", user("a"), says("b")),
        line("s", user("a"), says("b"), user("c"), says("d")),
    ]
    first = import_(sqlite_url, *lines).document
    assert (first["imported"], first["extended"]) == (1, 1)
    again = import_(sqlite_url, *lines)
    assert again.code == 0
    assert (again.document["unchanged"], again.document["events"]) == (2, 0)
    other = import_(sqlite_url, line("s", user("a"), says("other")))
    assert (other.code, other.document["refused"][0]["code"]) == (1, "CONFLICT")


def test_an_import_of_nothing_makes_no_database(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    assert perdure("import", str(tmp_path / "none.jsonl"), db=f"sqlite:///{path}").code == 1
    assert not path.exists()


def test_h_sessions_are_listed_while_another_process_holds_the_lock(
    sqlite_url: str, tmp_path: Path
) -> None:
    with sync.Engine.open(sqlite_url, busy_timeout_seconds=0.1) as engine:
        engine.register("s")
        engine.record_turn("s", [user("a")])
        other = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert [view.message_count for view in engine.list()] == [1]
        other.execute("ROLLBACK")
        other.close()
        assert [view.message_count for view in engine.list()] == [1]


def test_a_file_made_by_another_process_between_two_looks_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.db"
    peek = schema._peek

    def outrun(path: Path, named: Path, *, readonly: bool) -> bytes:
        seen = peek(path, named, readonly=readonly)
        monkeypatch.setattr(schema, "_peek", peek)
        others.append(open_store(f"sqlite:///{path}"))
        others[0].derived.put_snapshot("s", 1, b"")
        assert schema.companion_bytes(path, "-wal")
        return seen

    others: list[Store] = []
    monkeypatch.setattr(schema, "_peek", outrun)
    open_store(f"sqlite:///{path}").close()
    others[0].close()


def test_a_creation_cut_off_before_its_first_page_is_left_to_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.write_bytes(bytes(8192))
    with pytest.raises(Exception, match="is not an SQLite database"):
        schema.identify(path)
    Path(f"{path}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))
    schema.identify(path)


def test_a_second_close_waits_for_the_first(sqlite_url: str) -> None:
    log = Path(sqlite_url.removeprefix("sqlite:///") + "-wal")

    async def main() -> None:
        engine: Engine = await Engine.open(sqlite_url)
        await engine.register()
        first = asyncio.create_task(engine.close())
        await asyncio.sleep(0)
        await engine.close()
        assert first.done()

    asyncio.run(main())
    assert not log.exists()
