"""What the machines promise holds, by pinned counts; and what the ported service did, does not."""

from collections import Counter
from typing import Any, Final

import msgspec
import pytest

from perdure.errors import InvalidMachine
from perdure.machines import (
    BUILT_IN,
    SESSION,
    Arg,
    Expression,
    Machine,
    Model,
    Sometimes,
    Synchronisation,
    Var,
    check,
    row,
)
from perdure.machines.builtin.admission import ADMISSION
from perdure.machines.builtin.input import INPUT
from perdure.machines.builtin.live_session import STEPS, live
from perdure.machines.builtin.session import BOUNDARY_CAPACITY
from tests.support.counts import COUNTS
from tests.support.machine_mutants import altered
from tests.support.thorough import few_of


def broken(machine: Machine | Model, name: str) -> list[str | None]:
    """The verbs of the shortest way to break the promise that begins with these words."""
    (item,) = (item for item in machine.properties if item.name.startswith(name))
    report = check(machine, properties=[item])
    (found,) = (one for one in report.violations if one.property == item.name)
    return [moment.verb for moment in found.path][1:]


def assert_broken(model: Model, name: str, *verbs: str) -> None:
    """Assert that these verbs, the last one last, are the shortest way to break the promise.

    What comes before is in any order, since parts that do not meet may step in either.
    """
    trace = broken(model, name)
    assert (Counter(trace[:-1]), trace[-1:]) == (Counter(verbs[:-1]), [*verbs[-1:]])


def promised(machine: Machine | Model) -> set[str]:
    """What the machine promises, but for what is only to be witnessed."""
    return {item.name for item in machine.properties if not isinstance(item, Sometimes)}


def steps_with(*changed: Synchronisation) -> tuple[Synchronisation, ...]:
    """The steps of a live session, some of them changed."""
    instead = {step.name: step for step in changed}
    assert instead.keys() <= {step.name for step in STEPS}
    return tuple(instead.get(step.name, step) for step in STEPS)


# What there is


def test_every_machine_is_counted_here() -> None:
    assert list(BUILT_IN) == list(COUNTS)


@pytest.mark.parametrize("name", few_of(COUNTS, COUNTS.keys() - {"sessions"}))
def test_every_promise_holds_every_row_fires_and_the_states_are_as_many_as_ever(name: str) -> None:
    report = check(BUILT_IN[name])

    assert report.ok, str(report)
    assert (report.states, report.transitions, report.depth) == COUNTS[name]
    assert report.unfired == report.unwitnessed == ()
    assert list(report.witnessed) == [
        item.name for item in BUILT_IN[name].properties if isinstance(item, Sometimes)
    ]


# C: what a receipt names is never processed again


def test_c_a_consumed_input_that_is_queued_again_is_found() -> None:
    again = altered(
        INPUT,
        without=["consume from applied"],
        rows=[
            row("consume", "applied", "queued", updates={"run": None}),
            row("consume", "staged", "consumed"),
        ],
    )

    assert_broken(
        live(taken=again),
        "C: an input that a receipt names is never queued",
        "session.register",
        "accept_input",
        "admission.claim",
        "begin_run_staging",
        "apply_boundary_naming_input",
        "complete_run_consuming",
    )


def test_c_a_receipt_that_does_not_settle_what_the_run_holds_is_found() -> None:
    forgetful = altered(
        SESSION,
        without=["apply_boundary from running"],
        rows=[
            row(
                "apply_boundary",
                "running",
                guard=Var("run").equals(Arg("run"))
                & (Arg("inputs") <= Var("queued"))
                & (Var("sequence") < BOUNDARY_CAPACITY),
                updates={
                    "queued": Var("queued") - Arg("inputs"),
                    "staged": Var("staged") + Arg("inputs"),
                    "sequence": Var("sequence") + 1,
                },
            )
        ],
    )

    trace = ["register", "accept_input", "begin_run", "apply_boundary"]
    assert broken(forgetful, "a run takes from the queue just the inputs") == trace
    assert_broken(
        live(session=forgetful),
        "C: the session counts",
        "session.register",
        "accept_input",
        "admission.claim",
        "begin_run_staging",
        "apply_boundary_naming_input",
    )


