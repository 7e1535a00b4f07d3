"""Asking for sessions, agents and turns, and for earlier ones again.

Invariants: every answer about a run is in the log at that moment; a recorded run is not done again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from perdure import (
    AtCapacity,
    CallbackPending,
    Cancelled,
    Completed,
    Conflict,
    Failed,
    NoPendingBoundary,
    OwnerLost,
    SessionBusy,
    StaleWriter,
    Usage,
)

from .agents import Agent
from .calls import Call
from .inputs import appended, ingested, staged
from .knowledge import Attempt
from .logs import SessionLog

BOUNDARIES: Final = ("immediate", "run_start", "run_checkpoint")
OPEN_CALLS: Final = (None, None, "abandon", "keep")
CANCELLED: Final = (
    "run-cancelled",
    "run-rolled-back",
    "session-stopped",
    "session-destroyed",
)


# Registering, attaching


async def register(call: Call) -> None:
    labels = {"of": call.id} if call.often(0.7) else None
    if call.often(0.05):
        labels = {"of": "somebody else"}
    view = await call.engine.register(call.id, labels=labels)
    call.must(call.log.version >= view.version > 0, "G2", "registered and not recorded")


async def attach(call: Call) -> None:
    view = await call.engine.attach(call.id, Agent(call.world, call.site))
    call.must(view.version <= call.log.version, "G2", "attached, and not recorded")
    call.must(view.phase in ("attached", "retired", "running"), "G2", f"attached is {view.phase}")


async def detach(call: Call) -> None:
    view = await call.engine.detach(call.id)
    call.must(call.log.tags[: view.version][-1:] == ["session-detached"], "G2", "detached")


# Turns


async def record_turn(call: Call) -> None:
    messages = [call.world.says(call.id, "user"), call.world.says(call.id)]
    if call.often(0.2):
        made, ids = call.world.calls(call.id, call.chance.choice((1, 2)))
        messages += made
        messages += [call.world.answers(call.id, one) for one in ids if call.often(0.5)]
    if call.log.calls and call.often(0.4):
        waiting = [one.id for one in call.log.calls.values() if one.status == "intended"]
        messages = [*(call.world.answers(call.id, one) for one in waiting), *messages]
    given: dict[str, Any] = {
        "messages": messages,
        "run_id": f"run-{call.world.known.number()}",
        "boundary": call.chance.choice(BOUNDARIES),
        "input_ids": call.queued(0.3),
        "open_calls": call.chance.choice(OPEN_CALLS),
    }
    if call.often(0.2):
        given["usage"] = Usage(input_tokens=3, output_tokens=1)
    call.world.asked.setdefault(call.id, []).append(("record_turn", given))
    await _recorded(call, given)


async def _recorded(call: Call, given: dict[str, Any]) -> None:
    run_id = given["run_id"]
    known = run_id in call.log.runs
    call.asks(
        run_id, Attempt("record_turn", given["messages"], given["boundary"], given["input_ids"])
    )
    out = await call.engine.record_turn(call.id, **given)
    call.must(out.receipt is not None, "G2", f"no receipt of {run_id}")
    assert out.receipt is not None
    call.world.told_receipt(call.id, out.receipt)
    call.must(out.terminal == Completed(), "G2", f"{run_id} ended as {out.terminal}")
    call.must(not known or out.duplicate, "G3", f"{run_id} was recorded again")


async def apply_turn(call: Call) -> None:
    requests: list[Any] = [[call.world.says(call.id, "user")]]
    if call.often(0.15):
        requests[0].append(call.world.says(call.id, "user"))
    given = {
        "request": None if call.often(0.1) else requests[0],
        "run_id": f"run-{call.world.known.number()}",
        "boundary": call.chance.choice(BOUNDARIES),
        "input_ids": call.queued(0.6),
        "open_calls": call.chance.choice(OPEN_CALLS),
    }
    call.world.asked.setdefault(call.id, []).append(("apply_turn", given))
    if not call.often(0.1):
        await _applied(call, given)
        return
    async with await call.engine.reserve(call.id) as reservation:
        await asyncio.sleep(call.chance.choice((0, 0.2)))
        if call.often(0.7):
            await _applied(call, given, reservation)


async def _applied(call: Call, given: dict[str, Any], reservation: Any = None) -> None:
    run_id = given["run_id"]
    known = call.log.runs.get(run_id)
    request = given["request"] or []
    call.asks(run_id, Attempt("apply_turn", request, given["boundary"], given["input_ids"]))
    call.may_have_written = known is None
    try:
        out = await call.engine.apply_turn(call.id, **given, reservation=reservation)
    except asyncio.CancelledError:
        if known is None and call.site.process.alive and not call.world.failing:
            run = call.log.runs.get(run_id)
            mine = run is not None and run.epoch == call.engine._core.ownership.epoch
            mine = mine and not call.engine._core.sessions.drives(call.id)  # for who asked first
            call.must(run is None or run.ended or not mine, "G9", f"{run_id} was left behind")
        raise
    run = call.log.runs.get(run_id)
    call.must(run is not None, "G2", f"{run_id} was told and is not recorded")
    assert run is not None
    call.must(run.ended, "G2", f"{run_id} has ended as {out.terminal} and that is not recorded")
    last = run.receipts[-1] if run.receipts else None
    told = None if out.receipt is None else msgspec.json.decode(msgspec.json.encode(out.receipt))
    call.must(told == last, "G2", f"the receipt of {run_id} is {told}, and recorded is {last}")
    call.must(out.duplicate or known is None, "G3", f"{run_id} was run again")
    ways: dict[type, tuple[str, ...]] = {
        Completed: ("run-completed", "turn-applied"),
        CallbackPending: ("run-completed",),
        NoPendingBoundary: ("run-completed",),
        Failed: ("run-failed",),
        Cancelled: CANCELLED,
        OwnerLost: ("run-interrupted",),
    }
    call.must(run.ended in ways[type(out.terminal)], "G2", f"{run_id} is told as {out.terminal}")
    call.world.seen[f"terminal {type(out.terminal).__name__}"] += 1


async def retry(call: Call) -> None:
    """Repeat an earlier request, as it was, or with other content."""
    asked = call.world.asked.get(call.id)
    if not asked:
        return
    verb, given = call.chance.choice(asked)
    other = call.often(0.3)
    if other:
        instead: dict[str, dict[str, Any]] = {
            "record_turn": {"messages": [call.world.says(call.id)]},
            "apply_turn": {"request": [call.world.says(call.id)]},
            "append_context": {"text": f"other {call.world.known.number()}"},
            "stage_context": {"text": f"other {call.world.known.number()}"},
            "ingest": {"content": [call.world.says(call.id)]},
        }
        given = given | instead[verb]
        call.world.gives(call.id, verb, given)
    name = next(given[key] for key in ("run_id", "input_id", "idempotency_key") if key in given)
    recorded = _recorded_of(call.log, verb, given) is not None
    if other:
        call.world.disputed.add(name)
    if recorded:
        call.certain = (SessionBusy, StaleWriter, AtCapacity)
        if name in call.world.disputed:
            call.certain = (*call.certain, Conflict)
    await _AGAIN[verb](call, given)
    call.must(not (recorded and other), "G3", f"{given} has other content and was taken")
    call.world.seen["retry of what is recorded"] += recorded


def _recorded_of(log: SessionLog, verb: str, given: dict[str, Any]) -> Any:
    if verb in ("record_turn", "apply_turn"):
        return log.runs.get(given["run_id"])
    if verb == "ingest":
        return log.accepted.get(given["input_id"])
    return log.keys.get(given["idempotency_key"])


_AGAIN: Final[dict[str, Callable[[Call, dict[str, Any]], Awaitable[None]]]] = {
    "record_turn": _recorded,
    "apply_turn": _applied,
    "append_context": appended,
    "stage_context": staged,
    "ingest": ingested,
}
