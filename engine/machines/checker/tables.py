"""Tables: expressions as lists of their values over the valuations of a component.

Invariants: a table is exact: it was filled by the expressions that are declared. An expression that
reads one component is a table of it; one that reads several is an expression over such tables.
Words and None become numbers of their own, so that a table holds truths or numbers only.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from perdure.machines.checker.packed_state import LARGEST_COMPONENT, Functions, lay_out, text_of
from perdure.machines.language.expressions import (
    All,
    AnyOf,
    Const,
    Expression,
    Not,
    Value,
    evaluate,
)
from perdure.machines.language.model import Model

Codes = tuple[Any, ...]
Arguments = tuple[Value, ...]


class Local(Expression, frozen=True, tag=True):
    """An expression that reads one component only: its value for each of the valuations."""

    component: int
    values: Codes


class Tables:
    """Reduces expressions over places to expressions over tables."""

    def __init__(self, model: Model, largest: int = LARGEST_COMPONENT) -> None:
        self._functions: Final = Functions()
        self.layout: Final = lay_out(model, self._functions, largest)
        self._same: Final[dict[tuple[type | None, Expression], Expression]] = {}
        self._words: Final[dict[str, int]] = {}
        self._columns: Final[dict[tuple[int, str, Arguments], tuple[tuple[Value, ...], Codes]]] = {}
        self._shared: Final[dict[tuple[object, ...], int]] = {}
        self._offsets: Final = [
            {place.name: offset for offset, place in enumerate(one.places)}
            for one in self.layout.components
        ]
        self._alike: Final = [
            self._shared.setdefault((one.values, *map(type, one.values[0])), number)
            for number, one in enumerate(self.layout.components)
        ]

    def code(self, value: Value) -> int | bool:
        """Return the number that stands for a value in the tables."""
        match value:
            case None:
                return -1
            case str():
                return self._words.setdefault(value, len(self._words))
            case _:
                return value

    def table(
        self, component: int, expression: Expression, names: Iterable[str], given: Arguments
    ) -> Codes:
        """Return the expression's values over the component's valuations."""
        return self._column(component, expression, names, given)[1]

    def values(
        self, component: int, expression: Expression, names: Iterable[str], given: Arguments
    ) -> tuple[Value, ...]:
        """Return the same as `table`, as values."""
        return self._column(component, expression, names, given)[0]

    def _column(
        self, component: int, expression: Expression, names: Iterable[str], given: Arguments
    ) -> tuple[tuple[Value, ...], Codes]:
        text = text_of(expression, self._offsets[component], names)
        key = (self._alike[component], text, given if "a[" in text else ())
        found = self._columns.get(key)
        if found is None:
            function = self._functions[text]
            values = tuple(function(v, given) for v in self.layout.components[component].values)
            found = self._columns[key] = (values, tuple(map(self.code, values)))
        return found

    def reduced(
        self, expression: Expression, names: tuple[str, ...] = (), given: Arguments = ()
    ) -> Expression:
        """Return the expression over tables, with its constant parts evaluated.

        Equal expressions are the same object, so that each is evaluated once.
        """
        found = self._reduced(expression, names, given)
        match found:
            case Const(value) | Local(_, (value, *_)):  # no truth is the same as a number
                return self._same.setdefault((type(value), found), found)
            case _:
                return self._same.setdefault((None, found), found)

    def _reduced(
        self, expression: Expression, names: tuple[str, ...], given: Arguments
    ) -> Expression:
        read = self.layout.read_by(expression)
        if not read:
            arguments = dict(zip(names, given, strict=True))
            return Const(self.code(evaluate(expression, {}, arguments, checked=True)))
        if len(read) == 1:
            (component,) = read
            return local(component, self.table(component, expression, names, given))
        parts = (self.reduced(part, names, given) for part in expression.children())
        match expression:
            case All():
                return both(parts)
            case AnyOf():
                return either(parts)
            case Not():
                return opposite(*parts)
            case _:
                return expression.with_children(parts)


def local(component: int, values: Codes) -> Expression:
    """Return the table as an expression; a constant if it is the same throughout."""
    first = values[0]
    same = values.count(first) == len(values)
    return Const(first) if same else Local(component, values)


def both(items: Iterable[Expression]) -> Expression:
    """Return that all hold, with the tables of each component merged."""
    return _merged(items, All, decided=False, merge=lambda one, two: one and two)


def either(items: Iterable[Expression]) -> Expression:
    """Return that some hold, with the tables of each component merged."""
    return _merged(items, AnyOf, decided=True, merge=lambda one, two: one or two)


def opposite(item: Expression) -> Expression:
    """Return the negation, moved inwards."""
    match item:
        case Const(value):
            return Const(not value)
        case Local(component, values):
            return local(component, tuple(not value for value in values))
        case All(items):
            return either(map(opposite, items))
        case AnyOf(items):
            return both(map(opposite, items))
        case _:
            return Not(item)


def _merged(
    items: Iterable[Expression],
    kind: type[All] | type[AnyOf],
    *,
    decided: bool,
    merge: Callable[[Any, Any], Any],
) -> Expression:
    tables: dict[int, Codes] = {}
    rest: list[Expression] = []
    waiting = list(items)[::-1]
    while waiting:
        match waiting.pop():
            case Const(value):
                if bool(value) is decided:
                    return Const(decided)
            case Local(component, values):
                held = tables.get(component)
                tables[component] = values if held is None else tuple(map(merge, held, values))
            case All(inner) | AnyOf(inner) as item if isinstance(item, kind):
                waiting.extend(inner)
            case item:
                rest.append(item)
    merged = [local(component, values) for component, values in tables.items()]
    if any(item == Const(decided) for item in merged if isinstance(item, Const)):
        return Const(decided)
    kept = [item for item in merged if not isinstance(item, Const)] + rest
    if not kept:
        return Const(not decided)
    return kept[0] if len(kept) == 1 else kind(tuple(kept))
