"""Searching: breadth first through the reachable states of a program, in plain Python.

Invariants: levels are complete, so that the first time something is seen is at the least distance;
a step that would leave a domain counts as enabled and leads nowhere; the memory that is reported is
an upper estimate, and a search that would exceed its limit ends and says so.
"""

import sys
from array import array
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from typing import Any, Final, Protocol

import msgspec

from perdure.machines.checker.program import Bundle, Program
from perdure.machines.checker.tables import Local, either
from perdure.machines.language.expressions import (
    Const,
    Expression,
)
from perdure.machines.language.notation import PYTHON, printed

Digits = list[int]
Progress = Callable[[int, int], object]
"""Told how many states were found, and how deep."""
Stepping = Callable[[int], Iterator[tuple[int, int]]]
"""From a state, the numbers of the steps that are enabled and where each leads."""

_SLICE: Final = 4096
WORD: Final = 1 << 63
"""The states that fit a machine word."""
WIDE: Final = 64
"""From how many states on it is worth expanding a level as a whole."""
BYTES_IN_LEVEL: Final = 48
"""Memory for a state in its level, and while the next level grows."""

_DENSE_SPACE: Final = 1 << 26
_BYTES_IN_ENTRY: Final = 120


class Exploration(msgspec.Struct, kw_only=True):
    """The results of a search.

    ``visits`` counts, for each bundle, the states in which its condition held, by the valuation of
    its component. ``noticed`` has the first state of each watch by the watch's place, with its
    depth. ``incomplete`` names the limit that stopped the search.
    """

    levels: list[Sequence[int]]
    visits: list[MutableSequence[int]]
    noticed: dict[int, tuple[int, int]]
    incomplete: str | None = None

    @property
    def states(self) -> int:
        """Return how many states were found."""
        return sum(map(len, self.levels))

    def transitions(self, program: Program) -> int:
        """Return how many steps were generated, the initial state counted as one."""
        pairs = zip(program.bundles, self.visits, strict=True)
        return 1 + sum(
            times * len(moves)
            for bundle, visits in pairs
            for times, moves in zip(visits, bundle.moves, strict=True)
        )


def search(
    program: Program, budget: "Budget", by_level: "LevelSearch | None" = None, wide: int = WIDE
) -> Exploration:
    """Return every state that the program can reach, as far as the budget allows.

    ``by_level`` expands the levels that have ``wide`` states or more.
    """
    found = Exploration(
        levels=[],
        visits=[[0] * program.layout.components[one.digit].radix for one in program.bundles],
        noticed={},
    )
    watching = OpenWatches(program, found)
    visited = PlainVisited(program.layout.space) if by_level is None else by_level.visited
    plain = _PlainSearch(program, found, watching, visited)
    frontier = plain.start()
    try:
        while frontier:
            found.levels.append(frontier)
            if by_level is not None and len(frontier) >= wide:
                frontier = by_level.expand(frontier, watching, found, budget)
            else:
                frontier = plain.expand(frontier, budget)
    except BudgetSpent as spent:
        found.incomplete = str(spent)
    if by_level is not None:
        by_level.add_visits(found)
    return found


class BudgetSpent(Exception):
    """The search met a limit; the text names it."""


class Budget:
    """How far a search may go: states at most, and bytes at most; and who is told how far it is."""

    def __init__(self, states: int, memory_bytes: int, progress: Progress | None = None) -> None:
        self._states: Final = states
        self.memory_bytes: Final = memory_bytes
        self._progress: Final = progress

    def spend(self, states: int, depth: int, held_bytes: int) -> None:
        """Go on with so many states found. Raises BudgetSpent."""
        if states > self._states:
            raise BudgetSpent(f"more than {self._states:,} states")
        if held_bytes > self.memory_bytes:
            raise BudgetSpent(f"more than {self.memory_bytes:,} bytes, at {states:,} states")
        if self._progress is not None:
            self._progress(states, depth)


UNLIMITED: Final = Budget(sys.maxsize, sys.maxsize)


class Visited(Protocol):
    """Which states were seen."""

    @property
    def by_state(self) -> Any:
        """Return the flags by state: whether it was seen."""

    def held_bytes(self) -> int:
        """Return how many bytes the flags take."""


