"""Sessions in tests: brought to where a test begins, and asked where they have got to."""

from typing import Any

from perdure import ApplyOutput, Engine, Receipt


async def attached(engine: Engine, agent: Any, session_id: str = "s") -> None:
    """Register a session with an agent."""
    await engine.register(session_id)
    await engine.attach(session_id, agent)


async def ingest(engine: Engine, text: str, session_id: str = "s", **given: Any) -> None:
    """Queue an input that is named after its text."""
    await engine.ingest(session_id, text, input_id=f"in-{text}", **given)


async def running(engine: Engine, *names: str) -> bool:
    return all([(await engine.read(name)).phase == "running" for name in names])


async def has(engine: Engine, messages: int) -> bool:
    return (await engine.read("s")).message_count == messages


async def said(engine: Engine, session_id: str = "s") -> list[str]:
    return [m["content"] for m in (await engine.history(session_id)).messages]


def receipt_of(out: ApplyOutput) -> Receipt:
    """Return the receipt of a turn that must have one."""
    assert out.receipt is not None
    return out.receipt
