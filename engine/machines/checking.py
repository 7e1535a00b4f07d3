"""Checking: everything a machine can do, held against everything it promises.

Invariants: a check passes only if it saw every reachable state, every declared row fired, every
`Sometimes` was witnessed, and nothing that was promised was broken.
"""

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from engine.errors import InvalidArgument, InvalidMachine, Unsupported
from engine.machines.compiling import Program, compile_model
from engine.machines.composition import instances as instances_of
from engine.machines.declaration import Machine
from engine.machines.judging import Judge
from engine.machines.model import Model, model_of
from engine.machines.properties import AlwaysPossible, LeadsTo, Property, Sometimes
from engine.machines.reports import Report, Violation
from engine.machines.searching import WIDE, WORD, Budget, Exploration, Progress, search
from engine.machines.tracing import noticed
from engine.machines.validation import property_problem

if TYPE_CHECKING:
    from engine.machines.vectors import Vectors

Engines = Literal["auto", "always", "never"]

MAX_STATES: Final = 100_000_000
MEMORY_BYTES: Final = 8 << 30


def check(
    machine: Machine | Model,
    *,
    instances: int = 1,
    properties: Iterable[Property] | None = None,
    max_states: int = MAX_STATES,
    memory_bytes: int = MEMORY_BYTES,
    progress: Progress | None = None,
    vectors: Engines = "auto",
) -> Report:
    """Explore every state that can be reached, and report what is broken.

    ``instances`` puts so many of a machine side by side. ``properties`` are checked in place of the
    declared ones. ``max_states`` and ``memory_bytes`` limit the search; a check that meets a limit
    fails. ``progress`` is told the states found so far and how deep the search is.
    ``vectors`` says whether numpy expands whole levels: where it is worth it, if it is installed
    ("auto"), "always" or "never"; the report is the same. Raises InvalidArgument, InvalidMachine
    for a property that makes no sense, and Unsupported where vectors must be used and cannot.
    """
    model = modelled(machine, instances)
    promised = model.properties if properties is None else _sensible(model, tuple(properties))
    program = compile_model(model, promised)
    budget = Budget(max_states, memory_bytes, progress)
    ready = _vectors(program, vectors, memory_bytes)
    found = search(program, budget, ready, 1 if vectors == "always" else WIDE)
    return reported(program, found, promised, ready)


def _vectors(program: Program, wanted: Engines, memory_bytes: int) -> "Vectors | None":
    """Return the program made ready for whole levels, if it is to be and can be."""
    if wanted == "never" or (wanted == "auto" and program.layout.space < WIDE):
        return None
    try:
        module = importlib.import_module("engine.machines.vectors")
    except ModuleNotFoundError as error:
        if wanted == "auto":
            return None
        raise Unsupported("this needs numpy: install perdure[check]") from error
    if program.layout.space >= WORD:
        if wanted == "auto":
            return None
        raise Unsupported(f"a state of {program.model.name} does not fit 63 bits")
    return module.Vectors(program, memory_bytes)  # type: ignore[no-any-return]


def modelled(machine: Machine | Model, instances: int = 1) -> Model:
    """Return the machine, or so many of it, as a model. Raises InvalidArgument."""
    if isinstance(machine, Model):
        if instances != 1:
            raise InvalidArgument(
                f"{machine.name} is composed already; only a single machine has instances",
                parameter="instances",
            )
        return machine
    if instances < 1:
        raise InvalidArgument(f"there are no {instances} instances", parameter="instances")
    return model_of(machine) if instances == 1 else instances_of(machine, instances)


def _sensible(model: Model, properties: tuple[Property, ...]) -> tuple[Property, ...]:
    arguments = {action.name: action.arguments for action in model.actions}
    for item in properties:
        problem = property_problem(item, model.variables(), arguments)
        if problem is not None:
            raise InvalidMachine(
                f"{model.name}: property {item.name!r}: {problem}", machine=model.name
            )
    return properties


def reported(
    program: Program,
    found: Exploration,
    promised: tuple[Property, ...],
    vectors: "Vectors | None" = None,
) -> Report:
    """Return what a search found as a report."""
    judge = Judge(program, found, vectors)
    violations: list[Violation] = []
    witnessed: list[str] = []
    for number, (depth, state) in found.noticed.items():
        subject = program.watches[number].subject
        if isinstance(subject, Sometimes):
            witnessed.append(subject.name)
        else:
            violations.append(noticed(program, subject, judge.path(depth, state)))
    complete = found.incomplete is None
    if complete:
        violations.extend(_in_the_long_run(judge, promised))
    sometimes = [item.name for item in promised if isinstance(item, Sometimes)]
    unfired = _unfired(program, found) if complete else ()
    unwitnessed = tuple(name for name in sometimes if name not in witnessed) if complete else ()
    return Report(
        machine=program.model.name,
        ok=complete and not (violations or unfired or unwitnessed),
        states=found.states,
        transitions=1
        + sum(
            times * len(moves)
            for bundle, visits in zip(program.bundles, found.visits, strict=True)
            for times, moves in zip(visits, bundle.moves, strict=True)
        ),
        depth=len(found.levels) - 1,
        violations=tuple(sorted(violations, key=lambda one: len(one.path))),
        unfired=unfired,
        unwitnessed=unwitnessed,
        witnessed=tuple(name for name in sometimes if name in witnessed),
        incomplete=found.incomplete,
    )


def _in_the_long_run(judge: Judge, promised: tuple[Property, ...]) -> Iterable[Violation]:
    for item in promised:
        violation = None
        if isinstance(item, AlwaysPossible):
            violation = judge.always_possible(item)
        elif isinstance(item, LeadsTo):
            violation = judge.leads_to(item)
        if violation is not None:
            yield violation


def _unfired(program: Program, found: Exploration) -> tuple[str, ...]:
    """Return the actions none of whose steps was ever enabled."""
    fired = {
        id(program.steps[step].action)
        for bundle, visits in zip(program.bundles, found.visits, strict=True)
        for times, moves in zip(visits, bundle.moves, strict=True)
        if times
        for step, _ in moves
    }
    return tuple(str(action) for action in program.model.actions if id(action) not in fired)