class LevelSearch(Protocol):
    """A search over whole levels at once; `search_numpy` has the one there is.

    `search` asks it for the next level, `LongRun` for the steps between levels.
    """

    @property
    def visited(self) -> Visited:
        """Return which states were seen."""

    def expand(
        self, level: Sequence[int], watching: "OpenWatches", found: Exploration, budget: Budget
    ) -> Sequence[int]:
        """Return the states one step from the level that were not seen before, now seen."""

    def add_visits(self, found: Exploration) -> None:
        """Add the visits counted here to those of the exploration."""

    def before(self, level: Sequence[int], state: int) -> int:
        """Return a state of the level from which a step leads to the state."""

    def hopeless(
        self, levels: Sequence[Sequence[int]], goal: Expression, given: Expression
    ) -> tuple[int, int] | None:
        """Return the first state given, with its depth, that no path leads from to the goal."""


class PlainVisited:
    """A byte for each state there could be, or where those are too many an entry for each seen."""

    def __init__(self, space: int) -> None:
        self.by_state: Any = bytearray(space) if space <= _DENSE_SPACE else _Entries()

    def held_bytes(self) -> int:
        """Return how many bytes the flags take."""
        each = 1 if isinstance(self.by_state, bytearray) else _BYTES_IN_ENTRY
        return len(self.by_state) * each


class _Entries(dict[int, int]):
    def __missing__(self, key: int) -> int:
        return 0


