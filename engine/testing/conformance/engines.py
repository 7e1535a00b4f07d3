"""An engine on the store: a session's life, from its registration to its audit.

Invariants: the engine is opened by its public door, with a function that opens the store.
"""

import asyncio
from pathlib import Path
from typing import Any

from perdure import Engine
from perdure.testing.conformance.part import ConformancePart, check, check_equal


class EngineConformance(ConformancePart):
    """That an engine keeps its sessions in the store."""

    def test_an_engine_lives_on_the_store(self, tmp_path: Path) -> None:
        asyncio.run(asyncio.wait_for(_use_engine(self, tmp_path), 10 * self.patience_seconds))


async def _use_engine(part: ConformancePart, folder: Path) -> None:
    async with Engine.open(lambda: part.open_store(folder)) as engine:
        await engine.register("s", labels={"team": "support"})
        out = await engine.record_turn("s", [_said("one")], run_id="run-1")
        again = await engine.record_turn("s", [_said("one")], run_id="run-1")
        check_equal(again.receipt, out.receipt, "the receipt of a repeated turn")
        names = [f"t{number}" for number in range(20)]
        await asyncio.gather(*(engine.register(name) for name in names))
        await asyncio.gather(
            *(engine.record_turn(name, [_said(name)], run_id="run") for name in names)
        )
        listed = [view.id for view in await engine.list(labels={"team": "support"})]
        check_equal(listed, ["s"], "the sessions with a label")
        check_equal(len(await engine.list()), 21, "the sessions")
        subscription = engine.subscribe("s")
        tags = [(await anext(subscription)).tag for _ in range(2)]
        check_equal(tags, ["session-registered", "turn-applied"], "the events of a session")
        await engine.archive("s")
        following = [(await anext(subscription)).tag for _ in range(2)]
        check_equal(following, ["session-retired", "session-archived"], "the events to come")
        await subscription.aclose()
        report = await engine.audit()
        check(report.ok, f"the audit found {report.findings}")
        check_equal(report.sessions, 21, "the audited sessions")


def _said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}
