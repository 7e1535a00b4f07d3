"""The table of what can be asked of a session in a simulation, and of what must come of it.

To add a verb: write a coroutine that takes a `Call`, asks the engine, and checks with the log what
it was told; give it a row in `VERBS` with the refusals that its documentation names. That it is
refused rightly, is never refused for nothing and writes nothing then, is checked for all alike.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec

from engine import (
    AtCapacity,
    CallbackPending,
    CallNotOpen,
    CallsUnresolved,
    Cancelled,
    Completed,
    Conflict,
    EngineClosed,
    Failed,
    IllegalTransition,
    InputNotQueued,
    InvalidArgument,
    NoAgent,
    NoPendingBoundary,
    PerdureError,
    ReceiptNotFound,
    SessionBusy,
    SessionNotFound,
    SessionNotRunning,
    StaleWriter,
    StoreError,
    Usage,
)

from .agents import Agent
from .clock import Crashed
from .knowledge import Attempt, Violation, written
from .logs import SessionLog
from .world import Site, World

Refusals = tuple[type[PerdureError], ...]
BOUNDARIES: Final = ("immediate", "run_start", "run_checkpoint")
CANCELLED: Final = (
    "run-cancelled",
    "run-interrupted",
    "run-rolled-back",
    "session-stopped",
    "session-destroyed",
)


class Call:
    """One operation on a session, from a caller in one process."""

    def __init__(self, world: World, site: Site, session_id: str) -> None:
        self.world: Final = world
        self.site: Final = site
        self.engine: Final = site.engine
        self.id: Final = session_id
        self.chance: Final = world.chance
        self.attempt: Attempt | None = None
        self.run_id: str | None = None
        self.certain: Refusals | None = None
        self.may_have_written = False
        self.task: asyncio.Task[None] | None = None
        self.before = 0

    @property
    def log(self) -> SessionLog:
        """The session's log as of now."""
        return self.world.log(self.id)

    def must(self, holds: object, guarantee: str, what: str) -> None:
        """Note a violation unless something holds."""
        if not holds:
            raise self.world.violated(Violation(guarantee, f"session {self.id}: {what}"))

    def often(self, share: float) -> bool:
        """Whether to do something that is done so often."""
        return self.chance.random() < share

    def lost(self) -> None:
        """Note that nobody will ever hear what became of this."""
        if self in self.world.operations:
            self.world.operations.remove(self)
        if self.attempt is not None and self.attempt.status == "pending":
            self.attempt.status = "lost"

    def asks(self, run_id: str, attempt: Attempt) -> None:
        """Note which run is asked for, and what can be said of that before."""
        self.run_id = run_id
        self.attempt = self.world.known.ask(self.id, run_id, attempt)

    def queued(self, share: float) -> list[str]:
        """Some of the inputs that are queued."""
        return [one for one in self.log.inputs_in("queued") if self.often(share)]


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
        number = call.world.known.number()
        function = {"name": "look", "arguments": "{}"}
        made = {"role": "assistant", "content": None}
        made["tool_calls"] = [{"id": f"call-{number}", "type": "function", "function": function}]  # type: ignore[assignment]
        messages.append(call.world.known.give(call.id, made))
        if call.often(0.5):
            messages.append(call.world.answers(call.id, f"call-{number}"))
    given = {
        "messages": messages,
        "run_id": f"run-{call.world.known.number()}",
        "boundary": call.chance.choice(BOUNDARIES),
        "input_ids": call.queued(0.3),
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
            mine = run is not None and run.epoch == call.engine._ownership.epoch
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
    }
    call.must(run.ended in ways[type(out.terminal)], "G2", f"{run_id} is told as {out.terminal}")
    call.world.seen[f"terminal {type(out.terminal).__name__}"] += 1


async def retry(call: Call) -> None:
    """Ask again for what was asked before, as it was asked, or with other content."""
    asked = call.world.asked.get(call.id)
    if not asked:
        return
    verb, given = call.chance.choice(asked)
    other = call.often(0.3)
    if other:
        given = (
            given
            | {
                "record_turn": {"messages": [call.world.says(call.id)]},
                "apply_turn": {"request": [call.world.says(call.id)]},
                "append_context": {"text": f"other {call.world.known.number()}"},
                "stage_context": {"text": f"other {call.world.known.number()}"},
                "ingest": {"content": [call.world.says(call.id)]},
            }[verb]
        )
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
    await (_appended if verb == "append_context" else _staged)(call, given)


