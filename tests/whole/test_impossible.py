"""What the two-store design shipped and a log makes impossible: a named test for each letter.

The letters are those of docs/porting.md, which says what went wrong there. Letters that have tests
beside the code they are about are only completed here.
"""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from perdure import Engine, Environment, PerdureError, ScriptedAgent, Turn, TurnResult
from perdure.aggregates import initial_state
from perdure.projections.snapshots import Folded
from perdure.runtime.session.cache import CachedSession
from tests.support.engines import FAST, on_an_engine
from tests.support.golden import EXPECTED, rows_of
from tests.support.messages import digest, says, user


async def talkative(turn: Turn) -> TurnResult:
    """Lands two messages at boundaries of their own and one at the end."""
    for number in range(2):
        await turn.boundary([says(f"{turn.run_id} {number}")])
    return TurnResult(messages=[says(f"{turn.run_id} done")])


# A: two authorities diverge when the process is killed


class Copying:
    """What a recorder rings after each commit: keeps the file as a kill would leave it then."""

    def __init__(self, path: Path) -> None:
        self.copies: list[Path] = []
        self._path = path

    def set(self) -> None:
        copy = self._path.with_name(f"killed-{len(self.copies)}.db")
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(copy)) as kept:
            source.backup(kept)
        self.copies.append(copy)


