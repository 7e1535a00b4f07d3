"""The model: a machine, or several, as one flat transition system that a checker explores.

Invariants: a model holds nothing that its declaration does not say. Its places are the phases and
variables, each with a finite domain; its actions are the declared rows, alone or together, with the
row's source as part of the guard and its target as an update. The checker and every printer read
models, so that they cannot disagree about a declaration.
"""

from collections.abc import Iterator

import msgspec

from perdure.machines.language.expressions import (
    All,
    Const,
    Expression,
    Value,
    Var,
    conjuncts,
    renamed,
)
from perdure.machines.language.machine import Machine
from perdure.machines.language.properties import PHASE, Property, in_phase
from perdure.machines.language.vocabulary import Choice, Row, Variable, given_domain


class Place(msgspec.Struct, frozen=True):
    """One variable of the model: its part, its domain and its initial value.

    ``name`` is the variable's, under its part's in a composition. ``domain`` is every value the
    checker explores, in a fixed order.
    """

    name: str
    part: str
    variable: Variable
    domain: tuple[Value, ...]
    initial: Value


class Action(msgspec.Struct, frozen=True):
    """One kind of step: rows that fire together, with their arguments.

    ``name`` is the verb, under its part's name in a composition, or that of a synchronisation.
    ``rows`` says which row of which part fires. ``guard`` and ``updates`` read and write places by
    name; updates read the values from before the step.
    """

    name: str
    rows: tuple[tuple[str, Row], ...]
    arguments: tuple[Variable, ...]
    guard: Expression
    updates: tuple[tuple[str, Expression], ...]

    def choices(self) -> tuple[tuple[Value, ...], ...]:
        """Return, for each argument, every value the checker explores."""
        return tuple(map(given_domain, self.arguments))

    def __str__(self) -> str:
        """Return the rows, each as a line of its part."""
        return " with ".join(f"{part}: {item}" if part else str(item) for part, item in self.rows)


class LeftOut(msgspec.Struct, frozen=True):
    """Rows of a part that happen in no step of a composition, and ``why`` none is meant to."""

    part: str
    verb: str
    sources: tuple[str, ...]
    why: str

    def names(self, part: str, item: Row) -> bool:
        """Whether the row is one of these."""
        return (part, item.verb) == (self.part, self.verb) and item.source in self.sources


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A finite transition system.

    ``final`` holds where nothing needs to happen any more. ``fair`` names the actions that happen
    at last once they stay possible. ``interchangeable`` are groups of parts that differ in name
    only, so that swapping two of a group changes nothing. ``impossible`` are the synchronisations
    and rows declared that no action has, but for those that are ``left_out``. ``parts`` are the
    machines of a composition, by the part's name.
    """

    name: str
    places: tuple[Place, ...]
    actions: tuple[Action, ...]
    final: Expression
    properties: tuple[Property, ...] = ()
    fair: tuple[str, ...] = ()
    interchangeable: tuple[tuple[str, ...], ...] = ()
    impossible: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    parts: tuple[tuple[str, Machine], ...] = ()

    def variables(self) -> dict[str, Variable]:
        """Return each place's variable by the place's name."""
        return {place.name: place.variable for place in self.places}


def places_of(machine: Machine, part: str = "") -> Iterator[Place]:
    """Yield the places of a machine, its phase first, under the part's name if it has one."""
    phase = Choice(PHASE.name, machine.phases, machine.initial)
    yield Place(qualified(part, PHASE.name), part, phase, machine.phases, machine.initial)
    for variable in machine.variables:
        name = qualified(part, variable.name)
        yield Place(name, part, variable, variable.domain(), variable.initial)


def actions_of(machine: Machine, part: str = "") -> Iterator[Action]:
    """Yield an action for each declared row."""

    def here(expression: Expression) -> Expression:
        return renamed(expression, lambda name: qualified(part, name))

    for item in machine.all_rows():
        guard: tuple[Expression, ...] = (PHASE.equals(item.source),)
        updates = list(item.updates)
        match item.target:
            case Var():
                guard = (*guard, item.target.differs(None))
                updates = [(PHASE.name, item.target), *updates]
            case str(target) if target != item.source:
                updates = [(PHASE.name, Const(target)), *updates]
            case _:
                pass
        guard = (*guard, *conjuncts(item.guard))
        yield Action(
            name=qualified(part, item.verb),
            rows=((part, item),),
            arguments=machine.verb(item.verb).arguments,
            guard=here(All(guard)),
            updates=tuple((qualified(part, name), here(value)) for name, value in updates),
        )


def model_of(machine: Machine) -> Model:
    """Return the machine as a model."""
    return Model(
        name=machine.name,
        places=tuple(places_of(machine)),
        actions=tuple(actions_of(machine)),
        final=in_phase(*machine.final),
        properties=machine.properties,
        fair=machine.fair,
    )


def qualified(part: str, name: str) -> str:
    """Return a name as a composition knows it."""
    return f"{part}.{name}" if part else name
