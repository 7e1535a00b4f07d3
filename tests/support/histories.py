"""Histories for tests: the events that a list of commands leads to, and one with every event."""

from typing import Any

from msgspec import Raw

from perdure.aggregates import (
    AbandonCall,
    AcceptInput,
    AppendContext,
    ApplyBoundary,
    Archive,
    Attach,
    BeginRun,
    CallShape,
    CancelRun,
    CommitCheckpoint,
    CompleteRun,
    Detach,
    DropInputs,
    FailRun,
    JoinMob,
    LeaveMob,
    Publish,
    RecordTurn,
    Recover,
    Recycle,
    RequestInterrupt,
    Reset,
    Retire,
    RollBackRun,
    Session,
    SessionCommand,
    SessionEvent,
    StageContext,
    StageToolFilter,
    StageToolResults,
    Stop,
    decide,
    encode_messages,
    fold,
    initial_state,
)
from perdure.errors import Conflict, IllegalTransition
from perdure.testing import NOW, SESSION_ID, register, turn

OWN_SHAPE = CallShape(name="own", kind="result", part={"type": ("answer",)}, id=("of",))
SYSTEM = encode_messages([{"role": "system", "content": "note"}])


def happened(commands: list[SessionCommand]) -> tuple[Session, list[SessionEvent]]:
    """Return the state and the events that the commands lead to, without those refused."""
    state, events = initial_state(SESSION_ID), list[SessionEvent]()
    for command in commands:
        try:
            decided = decide(state, command)
        except (IllegalTransition, Conflict):
            continue
        events += decided
        state = fold(state, decided)
    return state, events


def everything() -> list[SessionCommand]:
    """Return commands that lead to every event but a fork and a destroyed session."""
    run: dict[str, Any] = {"now": NOW, "run_id": "run-3", "epoch": "epoch-1"}
    calls = [{"id": i, "function": {"name": "f", "arguments": "{}"}} for i in ("c-1", "c-2")]
    calling = encode_messages([{"role": "assistant", "tool_calls": calls}])
    result = encode_messages([{"role": "tool", "tool_call_id": "c-1", "content": "42"}])
    begins = [BeginRun(now=NOW, run_id=f"run-{n}", epoch="epoch-1") for n in range(4, 8)]
    return [
        register(),
        Attach(now=NOW, agent="echo"),
        JoinMob(now=NOW, mob="crew"),
        turn("run-1", "a"),
        AppendContext(now=NOW, run_id="run-2", message=SYSTEM),
        StageContext(now=NOW, message=SYSTEM),
        AcceptInput(now=NOW, input_id="in-1", messages=SYSTEM),
        AcceptInput(now=NOW, input_id="in-2", messages=SYSTEM),
        DropInputs(now=NOW, input_ids=("in-2",), outcome="superseded", into="in-1"),
        StageToolFilter(now=NOW, filter=Raw(b'["f"]')),
        BeginRun(**run, request=SYSTEM, input_ids=("in-1",)),
        ApplyBoundary(**run, request=SYSTEM, messages=calling),
        RequestInterrupt(now=NOW, mode="interrupt"),
        CompleteRun(**run, messages=SYSTEM),
        StageToolResults(now=NOW, messages=result),
        AbandonCall(now=NOW, call_id="c-2"),
        Publish(now=NOW, name="heard"),
        begins[0],
        FailRun(**run | {"run_id": "run-4"}, kind="turn", message="no"),
        begins[1],
        CancelRun(**run | {"run_id": "run-5"}),
        begins[2],
        RollBackRun(**run | {"run_id": "run-6"}),
        begins[3],
        Recover(now=NOW),
        RecordTurn(now=NOW, run_id="run-8", messages=calling),
        RecordTurn(
            now=NOW, run_id="run-9", messages=SYSTEM, open_calls="keep", call_shapes=(OWN_SHAPE,)
        ),
        Detach(now=NOW),
        LeaveMob(now=NOW, mob="crew"),
        CommitCheckpoint(now=NOW),
        Stop(now=NOW),
        Recycle(now=NOW),
        Reset(now=NOW),
        Retire(now=NOW),
        Archive(now=NOW),
    ]


EVERY_EVENT = """
session-registered      register
session-attached        attach
mob-joined              note
turn-applied            begin_run apply_boundary complete_run
context-appended        append_context
context-staged          stage_context
input-accepted          accept_input
input-accepted          accept_input
inputs-dropped          drop_input
tool-filter-staged      note
run-begun               begin_run
boundary-applied        apply_boundary
interrupt-requested     interrupt
run-completed           apply_boundary complete_run
tool-results-staged     stage_tool_results
call-abandoned          note
event-published         note
run-begun               begin_run
run-failed              fail_run
run-begun               begin_run
run-cancelled           cancel_run
run-begun               begin_run
run-rolled-back         roll_back_run
run-begun               begin_run
run-interrupted         recover
turn-applied            begin_run apply_boundary complete_run
call-rules-adopted      note
calls-kept              note
turn-applied            begin_run apply_boundary complete_run
session-detached        detach
mob-left                note
session-checkpointed    checkpoint
session-stopped         stop
session-recycled        recycle
session-reset           reset
session-retired         retire
session-archived        archive
"""
"""The events that `everything` leads to, each with the verbs that it stands for."""
