"""The visited of what was seen, one by one and by the thousand, beside a set of Python's own."""

import random

import numpy as np
import pytest

from perdure.machines.checker.visited_numpy import DenseVisited, SparseVisited

SPACE = 1 << 20


@pytest.mark.parametrize("spread", [1, 64, 4096])
@pytest.mark.parametrize("kind", ["dense and listed", "dense and swept", "sparse"])
def test_each_state_is_harvested_once_however_often_it_is_reached(kind: str, spread: int) -> None:
    chance = random.Random(spread)  # noqa: S311 - the same numbers every time
    visited = SparseVisited() if kind == "sparse" else DenseVisited(SPACE)
    seen: set[int] = set()
    for size in (1, 10, 1_000, 5_000, 50):
        for one in (chance.randrange(SPACE) for _ in range(10)):
            assert bool(visited.by_state[one]) is (one in seen)
            if one not in seen:
                visited.by_state[one] = 1
                seen.add(one)
        visited.expect(SPACE if kind == "dense and swept" else 0)
        reached: set[int] = set()
        for _ in range(3):
            states = [chance.randrange(SPACE // spread) * spread for _ in range(size)]
            states += chance.choices(states, k=size) + sorted(seen)[:size]
            reached.update(states)
            visited.reach(np.array(states, np.int64))
        assert visited.harvest().tolist() == sorted(reached - seen)
        seen |= reached
    every = np.array(sorted(seen), np.int64)
    slots = visited.slots(every)
    assert len(set(slots.tolist())) == len(seen)
    assert visited.flags().size > slots.max()