class _PlainSearch:
    """Expands states one by one."""

    def __init__(
        self, program: Program, found: Exploration, watching: "OpenWatches", visited: Visited
    ) -> None:
        ready = [PreparedBundle(program, bundle) for bundle in program.bundles]
        self._program: Final = program
        self._found: Final = found
        self._watching: Final = watching
        self._visited: Final = visited
        pairs = list(zip(ready, found.visits, strict=True))
        fast = program.orbits is None
        self._simple: Final = [
            (one.weight, one.radix, one.deltas, visits)
            for one, visits in pairs
            if fast and one.simple
        ]
        self._joint: Final = [pair for pair in pairs if not (fast and pair[0].simple)]
        self._split: Final = [(one.weight, one.radix) for one in program.layout.components]

    def start(self) -> Sequence[int]:
        """Return the first level."""
        self._visited.by_state[self._program.initial] = 1
        return self._level([self._program.initial])

    def expand(self, level: Sequence[int], budget: Budget) -> Sequence[int]:
        """Return the states one step on that were not seen before, now seen."""
        after: list[int] = []
        states, depth = self._found.states, len(self._found.levels) - 1
        for start in range(0, len(level), _SLICE):
            held = states + len(after)
            budget.spend(held, depth, self._visited.held_bytes() + held * BYTES_IN_LEVEL)
            self._expand(level[start : start + _SLICE], after)
        after.sort()  # so that the same is noticed first however levels are expanded
        return self._level(after)

    def _level(self, states: list[int]) -> Sequence[int]:
        return array("q", states) if self._program.layout.space < WORD else states

    def _expand(self, states: Sequence[int], after: list[int]) -> None:
        seen, add, simple = self._visited.by_state, after.append, self._simple
        closely = bool(self._joint)
        for state in states:
            for weight, radix, deltas, visits in simple:
                digit = state // weight % radix
                visits[digit] += 1
                for delta in deltas[digit]:
                    reached = state + delta
                    if not seen[reached]:
                        seen[reached] = 1
                        add(reached)
            if closely or self._watching.active:
                for reached in self._closely(state):
                    if not seen[reached]:
                        seen[reached] = 1
                        add(reached)

    def _closely(self, state: int) -> Iterator[int]:
        """Notify the watches, and yield the states that steps of several components lead to."""
        orbits = self._program.orbits
        digits = [state // weight % radix for weight, radix in self._split]
        if self._watching.active and self._watching.alarm(digits):
            self._watching.notice(state)
        for one, visits in self._joint:
            if one.condition(digits):
                visits[digits[one.digit]] += 1
                for _, reached in one.reached(state, digits):
                    yield reached if orbits is None else orbits.representative(reached)


class OpenWatches:
    """The watches that have not found a state yet."""

    def __init__(self, program: Program, found: Exploration) -> None:
        self._found: Final = found
        self._split: Final = [(one.weight, one.radix) for one in program.layout.components]
        self._open = {
            number: (watch, condition(watch.seen))
            for number, watch in enumerate(program.watches)
            if watch.seen != Const(value=False)
        }
        self._combine()

    def notice(self, state: int) -> None:
        """Record which watches this state, of the deepest level, is the first of."""
        digits = [state // weight % radix for weight, radix in self._split]
        for number in [n for n, (_, holds) in self._open.items() if holds(digits)]:
            self._found.noticed[number] = (len(self._found.levels) - 1, state)
            del self._open[number]
        self._combine()

    def _combine(self) -> None:
        self.expression = either(watch.seen for watch, _ in self._open.values())
        self.alarm = condition(self.expression)
        self.active = self.expression != Const(value=False)


class PreparedBundle:
    """A bundle, prepared for a search: the numbers that it adds to a state, each once."""

    def __init__(self, program: Program, bundle: Bundle) -> None:
        one = program.layout.components[bundle.digit]
        self.digit: Final = bundle.digit
        self.weight: Final = one.weight
        self.radix: Final = one.radix
        self.simple: Final = is_simple(bundle)
        self.condition: Final = condition(bundle.condition)
        self.deltas: Final = bundle.deltas
        self._bundle: Final = bundle
        self._far: Final = [
            (
                program.layout.components[far.component],
                far.component,
                [
                    (offset, _decoding(program, far.component, offset), condition(value))
                    for offset, value in far.writes
                ],
            )
            for far in bundle.far
        ]

    def reached(self, state: int, digits: Digits) -> Iterator[tuple[int, int]]:
        """Yield the bundle's steps and where they lead, its condition given."""
        moves = self._bundle.moves[digits[self.digit]]
        if not moves:  # and then the written value may be outside the domain
            return
        base = state
        for component, deltas in self._bundle.others:
            delta = deltas[digits[component]]
            if delta is None:
                return
            base = base + delta
        for one, component, writes in self._far:
            after = list(one.values[digits[component]])
            for offset, values, value in writes:
                code = value(digits)
                if code not in values:
                    return
                after[offset] = values[code]
            base += (one.numbers[tuple(after)] - digits[component]) * one.weight
        for step, delta in moves:
            if delta is not None:
                yield step, base + delta


def is_simple(bundle: Bundle) -> bool:
    """Whether the bundle reads and writes its own component only."""
    return bundle.condition == Const(value=True) and not bundle.others and not bundle.far


def _decoding(program: Program, component: int, offset: int) -> dict[Any, Any]:
    """Return the values of a place by their codes."""
    domain = program.layout.components[component].places[offset].domain
    return {program.tables.code(value): value for value in domain}


def stepping(program: Program) -> Stepping:
    """Return the function that yields the steps from a state and where they lead."""
    bundles = [PreparedBundle(program, bundle) for bundle in program.bundles]
    split = [(one.weight, one.radix) for one in program.layout.components]

    def following(state: int) -> Iterator[tuple[int, int]]:
        digits = [state // weight % radix for weight, radix in split]
        for one in bundles:
            if one.condition(digits):
                yield from one.reached(state, digits)

    return following


def condition(expression: Expression) -> Callable[[Digits], Any]:
    """Return the expression over tables as a function of a state's digits."""
    if isinstance(expression, Const):
        value = expression.value
        return lambda _: value
    tables: dict[str, Any] = {}

    def leaf(node: Expression) -> str:
        match node:
            case Const(value):
                return repr(value)
            case Local(component, values):
                name = f"t{len(tables)}"
                tables[name] = values
                return f"{name}[d[{component}]]"
            case _:
                raise TypeError(f"{node!r} is not over tables")

    text = printed(expression, PYTHON, leaf)
    return eval(f"lambda d: {text}", {"__builtins__": {}} | tables)  # type: ignore[no-any-return]  # noqa: S307 - our own text
