"""Overlapping guards and updates out of range, at the explored size and at the actual bounds.

Invariants: the result is a valuation at that size, and need not be reachable. At the explored size,
every valuation is tried. At the actual bounds, those are tried that a comparison can tell apart:
each number that is named, the ends of each count, the numbers next to them, and as many ids as are
compared. That is exact if each comparison is between two variables or arguments, or between one
(or its sum with a number) and a number; for other sums, some valuations are missed.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from perdure.machines.language.expressions import (
    Arg,
    Bound,
    Calculate,
    Compare,
    Const,
    Expression,
    Value,
    conjuncts,
    evaluate,
    nodes,
    reads,
)
from perdure.machines.language.vocabulary import Count, Identity, Row, Variable, given_domain

_Name = tuple[bool, str]
"""Whether it is an argument, and its name."""


class Scope(msgspec.Struct, frozen=True):
    """The names that expressions can read: variables, and the arguments of a verb."""

    variables: tuple[Variable, ...]
    arguments: tuple[Variable, ...]

    def read_by(self, expressions: Iterable[Expression]) -> dict[_Name, Variable]:
        """Return the variables and arguments that the expressions read, in the order declared."""
        named = frozenset().union(*map(_names, expressions))
        held = {(False, one.name): one for one in self.variables}
        given = {(True, one.name): one for one in self.arguments}
        return {name: one for name, one in (held | given).items() if name in named}


def overlap(guards: tuple[Expression, ...], scope: Scope) -> str | None:
    """Return values for which all guards hold, as text, or None where there are none."""
    asked = [item for guard in guards for item in conjuncts(guard)]
    read = scope.read_by(asked)
    found = next(_valuations(asked, read, _explored(read), checked=True), None)
    if found is not None:
        return _facts(found) or "always"
    if _all_explored(asked, read):
        return None
    found = next(_valuations(asked, read, _telling(asked, read), checked=False), None)
    return None if found is None else f"{_facts(found)} (at the actual bounds)"


def out_of_range(item: Row, scope: Scope) -> str | None:
    """Return how an update leaves its count's range at the actual bounds alone, or None.

    An update that leaves the range at the explored size too is left to the checker, since it
    depends on the reachable states. A single bound that nothing else is compared with hides no
    such update.
    """
    counts = {one.name: one for one in scope.variables if isinstance(one, Count)}
    for name, value in item.updates:
        if name not in counts:
            continue
        most = counts[name].maximum
        asked = _connected(item.guard, value)
        read = scope.read_by((*asked, value))
        if len(_bounds((*asked, value), read.values()) | {most}) == 1:
            continue
        beyond = Compare(">", value, most), Compare("<", value, Const(0))
        for outside in beyond:
            wanted = [*asked, outside]
            if next(_valuations(wanted, read, _explored(read), checked=True), None) is not None:
                continue
            found = next(_valuations(wanted, read, _telling(wanted, read), checked=False), None)
            if found is not None:
                held, given = found
                after = evaluate(value, held, given)
                return (
                    f"it sets {name!r} to {after}, which is not within {most.name}, when "
                    f"{_facts(found) or 'always'} (at the actual bounds)"
                )
    return None


_Valuation = tuple[dict[str, Value], dict[str, Value]]
"""The values of the variables, and those of the arguments."""


def _valuations(
    asked: Iterable[Expression],
    read: Mapping[_Name, Variable],
    domains: Mapping[_Name, Sequence[Value]],
    *,
    checked: bool,
) -> Iterator[_Valuation]:
    """Yield the valuations for which all conditions hold, each tried as soon as it can be."""
    order = list(read)
    due: list[list[Expression]] = [[] for _ in range(len(order) + 1)]
    for item in asked:
        due[max((order.index(name) + 1 for name in _names(item)), default=0)].append(item)
    held: dict[str, Value] = {}
    given: dict[str, Value] = {}

    def holds(place: int) -> bool:
        return all(evaluate(item, held, given, checked=checked) for item in due[place])

    def chosen(place: int) -> Iterator[_Valuation]:
        if place == len(order):
            yield dict(held), dict(given)
            return
        argues, name = order[place]
        values = given if argues else held
        for value in domains[order[place]]:
            values[name] = value
            if holds(place + 1):
                yield from chosen(place + 1)

    if holds(0):
        yield from chosen(0)


def _explored(read: Mapping[_Name, Variable]) -> dict[_Name, Sequence[Value]]:
    return {name: given_domain(one) if name[0] else one.domain() for name, one in read.items()}


def _all_explored(asked: Iterable[Expression], read: Mapping[_Name, Variable]) -> bool:
    """Whether the explored values are all values, up to the names of ids."""
    ids = [set(one.checked) for one in read.values() if isinstance(one, Identity)]
    return all(bound.actual == bound.checked for bound in _bounds(asked, read.values())) and all(
        one == ids[0] and len(one) >= len(ids) for one in ids
    )


def _telling(
    asked: Sequence[Expression], read: Mapping[_Name, Variable]
) -> dict[_Name, Sequence[Value]]:
    """Return for each name the values that comparisons at the actual bounds can tell apart."""
    inside = [node for item in asked for node in nodes(item)]
    named = {0, *(bound.actual for bound in _bounds(asked, read.values()))}
    named |= {n.value for n in inside if isinstance(n, Const) and type(n.value) is int}
    if any(isinstance(node, Calculate) for node in inside):
        named |= {one + sign * two for one in named for two in named for sign in (-1, 1)}
    counts = sum(isinstance(one, Count) for one in read.values())
    numbers = sorted({number + step for number in named for step in range(counts + 1)})
    ids = [one for one in read.values() if isinstance(one, Identity)]
    known = dict.fromkeys(itertools.chain.from_iterable(one.checked for one in ids))
    fresh = (name for n in itertools.count(1) if (name := f"id{n}") not in known)
    pool = tuple(itertools.islice(itertools.chain(known, fresh), len(ids)))
    found: dict[_Name, Sequence[Value]] = {}
    for where, one in read.items():
        match one:
            case Count(_, most):
                found[where] = [number for number in numbers if 0 <= number <= most.actual]
            case Identity():
                found[where] = pool if where[0] else (None, *pool)
            case _:
                found[where] = given_domain(one) if where[0] else one.domain()
    return found


def _connected(guard: Expression, value: Expression) -> list[Expression]:
    """Return the conditions of the guard on the names in the value, directly or through others."""
    asked = list(conjuncts(guard))
    names = _names(value)
    grown = True
    while grown:
        touching = [item for item in asked if _names(item) & names]
        wider = names.union(*map(_names, touching))
        grown, names = wider != names, wider
    return touching


def _bounds(asked: Iterable[Expression], read: Iterable[Variable]) -> set[Bound]:
    """Return the bounds that are named, and those of the counts."""
    named = {node for item in asked for node in nodes(item) if isinstance(node, Bound)}
    return named | {one.maximum for one in read if isinstance(one, Count)}


def _names(expression: Expression) -> frozenset[_Name]:
    return frozenset((isinstance(node, Arg), node.name) for node in reads(expression))


def _facts(valuation: _Valuation) -> str:
    held, given = valuation
    facts = [f"{name} = {value}" for name, value in held.items()]
    return " and ".join([*facts, *(f"given {name} = {value}" for name, value in given.items())])
