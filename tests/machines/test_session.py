"""The law of a session, row by row: which verb leads where from each phase, and what is refused."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.errors import AuthorityRequired, IllegalTransition
from perdure.machines import LIFECYCLE, SESSION, Authority, Configuration, Token
from perdure.machines.builtin.session import INPUT_CAPACITY

Call = tuple[Any, ...]
"""A verb and its arguments."""

PATHS: dict[str, tuple[Call, ...]] = {
    "unregistered": (),
    "idle": (("register",),),
    "attached": (("register",), ("attach",)),
    "running": (("register",), ("begin_run", "run-1", 0)),
    "retired": (("register",), ("retire",)),
    "stopped": (("register",), ("stop",)),
    "archived": (("register",), ("retire",), ("archive",)),
    "destroyed": (("register",), ("destroy",)),
}

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "begin_run": ("run-1", 0),
    "apply_boundary": ("run-1", 0),
    "complete_run": ("run-1",),
    "fail_run": ("run-1",),
    "cancel_run": ("run-1",),
    "roll_back_run": ("run-1",),
    "drop_input": (1,),
}

# Where each verb leads from each phase, on the shortest path to it: = stays, . is refused.
MATRIX = """
                       unregistered idle     attached running  retired  stopped   archived destroyed
register               idle         =        =        =        =        =         .        .
attach                 .            attached =        .        =        attached  .        .
detach                 .            .        idle     .        .        .         .        .
accept_input           .            =        =        =        .        .         .        .
drop_input             .            .        .        .        .        .         .        .
begin_run              .            running  running  .        .        .         .        .
apply_boundary         .            .        .        =        .        .         .        .
complete_run           .            .        .        idle     .        .         .        .
fail_run               .            .        .        idle     .        .         .        .
cancel_run             .            .        .        idle     .        .         .        .
roll_back_run          .            .        .        idle     .        .         .        .
interrupt              .            .        =        =        .        .         .        .
cancel_after_boundary  .            .        =        =        .        .         .        .
append_context         .            =        =        =        .        =         .        .
stage_context          .            =        =        =        .        =         .        .
stage_tool_results     .            =        =        =        .        =         .        .
checkpoint             .            =        =        =        =        =         .        .
note                   .            =        =        =        =        =         .        .
retire                 .            retired  retired  =        =        retired   .        .
archive                .            .        .        .        archived .         .        .
stop                   .            stopped  stopped  stopped  stopped  .         .        .
executor_exited        .            stopped  stopped  stopped  stopped  .         .        .
recover                .            =        =        idle     =        =         .        .
reset                  .            idle     =        .        idle     idle      .        .
recycle                .            idle     =        .        idle     idle      .        .
destroy                .            destroyed destroyed destroyed destroyed destroyed .    .
"""


def cells() -> list[tuple[str, str, str | None]]:
    """The matrix as verb, phase, and the phase after; None where the verb is refused."""
    head, *lines = [line.split() for line in MATRIX.strip().splitlines()]
    return [
        (verb, phase, {"=": phase, ".": None}.get(cell, cell))
        for verb, *row in lines
        for phase, cell in zip(head, row, strict=True)
    ]


def session(*path: Call) -> Configuration:
    """Where these verbs lead from the beginning, as the authority itself would fire them."""
    here = LIFECYCLE.initial
    for verb, *arguments in path:
        here = LIFECYCLE.fire(here, verb, tuple(arguments), token=LIFECYCLE.token)
    return here


def refused(here: Configuration, verb: str, *arguments: Any) -> IllegalTransition:
    with pytest.raises(IllegalTransition) as caught:
        LIFECYCLE.fire(here, verb, arguments, "s-1", token=LIFECYCLE.token)
    return caught.value


def held(here: Configuration, *names: str) -> tuple[Any, ...]:
    return tuple(LIFECYCLE.value(here, name) for name in names)


REGISTERED: Call = ("register",)
RUNNING: tuple[Call, ...] = (REGISTERED, ("accept_input",), ("begin_run", "run-1", 1))


# The whole matrix


def test_the_matrix_has_every_phase_and_every_verb() -> None:
    assert set(itertools.product([v.name for v in SESSION.verbs], SESSION.phases)) == {
        (verb, phase) for verb, phase, _ in cells()
    }
    assert {phase: session(*path).phase for phase, path in PATHS.items()} == {
        phase: phase for phase in SESSION.phases
    }


@pytest.mark.parametrize(("verb", "phase", "after"), cells())
def test_g5_each_verb_leads_where_the_matrix_says_or_is_refused(
    verb: str, phase: str, after: str | None
) -> None:
    here, arguments = session(*PATHS[phase]), ARGUMENTS.get(verb, ())
    if after is None:
        error = refused(here, verb, *arguments)
        assert (error.data["phase"], error.data["verb"]) == (phase, verb)
        assert str(error).startswith(f"cannot {verb} session 's-1': it is {phase}")
    else:
        assert session(*PATHS[phase], (verb, *arguments)).phase == after


@pytest.mark.parametrize("phase", SESSION.phases)
def test_g5_a_refusal_lists_exactly_the_verbs_that_would_be_allowed(phase: str) -> None:
    here = session(*PATHS[phase])
    allowed = sorted(verb for verb, at, after in cells() if at == phase and after is not None)

    error = refused(here, "fly")

    assert error.data["allowed"] == allowed
    assert str(error).endswith(f"allowed: {', '.join(allowed) or 'nothing'}")


# Input


@pytest.mark.parametrize("phase", ["idle", "attached", "running"])
def test_input_is_accepted_and_counted(phase: str) -> None:
    here = session(*PATHS[phase], ("accept_input",), ("accept_input",))
    assert held(here, "queued") == (2,)


def test_a_retired_session_refuses_new_input() -> None:
    assert refused(session(REGISTERED, ("retire",)), "accept_input").data["phase"] == "retired"


def test_a_run_that_drains_refuses_new_input() -> None:
    here = session(*RUNNING, ("retire",))
    assert here.phase == "running"
    assert "return_to is retired" in str(refused(here, "accept_input"))


def test_input_is_refused_at_capacity_waiting_and_staged_together() -> None:
    full = session(REGISTERED, *[("accept_input",)] * INPUT_CAPACITY.actual)
    assert "queued is 1024" in str(refused(full, "accept_input"))
    assert refused(
        LIFECYCLE.replay(full, "begin_run", ("run-1", INPUT_CAPACITY.actual)), "accept_input"
    )


# Runs


@pytest.mark.parametrize("phase", ["idle", "attached"])
@pytest.mark.parametrize("ending", ["complete_run", "fail_run", "cancel_run", "roll_back_run"])
def test_a_run_ends_in_the_phase_it_left(phase: str, ending: str) -> None:
    here = session(*PATHS[phase], ("begin_run", "run-1", 0), (ending, "run-1"))
    assert here.phase == phase
    assert held(here, "run", "return_to", "cancel_requested") == (None, None, False)


OF_A_RUN = ("apply_boundary", "complete_run", "fail_run", "cancel_run", "roll_back_run")


@pytest.mark.parametrize("verb", OF_A_RUN)
def test_a_verb_of_another_run_is_refused(verb: str) -> None:
    here = session(REGISTERED, ("begin_run", "run-1", 0))
    error = refused(here, verb, "run-2", *ARGUMENTS[verb][1:])
    assert error.data["because"].startswith("that needs run = given run")
    assert "run is run-1" in error.data["because"]


def test_a_second_run_is_refused_while_one_is_current() -> None:
    for run in ("run-1", "run-2"):
        assert "begin_run" not in refused(session(*RUNNING), "begin_run", run, 0).data["allowed"]


def test_a_run_has_many_boundaries_each_with_the_next_sequence() -> None:
    boundary: Call = ("apply_boundary", "run-1", 0)
    for count in range(4):
        assert held(session(*RUNNING, *[boundary] * count), "sequence") == (count,)
    ended = session(*RUNNING, boundary, ("complete_run", "run-1"))
    assert held(ended, "sequence") == (0,)


def test_a_boundary_applies_what_was_staged_and_stages_what_it_steers() -> None:
    here = session(*RUNNING, ("accept_input",))
    assert held(here, "queued", "staged") == (1, 1)
    here = LIFECYCLE.fire(here, "apply_boundary", ("run-1", 1))
    assert held(here, "queued", "staged") == (0, 1)
    assert refused(here, "apply_boundary", "run-1", 1)
    here = LIFECYCLE.fire(here, "apply_boundary", ("run-1", 0))
    assert held(here, "queued", "staged") == (0, 0)


@pytest.mark.parametrize("ending", ["fail_run", "cancel_run", "roll_back_run"])
def test_what_a_boundary_applied_is_not_given_back(ending: str) -> None:
    here = session(*RUNNING, ("apply_boundary", "run-1", 0), (ending, "run-1"))
    assert held(here, "queued", "staged") == (0, 0)


def test_a_run_completes_only_once_a_receipt_names_its_inputs() -> None:
    assert "staged = 0" in refused(session(*RUNNING), "complete_run", "run-1").data["because"]


def test_queued_input_can_be_dropped_in_every_phase_that_has_some() -> None:
    queued = (REGISTERED, ("accept_input",), ("accept_input",))
    for path in ((), (("attach",),), (("retire",),), (("stop",),), (("begin_run", "run-1", 0),)):
        assert held(session(*queued, *path, ("drop_input", 2)), "queued") == (0,)
        assert refused(session(*queued, *path), "drop_input", 3)
        assert refused(session(*queued, *path), "drop_input", 0)


def test_a_run_takes_no_more_input_than_is_queued() -> None:
    here = session(REGISTERED, ("accept_input",))
    error = refused(here, "begin_run", "run-1", 2)
    assert error.data["because"] == "that needs given inputs ≤ queued; queued is 1"


def test_a_completed_run_consumes_its_inputs_and_leaves_the_others() -> None:
    here = session(
        REGISTERED,
        *[("accept_input",)] * 3,
        ("begin_run", "run-1", 2),
        ("apply_boundary", "run-1", 0),
        ("complete_run", "run-1"),
    )
    assert held(here, "queued", "staged") == (1, 0)


@pytest.mark.parametrize("ending", ["fail_run", "cancel_run", "roll_back_run"])
def test_a_run_that_did_not_complete_gives_its_inputs_back(ending: str) -> None:
    here = session(
        REGISTERED, *[("accept_input",)] * 3, ("begin_run", "run-1", 2), (ending, "run-1")
    )
    assert held(here, "queued", "staged") == (3, 0)


def test_a_retired_session_runs_only_to_drain_its_queue() -> None:
    here = session(REGISTERED, ("accept_input",), ("retire",))
    assert refused(here, "begin_run", "run-1", 0)
    draining = LIFECYCLE.fire(here, "begin_run", ("run-1", 1))
    assert held(draining, "return_to") == ("retired",)
    applied = LIFECYCLE.fire(draining, "apply_boundary", ("run-1", 0))
    drained = LIFECYCLE.fire(applied, "complete_run", ("run-1",))
    assert (drained.phase, held(drained, "queued")) == ("retired", (0,))
    assert refused(drained, "begin_run", "run-2", 0)
    assert refused(drained, "begin_run", "run-2", 1)


# Attaching and detaching


def test_detaching_is_refused_while_running() -> None:
    assert refused(session(REGISTERED, ("attach",), ("begin_run", "run-1", 0)), "detach")


def test_attaching_revives_a_stopped_session() -> None:
    assert session(REGISTERED, ("stop",), ("attach",)).phase == "attached"


@pytest.mark.parametrize("path", [(REGISTERED,), RUNNING])
def test_a_session_stopped_after_it_retired_revives_as_retired(path: tuple[Call, ...]) -> None:
    revived = session(*path, ("retire",), ("stop",), ("attach",))
    assert revived.phase == "retired"
    assert held(revived, "return_to") == (None,)
    assert refused(revived, "accept_input")


# Retiring and archiving


def test_retiring_during_a_run_lets_it_finish_and_then_stays_retired() -> None:
    here = session(*RUNNING, ("retire",), ("retire",), ("apply_boundary", "run-1", 0))
    assert here.phase == "running"
    assert LIFECYCLE.fire(here, "complete_run", ("run-1",)).phase == "retired"


def test_retiring_twice_changes_nothing() -> None:
    once = session(REGISTERED, ("retire",))
    assert LIFECYCLE.fire(once, "retire") == once


def test_a_stopped_session_can_be_retired() -> None:
    assert session(REGISTERED, ("stop",), ("retire",)).phase == "retired"
    assert session(REGISTERED, ("retire",), ("stop",), ("retire",)).phase == "retired"


def test_archiving_needs_an_empty_queue() -> None:
    error = refused(session(REGISTERED, ("accept_input",), ("retire",)), "archive")
    assert error.data["because"] == "that needs queued = 0; queued is 1"


@pytest.mark.parametrize("phase", ["archived", "destroyed"])
def test_nothing_at_all_follows_an_end(phase: str) -> None:
    assert LIFECYCLE.allowed(session(*PATHS[phase])) == ()


# Interrupting, stopping, recovering


@pytest.mark.parametrize("verb", ["interrupt", "cancel_after_boundary"])
@pytest.mark.parametrize("token", [None, Token(), Authority(SESSION).token])
def test_restricted_verbs_need_the_token_of_the_authority(verb: str, token: Token | None) -> None:
    here = session(*RUNNING)
    with pytest.raises(AuthorityRequired) as caught:
        LIFECYCLE.fire(here, verb, token=token)
    assert caught.value.data == {"verb": verb}


def test_no_other_verb_asks_for_a_token() -> None:
    assert [v.name for v in SESSION.verbs if v.restricted] == ["interrupt", "cancel_after_boundary"]


def test_a_requested_cancel_is_remembered_until_the_run_is_over() -> None:
    here = session(*RUNNING, ("cancel_after_boundary",))
    assert held(here, "cancel_requested") == (True,)
    over = LIFECYCLE.fire(here, "cancel_run", ("run-1",))
    assert held(over, "cancel_requested") == (False,)


@pytest.mark.parametrize("verb", ["stop", "executor_exited"])
def test_stopping_interrupts_the_run_and_gives_its_inputs_back(verb: str) -> None:
    here = session(*RUNNING, ("accept_input",), ("cancel_after_boundary",), (verb,))
    assert here.phase == "stopped"
    names = ("run", "return_to", "cancel_requested", "queued", "staged")
    assert held(here, *names) == (None, None, False, 2, 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [((), "idle"), ((("attach",),), "attached"), ((("accept_input",), ("retire",)), "retired")],
)
def test_recovering_closes_the_run_where_it_began(before: tuple[Call, ...], after: str) -> None:
    here = session(REGISTERED, ("accept_input",), *before, ("begin_run", "run-1", 1), ("recover",))
    assert here.phase == after
    assert held(here, "run", "staged") == (None, 0)
    assert held(here, "queued") == (2 if after == "retired" else 1,)


def test_recovering_where_no_run_was_changes_nothing() -> None:
    for phase in ("idle", "attached", "retired", "stopped"):
        here = session(*PATHS[phase])
        assert LIFECYCLE.fire(here, "recover") == here


# Starting over and ending


def test_resetting_abandons_what_is_queued_and_recycling_carries_it_over() -> None:
    for verb, queued in (("reset", 0), ("recycle", 1)):
        for path in ((), (("attach",),), (("retire",),), (("stop",),), (("retire",), ("stop",))):
            here = session(REGISTERED, ("accept_input",), *path, (verb,))
            assert here.phase == ("attached" if path == (("attach",),) else "idle")
            assert held(here, "queued", "return_to") == (queued, None)


@pytest.mark.parametrize("verb", ["reset", "recycle"])
def test_a_running_session_is_not_started_over(verb: str) -> None:
    assert refused(session(*RUNNING), verb)


def test_destroying_forgets_run_and_input() -> None:
    here = session(*RUNNING, ("accept_input",), ("destroy",))
    assert here == Configuration("destroyed", (None, None, False, 0, 0, 0))


def test_an_unregistered_session_cannot_be_destroyed_because_nobody_can_name_it() -> None:
    assert LIFECYCLE.allowed(LIFECYCLE.initial) == ("register",)


# Context


@pytest.mark.parametrize("verb", ["append_context", "stage_context", "stage_tool_results"])
def test_context_comes_in_whenever_a_run_may_still_follow(verb: str) -> None:
    assert session(REGISTERED, ("stop",), (verb,)).phase == "stopped"
    draining = session(REGISTERED, ("accept_input",), ("retire",), (verb,))
    assert draining.phase == "retired"
    error = refused(session(REGISTERED, ("retire",)), verb)
    assert error.data["because"] == "that needs queued > 0; queued is 0"


# What holds along every path


_calls = st.sampled_from(
    [
        *[(v.name,) for v in SESSION.verbs if not v.arguments],
        *[
            (verb, run, n)
            for verb in ("begin_run", "apply_boundary")
            for run in ("run-1", "run-2")
            for n in (0, 1, 2)
        ],
        *[(v, run) for v in OF_A_RUN[1:] for run in ("run-1", "run-2")],
        ("drop_input", 1),
    ]
)


@given(st.lists(_calls, max_size=40))
def test_along_any_path_a_run_is_current_just_while_running_and_the_counts_stay_in_bounds(
    calls: list[Call],
) -> None:
    here = session(REGISTERED)
    for verb, *arguments in calls:
        before = here
        try:
            here = LIFECYCLE.fire(before, verb, tuple(arguments), token=LIFECYCLE.token)
        except IllegalTransition:
            continue
        assert verb in LIFECYCLE.allowed(before)
        run, return_to, cancel_requested, queued, staged, sequence = here.values
        assert (run is not None) == (here.phase == "running")
        assert (return_to is not None) or here.phase != "running"
        assert not cancel_requested or here.phase == "running"
        assert isinstance(queued, int)
        assert isinstance(staged, int)
        assert min(queued, staged) >= 0
        assert queued + staged <= INPUT_CAPACITY.actual
        assert (staged > 0) <= (here.phase == "running")
        assert (sequence != 0) <= (here.phase == "running")
