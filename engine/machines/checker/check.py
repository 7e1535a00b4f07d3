"""Checking: every reachable state of a machine, compared with its properties.

Invariants: a check passes only if it saw every reachable state, every declared row fired, every
`Sometimes` was witnessed, and no property was violated.
"""

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, get_args

import msgspec

from perdure.errors import InvalidArgument, InvalidMachine, Unsupported
from perdure.machines.checker.counterexample import violation_of
from perdure.machines.checker.liveness import LongRun
from perdure.machines.checker.program import Program, compile_model
from perdure.machines.checker.report import Report, Violation
from perdure.machines.checker.search import (
    WIDE,
    WORD,
    Budget,
    BudgetSpent,
    Exploration,
    LevelSearch,
    Progress,
    search,
)
from perdure.machines.checker.symmetry import Orbits, parts_of
from perdure.machines.language.composition import as_model
from perdure.machines.language.interchange import (
    Groups,
    interchangeable_groups,
    same_when_swapped,
    without_names,
)
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Action, Model
from perdure.machines.language.notation import written
from perdure.machines.language.properties import (
    AlwaysPossible,
    LeadsTo,
    Property,
    Sometimes,
    expressions_of,
    to_witness,
)
from perdure.machines.language.validation import properties_problem, property_problem

WhenNumpy = Literal["auto", "always", "never"]
Apart = Callable[[AlwaysPossible, Orbits], Violation | None]

MAX_STATES: Final = 100_000_000
MEMORY_BYTES: Final = 8 << 30


def check(
    machine: Machine | Model,
    *,
    instances: int = 1,
    properties: Iterable[Property] | None = None,
    symmetry: bool = False,
    max_states: int = MAX_STATES,
    memory_bytes: int = MEMORY_BYTES,
    progress: Progress | None = None,
    numpy: WhenNumpy = "auto",
) -> Report:
    """Explore every state that can be reached, and report every violation.

    ``instances`` puts so many of a machine side by side. ``properties`` are checked in place of the
    declared ones. With ``symmetry``, states that differ only by a swap of interchangeable parts are
    explored and counted once, and a violation that is the same for several parts is reported once;
    parts that a property tells apart are not interchangeable. ``max_states`` and ``memory_bytes``
    limit the search; a check that meets a limit fails. ``progress`` is told the states found so far
    and how deep the search is. ``numpy`` says whether numpy expands whole levels: where that
    is faster, if it is installed ("auto"), "always" or "never"; the report is the same.
    Raises InvalidArgument, InvalidMachine for a property that makes no sense, and Unsupported where
    numpy must be used and cannot, or where something leads to something under symmetry, since
    fairness is to each part alone.
    """
    if numpy not in get_args(WhenNumpy):
        ways = ", ".join(get_args(WhenNumpy))
        raise InvalidArgument(f"numpy is {numpy!r}, and none of {ways}", parameter="numpy")
    model = as_model(machine, instances)
    properties = model.properties if properties is None else _sensible(model, tuple(properties))
    program = compile_model(model, properties)
    if symmetry and model.interchangeable:
        for item in properties:
            if isinstance(item, LeadsTo):
                raise Unsupported(f"{item.name!r} cannot be checked under symmetry")
        program = _reduced(
            program, interchangeable_groups(msgspec.structs.replace(model, properties=properties))
        )
    budget = Budget(max_states, memory_bytes, progress)
    return _Check(program, properties, budget, numpy).report()


def _reduced(program: Program, groups: Groups) -> Program:
    orbits = Orbits(program.layout, groups) if groups else None
    return msgspec.structs.replace(program, orbits=orbits)


def prepare(model: Model, properties: Iterable[Property]) -> tuple[Program, LevelSearch | None]:
    """Return the compiled model, and the search over levels that `check` would use."""
    program = compile_model(model, properties)
    return program, _by_level(program, "auto", MEMORY_BYTES)


def _by_level(program: Program, numpy: WhenNumpy, memory_bytes: int) -> LevelSearch | None:
    """Return a search over whole levels with numpy, where one is wanted and can be had."""
    if numpy == "never" or (numpy == "auto" and program.layout.space < WIDE):
        return None
    try:
        module = importlib.import_module("perdure.machines.checker.search_numpy")
    except ModuleNotFoundError as error:
        if numpy == "auto":
            return None
        raise Unsupported("this needs numpy: install perdure[check]") from error
    if program.layout.space >= WORD:
        if numpy == "auto":
            return None
        raise Unsupported(f"a state of {program.model.name} does not fit 63 bits")
    return module.NumpySearch(program, memory_bytes)  # type: ignore[no-any-return]


def _sensible(model: Model, properties: tuple[Property, ...]) -> tuple[Property, ...]:
    arguments = {action.name: action.arguments for action in model.actions}
    none = properties_problem(properties)
    if none is not None:
        raise InvalidMachine(f"{model.name}: {none}", machine=model.name)
    for item in properties:
        problem = property_problem(item, model.variables(), arguments)
        if problem is not None:
            raise InvalidMachine(
                f"{model.name}: property {item.name!r}: {problem}", machine=model.name
            )
    return properties


