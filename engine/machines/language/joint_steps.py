"""Joint steps: rows of one machine or of several as one step.

Invariants: rows of different parts happen at once, each from the values before the step; rows of
one part happen one after the other, each from where the one before leads. A joint step that no
values of the parts could enable is left out.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping

from perdure.machines.language.expressions import (
    All,
    Expression,
    Value,
    Var,
    conjuncts,
    evaluate,
    reads,
    replaced,
)
from perdure.machines.language.model import Action
from perdure.machines.language.vocabulary import Variable, given_domain

Domains = Mapping[str, tuple[Value, ...]]


def joined(
    name: str,
    parts: Iterable[Iterable[list[Action]]],
    arguments: tuple[Variable, ...],
    when: Expression,
    domains: Domains,
) -> Iterator[Action]:
    """Yield an action for each combination of rows that can happen together.

    Each part brings the rows of its verbs, in the order in which they happen. ``domains`` are those
    of all places.
    """
    given = {one.name: given_domain(one) for one in arguments}
    known = {**domains, **given}
    each = [[_in_turn(rows) for rows in itertools.product(*verbs)] for verbs in parts]
    for chosen in itertools.product(*each):
        guard = [item for action in chosen for item in conjuncts(action.guard)]
        guard.extend(conjuncts(when))
        if _possible(guard, known):
            yield Action(
                name=name,
                rows=tuple(row for action in chosen for row in action.rows),
                arguments=arguments,
                guard=All(tuple(item for item in guard if _read_by(item))),
                updates=tuple(update for action in chosen for update in action.updates),
            )


def _in_turn(rows: tuple[Action, ...]) -> Action:
    """Return the rows of one part, one after the other, as one action."""
    first = rows[0]
    guard = list(conjuncts(first.guard))
    written = dict(first.updates)
    for action in rows[1:]:
        guard.extend(conjuncts(_then(action.guard, written)))
        written |= {place: _then(value, written) for place, value in action.updates}
    return Action(
        name=first.name,
        rows=tuple(row for action in rows for row in action.rows),
        arguments=first.arguments,
        guard=All(tuple(guard)),
        updates=tuple(written.items()),
    )


def _then(expression: Expression, written: Mapping[str, Expression]) -> Expression:
    """Return the expression as it is after those writes, in terms of the values before them."""

    def after(node: Expression) -> Expression:
        return written.get(node.name, node) if isinstance(node, Var) else node

    return replaced(expression, after)


def _possible(guard: Iterable[Expression], domains: Domains) -> bool:
    """Whether each place and argument, taken alone, has a value that meets the conditions on it."""
    asked: dict[str, list[Expression]] = {}
    for item in guard:
        read = _read_by(item)
        if not read and not evaluate(item, {}, {}, checked=True):
            return False
        if len(read) == 1 and read <= domains.keys():
            (name,) = read
            asked.setdefault(name, []).append(item)
    return all(
        any(
            all(evaluate(item, {name: value}, {name: value}, checked=True) for item in items)
            for value in domains[name]
        )
        for name, items in asked.items()
    )


def _read_by(expression: Expression) -> frozenset[str]:
    """Return the names of the places and arguments that the expression reads."""
    return frozenset(node.name for node in reads(expression))