async def _appended(call: Call, given: dict[str, Any]) -> None:
    known = given["idempotency_key"] in call.log.keys
    out = await call.engine.append_context(call.id, **given)
    call.must(given["idempotency_key"] in call.log.keys, "G2", f"{given} was told")
    call.must((out.status == "duplicate") or not known, "G3", f"{given} again")
    call.must(out.receipt is not None, "G2", f"no receipt of {given}")
    assert out.receipt is not None
    call.world.told_receipt(call.id, out.receipt)


async def _staged(call: Call, given: dict[str, Any]) -> None:
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
    await _ingested(call, given)


async def _ingested(call: Call, given: dict[str, Any]) -> None:
    known = given["input_id"] in call.log.accepted
    out = await call.engine.ingest(call.id, **given)
    event = call.log.accepted.get(out.input_id)
    call.must(event is not None, "G2", f"{given} was told")
    assert event is not None
    recorded = list(map(written, event["messages"]))
    call.must(recorded == list(map(written, given["content"])), "G2", f"{given} was recorded so")
    call.must((out.status == "duplicate") or not known, "G3", f"{given} again")


_AGAIN: Final[dict[str, Callable[[Call, dict[str, Any]], Awaitable[None]]]] = {
    "record_turn": _recorded,
    "apply_turn": _applied,
    "append_context": _appended,
    "stage_context": _staged,
    "ingest": _ingested,
}


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
    names = [n for n, (s, _) in call.log.calls.items() if s != "executed"] or ["no such call"]
    message = call.world.answers(call.id, call.chance.choice(names))
    await call.engine.stage_tool_results(call.id, [message])
    sign = f"result {message['content'].split()[-1]}"
    found = any(sign in row.decode() for row in call.log.rows)
    call.must(found, "G2", f"{message} was staged")


async def abandon_call(call: Call) -> None:
    name = call.chance.choice([*call.log.calls, "no such call"])
    await call.engine.abandon_call(call.id, name, reason="never mind")
    call.must(name not in call.log.calls, "G2", f"{name} was abandoned")


async def stage_tool_filter(call: Call) -> None:
    view = await call.engine.stage_tool_filter(call.id, {"allow": [call.world.known.number()]})
    call.must(call.log.tags[view.version - 1] == "tool-filter-staged", "G2", "a filter")


async def publish(call: Call) -> None:
    view = await call.engine.publish(call.id, "news", {"n": call.world.known.number()})
    call.must(call.log.tags[view.version - 1] == "event-published", "G2", "news")


# Ends of turns


async def interrupt(call: Call) -> None:
    await _asked_to_end(call, call.engine.interrupt(call.id, reason="a test"))


async def cancel_after_boundary(call: Call) -> None:
    await _asked_to_end(call, call.engine.cancel_after_boundary(call.id))


async def _asked_to_end(call: Call, asking: Awaitable[None]) -> None:
    current = call.log.current
    await asking
    if current is not None and not call.world.failing:
        run = call.log.runs[current]
        call.must(run.ended or run.asked_to_end, "G2", f"{current} was asked to end")


async def cancel_a_caller(call: Call) -> None:
    mine = [one for one in call.world.operations if one.site is call.site and one is not call]
    if mine:
        other = call.chance.choice(mine)
        call.world.seen["a caller was cancelled"] += 1
        other.task.cancel()


# Phases


async def checkpoint(call: Call) -> None:
    out = await call.engine.checkpoint(call.id)
    call.must(call.log.counts[out.version] == out.message_count, "G2", "a checkpoint")


async def retire(call: Call) -> None:
    await call.engine.retire(call.id, reason="a test")
    call.must("session-retired" in call.log.tags, "G2", "retired and not recorded")


async def archive(call: Call) -> None:
    pending = call.chance.choice(("refuse", "abandon"))
    view = await call.engine.archive(call.id, pending=pending)
    call.must(view.phase == call.log.phase == "archived", "G2", "archived and not recorded")


async def stop(call: Call) -> None:
    await call.engine.control.stop(call.id)
    call.must("session-stopped" in call.log.tags, "G2", "stopped")


async def reset(call: Call) -> None:
    report = await call.engine.control.reset(call.id)
    call.must("session-reset" in call.log.tags, "G2", "reset")
    kept = set(report.abandoned) & set(call.log.inputs_in("queued"))
    call.must(not kept, "G2", f"{kept} were abandoned")


async def recycle(call: Call) -> None:
    await call.engine.control.recycle(call.id)
    call.must("session-recycled" in call.log.tags, "G2", "recycled")


async def recover(call: Call) -> None:
    report = await call.engine.control.recover(call.id)
    if report.run_id is not None:
        run = call.log.runs[report.run_id]
        call.must(run.ended == "run-interrupted", "G2", f"{report.run_id} was recovered")


