"""Packing: a state of a model as one integer, and which values a part can have at all.

Invariants: a component is some places of one part with all their valuations that could occur,
numbered from 0; a state is a number in mixed radix with a digit for each component, so that a step
of one component adds the same to the state for all values of the others. No valuation is missing: a
component has all that its part reaches alone if every condition on other parts is taken as true.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from perdure.machines.language.expressions import (
    Arg,
    Expression,
    Next,
    Value,
    Var,
    conjuncts,
    nodes,
)
from perdure.machines.language.model import Action, Model, Place
from perdure.machines.language.notation import python_source

Valuation = tuple[Value, ...]
Function = Callable[[Valuation, tuple[Value, ...]], Any]
"""A compiled expression of a component's values and an action's arguments."""

LARGEST_COMPONENT: Final = 4096
"""How many valuations a component may have; a part with more becomes several."""


class Component(msgspec.Struct, frozen=True):
    """Places of one part that are packed into one digit.

    ``values`` are the valuations in order, ``numbers`` the number of each; ``weight`` is the value
    of the digit 1 in the state.
    """

    part: str
    places: tuple[Place, ...]
    values: tuple[Valuation, ...]
    numbers: Mapping[Valuation, int]
    weight: int

    @property
    def radix(self) -> int:
        """Return how many valuations there are."""
        return len(self.values)


class Layout(msgspec.Struct, frozen=True):
    """How the states of a model are packed; ``space`` is how many numbers that takes."""

    components: tuple[Component, ...]
    where: Mapping[str, tuple[int, int]]
    space: int

    def packed(self, state: Mapping[str, Value]) -> int:
        """Return the state as a number. Raises KeyError where no component has the values."""
        return sum(
            one.numbers[tuple(state[place.name] for place in one.places)] * one.weight
            for one in self.components
        )

    def digits(self, number: int) -> list[int]:
        """Return the number of the valuation that each component has in a state."""
        return [number // one.weight % one.radix for one in self.components]

    def unpacked(self, number: int) -> dict[str, Value]:
        """Return the state with that number: the value of each place, in the model's order."""
        digits = self.digits(number)
        held = [one.values[digit] for one, digit in zip(self.components, digits, strict=True)]
        return {name: held[digit][offset] for name, (digit, offset) in self.where.items()}

    def read_by(self, expression: Expression) -> frozenset[int]:
        """Return the components whose places the expression reads."""
        return frozenset(self.where[name][0] for name in names_read(expression))


class Functions:
    """Expressions compiled to Python, each text once."""

    def __init__(self) -> None:
        self._made: Final[dict[str, Function]] = {}

    def prepare(self, sources: Iterable[str]) -> None:
        """Compile texts together, which is many times faster than one by one."""
        new = [text for text in dict.fromkeys(sources) if text not in self._made]
        text = ",".join(f"lambda v,a:{one}" for one in new)
        made = eval(f"({text},)" if new else "()", {"__builtins__": {}})  # noqa: S307 - our own text
        self._made.update(zip(new, made, strict=True))

    def __getitem__(self, source: str) -> Function:
        """Return the function with this text."""
        if source not in self._made:
            self.prepare((source,))
        return self._made[source]


def names_read(expression: Expression) -> Iterator[str]:
    """Yield the name of each place the expression reads, before or after a step."""
    for node in nodes(expression):
        if isinstance(node, Var | Next):
            yield node.name


def text_of(
    expression: Expression, offsets: Mapping[str, int], arguments: Iterable[str] = ()
) -> str:
    """Return the expression as Python over a component's values and the arguments."""
    places = {name: number for number, name in enumerate(arguments)}
    return python_source(expression, offsets, places, checked=True)


def lay_out(model: Model, functions: Functions, largest: int = LARGEST_COMPONENT) -> Layout:
    """Return how to pack the model's states, in components of ``largest`` valuations at most."""
    parts: dict[str, list[Place]] = {}
    for place in model.places:
        parts.setdefault(place.part, []).append(place)
    components: list[Component] = []
    weight = 1
    for part, places in parts.items():
        for group, values in _valuations(model, places, functions, largest):
            numbers = {valuation: number for number, valuation in enumerate(values)}
            components.append(Component(part, tuple(group), tuple(values), numbers, weight))
            weight *= len(values)
    found = {
        place.name: (digit, offset)
        for digit, one in enumerate(components)
        for offset, place in enumerate(one.places)
    }
    return Layout(tuple(components), {p.name: found[p.name] for p in model.places}, weight)