CARELESS: Final = altered(INPUT, rows=[row("requeue", "applied", "queued", updates={"run": None})])
CRASH: Final = Synchronisation(
    name="recover_running_consuming",
    verbs={"session": "recover", "input": "requeue", "admission": "resolve"},
)


def test_c_a_crash_that_gives_back_what_a_receipt_names_is_found() -> None:
    assert_broken(
        live(taken=CARELESS, steps=steps_with(CRASH)),
        "C: however a run ends",
        "session.register",
        "accept_input",
        "admission.claim",
        "begin_run_staging",
        "apply_boundary_naming_input",
        "recover_running_consuming",
    )


# E: receipts of a run never share a sequence


def sequence(after: Any) -> Machine:
    """The session with another sequence after a boundary."""
    (boundary,) = (item for item in SESSION.all_rows() if item.verb == "apply_boundary")
    updates = dict(boundary.updates) | {"sequence": after}
    return altered(
        SESSION,
        without=["apply_boundary from running"],
        rows=[row("apply_boundary", "running", guard=boundary.guard, updates=updates)],
    )


def test_e_a_sequence_that_stays_0_is_found() -> None:
    assert broken(sequence(0), "E: each boundary") == ["register", "begin_run", "apply_boundary"]


def test_e_receipts_whose_sequences_collide_are_found() -> None:
    assert broken(sequence(1), "E: each boundary") == [
        "register",
        "begin_run",
        "apply_boundary",
        "apply_boundary",
    ]
    assert_broken(
        live(session=sequence(1)),
        "E: the receipts of a run",
        "session.register",
        "admission.claim",
        "begin_run",
        "apply_boundary",
        "apply_boundary",
    )


RESTARTED: Final = altered(
    SESSION,
    without=["retire from running"],
    rows=[row("retire", "running", updates={"return_to": "retired", "sequence": 0})],
)


def test_e_a_sequence_that_starts_over_when_the_session_retires_is_found() -> None:
    trace = ["register", "begin_run", "apply_boundary", "retire"]
    assert broken(RESTARTED, "E: nothing but a boundary") == trace


# F: holes in the lifecycle


AT_ONCE: Final = altered(
    SESSION, without=["retire from running"], rows=[row("retire", "running", "retired")]
)


def test_f_a_retire_that_takes_the_phase_from_under_a_run_is_found() -> None:
    trace = ["register", "begin_run", "retire"]
    assert broken(AT_ONCE, "F: retiring never strands the commit") == trace
    assert broken(AT_ONCE, "a run is current exactly while") == trace
    assert_broken(
        live(session=AT_ONCE),
        "F: retiring touches neither",
        "session.register",
        "admission.claim",
        "begin_run",
        "session.retire",
    )


def only_if(place: str, guard: Expression) -> Machine:
    """The session with a row that asks for more."""
    (found,) = (item for item in SESSION.all_rows() if f"{item.verb} from {item.source}" == place)
    narrower = msgspec.structs.replace(found, guard=found.guard & guard)
    return altered(SESSION, without=[place], rows=[(narrower,)])


STRANDED: Final = only_if("apply_boundary from running", Var("return_to").differs("retired"))


def test_f_a_boundary_that_no_longer_lands_once_the_session_retired_is_found() -> None:
    trace = broken(live(session=STRANDED), "F: a run in flight is never stranded")
    assert sorted(filter(None, trace)) == [
        "accept_input",
        "admission.claim",
        "admission.request_shutdown",
        "begin_run_staging",
        "session.register",
        "session.retire",
    ]


HASTY: Final = altered(
    SESSION, without=["archive from retired"], rows=[row("archive", "retired", "archived")]
)


def test_f_an_archive_with_input_pending_is_found() -> None:
    trace = ["register", "accept_input", "retire", "archive"]
    assert broken(HASTY, "only a retired session without pending input") == trace
    assert_broken(
        live(session=HASTY),
        "F: a session that has ended leaves no input",
        "session.register",
        "accept_input",
        "session.retire",
        "archive",
    )


