"""Searching with numpy: the same search, over whole levels at once.

Invariants: nothing imports this module until a search asks for it; it runs the same program as the
plain search and finds the same. Levels are worked through in pieces that fit a processor's cache,
so that little memory is needed beside the levels.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perdure.machines.checker.program import Bundle, Far, Program
from perdure.machines.checker.search import (
    BYTES_IN_LEVEL,
    Budget,
    Exploration,
    OpenWatches,
)
from perdure.machines.checker.symmetry import Orbits
from perdure.machines.checker.tables import Local
from perdure.machines.checker.visited_numpy import Flags, Numbers, visited_for
from perdure.machines.language.expressions import (
    All,
    AnyOf,
    Calculate,
    Compare,
    Const,
    Expression,
    Not,
)

Reached = tuple[Numbers | None, Numbers]
"""Where steps lead, and the places of the states they come from; None for all in order."""

PIECE: Final = 1 << 15
"""How many states are worked on at a time."""
_UFUNCS: Final[dict[str, Callable[..., Any]]] = {
    "=": np.equal,
    "≠": np.not_equal,
    "<": np.less,
    "≤": np.less_equal,
    ">": np.greater,
    "≥": np.greater_equal,
    "+": np.add,
    "-": np.subtract,
}


class NumpySearch:
    """A program prepared for whole levels, and the states that were visited."""

    def __init__(self, program: Program, memory_bytes: int, piece: int = PIECE) -> None:
        self._piece: Final = piece
        self._orbits: Final = program.orbits
        self._weights: Final = [(one.weight, one.radix) for one in program.layout.components]
        self._bundles: Final = [
            _BundleColumns(program, bundle, piece) for bundle in program.bundles
        ]
        self._steps: Final = sum(len(one.columns) for one in self._bundles)
        self._tables: Final[dict[int, tuple[Expression, npt.NDArray[Any]]]] = {}
        self.visited: Final = visited_for(program.layout.space, memory_bytes)

    def expand(
        self, level: Sequence[int], watching: OpenWatches, found: Exploration, budget: Budget
    ) -> "array[int]":
        """Return the states one step on that were not seen before, now seen."""
        states, depth = found.states, len(found.levels) - 1
        self.visited.expect(len(level) * self._steps)
        for piece in self._pieces(level):
            held = states + self.visited.waiting()
            budget.spend(held, depth, 2 * self.visited.held_bytes() + held * BYTES_IN_LEVEL)
            self._notice(piece, watching)
            for _, reached in self._reached(piece, visiting=True):
                self.visited.reach(reached)
        return array("q", self.visited.harvest().tobytes())

    def _notice(self, piece: "_Piece", watching: OpenWatches) -> None:
        while watching.active:
            hits = np.flatnonzero(piece.holds(watching.expression))
            if not hits.size:
                return
            watching.notice(int(piece.states[hits[0]]))

    def add_visits(self, found: Exploration) -> None:
        """Add the visits counted here to those of the exploration."""
        for bundle, visits in zip(self._bundles, found.visits, strict=True):
            for number in np.flatnonzero(bundle.visits).tolist():
                visits[number] += int(bundle.visits[number])
            bundle.visits.fill(0)

    def before(self, level: Sequence[int], state: int) -> int:
        """Return a state of the level from which a step leads to the state."""
        for piece in self._pieces(level):
            found = []
            for origins, reached in self._reached(piece):
                hits = np.flatnonzero(reached == state)
                if hits.size:
                    found.append(int(hits[0] if origins is None else origins[hits[0]]))
            if found:
                return int(piece.states[min(found)])
        raise AssertionError(state)

    def hopeless(
        self, levels: Sequence[Sequence[int]], goal: Expression, given: Expression
    ) -> tuple[int, int] | None:
        """Return the first state given, with its depth, that no path leads from to the goal.

        Each sweep turns round: hope that spreads from level to level gets all the way in one.
        """
        hopeful = self.visited.flags()
        waiting = [(depth, _states(levels[depth])) for depth in range(len(levels) - 1, -1, -1)]
        while True:
            left = [(depth, self._hopeless(states, goal, hopeful)) for depth, states in waiting]
            if sum(s.size for _, s in left) in (0, sum(s.size for _, s in waiting)):
                return self._first(sorted(left, key=lambda one: one[0]), given)
            waiting = [one for one in left[::-1] if one[1].size]

    def _first(
        self, levels: Iterable[tuple[int, Numbers]], given: Expression
    ) -> tuple[int, int] | None:
        for depth, states in levels:
            for piece in self._pieces(states):
                hits = np.flatnonzero(piece.holds(given))
                if hits.size:
                    return depth, int(piece.states[hits[0]])
        return None

    def _hopeless(self, states: Numbers, goal: Expression, hopeful: Flags) -> Numbers:
        """Return the states from which no step leads to where there is hope; flag the others."""
        left = [states[:0]]
        for piece in self._pieces(states):
            good = np.array(piece.holds(goal))
            for origins, reached in self._reached(piece):
                well = hopeful[self.visited.slots(reached)]
                if origins is None:
                    good |= well
                else:
                    good[origins] |= well
            hopeful[self.visited.slots(piece.states[good])] = True
            left.append(piece.states[~good])
        return np.concatenate(left)

    def _reached(self, piece: "_Piece", *, visiting: bool = False) -> Iterator[Reached]:
        for bundle in self._bundles:
            for origins, reached in bundle.reached(piece, visiting=visiting):
                yield origins, reached if self._orbits is None else _ordered(reached, self._orbits)

    def _pieces(self, level: Any) -> Iterator["_Piece"]:
        states = _states(level)
        for start in range(0, states.size, self._piece):
            yield _Piece(states[start : start + self._piece], self._weights, self._tables)


class _Piece:
    """Some states side by side; each expression is evaluated for all of them, once."""

    def __init__(
        self,
        states: Numbers,
        weights: list[tuple[int, int]],
        tables: dict[int, tuple[Expression, npt.NDArray[Any]]],
    ) -> None:
        self.states: Final = states
        self._weights: Final = weights
        self._tables: Final = tables
        self._digits: Final[dict[int, Numbers]] = {}
        self._values: Final[dict[int, tuple[Expression, Any]]] = {}

    def digits(self, component: int) -> Numbers:
        """Return the states' digits of a component."""
        found = self._digits.get(component)
        if found is None:
            weight, radix = self._weights[component]
            found = self._digits[component] = self.states // weight % radix
        return found

    def holds(self, expression: Expression) -> Flags:
        """Return in which of the states the expression holds."""
        value = self.value(expression)
        return value if isinstance(value, np.ndarray) else np.full(self.states.size, bool(value))

    def value(self, expression: Expression) -> Any:
        """Return the expression's values: one for each state, or one for all."""
        if isinstance(expression, Const):
            return expression.value
        found = self._values.get(id(expression))
        if found is None:  # kept with its value, so that no other has its id
            found = self._values[id(expression)] = (expression, self._worked_out(expression))
        return found[1]

    def _worked_out(self, expression: Expression) -> Any:
        match expression:
            case Local(component, values):
                found = self._tables.get(id(expression))
                if found is None:
                    found = self._tables[id(expression)] = (expression, np.array(values))
                return found[1][self.digits(component)]
            case Compare(sign, left, right) | Calculate(sign, left, right):
                return _UFUNCS[sign](self.value(left), self.value(right))
            case All(items):
                return np.logical_and.reduce([self.holds(item) for item in items])
            case AnyOf(items):
                return np.logical_or.reduce([self.holds(item) for item in items])
            case Not(item):
                return np.logical_not(self.value(item))
            case _:
                raise TypeError(f"{expression!r} is not over tables")


