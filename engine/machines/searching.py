"""Searching: breadth first through all that a program can reach, in plain Python.

Invariants: levels are complete, so that the first time something is seen is at the least distance;
a step that would leave a domain counts as enabled and leads nowhere; the memory said is an upper
estimate of what the search holds at once, and is never exceeded unsaid.
"""

from array import array
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from typing import Any, Final, Protocol

import msgspec

from engine.machines.compiling import Bundle, Program, Watch
from engine.machines.expressions import (
    All,
    AnyOf,
    Calculate,
    Compare,
    Const,
    Expression,
    Not,
)
from engine.machines.tables import Local, either

Digits = list[int]
Progress = Callable[[int, int], object]
"""Told how many states were found, and how deep."""
Stepping = Callable[[int], Iterator[tuple[int, int]]]
"""From a state, the numbers of the steps that are enabled and where each leads."""

_SLICE: Final = 4096
_SIGNS: Final = {"=": "==", "≠": "!=", "<": "<", "≤": "<=", ">": ">", "≥": ">=", "+": "+", "-": "-"}
_DENSE_SPACE: Final = 1 << 30
_BYTES_IN_SET: Final = 120
_BYTES_IN_LEVEL: Final = 48


class Limits(msgspec.Struct, frozen=True):
    """How far a search may go: states at most, and bytes at most."""

    states: int
    memory_bytes: int


class Levels(Protocol):
    """The states found, by their distance from the initial one."""

    def __len__(self) -> int: ...
    def __getitem__(self, depth: int, /) -> Sequence[int]: ...


