"""Real transcripts, driven by the engine through interruptions, crashes and reopenings.

Every third turn is first attempted by an agent that lands half of what it has to say and then
hangs. One such attempt is interrupted, the next is left behind by an engine that is abandoned as a
killed process leaves it. Every third turn follows a reopening. What the log holds at the end is
what a straight import of the same file leaves there.
"""

import asyncio
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

from perdure import (
    CallsUnresolved,
    Cancelled,
    Completed,
    Engine,
    Environment,
    ScriptedAgent,
    StaleWriter,
    Turn,
    TurnResult,
)
from tests.support.command import perdure
from tests.support.engines import on_an_engine
from tests.support.messages import digest

Script = list[dict[str, Any]]


class Hanging:
    """Lands the first half of what the script says, one message at a time, then hangs."""

    def __init__(self, script: ScriptedAgent) -> None:
        self._script = script
        self.hangs = asyncio.Event()

    async def run_turn(self, turn: Turn) -> TurnResult:
        said = list((await self._script.run_turn(turn)).messages)
        for message in said[: (len(said) + 1) // 2]:
            await turn.boundary([message])
        self.hangs.set()
        await asyncio.sleep(600)
        raise AssertionError("nobody interrupted it")


class Driver:
    """Engines on one file, one after the other; those abandoned are dead as far as others know."""

    engine: Engine

    def __init__(self, url: str) -> None:
        self.counted: Counter[str] = Counter()
        self._url = url
        self._numbers = itertools.count()
        self._dead: set[str] = set()

    async def open(self) -> None:
        self._name = name = f"process-{next(self._numbers)}"
        self.engine = await Engine.open(
            self._url,
            durability="normal",
            environment=Environment(holder=lambda: name, is_dead=self._dead.__contains__),
        )

    async def replay(self, session_id: str, script: Script) -> None:
        """Bring the session to where the script ends, however often it is interrupted."""
        await self.engine.register(session_id)
        for turn in itertools.count():
            agent = ScriptedAgent(script, boundaries=bool(turn % 2))
            if await self._recorded(session_id) == len(script):
                return
            if turn % 3 == 1:
                await self._attempt(session_id, ScriptedAgent(script))
            elif turn % 3 == 2:
                await self.engine.close()
                await self.open()
                self.counted["reopened"] += 1
            await self.engine.attach(session_id, agent)
            request = agent.requests(await self._recorded(session_id)) or None
            try:
                out = await self.engine.apply_turn(session_id, request)
            except CallsUnresolved as refused:
                await self._bring_results(session_id, script, refused.data["call_ids"])
                out = await self.engine.apply_turn(session_id, request)
            assert out.terminal == Completed()
            self.counted["turns"] += 1

    async def _recorded(self, session_id: str) -> int:
        return (await self.engine.read(session_id)).message_count

    async def _attempt(self, session_id: str, script: ScriptedAgent) -> None:
        """Begin a turn that hangs; interrupt it, or abandon the engine with it."""
        hanging = Hanging(script)
        request = script.requests(await self._recorded(session_id))
        await self.engine.attach(session_id, hanging)
        turn = asyncio.create_task(self.engine.apply_turn(session_id, request))
        await asyncio.wait_for(hanging.hangs.wait(), 30)
        self.counted["attempts"] += 1
        if self.counted["attempts"] % 2:
            await self.engine.interrupt(session_id)
            assert isinstance((await turn).terminal, Cancelled)
            self.counted["interrupted"] += 1
            return
        lost = self.engine
        self._dead.add(self._name)
        await self.open()
        await self.engine.attach(session_id, script)  # closes the run, whose owner is gone
        turn.cancel()  # what was abandoned wakes up after all, and may record nothing any more
        try:
            await turn
        except asyncio.CancelledError as cancelled:
            self.counted["abandoned"] += isinstance(cancelled.__cause__, StaleWriter)
        await lost.close()

    async def _bring_results(self, session_id: str, script: Script, call_ids: list[str]) -> None:
        """Bring what the script says of calls that an interruption left unknown."""
        rest = script[await self._recorded(session_id) :]  # a call id may come back later on
        results = list(itertools.takewhile(lambda one: one.get("tool_call_id") in call_ids, rest))
        await self.engine.stage_tool_results(session_id, results)
        self.counted["results brought"] += 1


def test_real_transcripts_survive_interruptions_crashes_and_reopenings(
    real_transcripts: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in real_transcripts.read_text("utf-8").splitlines()]
    driver = Driver(f"sqlite:///{tmp_path / 'driven.db'}")

    async def drive() -> dict[str, str]:
        await driver.open()
        for line in lines:
            await driver.replay(line["id"], line["messages"])
        report = await driver.engine.audit()
        assert report.ok, report.findings
        views = await driver.engine.list()
        await driver.engine.close()
        return {view.id: view.conversation_digest for view in views}

    driven = asyncio.run(drive())

    imported = f"sqlite:///{tmp_path / 'imported.db'}"
    assert perdure("import", str(real_transcripts), db=imported).code == 0
    straight = {
        one["session_id"]: one["conversation_digest"]
        for one in perdure("ls", "--json", db=imported).document
    }
    assert len(driven) == 150
    assert driven == straight
    assert driven == {line["id"]: digest(line["messages"]) for line in lines}
    assert driver.counted == {
        "turns": 948,  # of 1,096: an attempt that had landed all its turn's messages was one
        "attempts": 321,
        "interrupted": 161,
        "abandoned": 160,
        "reopened": 259,
        "results brought": 42,
    }


SCRIPT: Script = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "assistant", "content": "c"},
    {"role": "user", "content": "d"},
    {"role": "assistant", "content": "e"},
]


def test_a_script_asks_up_to_the_next_user_message_and_nothing_in_the_middle_of_a_turn() -> None:
    agent = ScriptedAgent(SCRIPT)
    asked = [agent.requests(recorded) for recorded in range(len(SCRIPT) + 1)]
    assert asked == [SCRIPT[:2], SCRIPT[1:2], [], [], SCRIPT[4:5], [], []]


@on_an_engine()
async def test_a_script_goes_on_behind_whatever_lands_before_the_agent_s_own(
    engine: Engine,
) -> None:
    await engine.register("s")
    await engine.record_turn("s", SCRIPT[:2])
    await engine.stage_context("s", "c")
    staged = {"role": "system", "content": "c"}
    script = [*SCRIPT[:2], staged, *SCRIPT[4:]]
    await engine.attach("s", ScriptedAgent(script))
    await engine.apply_turn("s", script[3:4])
    assert (await engine.history("s")).messages == script
