"""The session's `decide` and `evolve` are the declared lifecycle, no less and no more."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from perdure.aggregates import (
    Session,
    SessionAttached,
    SessionCommand,
    SessionEvent,
    SessionRetired,
    decide,
    encode_messages,
    evolve,
    initial_state,
)
from perdure.aggregates.session import commands, lifecycle
from perdure.aggregates.session.lifecycle import steps
from perdure.aggregates.session.state import Origin
from perdure.errors import (
    CallNotOpen,
    CallsUnresolved,
    Conflict,
    IllegalTransition,
    InputNotQueued,
    SessionBusy,
    SessionNotRunning,
    StaleWriter,
)
from perdure.machines import SESSION, Authority
from perdure.machines.builtin.input import STAGING_LIMIT
from perdure.testing import NOW, Alternatives, Concrete, Steps, check_refinement

MESSAGE = encode_messages([{"role": "user", "content": "hello"}])
CALL = encode_messages(
    [
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": "{}"}}],
        }
    ]
)
RESULT = encode_messages([{"role": "tool", "tool_call_id": "c", "content": "seen"}])
ORIGIN = Origin(session_id="o", version=1, message_count=0, conversation_digest="")

RUN: dict[str, Any] = {"now": NOW, "run_id": "a", "epoch": "e"}
RIVAL = RUN | {"run_id": "b"}

NOT_REACHED = {
    f"{verb}: attached → attached": "only a session that runs is interrupted"
    for verb in ("interrupt", "cancel_after_boundary")
}

# What each kind of command asks for. Whoever adds a command adds it here, or to `stands_for`, and
# to `asked`.
SINGLE = {
    commands.Register: "register",
    commands.Fork: "register",
    commands.Attach: "attach",
    commands.Detach: "detach",
    commands.AcceptInput: "accept_input",
    commands.AppendContext: "append_context",
    commands.StageContext: "stage_context",
    commands.StageToolResults: "stage_tool_results",
    commands.AbandonCall: "note",
    commands.StageToolFilter: "note",
    commands.Publish: "note",
    commands.JoinMob: "note",
    commands.LeaveMob: "note",
    commands.CommitCheckpoint: "checkpoint",
    commands.Retire: "retire",
    commands.Reset: "reset",
    commands.Recycle: "recycle",
    commands.Destroy: "destroy",
}
ENDINGS = {
    commands.FailRun: "fail_run",
    commands.CancelRun: "cancel_run",
    commands.RollBackRun: "roll_back_run",
}


def asked(state: Session) -> Iterator[SessionCommand]:  # noqa: PLR0915 - a line a command
    """Every kind of command, at the sizes that the checked law knows.

    What is in hand is kept small: a tool call is made where there is no input, and beside one there
    is one input at the most, and never more than two that have not ended; checkpoints and
    groups come in where there is no input, and are just left again.
    """
    yield commands.LeaveMob(now=NOW, mob="m")
    if not state.work.inputs:
        yield commands.CommitCheckpoint(now=NOW)
        yield commands.JoinMob(now=NOW, mob="m")
    if state.mobs:
        return
    if state.version and state.version == state.checkpoint_version:
        yield commands.Publish(now=NOW, name="news")
        return
    inputs, calls = [*state.work.inputs], {call.id: call for call in state.work.calls}
    waiting = tuple(name for name in inputs if state.work.inputs[name].lifecycle.phase == "queued")
    yield commands.Register(now=NOW)
    if state.version:
        yield commands.Register(now=NOW, labels={"team": "other"})
    else:
        yield commands.Fork(now=NOW, origin=ORIGIN)
    yield commands.Attach(now=NOW)
    yield commands.Detach(now=NOW)
    full = len(inputs) == 2 and all(
        item.lifecycle.phase in ("queued", "staged") for item in state.work.inputs.values()
    )
    if full or len(inputs) < (1 if calls else 2):
        fresh = next(name for name in "xyz" if name not in inputs)
        lane: Any = "steer" if state.work.run else "queue"
        yield commands.AcceptInput(now=NOW, input_id=fresh, messages=MESSAGE, lane=lane)
    for some in dict.fromkeys((waiting[:1], waiting, ("nowhere",) * (len(waiting) + 1))):
        yield commands.RecordTurn(now=NOW, run_id="a", messages=MESSAGE, input_ids=some)
        yield commands.BeginRun(**RUN, input_ids=some)
        if some:
            yield commands.DropInputs(now=NOW, input_ids=some, outcome="superseded")
    yield commands.BeginRun(**RUN)
    for decision in ("keep", "abandon") if calls else ():
        yield commands.RecordTurn(now=NOW, run_id="a", messages=MESSAGE, open_calls=decision)
    for run in (RUN, RIVAL):
        yield commands.ApplyBoundary(**run, messages=MESSAGE)
        yield commands.CompleteRun(**run, messages=MESSAGE)
        yield commands.CompleteRun(**run, terminal="no_pending_boundary")
        yield commands.FailRun(**run, kind="turn", message="it broke")
        yield commands.CancelRun(**run)
        yield commands.RollBackRun(**run)
    if not inputs and not calls:
        yield commands.ApplyBoundary(**RUN, messages=CALL)
    yield commands.StageToolResults(now=NOW, messages=RESULT)
    yield commands.AbandonCall(now=NOW, call_id="c")
    for mode in ("interrupt", "cancel_after_boundary"):
        yield commands.RequestInterrupt(now=NOW, mode=mode)
    for cause in ("stop", "executor_exited"):
        yield commands.Stop(now=NOW, cause=cause)
    yield commands.AppendContext(now=NOW, run_id="k", message=MESSAGE)
    yield commands.StageContext(now=NOW, message=MESSAGE)
    yield commands.StageToolFilter(now=NOW, filter=msgspec.Raw(b"null"))
    yield commands.Publish(now=NOW, name="news")
    yield commands.Recover(now=NOW)
    yield commands.Reset(now=NOW)
    yield commands.Recycle(now=NOW)
    yield commands.Retire(now=NOW)
    yield commands.Archive(now=NOW)
    yield commands.Archive(now=NOW, abandon_inputs=True)
    yield commands.Destroy(now=NOW)


def stands_for(state: Session, command: SessionCommand) -> Alternatives:
    """What a command asks of the lifecycle, said from the state and not from the events."""
    inputs = state.work.inputs.values()
    staged = [item for item in inputs if item.lifecycle.phase == "staged"]
    queued = [item for item in inputs if item.lifecycle.phase == "queued"]
    worn_out = [item for item in staged if item.lifecycle.values[-1] == STAGING_LIMIT.actual]
    given_up = _dropping(len(worn_out))
    match command:
        case commands.RecordTurn(run_id=run, input_ids=names):
            begun = ("begin_run", (run, len(names)))
            open_calls = [c for c in state.work.calls if not c.kept and c.status != "executed"]
            decided: Steps = (("note", ()),) if command.open_calls and open_calls else ()
            return ((*decided, begun, ("apply_boundary", (run, 0)), ("complete_run", (run,))),)
        case commands.AppendContext() if any(not call.kept for call in state.work.calls):
            return ((("stage_context", ()),),)
        case commands.BeginRun(run_id=run, input_ids=names):
            return ((("begin_run", (run, len(names))),),)
        case commands.ApplyBoundary(run_id=run):
            held = any(not c.kept and c.status != "executed" for c in state.work.calls)
            waits = held or command.messages is CALL
            steering = [item for item in queued if item.lane == "steer" and not waits]
            return ((("apply_boundary", (run, len(steering))),),)
        case commands.CompleteRun(run_id=run, messages=said):
            lands = said.count or staged
            boundary: Steps = (("apply_boundary", (run, 0)),) if lands else ()
            return ((*boundary, ("complete_run", (run,))),)
        case commands.FailRun() | commands.CancelRun() | commands.RollBackRun():
            return (((ENDINGS[type(command)], (command.run_id,)), *given_up),)
        case commands.Recover():
            return ((("recover", ()), *given_up),)
        case commands.Stop(cause=cause):
            return (((cause, ()), *given_up),)
        case commands.RequestInterrupt(mode=mode):
            return (((mode, ()),),)
        case commands.DropInputs(input_ids=names):
            return (_dropping(len(names)),)
        case commands.Archive(abandon_inputs=abandons):
            first = _dropping(len(queued)) if abandons else ()
            archive = ("archive", ())
            return ((*first, archive), (*first, ("retire", ()), archive))
        case _:
            return (((SINGLE[type(command)], ()),),)


def _dropping(count: int) -> Steps:
    return (("drop_input", (count,)),) if count else ()


def what_matters(state: Session) -> tuple[Any, ...]:
    """All that any decision above can depend on, and nothing that grows for ever."""
    work = state.work
    return (
        state.lifecycle,
        bool(state.version),
        state.mobs,
        state.version == state.checkpoint_version,
        tuple((item.lane, item.lifecycle) for item in work.inputs.values()),
        tuple((call.status, call.kept) for call in work.calls),
    )


def the_session(**changes: Any) -> Concrete[Session, SessionCommand, SessionEvent]:
    parts: dict[str, Any] = {
        "initial": [initial_state("s")],
        "commands": asked,
        "decide": decide,
        "evolve": evolve,
        "configuration": lambda state: state.lifecycle,
        "steps": steps,
        "asks": stands_for,
        "abstraction": what_matters,
        "refusals": (IllegalTransition, SessionBusy, StaleWriter, InputNotQueued),
        "other_refusals": (Conflict, CallsUnresolved, CallNotOpen, SessionNotRunning),
    }
    return Concrete(**parts | changes)


@pytest.fixture
def law_as_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session asks an authority of the explored bounds, so that being full is explored too."""
    monkeypatch.setattr(lifecycle, "LIFECYCLE", Authority(SESSION, checked=True))
    monkeypatch.setattr(lifecycle, "_AFTER_TURN", {})