async def destroy(call: Call) -> None:
    await call.engine.control.destroy(call.id, reason="a test")
    call.must(call.log.phase == "destroyed", "G2", "destroyed and not recorded")


async def join_mob(call: Call) -> None:
    mob = f"mob-{call.chance.randrange(3)}"
    await call.engine.join_mob(call.id, mob)
    call.must("mob-joined" in call.log.tags, "G2", f"joined {mob}")


async def leave_mob(call: Call) -> None:
    mob = call.chance.choice([*call.log.mobs * 3, "mob-0"])
    await call.engine.leave_mob(call.id, mob)


async def archive_mob(call: Call) -> None:
    mob = f"mob-{call.chance.randrange(3)}"
    names = [name for name, log in call.world.known.logs.items() if mob in log.mobs]
    for name in names:
        call.world.start(call.site.process, name)
    try:
        members = await call.engine.archive_mob(mob)
    finally:
        if call.site.process.alive:
            for name in names:
                call.world.leave(call.site.process, name)
    for one in members:
        phase = call.world.log(one.session_id).phase
        ended = phase in ("archived", "destroyed")
        call.must(ended or one.outcome == "refused", "G2", f"{one} is {phase}")


async def fork(call: Call) -> None:
    log, known = call.log, call.world.known
    name = f"{call.id}-{known.number()}"
    point: dict[str, Any] = {}
    if call.often(0.4):
        point["at_version"] = call.chance.randint(0, log.version + 1)
    elif call.often(0.7):
        point["at_message"] = call.chance.randint(0, len(log.messages) + 1)
        if call.often(0.5):
            point["replace"] = known.give(name, {"role": "user", "content": f"not so {name}"})
            attempt = Attempt("record_turn", [point["replace"]], "immediate", ())
            known.ask(name, "fork-replacement", attempt)
    view = await call.engine.fork(call.id, new_session_id=name, **point)
    made = call.world.log(name)
    call.must(made.version >= view.version > 0, "G2", f"{name} was forked")
    call.must(made.counts[view.version] == view.message_count, "G6", f"{name} has {view}")
    call.world.sessions.append(name)


# Loops and checkpointers


async def keep_alive(call: Call) -> None:
    await call.engine.keep_alive(call.id)
    call.world.known.kept_alive.add(call.id)
    call.world.enter(call.site.process, call.id)  # for as long as the process lives


async def stop_loop(call: Call) -> None:
    await call.engine.stop_loop(call.id)


async def cancel_all_checkpointers(call: Call) -> None:
    await call.engine.cancel_all_checkpointers()


async def rearm_all_checkpointers(call: Call) -> None:
    await call.engine.rearm_all_checkpointers()


# Reading


async def runtime_state(call: Call) -> None:
    state = await call.engine.control.runtime_state(call.id)
    log = call.log
    if state.version == log.version:
        seen = state.phase, state.current_run, list(state.queued), list(state.mobs)
        held = log.phase, log.current, log.inputs_in("queued"), log.mobs
        call.must(seen == held, "G6", f"{seen} is in hand, and in the log {held}")
        calls = {one.id: one.status for one in state.open_calls}
        call.must(calls == {n: s for n, (s, _) in log.calls.items()}, "G9", f"open: {calls}")


async def inputs(call: Call) -> None:
    least = set(call.log.accepted)
    found = {one.id for one in await call.engine.inputs(call.id)}
    call.must(least <= found <= set(call.log.accepted), "G6", f"there are {found}")


async def views(call: Call) -> None:
    await call.engine.execution_snapshot(call.id)
    await call.engine.tool_scope_snapshot(call.id)


async def read(call: Call) -> None:
    view = await call.engine.read(call.id)
    log = call.log
    call.must(call.before <= view.version <= log.version, "G6", f"read version {view.version}")
    call.must(view.message_count == log.counts[view.version], "G6", "the number of messages")
    if view.version == log.version:
        seen = view.phase, view.conversation_digest, view.staged_context
        staged = list(map(msgspec.json.decode, log.staged))
        call.must(seen == (log.phase, log.digest(), staged), "G6", f"read {view}")


async def history(call: Call) -> None:
    least = call.log.counts[-1]
    offset = call.chance.randrange(least + 1)
    page = await call.engine.history(call.id, offset=offset, limit=call.chance.choice((None, 3)))
    call.must(least <= page.message_count <= len(call.log.messages), "G6", "how many there are")
    call.world.heard(call.id, offset, page.messages)


