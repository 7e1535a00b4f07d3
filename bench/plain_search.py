"""The plain search that the explorer is measured against: breadth first over tuples, in Python.

Invariants: this is the reference model written by hand, as one would for this model alone, with
nothing general in it that would make it slow: one next-state function, tuples, and a set.
"""

from collections.abc import Callable, Iterator

One = tuple[str, bool, str, int, str | None]
"""Phase, cancel requested, gate, pending, and the phase to return to."""

State = tuple[One, ...]
Following = Callable[[State], Iterator[State]]

_START: One = ("unregistered", False, "armed", 0, None)
_CAPACITY = 2


def moves(one: One, *, may_start: bool = True, may_enqueue: bool = True) -> Iterator[One]:
    """Yield the states that follow for one session, once for each action."""
    phase, cancel, gate, pending, back = one
    if phase == "unregistered":
        yield ("idle", cancel, gate, pending, back)
        return
    if phase == "archived":
        return
    if phase == "idle":
        yield ("attached", cancel, gate, pending, back)
    elif phase == "attached":
        yield ("idle", cancel, gate, pending, back)
    if phase != "retired" and pending < _CAPACITY and may_enqueue:
        yield (phase, cancel, gate, pending + 1, back)
    if phase == "running":
        yield (phase, True, gate, pending, back)
        yield (str(back), False, gate, pending - 1, None)
        yield (str(back), False, gate, pending, None)
        yield (phase, cancel, gate, pending, "retired")
    elif pending > 0 and may_start:
        yield ("running", cancel, gate, pending, phase)
    yield (phase, cancel, "cancelled", pending, back)
    yield (phase, cancel, "armed", pending, back)
    if phase in ("idle", "attached"):
        yield ("retired", cancel, gate, pending, back)
    elif phase == "retired" and pending == 0:
        yield ("archived", cancel, "cancelled", pending, back)


def apart(state: State) -> Iterator[State]:
    """Yield the states that follow where sessions do not look at each other."""
    for number, one in enumerate(state):
        for after in moves(one):
            yield (*state[:number], after, *state[number + 1 :])


def across(state: State) -> Iterator[State]:
    """Yield the states that follow where one session runs at a time and all share a capacity."""
    running = sum(one[0] == "running" for one in state)
    may_enqueue = sum(one[3] for one in state) < len(state) + 1
    for number, one in enumerate(state):
        may_start = running == 0
        for after in moves(one, may_start=may_start, may_enqueue=may_enqueue):
            yield (*state[:number], after, *state[number + 1 :])


def search(instances: int, following: Following = apart) -> tuple[int, int, int]:
    """Return how many states are distinct, how many were generated, and the depth."""
    level = [(_START,) * instances]
    seen = set(level)
    generated, depth = 1, -1
    while level:
        depth += 1
        found = []
        for state in level:
            for after in following(state):
                generated += 1
                if after not in seen:
                    seen.add(after)
                    found.append(after)
        level = found
    return len(seen), generated, depth
