"""Declare a lifecycle: phases, variables, verbs and rows, all as data.

Invariants: a `Machine` that exists is well formed. Every phase is reachable and leads on to a
final one; no verb has two outcomes; every name a row reads or writes is declared, and every
variable a guard reads is written by some row. What is malformed cannot be built, and the error
names the row.

The vocabulary is small on purpose, and finite on purpose: each variable has a domain the checker
can enumerate, so the law that runs is the law that was checked.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from engine.errors import InvalidMachine
from engine.machines.expressions import (
    TRUE,
    Arg,
    Bound,
    Expression,
    Operand,
    Value,
    Var,
    evaluate,
    lift,
    nodes,
    written,
)


class Flag(msgspec.Struct, frozen=True):
    """A variable that is true or false."""

    name: str
    initial: bool = False

    def domain(self) -> tuple[Value, ...]:
        """Return every value the checker explores."""
        return (False, True)


class Count(msgspec.Struct, frozen=True):
    """A variable that counts from 0 up to a bound; rows must guard it against going beyond."""

    name: str
    maximum: Bound
    initial: int = 0

    def domain(self) -> tuple[Value, ...]:
        """Return every value the checker explores."""
        return tuple(range(self.maximum.checked + 1))


class Choice(msgspec.Struct, frozen=True):
    """A variable that is one of a few words, or None. It may remember a phase to return to."""

    name: str
    words: tuple[str, ...]
    initial: str | None = None

    def domain(self) -> tuple[Value, ...]:
        """Return every value the checker explores."""
        return (None, *self.words)


class Identity(msgspec.Struct, frozen=True):
    """A variable that holds an opaque id, or None; only ever compared for equality.

    The checker explores it with the few interchangeable ids in ``checked``.
    """

    name: str
    checked: tuple[str, ...] = ("a", "b")
    initial: str | None = None

    def domain(self) -> tuple[Value, ...]:
        """Return every value the checker explores."""
        return (None, *self.checked)


Variable = Flag | Count | Choice | Identity


class Verb(msgspec.Struct, frozen=True):
    """What can be asked of the machine, with its arguments.

    An ``Identity`` argument is never None. ``restricted`` verbs need the authority's token.
    """

    name: str
    arguments: tuple[Variable, ...] = ()
    restricted: bool = False

    def argument_domains(self) -> tuple[tuple[Value, ...], ...]:
        """Return, for each argument, every value the checker explores."""
        return tuple(
            tuple(value for value in argument.domain() if value is not None)
            for argument in self.arguments
        )


class Row(msgspec.Struct, frozen=True):
    """One move: from a phase, on a verb, if the guard holds, to a target, with updates.

    ``target`` is a phase, a `Var` holding the phase to return to, or None to stay.
    Updates read the values from before the move. Build rows with `row`.
    """

    verb: str
    source: str
    target: str | Var | None = None
    guard: Expression = TRUE
    updates: tuple[tuple[str, Expression], ...] = ()

    def __str__(self) -> str:
        """Return the row as a line: ``retire: running → running if … then x := y``."""
        target = self.source if self.target is None else self.target
        where = f"[{target.name}]" if isinstance(target, Var) else target
        text = f"{self.verb}: {self.source} → {where}"
        if self.guard != TRUE:
            text += f" if {written(self.guard)}"
        if self.updates:
            changes = "; ".join(f"{name} := {written(value)}" for name, value in self.updates)
            text += f" then {changes}"
        return text


def row(
    verb: str,
    sources: str | Iterable[str],
    target: str | Var | None = None,
    *,
    guard: Expression = TRUE,
    updates: Mapping[str, Operand] | None = None,
) -> tuple[Row, ...]:
    """Return one `Row` for each source phase, all with the same target, guard and updates."""
    phases = (sources,) if isinstance(sources, str) else tuple(sources)
    changes = tuple((name, lift(value)) for name, value in (updates or {}).items())
    return tuple(
        Row(verb=verb, source=phase, target=target, guard=guard, updates=changes)
        for phase in phases
    )


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A declared lifecycle.

    ``rows`` takes `Row` values or the groups that `row` returns. Verbs without arguments need no
    declaration. Raises InvalidMachine, naming the row, when the declaration is malformed.
    """

    name: str
    phases: tuple[str, ...]
    initial: str
    final: tuple[str, ...]
    rows: tuple[Row | tuple[Row, ...], ...]
    variables: tuple[Variable, ...] = ()
    verbs: tuple[Verb, ...] = ()

    def __post_init__(self) -> None:
        """Flatten the rows, declare the verbs they imply, and refuse what is malformed."""
        flat = tuple(
            itertools.chain.from_iterable(
                (item,) if isinstance(item, Row) else item for item in self.rows
            )
        )
        declared = {verb.name for verb in self.verbs}
        implied = dict.fromkeys(item.verb for item in flat if item.verb not in declared)
        msgspec.structs.force_setattr(self, "rows", flat)
        msgspec.structs.force_setattr(
            self, "verbs", (*self.verbs, *(Verb(name) for name in implied))
        )
        _validate(self)

    def all_rows(self) -> tuple[Row, ...]:
        """Return the rows, one for each source phase, in the order declared."""
        return self.rows  # type: ignore[return-value]  # flattened on construction

    def verb(self, name: str) -> Verb:
        """Return the declared verb of this name. Raises KeyError when there is none."""
        for verb in self.verbs:
            if verb.name == name:
                return verb
        raise KeyError(name)

    def targets(self, item: Row) -> tuple[str, ...]:
        """Return the phases the row can lead to: one, or those its target variable can hold."""
        match item.target:
            case None:
                return (item.source,)
            case Var(name):
                variable = next(v for v in self.variables if v.name == name)
                return tuple(str(word) for word in variable.domain() if word is not None)
            case phase:
                return (phase,)

    def valuations(self) -> Iterator[tuple[Value, ...]]:
        """Yield every combination of variable values the checker explores, in declared order."""
        yield from itertools.product(*(variable.domain() for variable in self.variables))