async def receipts(call: Call) -> None:
    least = sum(len(run.receipts) for run in call.log.runs.values())
    found = await call.engine.receipts(call.id)
    call.must(len(found) >= least, "G2", "a receipt is gone")
    for one in found:
        call.world.told_receipt(call.id, one)
    if found:
        one = call.chance.choice(found)
        again = await call.engine.load_receipt(call.id, one.run_id, one.sequence)
        call.must(again == one, "G6", f"{one} loads as {again}")


async def as_of(call: Call) -> None:
    version = call.chance.randint(1, max(1, call.before))
    view = await call.engine.as_of(call.id, version)
    call.must(view.message_count == call.log.counts[version], "G6", f"as of {version}: {view}")


async def head(call: Call) -> None:
    found = await call.engine.head(call.id)
    row = call.log.rows[found.version - 1]
    call.must(found.link in row.decode()[-70:], "G6", f"{found} is no head")
    call.world.heads[call.id] = found


async def list_all(call: Call) -> None:
    expected = {name for name, version, *_ in call.world.rows if version == 1}
    found = [view.id for view in await call.engine.list()]
    call.must(expected <= set(found), "G6", "a session is not listed")
    call.must(len(found) == len(set(found)), "G6", "a session is listed twice")


async def discard_live(call: Call) -> None:
    await call.engine.discard_live(call.id)


class Verb(NamedTuple):
    """A verb: how often it is asked, what asks it, and how it may be refused."""

    weight: float
    ask: Callable[[Call], Awaitable[None]]
    refusals: Refusals = ()


_WRITES: Final[Refusals] = (SessionNotFound, IllegalTransition, StaleWriter)
_TURN: Final[Refusals] = (*_WRITES, SessionBusy, CallsUnresolved, InputNotQueued, Conflict)
_READS: Final[Refusals] = (SessionNotFound,)

VERBS: Final[dict[str, Verb]] = {
    "register": Verb(9, register, (IllegalTransition, Conflict, StaleWriter)),
    "attach": Verb(3, attach, (*_WRITES, SessionBusy)),
    "detach": Verb(1, detach, _WRITES),
    "record_turn": Verb(10, record_turn, _TURN),
    "apply_turn": Verb(22, apply_turn, (*_TURN, AtCapacity, NoAgent, InvalidArgument)),
    "retry": Verb(10, retry, (*_TURN, AtCapacity, NoAgent)),
    "append_context": Verb(3, append_context, (*_WRITES, Conflict)),
    "stage_context": Verb(4, stage_context, (*_WRITES, Conflict)),
    "ingest": Verb(9, ingest, (*_WRITES, Conflict)),
    "abandon_input": Verb(1, abandon_input, (*_WRITES, InputNotQueued)),
    "supersede_input": Verb(1, supersede_input, (*_WRITES, InputNotQueued)),
    "coalesce_inputs": Verb(1, coalesce_inputs, (*_WRITES, InputNotQueued, InvalidArgument)),
    "stage_tool_results": Verb(4, stage_tool_results, (*_WRITES, CallNotOpen, Conflict)),
    "abandon_call": Verb(2, abandon_call, (*_WRITES, CallNotOpen, Conflict)),
    "stage_tool_filter": Verb(0.5, stage_tool_filter, _WRITES),
    "publish": Verb(0.5, publish, _WRITES),
    "interrupt": Verb(5, interrupt, (*_WRITES, SessionNotRunning)),
    "cancel_after_boundary": Verb(3, cancel_after_boundary, (*_WRITES, SessionNotRunning)),
    "cancel_a_caller": Verb(4, cancel_a_caller),
    "checkpoint": Verb(2, checkpoint, _WRITES),
    "retire": Verb(1.5, retire, _WRITES),
    "archive": Verb(1, archive, _WRITES),
    "stop": Verb(1, stop, _WRITES),
    "reset": Verb(0.7, reset, _WRITES),
    "recycle": Verb(0.7, recycle, _WRITES),
    "recover": Verb(1, recover, (*_WRITES, SessionBusy)),
    "destroy": Verb(0.4, destroy, _WRITES),
    "join_mob": Verb(1, join_mob, _WRITES),
    "leave_mob": Verb(1, leave_mob, _WRITES),
    "archive_mob": Verb(0.3, archive_mob),
    "fork": Verb(1.5, fork, (*_READS, InvalidArgument, StaleWriter)),
    "keep_alive": Verb(0.7, keep_alive, _READS),
    "stop_loop": Verb(0.5, stop_loop),
    "cancel_all_checkpointers": Verb(0.2, cancel_all_checkpointers),
    "rearm_all_checkpointers": Verb(0.3, rearm_all_checkpointers),
    "read": Verb(3, read, _READS),
    "runtime_state": Verb(2, runtime_state, _READS),
    "inputs": Verb(1, inputs, _READS),
    "views": Verb(0.5, views, _READS),
    "history": Verb(2, history, _READS),
    "receipts": Verb(1.5, receipts, _READS),
    "as_of": Verb(1.5, as_of, (*_READS, InvalidArgument)),
    "head": Verb(1.5, head, _READS),
    "list": Verb(1, list_all),
    "discard_live": Verb(1.5, discard_live),
}
QUIET: Final = (
    "cancel_a_caller",
    "list",
    "read",
    "history",
    "receipts",
    "as_of",
    "head",
    "discard_live",
    "archive_mob",
    "fork",
    "cancel_all_checkpointers",
    "rearm_all_checkpointers",
    "runtime_state",
    "inputs",
    "views",
)
"""Verbs that change nothing of the session, so they disturb nobody on it."""


