"""Opening: a file that is not ours is refused with a sentence, and not one byte of it changes."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import secrets
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure import Engine, EngineClosed, InvalidArgument, PerdureError, StoreError, Unsupported
from perdure.runtime.open import Opening
from perdure.store import Store, open_store
from perdure.store.sqlite import schema
from perdure.sync import Engine as BlockingEngine
from tests.support import processes
from tests.support.permissions import opened_by_nobody, shared_folder
from tests.support.processes import message
from tests.support.sessions import receipt_of


def contents(folder: Path) -> dict[str, str]:
    """Every file below the folder, with a digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def ours(path: Path, turns: int = 1) -> None:
    with BlockingEngine.open(f"sqlite:///{path}") as engine:
        engine.register("s")
        for n in range(turns):
            engine.record_turn("s", [message(str(n))], run_id=f"run-{n}")


def theirs(path: Path, *pragmas: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE theirs (a)")
    connection.execute("INSERT INTO theirs VALUES (1)")
    connection.close()


def theirs_in_a_write_ahead_log(path: Path) -> None:
    """Another application's file whose tables are all in the log it left when it was killed."""
    program = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA journal_mode = WAL')\n"
        "c.execute('CREATE TABLE theirs (a)')\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert path.with_name(path.name + "-wal").stat().st_size


def newer(path: Path) -> None:
    ours(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def truncated(path: Path) -> None:
    ours(path)
    path.write_bytes(path.read_bytes()[:60])


def without_the_log(path: Path) -> None:
    ours(path)
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE stored_events RENAME TO hidden")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


FOREIGN: dict[str, tuple[Callable[[Path], object], type[PerdureError], str]] = {
    "a directory": (Path.mkdir, StoreError, "is a directory"),
    "a text file": (
        lambda path: path.write_text("hello\n" * 100),
        StoreError,
        "not an SQLite database",
    ),
    "a short file": (lambda path: path.write_text("hi"), StoreError, "not an SQLite database"),
    "a truncated header": (truncated, StoreError, "not an SQLite database"),
    "a garbage header": (
        lambda path: path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 8176),
        StoreError,
        "another application",
    ),
    "another application's": (theirs, StoreError, "another application"),
    "another application's, marked": (
        lambda path: theirs(path, "application_id = 99"),
        StoreError,
        "another application",
    ),
    "another application's, in WAL mode": (
        lambda path: theirs(path, "journal_mode = WAL"),
        StoreError,
        "another application",
    ),
    "another application's, marked, in WAL mode": (
        lambda path: theirs(path, "application_id = 99", "journal_mode = WAL"),
        StoreError,
        "another application",
    ),
    "another application's, all in its WAL": (
        theirs_in_a_write_ahead_log,
        StoreError,
        "another application",
    ),
    "a newer perdure's": (newer, Unsupported, "newer perdure"),
    "a named pipe": (os.mkfifo, StoreError, "is not a file"),
}


@pytest.mark.parametrize("readonly", [False, True], ids=["writing", "readonly"])
@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(
    tmp_path: Path,
    what: str,
    readonly: bool,
) -> None:
    make, kind, sentence = FOREIGN[what]
    path = tmp_path / "file.db"
    make(path)
    before = contents(tmp_path)
    with pytest.raises(kind, match=sentence) as refusal:
        open_store(f"sqlite:///{path}", readonly=readonly)
    assert type(refusal.value) is kind  # the name that a traceback shows is one that is documented
    assert str(path) in str(refusal.value)
    json.dumps(refusal.value.describe())
    with pytest.raises(kind, match=sentence):
        asyncio.run(_open(f"sqlite:///{path}", readonly=readonly))
    assert contents(tmp_path) == before


async def _open(url: str, *, readonly: bool = False) -> None:
    async with Engine.open(url, readonly=readonly) as engine:
        await engine.list()


def test_a_log_whose_database_was_deleted_is_refused_as_that_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    with BlockingEngine.open(f"sqlite:///{path}") as engine:
        engine.register("s")
        path.unlink()
    before = contents(tmp_path)
    assert "a.db-wal" in before
    with pytest.raises(StoreError) as refusal:
        open_store(f"sqlite:///{path}")
    assert str(refusal.value) == (
        f"there is no database at {path}, but a write-ahead log of one that is gone ({path}-wal):"
        " bring the database back, or move the log away"
    )
    assert contents(tmp_path) == before


def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"folder .* does not exist"):
        open_store(f"sqlite:///{tmp_path / 'none' / 'a.db'}")
    assert contents(tmp_path) == {}
    assert not (tmp_path / "none").exists()