class _Check:
    """One check: a search, and the report on it."""

    def __init__(
        self, program: Program, properties: tuple[Property, ...], budget: Budget, numpy: WhenNumpy
    ) -> None:
        self._program: Final = program
        self._properties: Final = properties
        self._budget: Final = budget
        self._numpy: Final = numpy

    def report(self) -> Report:
        found, long_run = self._searched(self._program)
        return report_of(self._program, found, self._properties, long_run, self._judge_apart)

    def _searched(self, program: Program) -> tuple[Exploration, LongRun]:
        by_level = _by_level(program, self._numpy, self._budget.memory_bytes)
        found = search(program, self._budget, by_level, 1 if self._numpy == "always" else WIDE)
        return found, LongRun(program, found, by_level, self._budget)

    def _judge_apart(self, item: AlwaysPossible, orbits: Orbits) -> Violation | None:
        """LongRun what names some parts in a search of its own that tells these apart."""
        program = _reduced(self._program, orbits.without(parts_of(item)))
        found, long_run = self._searched(msgspec.structs.replace(program, watches=()))
        if found.incomplete:
            raise BudgetSpent(found.incomplete)
        return long_run.always_possible(item)


def report_of(
    program: Program,
    found: Exploration,
    properties: tuple[Property, ...],
    long_run: LongRun,
    apart: Apart | None = None,
) -> Report:
    """Return the report on a search.

    ``apart`` checks a property that names some of the parts that the search did not tell apart.
    """
    violations: list[Violation] = []
    witnessed: set[object] = set()
    broken: set[object] = set()
    for number, (depth, state) in found.noticed.items():
        subject = program.watches[number].subject
        if isinstance(subject, Sometimes | AlwaysPossible | LeadsTo):
            witnessed.add(_alike(program, subject))
        elif (alike := _alike(program, subject)) not in broken:  # the first is the nearest
            broken.add(alike)
            violations.append(violation_of(program, subject, long_run.path(depth, state)))
    incomplete = found.incomplete
    if incomplete is None:
        try:
            violations.extend(_in_the_long_run(program, long_run, properties, apart))
        except BudgetSpent as spent:
            incomplete = str(spent)
    complete = incomplete is None
    unfired = _unfired(program, found) if complete else ()
    wanted = [item for item in properties if to_witness(item) is not None]
    seen = [item for item in wanted if _alike(program, item) in witnessed]
    unwitnessed = tuple(_unseen(i) for i in wanted if i not in seen) if complete else ()
    return Report(
        machine=program.model.name,
        ok=complete and not (violations or unfired or unwitnessed),
        states=found.states,
        transitions=found.transitions(program),
        depth=len(found.levels) - 1,
        violations=tuple(sorted(violations, key=lambda one: len(one.path))),
        unfired=unfired,
        unwitnessed=unwitnessed,
        witnessed=tuple(item.name for item in seen if isinstance(item, Sometimes)),
        incomplete=incomplete,
        reduced=program.orbits is not None,
    )


def _unseen(item: Property) -> str:
    """Return the text about a property that no state witnesses."""
    if isinstance(item, AlwaysPossible | LeadsTo):
        return f"{item.name}: given {written(item.given)}"
    return item.name


def _alike(program: Program, item: Property | Action | str | None) -> object:
    """Return a key that is the same for items that differ by a swap of interchangeable parts."""
    if program.orbits is None or item is None:
        return id(item)
    groups = program.orbits.groups
    if isinstance(item, str):  # a place
        part, _, rest = item.partition(".")
        return next((group for group in groups if part in group), part), rest
    return without_names(item, groups, program.model.actions)


def _in_the_long_run(
    program: Program, long_run: LongRun, properties: tuple[Property, ...], apart: Apart | None
) -> Iterator[Violation]:
    judged: set[object] = set()
    for item in properties:
        violation = None
        if isinstance(item, AlwaysPossible):
            orbits = program.orbits
            if orbits is None or apart is None or _same_for_all(item, orbits):
                violation = long_run.always_possible(item)
            elif _alike(program, item) not in judged:
                judged.add(_alike(program, item))
                violation = apart(item, orbits)
        elif isinstance(item, LeadsTo):
            violation = long_run.leads_to(item)
        if violation is not None:
            yield violation


def _same_for_all(item: Property, orbits: Orbits) -> bool:
    return all(
        same_when_swapped(expression, one, two)
        for group in orbits.groups
        for one, two in itertools.pairwise(group)
        for expression in expressions_of(item)
    )


def _unfired(program: Program, found: Exploration) -> tuple[str, ...]:
    """Return the rows that are in no action, and the actions that were never enabled."""
    steps = {
        step
        for bundle, visits in zip(program.bundles, found.visits, strict=True)
        for times, moves in zip(visits, bundle.moves, strict=True)
        if times
        for step, _ in moves
    }
    actions = {id(program.steps[step].action): program.steps[step].action for step in steps}
    fired = {_alike(program, action) for action in actions.values()}
    never = (str(one) for one in program.model.actions if _alike(program, one) not in fired)
    return (*program.model.impossible, *never)