def _validate(machine: Machine) -> None:
    for check in (_names, _phases, _rows, _reads, _outcomes, _reachable, _traps):
        check(machine)


def _refuse(machine: Machine, problem: str, item: Row | None = None) -> InvalidMachine:
    where = f", row «{item}»" if item is not None else ""
    return InvalidMachine(
        f"machine {machine.name!r}{where}: {problem}",
        machine=machine.name,
        row=None if item is None else str(item),
        problem=problem,
    )


def _names(machine: Machine) -> None:
    groups = {
        "phase": machine.phases,
        "variable": tuple(variable.name for variable in machine.variables),
        "verb": tuple(verb.name for verb in machine.verbs),
    }
    for kind, names in groups.items():
        for name, times in Counter(names).items():
            if times > 1:
                raise _refuse(machine, f"{kind} {name!r} is declared {times} times")
            if not name.isidentifier():
                raise _refuse(machine, f"{kind} {name!r} is not an identifier")
    variables = set(groups["variable"])
    for verb in machine.verbs:
        for argument in verb.arguments:
            if argument.name in variables and not _same_kind(machine, argument):
                raise _refuse(
                    machine,
                    f"argument {argument.name!r} of {verb.name!r} is another kind of value "
                    "than the variable of that name",
                )
    for variable in machine.variables:
        if variable.initial not in variable.domain():
            raise _refuse(
                machine, f"variable {variable.name!r} starts outside its domain: {variable.initial}"
            )


def _same_kind(machine: Machine, argument: Variable) -> bool:
    return any(type(v) is type(argument) for v in machine.variables if v.name == argument.name)


def _phases(machine: Machine) -> None:
    if machine.initial not in machine.phases:
        raise _refuse(machine, f"the initial phase {machine.initial!r} is not declared")
    for phase in machine.final:
        if phase not in machine.phases:
            raise _refuse(machine, f"the final phase {phase!r} is not declared")
    if not machine.final:
        raise _refuse(machine, "no final phase is declared")


