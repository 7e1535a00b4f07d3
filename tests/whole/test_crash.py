"""A writer is killed at random instants, again and again, on one file; nothing told is ever lost.

SIGKILL ends the process between any two of its instructions; the operating system survives, so what
is proved here is the order of commit and answer, atomicity and reopening. That a commit is also
synced before it is answered is proved in test_sqlite_durability.
"""

import asyncio
import json
import random
import secrets
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from perdure import Engine
from tests.support import processes
from tests.support.sessions import receipt_of
from tests.support.thorough import few_of

LONGEST_LIFE_SECONDS = 0.15


@pytest.mark.parametrize("kills", few_of([10, 105], [10]))
def test_g2_g9_kills_lose_no_receipt_and_leave_every_session_usable(
    tmp_path: Path, kills: int
) -> None:
    """Every other writer has acknowledged something when it is killed, those between may not."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - to replay a failure
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    url, told = f"sqlite:///{tmp_path / 'sessions.db'}", tmp_path / "told"
    read_so_far = 0
    fruitful = 0
    at_once = 0
    promises: dict[tuple[str, str], tuple[str, int]] = {}
    for turn in range(kills):
        writer = processes.start(
            processes.write_until_killed, url, turn, chance.getrandbits(32), told
        )
        while turn % 2 and not (told.exists() and told.stat().st_size > read_so_far):
            assert writer.is_alive()
            time.sleep(0.001)
        time.sleep(chance.uniform(0, LONGEST_LIFE_SECONDS))
        writer.kill()
        writer.join()
        assert writer.exitcode == -9
        writer.close()
        lines = told.read_bytes()[read_so_far:] if told.exists() else b""
        read_so_far += len(lines)
        news = [json.loads(line) for line in lines.splitlines()]
        fruitful += bool(news)
        at_once += any(fact.get("at_once") for fact in news)
        asyncio.run(_verify(url, turn, news, promises))
    assert fruitful >= kills // 2
    assert at_once >= kills // 2
    assert len(promises) >= kills


async def _verify(
    url: str, turn: int, news: list[dict[str, Any]], promises: dict[tuple[str, str], Any]
) -> None:
    """Compare the reopened file with everything that was ever acknowledged, and go on with it."""
    promises |= {
        (fact["session_id"], fact["run_id"]): (fact["digest"], fact["count"])
        for fact in news
        if fact["kind"] == "turn"
    }
    async with Engine.open(url) as engine:
        report = await engine.audit()
        assert report.findings == []
        phases = {view.id: view.phase for view in await engine.list()}
        for fact in news:
            if fact["kind"] != "turn":
                expected = {"archived"} if fact["kind"] == "archived" else {"idle", "archived"}
                assert phases[fact["session_id"]] in expected
        # Archiving writes two events; one without the other would be a torn commit.
        assert "retired" not in phases.values()
        for session_id in processes.LONG_SESSIONS:
            if session_id in phases:
                await _verify_session(engine, session_id, turn, promises)


async def _verify_session(
    engine: Engine, session_id: str, turn: int, promises: dict[tuple[str, str], Any]
) -> None:
    receipts = await engine.receipts(session_id)
    found = {
        receipt.run_id: (receipt.conversation_digest, receipt.message_count) for receipt in receipts
    }
    assert len(found) == len(receipts)
    kept = {run_id: facts for (owner, run_id), facts in promises.items() if owner == session_id}
    assert kept.items() <= found.items()
    untold = Counter(run_id.split("-")[0] for run_id in found.keys() - kept.keys())
    assert untold[str(turn)] <= 1  # the commit in flight may have landed, and no other
    for run_id in found.keys() - kept.keys():
        promises[session_id, run_id] = found[run_id]
    out = await engine.record_turn(
        session_id, [processes.message("and on it goes")], run_id=f"after-{turn}"
    )
    assert not out.duplicate
    assert receipt_of(out).message_count == (receipts[-1].message_count if receipts else 0) + 1
    promises[session_id, f"after-{turn}"] = (
        receipt_of(out).conversation_digest,
        receipt_of(out).message_count,
    )
