"""Asking for context, inputs, tool calls, filters and news: the work that a session has in hand."""

import json
from typing import Any

from .calls import Call
from .knowledge import written

# Context and inputs


async def append_context(call: Call) -> None:
    await _new_context(call, "append_context")


async def stage_context(call: Call) -> None:
    await _new_context(call, "stage_context")


async def _new_context(call: Call, verb: str) -> None:
    number = call.world.known.number()
    given = {"text": f" context {number} ", "idempotency_key": f"key-{number}", "source": "a test"}
    call.world.asked.setdefault(call.id, []).append((verb, given))
    call.world.gives(call.id, verb, given)
    await (appended if verb == "append_context" else staged)(call, given)


async def appended(call: Call, given: dict[str, Any]) -> None:
    known = given["idempotency_key"] in call.log.keys
    out = await call.engine.append_context(call.id, **given)
    call.must(given["idempotency_key"] in call.log.keys, "G2", f"{given} was told")
    call.must((out.status == "duplicate") or not known, "G3", f"{given} again")
    recorded = call.log.keys[given["idempotency_key"]]["tag"]
    call.must(recorded == "context-staged" or out.receipt is not None, "G2", f"{given} landed")
    call.must((out.status == "staged") == (recorded == "context-staged" and not known), "G2", "as")
    if out.receipt is not None:
        call.world.told_receipt(call.id, out.receipt)
    else:
        call.world.seen["context waited for a call"] += 1


async def staged(call: Call, given: dict[str, Any]) -> None:
    known = given["idempotency_key"] in call.log.keys
    out = await call.engine.stage_context(call.id, **given)
    call.must(given["idempotency_key"] in call.log.keys, "G2", f"{given} was told")
    call.must((out.status == "duplicate") or not known, "G3", f"{given} again")


async def ingest(call: Call) -> None:
    number = call.world.known.number()
    given = {
        "content": [call.world.says(call.id, "user") for _ in range(call.chance.choice((1, 1, 2)))],
        "input_id": f"input-{number}",
        "idempotency_key": call.chance.choice((None, f"key-{number}")),
        "lane": call.chance.choice(("queue", "queue", "steer")),
    }
    call.world.asked.setdefault(call.id, []).append(("ingest", given))
    await ingested(call, given)


async def ingested(call: Call, given: dict[str, Any]) -> None:
    known = given["input_id"] in call.log.accepted
    out = await call.engine.ingest(call.id, **given)
    event = call.log.accepted.get(out.input_id)
    call.must(event is not None, "G2", f"{given} was told")
    assert event is not None
    recorded = list(map(written, event["messages"]))
    call.must(recorded == list(map(written, given["content"])), "G2", f"{given} was recorded so")
    call.must((out.status == "duplicate") or not known, "G3", f"{given} again")


async def abandon_input(call: Call) -> None:
    name = call.chance.choice([*call.log.accepted, "no such input"])
    await call.engine.abandon_input(call.id, name)
    call.must(name not in call.log.inputs_in("queued"), "G2", f"{name} was abandoned")


async def supersede_input(call: Call) -> None:
    name = call.chance.choice([*call.log.inputs_in("queued"), "no such input"])
    content = [call.world.says(call.id, "user")]
    out = await call.engine.supersede_input(call.id, name, content)
    call.must(out.input_id in call.log.accepted, "G2", f"{name} was superseded")


async def coalesce_inputs(call: Call) -> None:
    names = call.queued(0.8) or ["no such input"]
    out = await call.engine.coalesce_inputs(call.id, names)
    call.must(out.input_id in call.log.accepted, "G2", f"{names} were coalesced")


# Tool calls


async def stage_tool_results(call: Call) -> None:
    waiting = [one.id for one in call.log.calls.values() if one.status != "executed"]
    message = call.world.answers(call.id, call.chance.choice(waiting or ["no such call"]))
    await call.engine.stage_tool_results(call.id, [message])
    recorded = written(message).encode()
    call.must(any(recorded in row for row in call.log.rows), "G2", f"{message} was staged")
    if call.often(0.3):
        before = call.log.version
        await call.engine.stage_tool_results(call.id, [message])
        staged = call.log.tags[before:].count("tool-results-staged")
        call.must(not staged or call.world.restless, "G3", f"{message} was staged again")


async def abandon_call(call: Call) -> None:
    names = [one.id for one in call.log.calls.values()]
    name = call.chance.choice([*names, "no such call"])
    before = call.log.version
    left = await call.engine.abandon_call(call.id, name, reason="never mind")
    given_up = [
        json.loads(row)["call_id"]
        for row, tag in zip(call.log.rows[before:], call.log.tags[before:], strict=True)
        if tag == "call-abandoned"
    ]
    call.must(name in given_up, "G2", f"{name} was abandoned: {left}")


async def stage_tool_filter(call: Call) -> None:
    number = call.world.known.number()
    call.world.known.filters.add((call.id, number))
    view = await call.engine.stage_tool_filter(call.id, {"allow": [number]})
    recorded = json.loads(call.log.rows[view.version - 1]).get("filter")
    call.must(recorded == {"allow": [number]}, "G2", f"filter {number}")


async def publish(call: Call) -> None:
    number = call.world.known.number()
    call.world.known.news.add((call.id, number))
    view = await call.engine.publish(call.id, "news", {"n": number})
    recorded = json.loads(call.log.rows[view.version - 1]).get("payload")
    call.must(recorded == {"n": number}, "G2", f"news {number}")