class _BundleColumns:
    """A bundle as columns: the n-th number that it adds to a state, for each valuation."""

    def __init__(self, program: Program, bundle: Bundle, piece: int) -> None:
        self._bundle: Final = bundle
        self._others: Final = [
            (
                component,
                np.array([0 if one is None else one for one in deltas]),
                np.array([one is not None for one in deltas]),
            )
            for component, deltas in bundle.others
        ]
        self._far: Final = [_FarColumns(program, far) for far in bundle.far]
        self._moves_all: Final = bool(self._others or self._far)
        radix = program.layout.components[bundle.digit].radix
        rows = (
            [tuple(dict.fromkeys(d for _, d in moves if d is not None)) for moves in bundle.moves]
            if self._moves_all
            else bundle.deltas
        )
        self._counts: Final = np.array([len(row) for row in rows])
        self._useful: Final = np.array([bool(moves) for moves in bundle.moves])
        self.columns: Final = np.zeros((max(map(len, rows)), radix), np.int64)
        for number, row in enumerate(rows):
            self.columns[: len(row), number] = row
        self.visits: Final = np.zeros(radix, np.int64)
        self._unconditional: Final = bundle.condition == Const(value=True) and not self._moves_all
        self._buffer: Final = np.empty(piece, np.int64)

    def reached(self, piece: _Piece, *, visiting: bool) -> Iterator[Reached]:
        """Yield where the steps lead; also, as filling, to where they come from, if unchanged.

        An array that is yielded is overwritten once the next is asked for.
        """
        digits = piece.digits(self._bundle.digit)
        states, origins = piece.states, None
        if not self._unconditional:
            origins = np.flatnonzero(
                np.logical_and(self._useful[digits], piece.value(self._bundle.condition))
            )
            states, digits = states[origins], digits[origins]
        if visiting:
            np.add(self.visits, np.bincount(digits, minlength=self.visits.size), out=self.visits)
        if not states.size:
            return
        if self._moves_all:
            yield from self._moved(piece, origins, states, digits)
            return
        buffer = self._buffer[: states.size]
        for column in self.columns:
            np.take(column, digits, out=buffer, mode="clip")
            np.add(buffer, states, out=buffer)
            yield origins, buffer

    def _moved(
        self, piece: _Piece, origins: Any, states: Numbers, digits: Numbers
    ) -> Iterator[Reached]:
        """Yield where steps lead that write several components, or values of others."""
        possible = np.ones(states.size, np.bool_)
        moved = states.copy()
        for component, deltas, within in self._others:
            held = piece.digits(component)[origins]
            moved += deltas[held]
            possible &= within[held]
        for writes in self._far:
            deltas, within = writes.deltas(piece, origins)
            moved += deltas
            possible &= within
        for number, column in enumerate(self.columns):
            chosen = np.flatnonzero(possible & (self._counts[digits] > number))
            yield origins[chosen], moved[chosen] + column[digits[chosen]]


