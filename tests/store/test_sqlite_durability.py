"""Acknowledged means durable; and a write that fails leaves nothing half-written."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perdure import Engine, StoreError
from perdure.store import Durability, SQLiteRecorder, SQLiteStore
from tests.support import processes
from tests.support.processes import message


def _recorder(engine: Engine) -> SQLiteRecorder:
    assert isinstance(engine._core.store, SQLiteStore)
    recorder = engine._core.store.recorder
    assert isinstance(recorder, SQLiteRecorder)
    return recorder


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_g2_the_writer_syncs_as_the_durability_promises(
    tmp_path: Path, durability: Durability, level: int
) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path / 'a.db'}"
        async with Engine.open(url, durability=durability) as engine:
            await engine.register("s")
            writer = _recorder(engine)._writer
            assert writer.execute("PRAGMA synchronous").fetchone() == (level,)
            assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert writer.execute("PRAGMA fullfsync").fetchone() == (1,)

    asyncio.run(main())


def test_g2_full_durability_is_the_default(tmp_path: Path) -> None:
    async def main() -> None:
        async with Engine.open(f"sqlite:///{tmp_path / 'a.db'}") as engine:
            assert _recorder(engine)._writer.execute("PRAGMA synchronous").fetchone() == (2,)

    asyncio.run(main())


TRACED = """
import sys
from perdure.sync import Engine
url, durability, turns, planted = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
def tell(what):
    sys.stdout.write(f"told {what}\\n")
    sys.stdout.flush()
with Engine.open(url, durability=durability) as engine:
    engine.register("s")
    exec(planted)
    tell("registered")
    for n in range(turns):
        engine.record_turn("s", [{"role": "user", "content": str(n)}], run_id=str(n))
        tell(n)
"""

ACKNOWLEDGED_UNSYNCED = """
engine._engine._core.store.recorder._writer.execute("PRAGMA synchronous = NORMAL")
"""

ACKNOWLEDGED_EARLY = """
import threading
from perdure.store import SQLiteStore
wanted, asked = [], threading.Semaphore(0)
recorder = engine._engine._core.store.recorder
def write():
    while True:
        asked.acquire()
        recorder.insert_many(wanted.pop(0))
def commit_now(store, submissions):
    wanted.append(submissions)
    threading.Timer(0.01, asked.release).start()
    return [range(1, 2) for _ in submissions]
SQLiteStore.commit_now = commit_now
threading.Thread(target=write, daemon=True).start()
"""

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is absent")


def _synced(tmp_path: Path, durability: Durability, planted: str = "") -> int:
    """Return how many of 20 turns had a write to the log and then a sync before their receipt."""
    trace = tmp_path / "trace"
    url = f"sqlite:///{tmp_path / 'a.db'}"
    traced = subprocess.run(
        [
            *("strace", "-f", "-y", "-e", "trace=write,fdatasync,fsync,pwrite64", "-o", trace),
            *(sys.executable, "-c", TRACED, url, durability, "20", planted),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in traced.stderr.lower():
        pytest.skip("this machine does not allow tracing")
    assert traced.returncode == 0, traced.stderr
    commits, dirty, synced, turns = 0, False, 0, 0
    for call in trace.read_text().splitlines():
        if "a.db-wal>" in call and "pwrite64(" in call:
            dirty = True
        elif "a.db-wal>" in call and "sync(" in call:
            commits += dirty
            dirty = False
        elif "write(1<" in call and '"told registered' in call:
            commits = 0
        elif "write(1<" in call and '"told ' in call:
            turns += 1
            synced += commits >= turns and not dirty
    assert turns == 20
    return synced


@needs_strace
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_g2_at_full_the_log_is_synced_between_a_turn_and_its_receipt(
    tmp_path: Path, durability: Durability
) -> None:
    assert _synced(tmp_path, durability) == (20 if durability == "full" else 0)


@needs_strace
@pytest.mark.parametrize("planted", [ACKNOWLEDGED_UNSYNCED, ACKNOWLEDGED_EARLY])
def test_g2_an_acknowledgement_before_the_sync_is_caught(tmp_path: Path, planted: str) -> None:
    assert _synced(tmp_path, "full", planted) < 20


# A full disk


def _limit_pages(engine: Engine, more: int) -> None:
    writer = _recorder(engine)._writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + more}")


def test_a_full_disk_fails_the_turn_cleanly_and_the_session_goes_on_once_there_is_room(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with Engine.open(f"sqlite:///{tmp_path / 'a.db'}") as engine:
            await engine.register("s")
            await engine.record_turn("s", [message("one")], run_id="run-1")
            head = await engine.head("s")
            _limit_pages(engine, 2)
            for _ in range(3):
                with pytest.raises(StoreError, match="disk is full") as refusal:
                    await engine.record_turn("s", [message("x" * 500_000)], run_id="large")
                assert refusal.value.data["sqlite"] == "SQLITE_FULL"
                assert await engine.head("s") == head
            # A small one still fits.
            await engine.record_turn("s", [message("small")], run_id="small")
            _limit_pages(engine, 10_000)
            out = await engine.record_turn("s", [message("x" * 500_000)], run_id="large")
            assert not out.duplicate
            assert [r.message_count for r in await engine.receipts("s")] == [1, 2, 3]
            report = await engine.audit()
            assert report.findings == []

    asyncio.run(main())


def test_in_one_batch_the_small_turns_land_where_the_large_one_does_not_fit(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with Engine.open(f"sqlite:///{tmp_path / 'a.db'}", busy_timeout_seconds=30) as engine:
            names = [f"s{n}" for n in range(8)]
            for name in names:
                await engine.register(name)
            _limit_pages(engine, 20)
            with contextlib.closing(
                sqlite3.connect(tmp_path / "a.db", isolation_level=None)
            ) as other:
                other.execute("BEGIN IMMEDIATE")  # so that all of them wait, and share a batch
                turns = [
                    asyncio.create_task(
                        engine.record_turn(
                            name, [message("x" * (2_000_000 if name == "s3" else 100))]
                        )
                    )
                    for name in names
                ]
                await asyncio.sleep(0.1)
                other.execute("ROLLBACK")
                outcomes: list[Any] = await asyncio.gather(*turns, return_exceptions=True)
            assert [isinstance(outcome, StoreError) for outcome in outcomes] == [
                name == "s3" for name in names
            ]
            assert [(await engine.read(name)).version for name in names] == [
                1 if name == "s3" else 2 for name in names
            ]
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_a_real_write_failure_leaves_nothing_half_written(tmp_path: Path) -> None:
    receiving, sending = processes.pipe()
    with receiving, sending:
        writer = processes.start(
            processes.write_into_a_small_file, f"sqlite:///{tmp_path / 'a.db'}", sending
        )
        told = processes.receive(receiving)
        processes.finish(writer)
    assert told["failures"] > 0
    assert told["after"]

    async def main() -> None:
        async with Engine.open(f"sqlite:///{tmp_path / 'a.db'}") as engine:
            assert (await engine.audit()).findings == []
            receipts = await engine.receipts("s")
            assert [r.run_id for r in receipts] == told["landed"]

    asyncio.run(main())
