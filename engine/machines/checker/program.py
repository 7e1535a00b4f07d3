"""Compiling: a model as a program over tables, from which the steps of each state are read.

Invariants: a program says no more and no less than its model; both searches, plain and with
numpy, run the same one. Steps that ask the same of other components and write the same there are
bundled, so that each question is asked once.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from perdure.machines.checker.packed_state import LARGEST_COMPONENT, Layout
from perdure.machines.checker.symmetry import Orbits
from perdure.machines.checker.tables import (
    Arguments,
    Local,
    Tables,
    both,
    either,
    local,
    opposite,
)
from perdure.machines.language.expressions import (
    Arg,
    Compare,
    Const,
    Expression,
    Next,
    Not,
    Value,
    conjuncts,
    evaluate,
    nodes,
)
from perdure.machines.language.model import Action, Model
from perdure.machines.language.properties import (
    Always,
    Property,
    about_steps,
    before_step,
    to_witness,
)


class Step(msgspec.Struct, frozen=True):
    """An action with its arguments."""

    action: Action
    arguments: Arguments


class Far(msgspec.Struct, frozen=True):
    """Writes to one component that depend on others; places by their offset in the component."""

    component: int
    writes: tuple[tuple[int, Expression], ...]


class Bundle(msgspec.Struct, frozen=True):
    """Steps that ask the same of the other components and write the same there.

    ``moves`` gives, for each valuation of the component ``digit``, the steps that it allows, each
    with the number that it adds to the state, or None if the step would leave a domain.
    ``deltas`` are the same numbers, each once, without 0. ``others`` are further components that
    the steps write, with the number that this adds for each valuation; ``far`` are the writes that
    depend on components other than the one written.
    """

    digit: int
    condition: Expression
    moves: tuple[tuple[tuple[int, int | None], ...], ...]
    deltas: tuple[tuple[int, ...], ...]
    others: tuple[tuple[int, tuple[int | None, ...]], ...] = ()
    far: tuple[Far, ...] = ()


class Watch(msgspec.Struct, frozen=True):
    """Something to notice in a state: ``seen`` is true where a subject is violated, or witnessed.

    The subject is a property, the name of a place whose domain a step would leave, or None for a
    state in which nothing can happen, though it is not final.
    """

    subject: Property | str | None
    seen: Expression


class Program(msgspec.Struct, frozen=True):
    """A compiled model; with ``orbits``, one state of each is to stand for all of it."""

    model: Model
    layout: Layout
    steps: tuple[Step, ...]
    bundles: tuple[Bundle, ...]
    watches: tuple[Watch, ...]
    initial: int
    tables: Tables
    orbits: Orbits | None = None

    def enabled(self, number: int) -> Iterator[tuple[Step, dict[str, Value]]]:
        """Yield the steps enabled in a state with the state after, by the reference meaning."""
        before = self.layout.unpacked(number)
        for step in self.steps:
            given = step_arguments(step)
            if evaluate(step.action.guard, before, given, checked=True):
                yield step, self.after(before, step)

    def after(self, before: Mapping[str, Value], step: Step) -> dict[str, Value]:
        """Return the state after the step, which may be outside the domains."""
        given = step_arguments(step)
        return dict(before) | {
            name: evaluate(value, before, given, checked=True)
            for name, value in step.action.updates
        }


def step_arguments(step: Step) -> dict[str, Value]:
    """Return the step's arguments by name."""
    return {a.name: v for a, v in zip(step.action.arguments, step.arguments, strict=True)}


_Key = tuple[int, Expression, tuple[tuple[int, tuple[int | None, ...]], ...], tuple[Far, ...]]
_Moves = dict[int, list[tuple[int, int | None]]]


def compile_model(
    model: Model, properties: Iterable[Property], largest: int = LARGEST_COMPONENT
) -> Program:
    """Return the model compiled, watching for the properties, left domains and dead ends.

    Its components have ``largest`` valuations at most.
    """
    tables = Tables(model, largest)
    layout = tables.layout
    steps = tuple(
        Step(action, given)
        for action in model.actions
        for given in itertools.product(*action.choices())
    )
    bundles: dict[_Key, _Moves] = {}
    left: dict[str, list[Expression]] = {}
    for number, step in enumerate(steps):
        draft = _Draft(tables, step)
        if draft.possible:
            found = bundles.setdefault(draft.key(), {})
            for valuation, delta in draft.moves():
                found.setdefault(valuation, []).append((number, delta))
            for place, expression in draft.leaving():
                left.setdefault(place, []).append(expression)
    made = tuple(
        _bundle(key, found, layout.components[key[0]].radix) for key, found in bundles.items()
    )
    watches = [
        *(Watch(place, either(found)) for place, found in left.items()),
        Watch(None, _stuck(tables, model, made)),
        *(Watch(item, _noticed(tables, item, steps)) for item in properties if _watched(item)),
    ]
    return Program(
        model=model,
        layout=layout,
        steps=steps,
        bundles=made,
        watches=tuple(watches),
        initial=layout.packed({place.name: place.initial for place in model.places}),
        tables=tables,
    )


def _bundle(key: _Key, found: _Moves, radix: int) -> Bundle:
    digit, condition, others, far = key
    moves = tuple(tuple(found.get(valuation, ())) for valuation in range(radix))
    deltas = tuple(tuple(dict.fromkeys(delta for _, delta in one if delta)) for one in moves)
    return Bundle(digit, condition, moves, deltas, others, far)