def one_input(state: Session) -> Iterator[SessionCommand]:
    """Yield all that is asked, but for a second input."""
    for command in asked(state):
        if not (state.work.inputs and isinstance(command, commands.AcceptInput)):
            yield command


@pytest.mark.usefixtures("law_as_checked")
def test_g8_with_one_input_the_session_decides_what_its_machine_declares() -> None:
    found = check_refinement(
        SESSION,
        the_session(commands=one_input),
        not_reached=NOT_REACHED,
        checked=True,
        representatives=1,
    )
    assert found.problems == ()
    assert (found.states, found.decisions, found.refused) == (1_753, 57_596, 29_851)
    assert (len(found.taken), len(found.untaken)) == (89, 2)


@pytest.mark.thorough
@pytest.mark.usefixtures("law_as_checked")
def test_g8_the_session_decides_what_its_machine_declares_no_less_and_no_more() -> None:
    found = check_refinement(SESSION, the_session(), not_reached=NOT_REACHED, checked=True)
    assert found.problems == ()
    assert (found.states, found.decisions, found.refused) == (3_388, 252_734, 134_426)
    assert (len(found.taken), len(found.untaken)) == (89, 2)


def test_every_command_is_asked_and_stands_for_something() -> None:
    kinds = set(get_args(SessionCommand))
    assert {type(command) for command in asked(initial_state("s"))} == kinds
    for command in asked(initial_state("s")):
        assert stands_for(initial_state("s"), command)