def test_f_a_second_archive_cannot_even_be_declared() -> None:
    with pytest.raises(InvalidMachine, match="nothing leaves the final phase 'archived'"):
        altered(SESSION, rows=[row("archive", "archived")])


def test_f_a_session_that_never_ran_and_so_cannot_be_archived_is_found() -> None:
    ran_before = altered(
        SESSION,
        without=["archive from retired"],
        rows=[row("archive", "retired", "archived", guard=Var("sequence") > 0)],
    )

    assert broken(ran_before, "F: from everywhere but destroyed") == []


def test_f_an_absorbing_phase_is_found() -> None:
    """Of a stopped session only the executor could be brought back, and nothing restarts one."""
    absorbing = altered(
        SESSION,
        without=[f"{verb} from stopped" for verb in ("attach", "retire", "reset", "recycle")],
    )

    assert broken(absorbing, "F: from everywhere but destroyed") == ["register", "stop"]
    assert broken(absorbing, "F: no phase absorbs") == ["register", "stop"]


BACK_DOOR: Final = altered(
    SESSION,
    without=["accept_input from running"],
    rows=[row("accept_input", "running", updates={"queued": Var("queued") + 1})],
)


def test_f_input_admitted_while_a_session_drains_is_found() -> None:
    open_door = altered(
        SESSION, rows=[row("accept_input", "retired", updates={"queued": Var("queued") + 1})]
    )
    assert broken(open_door, "F: no input is admitted") == ["register", "retire", "accept_input"]

    assert_broken(
        live(session=BACK_DOOR),
        "F: no input is admitted",
        "session.register",
        "admission.claim",
        "begin_run",
        "session.retire",
        "accept_input",
    )


TWO_STORES: Final = steps_with(
    Synchronisation(name="archive", verbs={"session": "archive"}),
    Synchronisation(name="checkpoint", verbs={"gate": "write"}),
)


def test_f_a_checkpoint_after_the_archive_is_found() -> None:
    late = live(steps=TWO_STORES)

    trace = ("session.register", "session.retire", "archive")
    assert_broken(late, "F: the checkpointer's gate is closed", *trace)
    assert_broken(late, "F: nothing is written once", *trace, "checkpoint")


# Every promise of the composition


def without(name: str, *parts: str) -> tuple[Synchronisation, ...]:
    """The steps of a live session, with parts that one of them leaves out."""
    (step,) = (step for step in STEPS if step.name == name)
    verbs = {part: verb for part, verb in step.verbs.items() if part not in parts}
    return steps_with(msgspec.structs.replace(step, verbs=verbs))


def unconditionally(name: str, when: Expression) -> tuple[Synchronisation, ...]:
    """The steps of a live session, of which one asks for something else."""
    (step,) = (step for step in STEPS if step.name == name)
    return steps_with(msgspec.structs.replace(step, when=when))


@pytest.mark.thorough
def test_no_promise_of_a_live_session_is_one_that_nothing_could_break() -> None:
    never_shut = altered(
        ADMISSION,
        without=["finalise from completing"],
        rows=[row("finalise", "completing", "idle", updates={"interrupt_requested": False})],
    )
    one = Arg("inputs").equals(1)
    idle = Var("admission.phase").equals("idle")

    found = {
        violation.property
        for model in (
            live(taken=CARELESS, steps=steps_with(CRASH)),
            live(session=RESTARTED),
            live(session=sequence(1)),
            live(session=AT_ONCE),
            live(session=STRANDED),
            live(session=HASTY),
            live(session=BACK_DOOR),
            live(steps=TWO_STORES),
            live(session=only_if("fail_run from running", Var("staged").equals(0))),
            live(admission=never_shut),
            live(steps=without("fail_run_giving_back", "input")),
            live(steps=without("apply_boundary_naming_input", "session")),
            live(steps=without("interrupt_running", "session")),
            live(steps=without("checkpoint", "gate")),
            live(steps=unconditionally("apply_boundary_steering", one)),
            live(steps=unconditionally("archive", idle)),
        )
        for violation in check(model).violations
    }

    assert promised(live()) - found == set()