def test_a_whatever_commit_a_kill_comes_behind_everything_agrees(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    copying = Copying(path)

    killed = Environment(holder=lambda: "killed")
    next_one = Environment(is_dead="killed".__eq__)

    async def live() -> None:
        async with Engine.open(f"sqlite:///{path}", environment=killed) as engine:
            engine._core.store.recorder.listen(copying)
            await engine.register("s")
            await engine.attach("s", talkative)
            for number in range(2):
                taken = await engine.ingest("s", f"question {number}")
                await engine.stage_context("s", "be brief")
                await engine.apply_turn("s", run_id=f"r-{number}", input_ids=[taken.input_id])
                await engine.checkpoint("s")
            await engine.append_context("s", "a note")
            await engine.archive("s")

    async def agrees(copy: Path) -> str:
        async with Engine.open(f"sqlite:///{copy}", environment=next_one) as engine:
            if not await engine.list():
                return "nothing"
            if (await engine.load_persisted("s")) is not None:
                await engine.control.recover("s")
            view = await engine.read("s")
            messages = (await engine.history("s")).messages
            receipts = await engine.receipts("s")
            assert view.conversation_digest == digest(messages)
            assert view.message_count == len(messages)
            if receipts:
                assert receipts[-1].conversation_digest == digest(messages)
                assert receipts[-1].message_count == len(messages)
            named = {one for receipt in receipts for one in receipt.contributing_input_ids}
            states = {one.id: one.state for one in await engine.inputs("s")}
            assert {one for one, state in states.items() if state == "consumed"} == named
            assert set(states.values()) <= {"consumed", "queued"}
            in_hand = await engine.control.runtime_state("s")
            assert set(in_hand.queued) == set(states) - named
            assert not in_hand.staged
            assert ((await engine.load_persisted("s")) is None) == (view.phase == "archived")
            assert (await engine.audit()).ok
            return view.phase

    asyncio.run(live())
    phases = [asyncio.run(agrees(copy)) for copy in copying.copies]
    assert len(copying.copies) >= 17  # one behind each event, more where a poll rang too
    assert set(phases) == {"idle", "attached", "archived"}


# B: the wrong copy is served


@on_an_engine(on_file=True)
async def test_b_a_live_copy_that_another_process_overtook_is_never_served(
    engine: Engine, url: str
) -> None:
    await engine.register("s")
    async with Engine.open(url) as other:
        for number in range(3):
            for writer, reader in ((engine, other), (other, engine)):
                await writer.record_turn("s", [user(f"{number}")])
                messages = (await reader.history("s")).messages
                assert (await reader.read("s")).conversation_digest == digest(messages)
        await other.archive("s")
        assert (await engine.read("s")).phase == "archived"
        with pytest.raises(PerdureError, match="archived"):
            await engine.record_turn("s", [user("late")])


@on_an_engine()
async def test_b_a_live_copy_that_is_wrong_is_noticed_by_its_version_and_dropped_at_no_cost(
    engine: Engine,
) -> None:
    await engine.register("s")
    await engine.record_turn("s", [user("a")])
    right = await engine.read("s")
    cached: CachedSession = engine._core.sessions.get("s")
    cached.folded = Folded(initial_state("s"), "", *cached.folded[2:])
    assert await engine.read("s") == right
    assert await engine.discard_live("s")
    assert await engine.read("s") == right


# D: a digest that is not a function of the content


@on_an_engine(**FAST)
async def test_d_the_same_messages_have_the_same_digest_however_they_came(engine: Engine) -> None:
    messages = [user("a"), says("b"), says("c"), user("d"), says("e")]
    digests = {}

    await engine.register("recorded at once", labels={"team": "x"})
    out = await engine.record_turn("recorded at once", messages, run_id="r")
    assert out.receipt is not None
    digests["recorded at once"] = out.receipt.conversation_digest

    await engine.register("recorded in turns", metadata={"since": 2026})
    for message in messages:
        await engine.record_turn("recorded in turns", [message], boundary="immediate")

    for name, boundaries in (("driven", False), ("driven in steps", True)):
        agent = ScriptedAgent(messages, boundaries=boundaries)
        await engine.register(name)
        await engine.attach(name, agent)
        while asked := agent.requests((await engine.read(name)).message_count):
            await engine.apply_turn(name, asked)

    await engine.register("brought")
    await engine.attach("brought", ScriptedAgent(messages))
    for request in (messages[0], messages[3]):
        taken = await engine.ingest("brought", request)
        await engine.apply_turn("brought", input_ids=[taken.input_id])

    await engine.register("origin")
    await engine.record_turn("origin", messages[:3])
    await engine.fork("origin", new_session_id="forked")
    await engine.record_turn("forked", messages[3:])

    for view in await engine.list():
        if view.id != "origin":
            digests[view.id] = view.conversation_digest
    assert len(digests) == 6
    assert set(digests.values()) == {digest(messages)}


# E: receipt sequences that collide or stay 0


@on_an_engine(**FAST)
async def test_e_a_run_s_receipts_count_from_1_and_no_two_receipts_share_a_name(
    engine: Engine,
) -> None:
    hangs = asyncio.Event()

    async def agent(turn: Turn) -> TurnResult:
        if turn.run_id == "r-interrupted":
            await turn.boundary([says("so far")])
            hangs.set()
            await asyncio.sleep(60)
        return await talkative(turn)

    await engine.register("s")
    await engine.attach("s", agent)
    await engine.append_context("s", "a note")
    await engine.apply_turn("s", "go", run_id="r-1")
    turn = asyncio.create_task(engine.apply_turn("s", "go", run_id="r-interrupted"))
    await hangs.wait()
    await engine.interrupt("s")
    await turn
    await engine.apply_turn("s", "go", run_id="r-interrupted")  # a retry, which runs nothing
    await engine.record_turn("s", [user("x")], run_id="r-2")
    await engine.retire("s")
    receipts = await engine.receipts("s")
    runs: dict[str, list[int]] = {}
    for receipt in receipts:
        runs.setdefault(receipt.run_id, []).append(receipt.sequence)
        assert await engine.load_receipt("s", receipt.run_id, receipt.sequence) == receipt
    note, *others = runs.values()
    assert (note, others) == ([1], [[1, 2, 3], [1], [1]])


# G: cost that grows with history


@on_an_engine()
async def test_g_an_engine_s_turn_writes_as_many_bytes_after_300_as_after_3(engine: Engine) -> None:
    await engine.register("s")
    await engine.attach("s", talkative)
    for number in range(100, 400):
        await engine.apply_turn("s", "go", run_id=f"r-{number}")
    written: dict[str, int] = {}
    for row in engine._core.store.recorder.select_rows("s"):
        event = json.loads(row.state)
        run_id = event.get("run_id") or event.get("receipt", {}).get("run_id")
        if run_id is not None:
            written[run_id] = written.get(run_id, 0) + len(row.state)
    sizes = list(written.values())
    assert len(sizes) == 300
    digits = 3 * 10  # versions, message counts: three digits more, in fewer than ten places
    assert sizes[-1] - sizes[3] <= digits


# I: an upgrade that locks old logs out


@pytest.mark.parametrize("name", EXPECTED)
@on_an_engine()
async def test_i_a_log_of_long_ago_opens_and_is_gone_on_with(engine: Engine, name: str) -> None:
    rows, expected = rows_of(name), EXPECTED[name]
    engine._core.store.recorder.insert_many([rows])
    session_id = expected["session_id"]
    view = await engine.read(session_id)
    assert view.phase == expected["phase"]
    assert view.conversation_digest == expected["conversation_digest"]
    assert (await engine.audit()).ok
    if view.phase in ("archived", "destroyed"):
        session_id = (await engine.fork(session_id)).id
        origin, view = view, await engine.read(session_id)
        assert view.conversation_digest == origin.conversation_digest
    out = await engine.record_turn(session_id, [user("still here?")])
    assert out.receipt is not None
    assert out.receipt.message_count == view.message_count + len(view.staged_context) + 1
    assert (await engine.history(session_id)).messages[-1] == user("still here?")
