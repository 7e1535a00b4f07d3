"""Every small fault that a declared machine could have, and that its check must find.

Each row in turn loses its guard, or a part of it, or has it negated; loses an update, or has it
altered; or stays in its phase instead of leaving.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from perdure.machines import Arg, Bound, Choice, Count, Flag, Identity, Machine, Row, Var
from perdure.machines.language.expressions import (
    TRUE,
    All,
    Calculate,
    Compare,
    Const,
    Expression,
    Not,
    conjuncts,
)
from perdure.machines.language.notation import written
from perdure.machines.language.vocabulary import Variable

Faulty = tuple[str, Row]
"""The fault's name, and the row with it."""


def altered(
    machine: Machine, *, without: Iterable[str] = (), rows: Iterable[tuple[Row, ...]] = ()
) -> Machine:
    """Return the machine with rows taken out (``retire from running``) and others put in."""
    taken = frozenset(without)
    places = {f"{item.verb} from {item.source}" for item in machine.all_rows()}
    assert taken <= places, taken - places
    kept = [item for item in machine.all_rows() if f"{item.verb} from {item.source}" not in taken]
    return _with_rows(machine, (*kept, *itertools.chain.from_iterable(rows)))


def _with_rows(machine: Machine, rows: tuple[Row, ...]) -> Machine:
    fields = {name: getattr(machine, name) for name in machine.__struct_fields__}
    return Machine(**fields | {"rows": rows})


class Mutant(msgspec.Struct, frozen=True):
    """One fault: its name, and the rows of the machine with it."""

    name: str
    rows: tuple[Row, ...]

    def of(self, machine: Machine) -> Machine:
        """Return the machine with the fault. Raises InvalidMachine where that cannot be built."""
        return _with_rows(machine, self.rows)


def mutants(machine: Machine) -> Iterator[Mutant]:
    """Yield every mutant of the machine."""
    for place, number, item in _placed(machine):
        for fault, changed in faults(machine, item):
            yield Mutant(f"{place}: {fault}", _instead(machine, number, changed))


def redirected(machine: Machine) -> Iterator[Mutant]:
    """Yield the machine with each row in turn leading to each other phase instead."""
    for place, number, item in _placed(machine):
        for phase in machine.phases:
            if phase not in (item.source, item.target):
                changed = msgspec.structs.replace(item, target=phase)
                yield Mutant(f"{place} to {phase}", _instead(machine, number, changed))


def _placed(machine: Machine) -> Iterator[tuple[str, int, Row]]:
    """Yield each row with its number and a name: its verb and phase, counted where they recur."""
    rows = machine.all_rows()
    places = [f"{item.verb} from {item.source}" for item in rows]
    times, seen = Counter(places), Counter[str]()
    for number, (item, place) in enumerate(zip(rows, places, strict=True)):
        seen[place] += 1
        yield (f"{place} ({seen[place]})" if times[place] > 1 else place), number, item


def _instead(machine: Machine, number: int, changed: Row) -> tuple[Row, ...]:
    rows = machine.all_rows()
    return (*rows[:number], changed, *rows[number + 1 :])


def faults(machine: Machine, item: Row) -> Iterator[Faulty]:
    """Yield every fault of one row."""
    for fault, guard in _guards(item.guard):
        yield fault, msgspec.structs.replace(item, guard=guard)
    variables = {variable.name: variable for variable in machine.variables}
    for number, (name, value) in enumerate(item.updates):
        before, after = item.updates[:number], item.updates[number + 1 :]
        yield (
            f"without {name} := {written(value)}",
            msgspec.structs.replace(item, updates=before + after),
        )
        for other in _values(variables[name], value):
            yield (
                f"{name} := {written(other)}",
                msgspec.structs.replace(item, updates=(*before, (name, other), *after)),
            )
    if item.target not in (None, item.source):
        yield "stays", msgspec.structs.replace(item, target=None)


def _guards(guard: Expression) -> Iterator[tuple[str, Expression]]:
    if guard == TRUE:
        return
    yield "without its guard", TRUE
    yield "with its guard negated", Not(guard)
    parts = tuple(conjuncts(guard))
    for number, part in enumerate(parts if len(parts) > 1 else ()):
        before, after = parts[:number], parts[number + 1 :]
        yield f"without «{written(part)}»", All((*before, *after))
        yield f"with «{written(part)}» negated", All((*before, Not(part), *after))
    for number, part in enumerate(parts):
        if isinstance(part, Compare) and part.sign in _LOOSER:
            other = msgspec.structs.replace(part, sign=_LOOSER[part.sign])
            yield f"with «{written(other)}»", All((*parts[:number], other, *parts[number + 1 :]))


_LOOSER = {"<": "≤", ">": "≥"}


def _values(variable: Variable, value: Expression) -> Iterator[Expression]:
    """Yield the values that a variable could be given instead."""
    match variable, value:
        case Flag(), Const(bool(held)):
            yield Const(not held)
        case Identity(), _:
            if value != Const(None):
                yield Const(None)
        case ((Choice() | Count()), Const(held)):
            yield from (Const(other) for other in variable.domain() if other != held)
        case Choice(), _:
            yield Const(None)
        case Count(), Calculate(sign, left, right):
            yield Calculate("-" if sign == "+" else "+", left, right)
            yield value + 1
        case Count(), Arg() | Var() | Bound():
            yield Const(0)
            yield value + 1