# That it would be found, in what there is before the first input


def no_input(state: Session) -> Iterator[SessionCommand]:
    for command in asked(state):
        if not isinstance(command, commands.AcceptInput | commands.ApplyBoundary):
            yield command


def problems(**changes: Any) -> str:
    found = check_refinement(SESSION, the_session(commands=no_input, **changes), checked=True)
    return "\n".join(found.problems)


@pytest.mark.usefixtures("law_as_checked")
def test_a_decision_that_asks_no_authority_is_found() -> None:
    def careless(state: Session, command: SessionCommand) -> tuple[SessionEvent, ...]:
        if isinstance(command, commands.Retire):
            version = state.version + 1
            return (SessionRetired(session_id=state.id, version=version, at=NOW),)
        return decide(state, command)

    def believing(state: Session, event: SessionEvent) -> Session:
        try:
            return evolve(state, event)
        except IllegalTransition:
            return state

    found = problems(decide=careless, evolve=believing)
    assert "Retire: it does retire where no such move is legal: archived" in found


@pytest.mark.usefixtures("law_as_checked")
def test_a_decision_that_refuses_too_much_is_found() -> None:
    def timid(state: Session, command: SessionCommand) -> tuple[SessionEvent, ...]:
        if isinstance(command, commands.Detach):
            raise SessionBusy(state.id)
        return decide(state, command)

    assert "Attach → Detach: it refuses detach, which is legal" in problems(decide=timid)


@pytest.mark.usefixtures("law_as_checked")
def test_a_state_that_does_not_follow_its_event_is_found() -> None:
    def forgetful(state: Session, event: SessionEvent) -> Session:
        after = evolve(state, event)
        if isinstance(event, SessionAttached):
            return msgspec.structs.replace(after, lifecycle=state.lifecycle)
        return after

    assert "attach leads to attached" in problems(evolve=forgetful)