def test_a_name_too_long_for_a_file_is_a_store_error(tmp_path: Path) -> None:
    for readonly in (False, True):
        with pytest.raises(StoreError, match="too long"):
            open_store(f"sqlite:///{tmp_path / ('x' * 300)}", readonly=readonly)


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    ours(path)
    with BlockingEngine.open(f"sqlite:///{path}", readonly=True) as engine:
        assert engine.read("s").message_count == 1


def test_an_empty_database_made_by_hand_becomes_ours(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA user_version = 0")
    connection.execute("VACUUM")
    connection.close()
    ours(path)


@pytest.mark.parametrize("made", [Path.touch, lambda _path: None], ids=["empty", "missing"])
def test_readonly_needs_a_file_with_sessions_and_makes_none(
    tmp_path: Path, made: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.db"
    made(path)
    before = contents(tmp_path)
    with pytest.raises(StoreError, match=r"no database at|never written to"):
        open_store(f"sqlite:///{path}", readonly=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("readonly", [False, True], ids=["writing", "readonly"])
def test_a_file_of_ours_without_its_log_is_refused(
    tmp_path: Path,
    readonly: bool,
) -> None:
    path = tmp_path / "a.db"
    without_the_log(path)
    with pytest.raises(StoreError, match="stored_events is missing"):
        open_store(f"sqlite:///{path}", readonly=readonly)


def test_a_newer_version_that_only_the_write_ahead_log_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ours(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    for readonly in (True, False):
        with pytest.raises(Unsupported, match="newer perdure"):
            open_store(f"sqlite:///{path}", readonly=readonly)
    assert path.read_bytes() == before
    connection.close()


def test_damaged_pages_are_a_store_error_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ours(path, turns=20)
    damaged = bytearray(path.read_bytes())
    damaged[100:8000] = b"\xaa" * 7900
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match="damaged"):
        open_store(f"sqlite:///{path}")


def test_readonly_never_changes_the_file_and_refuses_every_write(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ours(path, turns=3)
    before = path.read_bytes()

    async def main() -> None:
        async with Engine.open(f"sqlite:///{path}", readonly=True) as engine:
            assert (await engine.read("s")).message_count == 3
            assert len(await engine.list()) == 1
            assert len((await engine.history("s")).messages) == 3
            assert (await engine.audit()).ok
            assert len(await engine.receipts("s")) == 3
            for write in (
                engine.register("new"),
                engine.record_turn("s", [message("no")]),
                engine.append_context("s", "no"),
                engine.stage_context("s", "no"),
                engine.checkpoint("s"),
                engine.retire("s"),
                engine.archive("s"),
            ):
                with pytest.raises(StoreError, match="read-only"):
                    await write
            # A call that changes nothing needs no writing.
            assert (await engine.register("s")).version == 4
            again = await engine.record_turn("s", [message("2")], run_id="run-2")
            assert again.duplicate

    asyncio.run(main())
    assert path.read_bytes() == before


def test_readonly_sees_what_a_writer_commits_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ours(path)
    url = f"sqlite:///{path}"
    with BlockingEngine.open(url) as writer, BlockingEngine.open(url, readonly=True) as reader:
        writer.record_turn("s", [message("more")])
        assert reader.read("s").message_count == 2
        assert [view.message_count for view in reader.list()] == [2]


READ_ONLY = "{} is read-only, so nothing is recorded there; readonly=True opens it to be read"


@pytest.mark.parametrize("folder_mode", [0o755, 0o777], ids=["folder read-only", "folder writable"])
def test_a_read_only_file_is_refused_for_writing_and_can_be_read(folder_mode: int) -> None:
    with shared_folder() as folder:
        path = folder / "a.db"
        ours(path, turns=2)
        path.chmod(0o444)
        folder.chmod(folder_mode if os.geteuid() == 0 else folder_mode & 0o555)
        before = path.read_bytes()
        assert opened_by_nobody(path) == [
            READ_ONLY.format(path),
            "2 messages, audit clean",
        ]
        assert path.read_bytes() == before


def test_a_file_that_cannot_be_read_is_a_store_error() -> None:
    with shared_folder() as folder:
        path = folder / "a.db"
        ours(path)
        path.chmod(0)
        writing, reading = opened_by_nobody(path)
        assert writing == READ_ONLY.format(path)
        assert reading == f"cannot read {path}: Permission denied"


def test_a_folder_that_cannot_be_entered_is_a_store_error() -> None:
    with shared_folder() as folder:
        path = folder / "closed" / "a.db"
        path.parent.mkdir()
        ours(path)
        path.parent.chmod(0)
        assert opened_by_nobody(path) == [f"cannot read {path}: Permission denied"] * 2


def test_a_new_file_in_a_folder_that_cannot_be_written_is_a_store_error() -> None:
    with shared_folder() as folder:
        folder.chmod(0o555)
        path = folder / "a.db"
        writing, reading = opened_by_nobody(path)
        assert writing == f"{path}: the database cannot be opened"
        assert reading == f"there is no database at {path}"


# Locked


@pytest.mark.parametrize("known", [False, True], ids=["careful path", "fast path"])
def test_a_locked_database_is_waited_for_once_then_refused_and_the_session_goes_on(
    tmp_path: Path,
    known: bool,
) -> None:
    path = tmp_path / "a.db"
    url = f"sqlite:///{path}"
    ours(path)
    wait_seconds = 0.4

    async def main() -> None:
        async with Engine.open(url, busy_timeout_seconds=wait_seconds) as engine:
            if known:
                await engine.record_turn("s", [message("warm")])
            holding, hold = processes.pipe()
            released, release = processes.pipe()
            with holding, hold, released, release:
                holder = processes.start(processes.hold_write_lock, path, hold, released)
                processes.receive(holding)
                head = await engine.head("s")
                tried: list[str] = []
                recorder: Any = engine._core.store.recorder
                recorder._writer.set_trace_callback(tried.append)
                started = time.monotonic()
                with pytest.raises(StoreError, match="locked by another process") as refusal:
                    await engine.record_turn("s", [message("refused")], run_id="r")
                assert time.monotonic() - started >= wait_seconds * 0.8
                recorder._writer.set_trace_callback(None)
                assert [statement.split()[0] for statement in tried] == [
                    "INSERT" if known else "BEGIN"
                ]
                assert type(refusal.value) is StoreError
                assert refusal.value.data["sqlite"].startswith("SQLITE_BUSY")
                assert await engine.head("s") == head
                release.send("let go")
                processes.finish(holder)
            out = await engine.record_turn("s", [message("refused")], run_id="r")
            assert not out.duplicate
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_a_lock_released_in_time_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ours(path)

    async def main() -> None:
        async with Engine.open(f"sqlite:///{path}", busy_timeout_seconds=30) as engine:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                turn = asyncio.create_task(engine.record_turn("s", [message("waits")]))
                await asyncio.sleep(0.1)
                assert not turn.done()
                other.execute("ROLLBACK")
                assert receipt_of(await turn).message_count == 2

    asyncio.run(main())


def test_opening_waits_for_a_locked_database_no_longer_than_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            open_store(f"sqlite:///{path}", busy_timeout_seconds=0.1)
        other.execute("ROLLBACK")
    ours(path)


# URLs


def test_relative_absolute_and_unusual_paths_open_what_they_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [
        "plain.db",
        "with space.db",
        "mode=memory&cache=shared",
        "50%25 percent%.db",
        "50%3Fpercent.db",
        "~tilde.db",
        "日本語 ü.db",
        "a'b\"c;d.db",
        "back\\slash.db",
        "file:x.db",
    ]
    for name in names:
        for url in (f"sqlite:///{name}", f"sqlite:///{tmp_path / name}"):
            with BlockingEngine.open(url) as engine:
                engine.register("s")
        with BlockingEngine.open(f"sqlite:///{name}", readonly=True) as engine:
            assert len(engine.list()) == 1
    assert {
        path.name for path in tmp_path.iterdir() if not path.name.endswith(("-wal", "-shm"))
    } == {*names}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://host/path.db",
        "sessions.db",
        "/tmp/sessions.db",  # noqa: S108 - never opened
        "mysql://host/db",
        "memory",
        "memory:x",
        "sqlite:///nul\0byte.db",
        "sqlite:///lone\ud800surrogate.db",
        "sqlite:///a.db?mode=ro",
        "sqlite:///a.db#part",
        "sqlite:///?",
        "sqlite:///folder/",
        "memory:?cache=shared",
        None,
        5,
        b"memory:",
    ],
    ids=ascii,
)
def test_a_malformed_url_is_refused(
    url: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument) as refusal:
        open_store(url)  # type: ignore[arg-type]  # the point of the test
    json.dumps(refusal.value.describe())
    assert contents(tmp_path) == {}


def test_a_query_or_a_fragment_is_refused_and_the_refusal_says_what_a_url_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///a.db?x=1", "sqlite:///a.db#x"):
        with pytest.raises(InvalidArgument, match="neither a query nor a fragment") as refusal:
            BlockingEngine.open(url)
        assert refusal.value.data == {"parameter": "url"}
    assert contents(tmp_path) == {}


def test_an_absolute_path_may_have_more_slashes_than_it_needs(tmp_path: Path) -> None:
    BlockingEngine.open(f"sqlite:////{tmp_path / 'a.db'}").close()
    assert (tmp_path / "a.db").is_file()


def test_postgresql_and_other_parameters_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unsupported):
        open_store("postgresql://host/db")
    with pytest.raises(InvalidArgument, match="durability"):
        open_store("memory:", durability="some")  # type: ignore[arg-type]  # the point
    for seconds in (-1, float("nan"), float("inf")):
        with pytest.raises(InvalidArgument, match="busy_timeout_seconds"):
            open_store(f"sqlite:///{tmp_path / 'a.db'}", busy_timeout_seconds=seconds)


# Cut off


def test_g9_a_creation_cut_off_at_any_instant_leaves_a_file_that_opens(tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - to replay a failure
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    stages = set()
    for n in range(40):
        path = tmp_path / f"{n}.db"
        receiving, sending = processes.pipe()
        gate = processes.gate(1)
        creator = processes.start(processes.create, f"sqlite:///{path}", gate, sending)
        while not path.exists() and creator.is_alive():
            pass
        time.sleep(chance.uniform(0, 0.012))
        stages.add(tuple(sorted(p.name.split(".db")[1] for p in tmp_path.glob(f"{n}.db*"))))
        creator.kill()
        creator.join()
        creator.close()
        receiving.close()
        sending.close()
        ours(path)
        with BlockingEngine.open(f"sqlite:///{path}", readonly=True) as engine:
            assert engine.audit().ok
            assert engine.read("s").message_count == 1
    print(f"cut off at {sorted(stages)}")  # noqa: T201 - how far the making had come


def test_derived_tables_that_are_missing_are_made_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ours(path)
    connection = sqlite3.connect(path, isolation_level=None)
    for table in ("snapshots", "catalog", "catalog_labels", "tracking"):
        connection.execute(f"DROP TABLE {table}")
    connection.close()
    with BlockingEngine.open(f"sqlite:///{path}", readonly=True) as engine:
        assert [view.id for view in engine.list()] == ["s"]
    with BlockingEngine.open(f"sqlite:///{path}") as engine:
        assert [view.id for view in engine.list()] == ["s"]
        engine.checkpoint("s")
        assert engine.audit().ok


def test_an_opening_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    async def main() -> None:
        for delay in (0, 0.0005, 0.001, 0.003):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    async with Engine.open(f"sqlite:///{tmp_path / 'a.db'}"):
                        await asyncio.sleep(1)

    asyncio.run(main())
    ours(tmp_path / "a.db")
    assert not Path(f"{tmp_path / 'a.db'}-wal").exists()


@pytest.mark.parametrize("times", [1, 2, 3, "until its loop ends"])
def test_an_opening_closes_what_it_opened_however_often_it_is_cancelled(
    tmp_path: Path, times: Any
) -> None:
    begun, may_open, opened = threading.Event(), threading.Event(), []

    def opener() -> Store:
        begun.set()
        may_open.wait(60)
        opened.append(open_store(f"sqlite:///{tmp_path / 'a.db'}"))
        return opened[0]

    def engine_on(store: Store) -> Engine:
        raise AssertionError

    async def open_it() -> None:
        await Opening(opener, engine_on)

    async def main() -> None:
        opening = asyncio.create_task(open_it())
        await asyncio.to_thread(begun.wait)
        asyncio.get_running_loop().call_later(0.05, may_open.set)
        if isinstance(times, int):
            for _ in range(times):
                opening.cancel()
                await asyncio.sleep(0)
            await asyncio.wait({opening})
            assert opening.cancelled()

    asyncio.run(main())
    (store,) = opened
    with pytest.raises(EngineClosed):
        store.recorder.last_version("s")
