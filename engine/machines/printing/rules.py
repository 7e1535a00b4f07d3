"""Rules: the actions of a model, grouped and described for the printers.

Invariants: nothing here adds to the declaration; `merged` says the same rows in fewer words.
"""

from collections.abc import Iterable, Iterator

import msgspec

from perdure.machines.language.expressions import (
    All,
    Arg,
    Bound,
    Compare,
    Const,
    Expression,
    Var,
    conjuncts,
    nodes,
)
from perdure.machines.language.model import Action, Model
from perdure.machines.language.properties import expressions_of
from perdure.machines.language.vocabulary import Count, Variable


class Rule(msgspec.Struct, frozen=True):
    """Rows of one verb that differ in no more than the phase they leave.

    ``place`` holds that phase, and ``sources`` are the phases; ``guard`` are the other
    conditions. ``place`` is empty where no phase is asked for.
    """

    place: str
    sources: tuple[str, ...]
    guard: tuple[Expression, ...]
    updates: tuple[tuple[str, Expression], ...]


def by_name(model: Model) -> dict[str, list[Action]]:
    """Return the model's actions by their name, in declared order."""
    found: dict[str, list[Action]] = {}
    for action in model.actions:
        found.setdefault(action.name, []).append(action)
    return found


def merged(actions: Iterable[Action]) -> Iterator[Rule]:
    """Yield the actions of one verb as rules, in the order of each rule's first row."""
    found: dict[tuple[object, ...], Rule] = {}
    for action in actions:
        place, source, rest = _leaving(action)
        key = (place, rest, action.updates)
        sources = (*found[key].sources, source) if key in found else (source,)
        found[key] = Rule(place, sources, rest, action.updates)
    yield from found.values()


def _leaving(action: Action) -> tuple[str, str, tuple[Expression, ...]]:
    """Return the place of the phase that the action leaves, that phase, and the other conditions.

    Every guard that comes from a declared row begins with the phase; of another, there is none.
    """
    match action.guard:
        case All((Compare("=", Var(place), Const(str(source))), *rest)):
            return place, source, tuple(conjuncts(All(tuple(rest))))
        case other:
            return "", "", tuple(conjuncts(other))


def can_change_nothing(action: Action) -> bool:
    """Whether a step of the action may leave every place as it was, as far as its text says."""
    place, source, _ = _leaving(action)
    changes = dict(action.updates)
    return not (place in changes and isinstance(to := changes[place], Const) and to.value != source)


def arguments_read(expression: Expression) -> list[str]:
    """Return the names of the arguments that the expression reads, each once."""
    return list(dict.fromkeys(node.name for node in nodes(expression) if isinstance(node, Arg)))


def bounds_of(model: Model) -> list[Bound]:
    """Return every bound of the model, each once, in declared order."""

    def found() -> Iterator[Bound]:
        for variable in all_variables(model):
            if isinstance(variable, Count):
                yield variable.maximum
        for expression in _expressions(model):
            yield from (node for node in nodes(expression) if isinstance(node, Bound))

    return list(dict.fromkeys(found()))


def all_variables(model: Model) -> list[Variable]:
    """Return the variables of the places, then of the arguments."""
    held = [place.variable for place in model.places]
    return held + [argument for action in model.actions for argument in action.arguments]


def uses_none(model: Model) -> bool:
    """Whether any place can hold None, or anything is compared with it."""
    return any(None in place.domain for place in model.places) or any(
        isinstance(node, Const) and node.value is None
        for expression in _expressions(model)
        for node in nodes(expression)
    )


def _expressions(model: Model) -> Iterator[Expression]:
    for action in model.actions:
        yield action.guard
        yield from (value for _, value in action.updates)
    for item in model.properties:
        yield from expressions_of(item)
    yield model.final