def _rows(machine: Machine) -> None:
    variables = {variable.name: variable for variable in machine.variables}
    for item in machine.all_rows():
        if item.source not in machine.phases:
            raise _refuse(machine, f"unknown phase {item.source!r}", item)
        if item.source in machine.final:
            raise _refuse(machine, f"nothing leaves the final phase {item.source!r}", item)
        match item.target:
            case Var(name):
                if not isinstance(variables.get(name), Choice):
                    raise _refuse(machine, f"the target {name!r} is not a declared choice", item)
                for word in machine.targets(item):
                    if word not in machine.phases:
                        raise _refuse(machine, f"the target can be {word!r}, not a phase", item)
            case str(phase):
                if phase not in machine.phases:
                    raise _refuse(machine, f"unknown phase {phase!r}", item)
            case None:
                pass
        for name, times in Counter(name for name, _ in item.updates).items():
            if name not in variables:
                raise _refuse(machine, f"it updates the undeclared variable {name!r}", item)
            if times > 1:
                raise _refuse(machine, f"it updates {name!r} {times} times", item)


def _reads(machine: Machine) -> None:
    variables = {variable.name for variable in machine.variables}
    updated = {name for item in machine.all_rows() for name, _ in item.updates}
    for item in machine.all_rows():
        arguments = {argument.name for argument in machine.verb(item.verb).arguments}
        for expression in (item.guard, *(value for _, value in item.updates)):
            for node in nodes(expression):
                if isinstance(node, Var) and node.name not in variables:
                    raise _refuse(machine, f"it reads the undeclared variable {node.name!r}", item)
                if isinstance(node, Arg) and node.name not in arguments:
                    raise _refuse(machine, f"it reads the undeclared argument {node.name!r}", item)
        for node in nodes(item.guard):
            if isinstance(node, Var) and node.name not in updated:
                raise _refuse(machine, f"no row writes {node.name!r}, which its guard reads", item)


def _outcomes(machine: Machine) -> None:
    """Refuse two rows of one phase and verb whose guards can hold together."""
    rivals: dict[tuple[str, str], list[Row]] = {}
    for item in machine.all_rows():
        rivals.setdefault((item.source, item.verb), []).append(item)
    for items in rivals.values():
        for one, two in itertools.combinations(items, 2):
            witness = _overlap(machine, one, two)
            if witness is not None:
                raise _refuse(machine, f"a second outcome beside «{one}», when {witness}", two)


_UNCONDITIONAL: Final = "always"


def _overlap(machine: Machine, one: Row, two: Row) -> str | None:
    read = {
        node.name
        for guard in (one.guard, two.guard)
        for node in nodes(guard)
        if isinstance(node, Var | Arg)
    }
    variables = [v for v in machine.variables if v.name in read]
    arguments = [a for a in machine.verb(one.verb).arguments if a.name in read]
    for values in itertools.product(*(v.domain() for v in variables)):
        held = {v.name: value for v, value in zip(variables, values, strict=True)}
        for given in itertools.product(*(a.domain() for a in arguments)):
            passed = {a.name: value for a, value in zip(arguments, given, strict=True)}
            if all(evaluate(r.guard, held, passed, checked=True) for r in (one, two)):
                facts = [f"{name} = {value}" for name, value in (held | passed).items()]
                return " and ".join(facts) or _UNCONDITIONAL
    return None


def _reachable(machine: Machine) -> None:
    seen = {machine.initial}
    frontier = [machine.initial]
    while frontier:
        phase = frontier.pop()
        for item in machine.all_rows():
            if item.source == phase:
                fresh = set(machine.targets(item)) - seen
                seen |= fresh
                frontier.extend(fresh)
    for phase in machine.phases:
        if phase not in seen:
            raise _refuse(machine, f"phase {phase!r} cannot be reached from {machine.initial!r}")


def _traps(machine: Machine) -> None:
    leads_on = set(machine.final)
    grown = True
    while grown:
        grown = False
        for item in machine.all_rows():
            if item.source not in leads_on and leads_on & set(machine.targets(item)):
                leads_on.add(item.source)
                grown = True
    for phase in machine.phases:
        if phase not in leads_on:
            raise _refuse(machine, f"phase {phase!r} is a trap: no final phase follows from it")
