"""Mutation: whatever small fault a declared machine has, its declaration or its check says so.

Each row in turn loses its guard, part of it or an update, or has one altered; and the machine then
cannot be built, or the check of it finds a counterexample. No fault is equivalent, so none is
excused: a guard or an update that changed nothing would be found here and can be taken out.
"""

from typing import Final

import msgspec
import pytest

from perdure.errors import InvalidMachine
from perdure.machines import BUILT_IN, SESSION, Always, Machine, Sometimes, check, row
from perdure.machines.builtin.admission import ADMISSION
from perdure.machines.builtin.checkpointer_gate import GATE
from perdure.machines.builtin.input import INPUT
from tests.support.machine_mutants import Mutant, altered, mutants, redirected
from tests.support.thorough import few_of

MACHINES: Final = {name: one for name, one in BUILT_IN.items() if isinstance(one, Machine)}


def is_found(machine: Machine, mutant: Mutant) -> bool:
    """Whether the fault cannot be declared, or breaks a promise with a path to show it.

    What single steps show is asked first, since what takes the long run costs more.
    """
    try:
        faulty = mutant.of(machine)
    except InvalidMachine:
        return True
    soon = tuple(item for item in machine.properties if isinstance(item, Always))
    return bool(check(faulty, properties=soon).violations or check(faulty).violations)


FAULTS: Final = {name: tuple(mutants(machine)) for name, machine in MACHINES.items()}


def test_the_faults_are_as_many_as_ever_and_each_has_a_name_of_its_own() -> None:
    assert {name: len(faults) for name, faults in FAULTS.items()} == {
        "session": 420,
        "input": 41,
        "admission": 28,
        "gate": 4,
    }
    for faults in FAULTS.values():
        assert len({mutant.name for mutant in faults}) == len(faults)


def test_this_many_faults_cannot_even_be_declared() -> None:
    refused = dict.fromkeys(FAULTS, 0)
    for name, faults in FAULTS.items():
        for mutant in faults:
            try:
                mutant.of(MACHINES[name])
            except InvalidMachine:
                refused[name] += 1

    assert refused == {"session": 14, "input": 15, "admission": 7, "gate": 1}


VERBS: Final = [(name, verb.name) for name, one in MACHINES.items() for verb in one.verbs]

LARGE: Final = {
    ("session", verb)
    for verb in (
        *("begin_run", "apply_boundary", "complete_run", "fail_run", "cancel_run"),
        *("roll_back_run", "accept_input", "drop_input", "stop", "executor_exited"),
        *("retire", "recover", "reset", "recycle", "destroy", "attach"),
        *("append_context", "stage_context"),
    )
}
"""Verbs whose faults take seconds to check."""


@pytest.mark.parametrize("place", few_of(VERBS, {*VERBS} - LARGE), ids=" ".join)
def test_every_fault_in_a_row_is_refused_or_has_a_counterexample(place: tuple[str, str]) -> None:
    name, verb = place
    machine = MACHINES[name]
    missed = {
        mutant.name
        for mutant in FAULTS[name]
        if mutant.name.startswith(f"{verb} from ") and not is_found(machine, mutant)
    }

    assert missed == set()


def test_without_its_promises_a_machine_would_hide_most_of_its_faults() -> None:
    silent = msgspec.structs.replace(ADMISSION, properties=(), fair=())

    missed = [mutant.name for mutant in mutants(silent) if not is_found(silent, mutant)]

    assert len(missed) == 21


# Of each machine, faults that between them break every one of its promises.
BREAKING: Final = {
    "session": (
        "stage_tool_results from running to attached",
        "cancel_run from running: stays",
        "drop_input from running: queued := queued + given inputs",
        "destroy from running to retired",
        "complete_run from running: without its guard",
        "apply_boundary from running: without sequence := sequence + 1",
        "recover from idle to running",
        "retire from retired to unregistered",
        "roll_back_run from running: cancel_requested := true",
        "attach from stopped (2) to idle",
        "executor_exited from running (2) to idle",
        "retire from running to destroyed",
        "register from attached to idle",
        "begin_run from idle: without queued := queued - given inputs",
        "accept_input from idle: queued := queued - 1",
        "detach from attached: stays",
        "interrupt from running: cancel_requested := false",
    ),
    "input": (
        "abandon from queued to applied",
        "consume from applied: with its guard negated",
        "roll_back from staged (1) to accepted",
        "roll_back from staged (1) to offered",
        "accept from offered: without lane := given lane",
        "stage from queued: attempts := attempts - 1",
        "stage from queued: without run := given run",
    ),
    "admission": (
        "request_interrupt from running to idle",
        "finalise from completing (2): stays",
        "finalise from completing (1) to shut_down",
        "request_shutdown from idle: stays",
        "request_interrupt from running: without interrupt_requested := true",
        "request_shutdown from admitted: interrupt_requested := true",
    ),
    "gate": (
        "rearm from cancelled to closed",
        "close from armed to cancelled",
        "write from armed to cancelled",
        "cancel from cancelled to armed",
    ),
}

# What only a row that nobody declared would break.
ADDED: Final[dict[str, Machine]] = {
    "session": SESSION,
    "input": altered(
        INPUT,
        without=["queue from accepted"],
        rows=[
            row("queue", "accepted", "queued", updates={"lane": "queue", "attempts": 1}),
            row("roll_back", "applied", "queued"),
            row("consume", "staged", "consumed"),
        ],
    ),
    "admission": altered(ADMISSION, rows=[row("claim", "running", "admitted")]),
    "gate": GATE,
}


@pytest.mark.parametrize("name", MACHINES)
def test_no_promise_of_a_machine_is_one_that_nothing_could_break(name: str) -> None:
    machine = MACHINES[name]
    faulty = {mutant.name: mutant for mutant in (*FAULTS[name], *redirected(machine))}

    broken = {
        violation.property
        for one in (ADDED[name], *(faulty[fault].of(machine) for fault in BREAKING[name]))
        for violation in check(one).violations
    }

    promised = {one.name for one in machine.properties if not isinstance(one, Sometimes)}
    assert promised - broken == set()