async def perform(call: Call, name: str) -> None:
    """Ask, and check how it came out."""
    world, verb = call.world, VERBS[name]
    process = call.site.process
    alone = world.is_quiet(call.id)
    call.before = call.log.version
    if name not in QUIET:
        world.start(process, call.id)
    starts = world.starts(call.id)
    world.say(f"{name} {call.id}{' alone' if alone else ''}")

    outcome = "told"
    try:
        await verb.ask(call)
    except (Crashed, Violation):
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
    except PerdureError as refusal:
        outcome = refusal.code
        _refused(call, verb, refusal, alone=alone and world.starts(call.id) == starts)
    except Exception as error:  # noqa: BLE001 - a verb raises PerdureErrors and nothing else
        raise world.violated(error) from None
    finally:
        if process.alive:
            if name not in QUIET:
                world.leave(process, call.id)
            call.lost()
    world.sync()
    if call.attempt is not None and outcome == "told":
        call.attempt.status = "told"
    world.seen[f"{name}: {outcome}"] += 1
    world.say(f"{name} {call.id}: {outcome}")


def _refused(call: Call, verb: Verb, refusal: PerdureError, *, alone: bool) -> None:
    """Check that a refusal is one of those it may be, is for a reason, and wrote nothing."""
    log, site = call.log, call.site
    passing: Refusals = ()
    if site.closing:
        passing = (EngineClosed, SessionBusy)
    if call.world.failing:
        passing = (*passing, StoreError, StaleWriter)
    allowed = verb.refusals if call.certain is None else call.certain
    call.must(
        isinstance(refusal, (*allowed, *passing)), "G5", f"refused with {refusal.code}: {refusal}"
    )
    if isinstance(refusal, SessionNotFound):
        call.must(not call.before, "G2", "it is there and was not found")
    ambiguous = call.may_have_written and isinstance(
        refusal, StaleWriter | StoreError | EngineClosed
    )
    if call.attempt is not None and call.run_id is not None and not ambiguous:
        call.attempt.status = "refused"
        attempts = call.world.known.attempts[call.id, call.run_id]
        others = any(one.status != "refused" for one in attempts)
        call.must(others or call.run_id not in log.runs, "G5", f"{call.run_id} was written")
    if alone and not isinstance(refusal, passing) and not ambiguous:
        _for_a_reason(call, refusal)


def _for_a_reason(call: Call, refusal: PerdureError) -> None:
    """Check a refusal by the log, nobody else having worked on the session meanwhile."""
    log = call.log
    written_since = [tag for tag in log.tags[call.before :] if tag != "run-interrupted"]
    call.must(not written_since, "G5", f"refused, and {written_since} was written")
    match refusal:
        case SessionBusy():
            run = None if log.current is None else log.runs[log.current]
            mine = run is not None and run.epoch == call.engine._ownership.epoch
            call.must(run is not None and not mine, "G9", "busy, and nobody is at work on it")
        case StaleWriter():
            call.must(False, "G4", f"stale, and nobody else wrote: {refusal}")
        case IllegalTransition():
            then = (log.phase, "retired") if refusal.data["verb"] == "archive" else (log.phase,)
            call.must(refusal.data["phase"] in then, "G5", f"it is {log.phase}: {refusal}")
        case CallsUnresolved():
            call.must(log.unknown_calls(), "G9", f"no call is unknown: {refusal}")
        case SessionNotRunning():
            call.must(log.current is None, "G5", f"{log.current} runs: {refusal}")
        case ReceiptNotFound():
            call.must(False, "G2", str(refusal))
        case _:
            pass
