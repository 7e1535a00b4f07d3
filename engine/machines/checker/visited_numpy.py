"""Visited states: flags in arrays that take whole levels at once.

Invariants: a state is harvested once, in the level after the one that reached it first; single
states and whole arrays share the same flags, so that a search may change between the two. With
`search_numpy`, the only modules that import numpy.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_DENSE_SPACE: Final = 1 << 30
_SCANNED: Final = 32
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SMALLEST_TABLE: Final = 1 << 12
_BITS: Final = 64
_FREE: Final = -1


def visited_for(space: int, memory_bytes: int) -> "DenseVisited | SparseVisited":
    """Return flags for so many possible states that take a part of the memory at most."""
    return DenseVisited(space) if space <= min(_DENSE_SPACE, memory_bytes // 8) else SparseVisited()


class DenseVisited:
    """A byte for each state there could be."""

    def __init__(self, space: int) -> None:
        self._seen: Final = np.zeros(space, np.bool_)
        self._fresh: Final = np.zeros(space, np.bool_)
        self._found: list[Numbers] = []
        self._scanning = False
        self.by_state: Final[Any] = self._seen.view(np.uint8).data

    def held_bytes(self) -> int:
        """Return how many bytes the flags take."""
        return 2 * self._seen.size

    def waiting(self) -> int:
        """Return how many states wait to be harvested, some more than once; 0 if not known."""
        return sum(one.size for one in self._found)

    def expect(self, steps: int) -> None:
        """Prepare for a level with so many steps: many are marked and swept up, few listed."""
        self._scanning = steps * _SCANNED > self._seen.size

    def reach(self, states: Numbers) -> None:
        """Take states into the next level unless they were seen before."""
        if self._scanning:
            self._fresh[states] = True
        else:
            self._found.append(states[~self._seen[states]])

    def harvest(self) -> Numbers:
        """Return the next level, in order, now seen."""
        if not self._scanning:
            level = np.unique(np.concatenate(self._found)) if self._found else _nothing()
            self._found.clear()
            self._seen[level] = True
            return level
        np.greater(self._fresh, self._seen, out=self._fresh)
        level = np.flatnonzero(self._fresh)
        self._seen[level] = True
        self._fresh.fill(False)  # noqa: FBT003 - numpy takes it by position only
        return level

    def slots(self, states: Numbers) -> Numbers:
        """Return where flags about the states are kept."""
        return states

    def flags(self) -> Flags:
        """Return a flag for each slot, all down."""
        return np.zeros(self._seen.size, np.bool_)


class SparseVisited:
    """A hash table with open addressing, for states that are too far apart for a byte each."""

    def __init__(self) -> None:
        self._use(np.full(_SMALLEST_TABLE, _FREE, np.int64))
        self._count = 0
        self._found: list[Numbers] = []
        self.by_state: Final[Any] = self

    def __getitem__(self, state: int) -> bool:
        """Return whether the state was seen."""
        table, mask = self._view, self._table.size - 1
        slot = self._home(state)
        while (held := table[slot]) != _FREE:
            if held == state:
                return True
            slot = (slot + 1) & mask
        return False

    def __setitem__(self, state: int, seen: int) -> None:
        """Mark the state, which was not seen before, as seen."""
        self._reserve(1)
        table, mask = self._view, self._table.size - 1
        slot = self._home(state)
        while table[slot] != _FREE:
            slot = (slot + 1) & mask
        table[slot] = state
        self._count += 1

    def _home(self, state: int) -> int:
        return (state * int(_MULTIPLIER) & (1 << _BITS) - 1) >> self._shift

    def _use(self, table: Numbers) -> None:
        self._table = table
        self._view: Any = table.data
        self._shift = _BITS + 1 - table.size.bit_length()

    def held_bytes(self) -> int:
        """Return how many bytes the flags take."""
        return self._table.nbytes

    def waiting(self) -> int:
        """Return how many states wait to be harvested, some more than once."""
        return sum(one.size for one in self._found)

    def expect(self, steps: int) -> None:
        """Prepare for a level with so many steps."""

    def reach(self, states: Numbers) -> None:
        """Take states into the next level unless they were seen before."""
        self._reserve(states.size)
        self._insert(states)

    def _insert(self, waiting: Numbers) -> None:
        table, mask = self._table, self._table.size - 1
        slots = self._homes(waiting)
        while waiting.size:
            free = table[slots] == _FREE
            table[slots[free]] = waiting[free]
            placed = table[slots] == waiting
            new = waiting[free & placed]
            if new.size:
                self._found.append(new)
                self._count += new.size
            waiting, slots = waiting[~placed], (slots[~placed] + 1) & mask

    def harvest(self) -> Numbers:
        """Return the next level, in order, now seen."""
        found = np.concatenate(self._found) if self._found else _nothing()
        level = np.unique(found)
        self._count -= found.size - level.size
        self._found.clear()
        return level

    def slots(self, states: Numbers) -> Numbers:
        """Return where flags about the states are kept; each was seen."""
        slots = self._homes(states)
        waiting = np.flatnonzero(self._table[slots] != states)
        while waiting.size:
            slots[waiting] = (slots[waiting] + 1) & (self._table.size - 1)
            waiting = waiting[self._table[slots[waiting]] != states[waiting]]
        return slots

    def flags(self) -> Flags:
        """Return a flag for each slot, all down."""
        return np.zeros(self._table.size, np.bool_)

    def _homes(self, states: Numbers) -> Numbers:
        mixed = states.astype(np.uint64) * _MULTIPLIER
        return (mixed >> np.uint64(self._shift)).astype(np.int64)

    def _reserve(self, count: int) -> None:
        """Keep half of the table free."""
        size = self._table.size
        while (self._count + count) * 2 > size:
            size *= 2
        if size > self._table.size:
            held = self._table[self._table != _FREE]
            self._use(np.full(size, _FREE, np.int64))
            found, self._found, kept = self._found, [], self._count
            self._insert(held)
            self._found, self._count = found, kept


def _nothing() -> Numbers:
    return np.empty(0, np.int64)
