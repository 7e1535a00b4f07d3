"""Interchange: whether parts differ in name only, and the difference if they do not.

Invariants: two items that are called the same mean the same. A step is compared by its rows, its
guard and its writes, and not by its name; the order in which conditions, sums and equations are
written makes no difference.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from perdure.machines.language.expressions import (
    All,
    AnyOf,
    Calculate,
    Compare,
    Const,
    Expression,
    Next,
    Not,
    Var,
    flattened,
    nodes,
    terms,
)
from perdure.machines.language.model import Action, Model
from perdure.machines.language.properties import Always, Property, expressions_of

Groups = tuple[tuple[str, ...], ...]
Names = Mapping[str, str]
"""Parts by the parts whose names they take."""

_NO_NAMES: Final[Names] = {}
_MIRRORED: Final = {">": "<", "≥": "≤"}


def difference(model: Model, one: str, two: str) -> str | None:
    """Return a statement of the model about one part that is not made of the other, or None."""
    known = {key for _, key in _said(model, _NO_NAMES)}
    swapped = _said(model, {one: two, two: one})
    return next((what for what, key in swapped if key not in known), None)


def interchangeable_groups(model: Model) -> Groups:
    """Return the model's interchangeable parts, in groups without a difference between two."""
    groups: list[tuple[str, ...]] = []
    for declared in model.interchangeable:
        found: list[list[str]] = []
        for part in declared:
            same = (one for one in found if difference(model, one[0], part) is None)
            group = next(same, None)
            if group is None:
                found.append([part])
            else:
                group.append(part)
        groups += (tuple(group) for group in found if len(group) > 1)
    return tuple(groups)


def same_when_swapped(expression: Expression, one: str, two: str) -> bool:
    """Whether the expression means the same with two parts' names swapped."""
    return meaning(expression, {one: two, two: one}) == meaning(expression)


def without_names(
    item: Property | Action, groups: Groups, actions: Iterable[Action] = ()
) -> object:
    """Return a key of a property or an action that is the same for every naming of the parts.

    ``actions`` are those of the model, of which a property may name some.
    """

    def said(names: Names) -> object:
        if isinstance(item, Action):
            return _step(item, names)
        said_of = tuple(meaning(one, names) for one in expressions)
        return type(item), said_of, frozenset(_step(action, names) for action in on)

    if isinstance(item, Action):
        on, expressions = [item], (item.guard, *(value for _, value in item.updates))
    else:
        names_on = item.on if isinstance(item, Always) else ()
        on = [action for action in actions if action.name in names_on]
        expressions = tuple(expressions_of(item))
    mentioned = _parts_in(expressions) | {part for action in on for part, _ in action.rows}
    return frozenset(map(said, _namings(said, mentioned, groups)))


def _parts_in(expressions: Iterable[Expression]) -> set[str]:
    return {
        node.name.partition(".")[0]
        for expression in expressions
        for node in nodes(expression)
        if isinstance(node, Var | Next)
    }


def _namings(
    said: Callable[[Names], object], mentioned: set[str], groups: Groups
) -> Iterator[Names]:
    """Yield ways to give the parts mentioned the names of others of their group.

    Of namings that mean the same, one is yielded.
    """
    itself = said(_NO_NAMES)
    choices = []
    for group in groups:
        alike: list[list[str]] = []
        for part in (one for one in group if one in mentioned):
            same = (one for one in alike if said({one[0]: part, part: one[0]}) == itself)
            found = next(same, None)
            if found is None:
                alike.append([part])
            else:
                found.append(part)
        choices.append(list(_dealt(alike, group)))
    for chosen in itertools.product(*choices):
        yield {part: name for names in chosen for part, name in names.items()}


def _dealt(alike: list[list[str]], names: tuple[str, ...]) -> Iterator[Names]:
    """Yield ways to give names to the parts, those that are alike any of theirs in order."""
    if not alike:
        yield _NO_NAMES
        return
    for taken in itertools.combinations(names, len(alike[0])):
        left = tuple(name for name in names if name not in taken)
        for further in _dealt(alike[1:], left):
            yield {**dict(zip(alike[0], taken, strict=True)), **further}


def _said(model: Model, names: Names) -> Iterator[tuple[str, object]]:
    """Yield each statement of the model as text, and its meaning with the parts so named."""
    rename = _renaming(names)
    for place in model.places:
        key = (rename(place.name), place.variable, place.domain, type(place.initial), place.initial)
        yield f"place {place.name}", key
    steps: dict[str, set[object]] = {}
    for action in model.actions:
        key_of_step = _step(action, names)
        steps.setdefault(action.name, set()).add(key_of_step)
        yield f"step «{action}»", key_of_step
    for item in model.properties:
        on = item.on if isinstance(item, Always) else ()
        yield (
            f"property {item.name!r}",
            (
                type(item),
                tuple(meaning(one, names) for one in expressions_of(item)),
                frozenset(step for name in on for step in steps[name]),
            ),
        )
    yield "where it is finished", ("final", meaning(model.final, names))
    for name in model.fair:
        yield f"fairness of {name}", ("fair", frozenset(steps[name]))


def _step(action: Action, names: Names) -> object:
    """Return the rows, the guard and the writes of a step."""
    rename = _renaming(names)
    return (
        frozenset((rename(part), row.verb) for part, row in action.rows),
        frozenset((one.name, one) for one in action.arguments),
        meaning(action.guard, names),
        frozenset((rename(name), meaning(value, names)) for name, value in action.updates),
    )


def _renaming(names: Names) -> Callable[[str], str]:
    def rename(name: str) -> str:
        part, dot, rest = name.partition(".")
        return f"{names.get(part, part)}{dot}{rest}"

    return rename


def meaning(expression: Expression, names: Names = _NO_NAMES) -> object:
    """Return the meaning of an expression with the parts so named, in any order of its items."""
    rename = _renaming(names)

    def of(node: Expression) -> object:
        match node:
            case All() | AnyOf():
                said = frozenset(map(of, flattened(node)))
                return next(iter(said)) if len(said) == 1 else (type(node), said)
            case Not(item):
                return Not, of(item)
            case Compare("=" | "≠" as sign, left, right):
                return sign, frozenset((of(left), of(right)))
            case Compare(">" | "≥" as sign, left, right):
                return _MIRRORED[sign], of(right), of(left)
            case Compare(sign, left, right):
                return sign, of(left), of(right)
            case Calculate():
                counted = Counter((sign, of(term)) for sign, term in terms(node))
                return Calculate, frozenset(counted.items())
            case Var(name) | Next(name):
                return type(node), rename(name)
            case Const(value):
                return Const, type(value), value
            case _:
                return node

    return of(expression)
