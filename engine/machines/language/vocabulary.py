"""The words a lifecycle is declared in: variables, verbs and rows, all plain data.

The vocabulary is small on purpose, and finite on purpose: each variable has a domain the checker
can enumerate, so the law that runs is the law that was checked.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from perdure.machines.language.expressions import TRUE, Bound, Expression, Operand, Value, Var, lift
from perdure.machines.language.notation import written


class Flag(msgspec.Struct, frozen=True):
    """A variable that is true or false."""

    name: str
    initial: bool = False

    def domain(self) -> tuple[Value, ...]:
        """Return every value the checker explores."""
        return (False, True)


class Count(msgspec.Struct, frozen=True):
    """A variable that counts from 0 up to a bound; rows must guard it against going beyond.

    That they do is for the checker to find, not for construction: whether a row can leave the
    range often depends on which valuations can be reached. In the session lifecycle a run that
    gives its inputs back adds ``staged`` to ``queued``, which is within the capacity only because
    no row lets both together grow beyond it.
    """

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


def given_domain(argument: Variable) -> tuple[Value, ...]:
    """Return every value the checker explores an argument with: as one, nothing is ever None."""
    return tuple(value for value in argument.domain() if value is not None)


def admits(variable: Variable, value: Any, *, checked: bool = False) -> bool:
    """Whether an argument of this kind can have the value at all, explored or not.

    As an argument, nothing is ever None, an id is any text, and a count goes up to the actual
    bound; ``checked`` takes that bound at the size the checker explores.
    """
    match variable:
        case Flag():
            return isinstance(value, bool)
        case Count(_, most):
            return type(value) is int and 0 <= value <= (most.checked if checked else most.actual)
        case Choice():
            return isinstance(value, str) and value in variable.words
        case Identity():
            return isinstance(value, str) and bool(value)


def arguments_problem(
    declared: tuple[Variable, ...], given: Any, *, checked: bool = False
) -> str | None:
    """Return why a verb that takes the declared arguments cannot be given these, or None."""
    if not isinstance(given, tuple | list):
        return f"its arguments are a tuple, and not {given!r}"
    if len(declared) != len(given):
        names = ", ".join(argument.name for argument in declared) or "no arguments"
        return f"it takes {names}, and is given {len(given)}"
    for argument, value in zip(declared, given, strict=True):
        if not admits(argument, value, checked=checked):
            return f"{argument.name} cannot be {value!r}"
    return None


class Verb(msgspec.Struct, frozen=True):
    """A move that the machine can be asked for, with its arguments.

    ``restricted`` verbs need the authority's token.
    """

    name: str
    arguments: tuple[Variable, ...] = ()
    restricted: bool = False

    def argument_domains(self) -> tuple[tuple[Value, ...], ...]:
        """Return, for each argument, every value the checker explores."""
        return tuple(map(given_domain, self.arguments))


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