class Exploration(msgspec.Struct, kw_only=True):
    """What a search found.

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


def search(program: Program, limits: Limits, progress: Progress | None = None) -> Exploration:
    """Return everything the program can reach, as far as the limits allow."""
    space = program.layout.space
    dense = space <= min(_DENSE_SPACE, limits.memory_bytes // 2)
    bytes_each = _BYTES_IN_LEVEL if dense else _BYTES_IN_SET
    found = Exploration(
        levels=[],
        visits=[[0] * program.layout.components[one.digit].radix for one in program.bundles],
        noticed={},
    )
    plain = _Plain(program, found, bytearray(space) if dense else _Seen())
    frontier = [program.initial]
    plain.seen[program.initial] = 1
    states = 0
    while frontier:
        found.levels.append(array("q", frontier) if space < 1 << 63 else frontier)
        after: list[int] = []
        for start in range(0, len(frontier), _SLICE):
            states += len(frontier[start : start + _SLICE])
            held = states + len(after)
            found.incomplete = exceeded(limits, held, space * dense + held * bytes_each)
            if found.incomplete:
                return found
            plain.expand(frontier[start : start + _SLICE], after)
            if progress is not None:
                progress(states, len(found.levels) - 1)
        frontier = after
    return found


class _Plain:
    """Expands states one by one."""

    def __init__(self, program: Program, found: Exploration, seen: Any) -> None:
        ready = [_Ready(program, number) for number in range(len(program.bundles))]
        self.seen: Final = seen
        self._found: Final = found
        self._watching: Final = Watching(program, found)
        self._simple: Final = [
            (one.weight, one.radix, one.deltas, found.visits[one.number])
            for one in ready
            if one.simple
        ]
        self._joint: Final = [one for one in ready if not one.simple]
        self._split: Final = [(one.weight, one.radix) for one in program.layout.components]

    def expand(self, states: Sequence[int], after: list[int]) -> None:
        """Add to ``after`` what the states lead to and was not seen before."""
        seen, add, simple = self.seen, after.append, self._simple
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
        """Notice what is to be noticed, and yield where steps of several components lead."""
        digits = [state // weight % radix for weight, radix in self._split]
        if self._watching.active and self._watching.alarm(digits):
            self._watching.notice(state, digits)
        for one in self._joint:
            if one.condition(digits):
                self._found.visits[one.number][digits[one.digit]] += 1
                for _, reached in one.reached(state, digits):
                    yield reached


def exceeded(limits: Limits, states: int, used_bytes: int) -> str | None:
    """Return which limit is exceeded, and by what, or None."""
    if states > limits.states:
        return f"more than {limits.states:,} states"
    if used_bytes > limits.memory_bytes:
        return f"more than {limits.memory_bytes:,} bytes of memory, at {states:,} states"
    return None


class Watching:
    """What is still to be noticed: each watch is dropped once it was."""

    def __init__(self, program: Program, found: Exploration) -> None:
        self._found: Final = found
        self._open = {
            number: (watch, condition(watch.seen))
            for number, watch in enumerate(program.watches)
            if watch.seen != Const(value=False)
        }
        self._combine()

    def notice(self, state: int, digits: Digits) -> None:
        """Record which watches this state, of the deepest level, is the first of."""
        for number in [n for n, (_, holds) in self._open.items() if holds(digits)]:
            self._found.noticed[number] = (len(self._found.levels) - 1, state)
            del self._open[number]
        self._combine()

    def _combine(self) -> None:
        self.expression = either(watch.seen for watch, _ in self._open.values())
        self.alarm = condition(self.expression)
        self.active = self.expression != Const(value=False)

    @property
    def open(self) -> dict[int, Watch]:
        """Return the watches that have noticed nothing yet."""
        return {number: watch for number, (watch, _) in self._open.items()}


class _Seen(dict[int, int]):
    """Which states were seen, where they are too far apart for a byte each."""

    def __missing__(self, key: int) -> int:
        return 0


class _Ready:
    """A bundle, made ready: what it adds to a state, each sum once."""

    def __init__(self, program: Program, number: int) -> None:
        bundle = program.bundles[number]
        one = program.layout.components[bundle.digit]
        self.number: Final = number
        self.digit: Final = bundle.digit
        self.weight: Final = one.weight
        self.radix: Final = one.radix
        self.simple: Final = is_simple(bundle)
        self.condition: Final = condition(bundle.condition)
        self.deltas: Final = deltas_of(bundle)
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
        for step, delta in self._bundle.moves[digits[self.digit]]:
            if delta is not None:
                yield step, base + delta


def is_simple(bundle: Bundle) -> bool:
    """Whether the bundle reads and writes its own component only."""
    return bundle.condition == Const(value=True) and not bundle.others and not bundle.far


def deltas_of(bundle: Bundle) -> tuple[tuple[int, ...], ...]:
    """Return, for each valuation, what the steps add to the state: each once, and never nothing."""
    return tuple(
        tuple(dict.fromkeys(delta for _, delta in moves if delta)) for moves in bundle.moves
    )


def _decoding(program: Program, component: int, offset: int) -> dict[Any, Any]:
    """Return the values of a place by their codes."""
    domain = program.layout.components[component].places[offset].domain
    return {program.tables.code(value): value for value in domain}


def stepping(program: Program) -> Stepping:
    """Return the function that yields the steps from a state and where they lead."""
    bundles = [_Ready(program, number) for number in range(len(program.bundles))]
    split = [(one.weight, one.radix) for one in program.layout.components]

    def following(state: int) -> Iterator[tuple[int, int]]:
        digits = [state // weight % radix for weight, radix in split]
        for one in bundles:
            if one.condition(digits):
                yield from one.reached(state, digits)

    return following


def condition(expression: Expression) -> Callable[[Digits], Any]:
    """Return the expression over tables as a function of a state's digits."""
    tables: dict[str, Any] = {}
    text = _source(expression, tables)
    return eval(f"lambda d: {text}", {"__builtins__": {}} | tables)  # type: ignore[no-any-return]  # noqa: S307 - our own text


def _source(expression: Expression, tables: dict[str, Any]) -> str:
    match expression:
        case Const(value):
            return repr(value)
        case Local(component, values):
            name = f"t{len(tables)}"
            tables[name] = values
            return f"{name}[d[{component}]]"
        case Compare(sign, left, right) | Calculate(sign, left, right):
            return f"({_source(left, tables)} {_SIGNS[sign]} {_source(right, tables)})"
        case All(items):
            return f"({' and '.join(_source(item, tables) for item in items) or 'True'})"
        case AnyOf(items):
            return f"({' or '.join(_source(item, tables) for item in items) or 'False'})"
        case Not(item):
            return f"(not {_source(item, tables)})"
        case _:
            raise TypeError(f"{expression!r} is not over tables")
