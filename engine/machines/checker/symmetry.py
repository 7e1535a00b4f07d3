"""Orbits: states that differ only in which of several interchangeable parts is which.

Invariants: the representative of an orbit has the parts of each group in order of their values; a
path through representatives is reported as a path of real steps to the last of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from perdure.errors import Unsupported
from perdure.machines.checker.packed_state import Layout, names_read
from perdure.machines.language.interchange import Groups
from perdure.machines.language.properties import Property, expressions_of


class Orbits:
    """Finds representatives. ``groups`` are the interchangeable parts, by name.

    Raises Unsupported for parts that are packed differently, which no model that was composed has.
    """

    def __init__(self, layout: Layout, groups: Groups) -> None:
        self.groups: Final = groups
        self.digits: Final = [[_digit(layout, part) for part in group] for group in groups]
        for group in groups:
            held = {tuple(one.values for one in layout.components if one.part == p) for p in group}
            if len(held) > 1:
                raise Unsupported(f"{', '.join(group)} are packed differently")

    def representative(self, state: int) -> int:
        """Return the state of the same orbit in which the parts are in order."""
        for group in self.digits:
            held = [state // weight % radix for weight, radix in group]
            for (weight, _), old, new in zip(group, held, sorted(held), strict=True):
                state += (new - old) * weight
        return state

    def real(
        self, path: Sequence[int], following: Callable[[int], Iterator[tuple[int, int]]]
    ) -> list[int]:
        """Return a path of real steps, which ``following`` yields, to the last representative.

        The first part that can take a step takes it, and the parts are renamed at the path's end.
        """
        run = [path[0]]
        for wanted in path[1:]:
            steps = following(run[-1])
            run.append(next(after for _, after in steps if self.representative(after) == wanted))
        for group in self.digits:
            last = [run[-1] // weight % radix for weight, radix in group]
            order = sorted(range(len(group)), key=last.__getitem__)
            run = [_permuted(state, group, order) for state in run]
        return run

    def without(self, mentioned: Iterable[str]) -> Groups:
        """Return the groups without parts that are mentioned, and so told apart."""
        told = frozenset(mentioned)
        left = (tuple(part for part in group if part not in told) for group in self.groups)
        return tuple(group for group in left if len(group) > 1)


def _digit(layout: Layout, part: str) -> tuple[int, int]:
    """Return the weight and the radix of all that a part holds; its components are neighbours."""
    held = [one for one in layout.components if one.part == part]
    return held[0].weight, held[-1].weight * held[-1].radix // held[0].weight


def _permuted(state: int, group: list[tuple[int, int]], order: list[int]) -> int:
    held = [state // weight % radix for weight, radix in group]
    return state + sum(
        (held[order[number]] - held[number]) * weight for number, (weight, _) in enumerate(group)
    )


def parts_of(item: Property) -> frozenset[str]:
    """Return the parts that a property reads or names."""
    read = (name for one in expressions_of(item) for name in names_read(one))
    return frozenset(name.partition(".")[0] for name in read)