class _Draft:
    """One step, taken apart by component."""

    def __init__(self, tables: Tables, step: Step) -> None:
        self._tables = tables
        self._layout = tables.layout
        self._names = tuple(argument.name for argument in step.action.arguments)
        self._given = step.arguments
        self._writes: dict[int, list[tuple[str, Expression]]] = {}
        for name, value in step.action.updates:
            self._writes.setdefault(self._layout.where[name][0], []).append((name, value))
        asked = [(self._layout.read_by(item), item) for item in conjuncts(step.action.guard)]
        alone = [next(iter(read)) for read, _ in asked if len(read) == 1]
        self._digit = next(iter(self._writes), alone[0] if alone else 0)
        here = both(self._reduced(item) for read, item in asked if read == {self._digit})
        self._condition = both(self._reduced(item) for read, item in asked if read != {self._digit})
        self._here = here
        self._far = tuple(
            Far(
                component,
                tuple((self._layout.where[n][1], self._reduced(value)) for n, value in written),
            )
            for component, written in self._writes.items()
            if any(self._layout.read_by(value) - {component} for _, value in written)
        )

    @property
    def possible(self) -> bool:
        """Whether the step could ever be enabled."""
        return Const(value=False) not in (self._here, self._condition)

    def key(self) -> _Key:
        """Return the key that all steps of a bundle share."""
        far = {one.component for one in self._far}
        others = tuple(
            (component, self._deltas(component))
            for component in self._writes
            if component != self._digit and component not in far
        )
        return self._digit, self._condition, others, self._far

    def moves(self) -> Iterator[tuple[int, int | None]]:
        """Yield each valuation of its own component that allows the step, and its number to add."""
        far = any(one.component == self._digit for one in self._far)
        deltas = None if far or self._digit not in self._writes else self._deltas(self._digit)
        for valuation in range(self._layout.components[self._digit].radix):
            if self._allowed(valuation):
                yield valuation, 0 if deltas is None else deltas[valuation]

    def leaving(self) -> Iterator[tuple[str, Expression]]:
        """Yield the places whose domain the step could leave, and where it would."""
        for component, written in self._writes.items():
            for name, value in written:
                offset = self._layout.where[name][1]
                domain = self._layout.components[component].places[offset].domain
                left = self._outside(self._reduced(value), domain)
                found = both((self._here, self._condition, left))
                if found != Const(value=False):
                    yield name, found

    def _outside(self, value: Expression, domain: tuple[Value, ...]) -> Expression:
        codes = [self._tables.code(one) for one in domain]
        match value:
            case Const(held):
                return Const(held not in codes)
            case Local(component, values):
                return local(component, tuple(held not in codes for held in values))
            case _:
                return both(Compare("≠", value, Const(code)) for code in codes)

    def _allowed(self, valuation: int) -> bool:
        match self._here:
            case Const(value):
                return bool(value)
            case Local(_, values):
                return bool(values[valuation])
            case _:
                raise AssertionError(self._here)

    def _deltas(self, component: int) -> tuple[int | None, ...]:
        """Return the number that the step adds to the state by its writes to the component."""
        one = self._layout.components[component]
        columns = [
            (
                self._layout.where[name][1],
                self._tables.values(component, value, self._names, self._given),
            )
            for name, value in self._writes[component]
        ]
        deltas: list[int | None] = []
        for number, valuation in enumerate(one.values):
            after = list(valuation)
            for offset, column in columns:
                after[offset] = column[number]
            found = one.numbers.get(tuple(after))
            deltas.append(None if found is None else (found - number) * one.weight)
        return tuple(deltas)

    def _reduced(self, expression: Expression) -> Expression:
        return self._tables.reduced(expression, self._names, self._given)


def _stuck(tables: Tables, model: Model, bundles: tuple[Bundle, ...]) -> Expression:
    """Return where nothing can happen, though not everything is final."""
    nothing = [
        opposite(both((one.condition, local(one.digit, tuple(map(bool, one.moves))))))
        for one in bundles
    ]
    return either(
        both((*nothing, opposite(tables.reduced(item)))) for item in conjuncts(model.final)
    )


def _watched(item: Property) -> bool:
    return isinstance(item, Always) or to_witness(item) is not None


def _noticed(tables: Tables, item: Property, steps: tuple[Step, ...]) -> Expression:
    """Return where a state, or a step from it, violates the property or witnesses it."""
    wanted = to_witness(item)
    if wanted is not None:
        return tables.reduced(wanted)
    assert isinstance(item, Always)  # noqa: S101 - nothing else is watched
    if about_steps(item):
        return either(_violating(tables, item, steps))
    return tables.reduced(Not(item.holds))


def _violating(tables: Tables, item: Always, steps: tuple[Step, ...]) -> Iterator[Expression]:
    """Yield where steps are enabled and violate the property."""
    after = {node.name for node in nodes(item.holds) if isinstance(node, Next)}
    argues = any(isinstance(node, Arg) for node in nodes(item.holds))
    known: dict[tuple[object, ...], Expression] = {}
    for step in steps:
        if item.on and step.action.name not in item.on:
            continue
        written = tuple((name, value) for name, value in step.action.updates if name in after)
        names = tuple(argument.name for argument in step.action.arguments)
        key = (written, step.arguments, names) if written or argues else ()
        if key not in known:  # the next values are those that the step writes
            holds = before_step(item.holds, dict(written))
            known[key] = tables.reduced(Not(holds), names, step.arguments)
        if known[key] != Const(value=False):
            asked = conjuncts(step.action.guard)
            yield both((known[key], *(tables.reduced(one, names, step.arguments) for one in asked)))