def _valuations(
    model: Model, places: list[Place], functions: Functions, largest: int
) -> Iterator[tuple[list[Place], list[Valuation]]]:
    """Yield the part's components: one, or where that has too many valuations several."""
    reached = _reached_alone(model, places, functions, largest)
    if reached is not None:
        yield places, reached
        return
    group: list[Place] = []
    for place in places:
        if group and math.prod(len(p.domain) for p in [*group, place]) > largest:
            yield group, list(itertools.product(*(p.domain for p in group)))
            group = []
        group.append(place)
    yield group, list(itertools.product(*(p.domain for p in group)))


class _PartMove(msgspec.Struct, frozen=True):
    """An action as one part sees it: its conditions on the part, and its writes there."""

    asks: Function
    writes: tuple[tuple[int, Function | None], ...]
    arguments: tuple[tuple[Value, ...], ...]


def _reached_alone(
    model: Model, places: list[Place], functions: Functions, largest: int
) -> list[Valuation] | None:
    """Return the part's valuations if others grant it everything, in order; None if too many."""
    offsets = {place.name: number for number, place in enumerate(places)}
    moves = _moves(model.actions, offsets, functions)
    allowed = [frozenset(place.domain) for place in places]
    start = tuple(place.initial for place in places)
    seen = {start}
    waiting = [start]
    while waiting:
        valuation = waiting.pop()
        for move in moves:
            for given in move.arguments:
                if not move.asks(valuation, given):
                    continue
                for after in _afterwards(move, valuation, given, places):
                    if after in seen or any(
                        v not in a for v, a in zip(after, allowed, strict=True)
                    ):
                        continue
                    seen.add(after)
                    waiting.append(after)
        if len(seen) > largest:
            return None
    ranks = [{value: rank for rank, value in enumerate(place.domain)} for place in places]
    return sorted(seen, key=lambda v: [ranks[n][value] for n, value in enumerate(v)])


def _moves(
    actions: Iterable[Action], offsets: Mapping[str, int], functions: Functions
) -> list[_PartMove]:
    """Return the actions that write the part's places, as it sees them."""
    drafts = []
    for action in actions:
        names = [argument.name for argument in action.arguments]
        if not any(name in offsets for name, _ in action.updates):
            continue
        asked = [
            text_of(item, offsets, names)
            for item in conjuncts(action.guard)
            if all(name in offsets for name in names_read(item))
        ]
        written = [
            (
                offsets[name],
                text_of(value, offsets, names)
                if all(other in offsets for other in names_read(value))
                else None,
            )
            for name, value in action.updates
            if name in offsets
        ]
        given = tuple(itertools.product(*action.choices())) if _argues(action) else ((),)
        drafts.append((" and ".join(asked) or "True", written, given))
    functions.prepare(
        text for asks, written, _ in drafts for text in (asks, *(t for _, t in written if t))
    )
    return [
        _PartMove(
            functions[asks], tuple((n, functions[t] if t else None) for n, t in written), given
        )
        for asks, written, given in drafts
    ]


def _argues(action: Action) -> bool:
    """Whether anything the action asks or writes reads an argument."""
    asked = (action.guard, *(value for _, value in action.updates))
    return any(isinstance(node, Arg) for one in asked for node in nodes(one))


def _afterwards(
    move: _PartMove, valuation: Valuation, given: tuple[Value, ...], places: list[Place]
) -> Iterator[Valuation]:
    """Yield the part's values after the move; a value that depends on other parts can be any."""
    options: list[tuple[Value, ...]] = [(value,) for value in valuation]
    for offset, function in move.writes:
        options[offset] = (
            places[offset].domain if function is None else (function(valuation, given),)
        )
    yield from itertools.product(*options)