class _FarColumns:
    """Writes to a component that depend on other components."""

    def __init__(self, program: Program, far: Far) -> None:
        one = program.layout.components[far.component]
        self._component: Final = far.component
        self._weight: Final = one.weight
        strides = [1] * len(one.places)
        for offset in range(len(strides) - 2, -1, -1):
            strides[offset] = strides[offset + 1] * len(one.places[offset + 1].domain)
        ranks = [{v: rank for rank, v in enumerate(place.domain)} for place in one.places]
        self._keys: Final = np.array(  # ascending, as the valuations are in order
            [
                sum(rank[v] * stride for rank, v, stride in zip(ranks, held, strides, strict=True))
                for held in one.values
            ]
        )
        self._writes: Final = [
            (
                expression,
                strides[offset],
                np.array([ranks[offset][held[offset]] for held in one.values]),
                {program.tables.code(v): rank for v, rank in ranks[offset].items()},
            )
            for offset, expression in far.writes
        ]

    def deltas(self, piece: _Piece, origins: Numbers) -> tuple[Numbers, Flags]:
        """Return the numbers added to the states, and for which states no domain is left."""
        held = piece.digits(self._component)[origins]
        keys = self._keys[held]
        within = np.ones(origins.size, np.bool_)
        for expression, stride, before, ranks in self._writes:
            value = piece.value(expression)
            codes = (
                value[origins] if isinstance(value, np.ndarray) else np.full(origins.size, value)
            )
            rank = np.full(origins.size, -1)
            for code, number in ranks.items():
                rank[codes == code] = number
            within &= rank >= 0
            keys = keys + (rank - before[held]) * stride
        found = np.searchsorted(self._keys, np.where(within, keys, self._keys[0]))
        return np.where(within, (found - held) * self._weight, 0), within


def _states(level: Any) -> Numbers:
    return level if isinstance(level, np.ndarray) else np.frombuffer(level, np.int64)


def _ordered(states: Numbers, orbits: Orbits) -> Numbers:
    """Return the representatives of the states."""
    for group in orbits.digits:
        old = [states // weight % radix for weight, radix in group]
        new = list(old)
        for last in range(len(new) - 1, 0, -1):
            for place in range(last):
                one, two = new[place], new[place + 1]
                new[place], new[place + 1] = np.minimum(one, two), np.maximum(one, two)
        for (weight, _), before, after in zip(group, old, new, strict=True):
            states = states + (after - before) * weight
    return states
