"""The table of the requests to a session in a simulation, and of their allowed outcomes.

To add a verb: write a coroutine that takes a `Call`, asks the engine, and checks with the log what
it was told; give it a row in `VERBS` with the refusals that its documentation names. That it is
refused rightly, is never refused for nothing and writes nothing then, is checked for all alike.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from perdure import (
    AtCapacity,
    AuthorityRequired,
    CallNotOpen,
    CallsUnresolved,
    Conflict,
    EngineClosed,
    IllegalTransition,
    InputNotQueued,
    InvalidArgument,
    NoAgent,
    PerdureError,
    ReceiptNotFound,
    SessionBusy,
    SessionNotFound,
    SessionNotRunning,
    StaleWriter,
    StoreError,
)

from . import authority, families, inputs, phases, reading, snapshots, turns
from .calls import Call, Refusals
from .clock import Crashed
from .knowledge import Violation


class Verb(NamedTuple):
    """A verb: how often it is asked, what asks it, and how it may be refused."""

    weight: float
    ask: Callable[[Call], Awaitable[None]]
    refusals: Refusals = ()


_WRITES: Final[Refusals] = (SessionNotFound, IllegalTransition, StaleWriter)
_TURN: Final[Refusals] = (*_WRITES, SessionBusy, CallsUnresolved, InputNotQueued, Conflict)
_READS: Final[Refusals] = (SessionNotFound,)
_AT_A_POINT: Final[Refusals] = (
    InvalidArgument,
    StaleWriter,
    Conflict,
    IllegalTransition,
    CallsUnresolved,  # of a message that would replace one behind calls that are unknown
)

VERBS: Final[dict[str, Verb]] = {
    "register": Verb(9, turns.register, (IllegalTransition, Conflict, StaleWriter)),
    "attach": Verb(3, turns.attach, (*_WRITES, SessionBusy)),
    "detach": Verb(1, turns.detach, _WRITES),
    "record_turn": Verb(10, turns.record_turn, _TURN),
    "apply_turn": Verb(22, turns.apply_turn, (*_TURN, AtCapacity, NoAgent, InvalidArgument)),
    "retry": Verb(10, turns.retry, (*_TURN, AtCapacity, NoAgent)),
    "append_context": Verb(3, inputs.append_context, (*_WRITES, Conflict)),
    "stage_context": Verb(4, inputs.stage_context, (*_WRITES, Conflict)),
    "ingest": Verb(9, inputs.ingest, (*_WRITES, Conflict)),
    "abandon_input": Verb(1, inputs.abandon_input, (*_WRITES, InputNotQueued)),
    "supersede_input": Verb(1, inputs.supersede_input, (*_WRITES, InputNotQueued)),
    "coalesce_inputs": Verb(1, inputs.coalesce_inputs, (*_WRITES, InputNotQueued, InvalidArgument)),
    "stage_tool_results": Verb(4, inputs.stage_tool_results, (*_WRITES, CallNotOpen, Conflict)),
    "abandon_call": Verb(2, inputs.abandon_call, (*_WRITES, CallNotOpen, Conflict)),
    "stage_tool_filter": Verb(0.5, inputs.stage_tool_filter, _WRITES),
    "publish": Verb(0.5, inputs.publish, _WRITES),
    "interrupt": Verb(5, authority.interrupt, authority.ENDING),
    "cancel_after_boundary": Verb(3, authority.cancel_after_boundary, authority.ENDING),
    "cancel_a_caller": Verb(4, authority.cancel_a_caller),
    "take_control": Verb(2, authority.take_control, (*_WRITES, SessionBusy)),
    "give_back": Verb(0.7, authority.give_back),
    "release_the_adapter": Verb(0.4, authority.release_the_adapter),
    "interrupt_as_the_machine": Verb(
        1.5, authority.interrupt_as_the_machine, (*_WRITES, SessionNotRunning)
    ),
    "interrupt_with_a_forged_token": Verb(0.5, authority.interrupt_with_a_forged_token),
    "checkpoint_committed": Verb(1.5, snapshots.checkpoint_committed, (*_READS, Conflict)),
    "checkpoint": Verb(2, phases.checkpoint, _WRITES),
    "retire": Verb(1.5, phases.retire, _WRITES),
    "archive": Verb(1, phases.archive, _WRITES),
    "drain": Verb(0.3, phases.drain, (*_TURN, AtCapacity, NoAgent)),
    "stop": Verb(1, phases.stop, _WRITES),
    "reset": Verb(0.7, phases.reset, _WRITES),
    "recycle": Verb(0.7, phases.recycle, _WRITES),
    "recover": Verb(1, phases.recover, (*_WRITES, SessionBusy)),
    "destroy": Verb(0.4, phases.destroy, _WRITES),
    "join_mob": Verb(2, families.join_mob, _WRITES),
    "leave_mob": Verb(1, families.leave_mob, _WRITES),
    "membership": Verb(0.5, families.membership, _READS),
    "archive_mob": Verb(0.3, families.archive_mob),
    "fork": Verb(1.5, families.fork, (*_READS, *_AT_A_POINT)),
    "fork_again": Verb(
        1,
        families.fork_again,
        _AT_A_POINT,
    ),
    "keep_alive": Verb(0.7, phases.keep_alive, (*_READS, IllegalTransition)),
    "stop_loop": Verb(0.5, phases.stop_loop),
    "cancel_all_checkpointers": Verb(0.2, phases.cancel_all_checkpointers),
    "rearm_all_checkpointers": Verb(0.3, phases.rearm_all_checkpointers),
    "read": Verb(3, reading.read, _READS),
    "runtime_state": Verb(2, reading.runtime_state, _READS),
    "inputs": Verb(1, reading.inputs, _READS),
    "views": Verb(0.5, reading.views, _READS),
    "history": Verb(2, reading.history, _READS),
    "receipts": Verb(1.5, reading.receipts, _READS),
    "as_of": Verb(1.5, reading.as_of, (*_READS, InvalidArgument)),
    "head": Verb(1.5, reading.head, _READS),
    "list": Verb(1, reading.list_all),
    "discard_live": Verb(1.5, reading.discard_live),
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
    "membership",
    "checkpoint_committed",
    "give_back",
    "release_the_adapter",
    "fork",
    "fork_again",
    "cancel_all_checkpointers",
    "rearm_all_checkpointers",
    "runtime_state",
    "inputs",
    "views",
)
"""Verbs that change nothing of the session, so they disturb no other call on it."""


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
        call.must(not call.refused_for_certain, "G5", f"{name} was not refused")
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
    """Check a refusal by the log, where no other call has worked on the session since."""
    log, site = call.log, call.site
    written_since = [tag for tag in log.tags[call.before :] if tag != "run-interrupted"]
    nothing = not written_since or call.in_steps
    call.must(nothing, "G5", f"refused, and {written_since} was written")
    match refusal:
        case SessionBusy():
            run = None if log.current is None else log.runs[log.current]
            mine = run is not None and run.epoch == call.engine._core.ownership.epoch
            call.must(run is not None and not mine, "G9", "busy, and nobody is at work on it")
        case StaleWriter():
            fenced = any(
                run.version > call.before
                and run.ended == "run-interrupted"
                and run.epoch == call.engine._core.ownership.epoch
                for run in log.runs.values()
            )
            call.must(fenced, "G4", f"stale, and nobody else wrote: {refusal}")
        case IllegalTransition():
            its = call.world.log(refusal.data["subject"].split("'")[1]).phase  # or its fork's
            then = (its, "retired") if refusal.data["verb"] == "archive" else (its,)
            call.must(refusal.data["phase"] in then, "G5", f"it is {its}: {refusal}")
        case CallsUnresolved() if refusal.data["session_id"] == call.id:
            waits = any(not one.kept for one in log.calls.values())
            call.must(waits, "G9", f"no call is open: {refusal}")
        case AuthorityRequired() if not call.refused_for_certain:
            run = None if log.current is None else log.runs[log.current]
            theirs = call.id in site.owned or (run is not None and run.machine_owned)
            call.must(theirs, "G5", f"nothing here is the machine's: {refusal}")
        case SessionNotRunning():
            call.must(log.current is None, "G5", f"{log.current} runs: {refusal}")
        case ReceiptNotFound():
            call.must(False, "G2", str(refusal))
        case _:
            pass
