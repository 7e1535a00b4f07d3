"""A session to fork, with turns of several lengths, context and input."""

from typing import Any

from perdure import Engine
from tests.support.processes import message

Messages = list[dict[str, Any]]


async def said(engine: Engine, session_id: str) -> Messages:
    return (await engine.history(session_id)).messages


async def origin(engine: Engine, name: str = "o") -> Messages:
    """Record a session whose turns have one, two and three messages, and some context."""
    await engine.register(name, labels={"team": "a"}, metadata={"n": 1})
    await engine.record_turn(name, [message("1")], run_id="r-1")
    await engine.append_context(name, "2", idempotency_key="k")
    await engine.record_turn(name, [message("3 ü"), message('4 "')], run_id="r-2")
    await engine.stage_context(name, "5")
    await engine.record_turn(name, [message("6"), message("7")], run_id="r-3")
    await engine.stage_context(name, "staged")
    await engine.ingest(name, "waits", input_id="in-1")
    return await said(engine, name)
