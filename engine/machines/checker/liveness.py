"""The long run: whether goals stay possible, and whether they are reached in the end.

Invariants: both are checked from every reachable state. A behaviour may stop for ever in a state
where no fair action could change anything, and in no other.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from perdure.machines.checker.counterexample import moments_of, path_to
from perdure.machines.checker.program import Program
from perdure.machines.checker.report import Violation
from perdure.machines.checker.search import (
    BYTES_IN_LEVEL,
    UNLIMITED,
    Budget,
    Exploration,
    LevelSearch,
    condition,
    stepping,
)
from perdure.machines.language.expressions import Expression, Not
from perdure.machines.language.properties import AlwaysPossible, LeadsTo, formula

Test = Callable[[int], bool]
Edges = dict[int, list[tuple[int, int]]]

_SLICE: Final = 4096
_BYTES_IN_STATE: Final = 900
"""Memory for a state here: for the state before it, its steps, and its place in a cycle."""
_BYTES_IN_EDGE: Final = 110


class LongRun:
    """Checks `AlwaysPossible` and `LeadsTo` over one exploration."""

    def __init__(
        self,
        program: Program,
        found: Exploration,
        by_level: LevelSearch | None = None,
        budget: Budget = UNLIMITED,
    ) -> None:
        self._program: Final = program
        self._found: Final = found
        self._by_level: Final = by_level
        self._budget: Final = budget
        self._following: Final = stepping(program)
        self._split: Final = [(one.weight, one.radix) for one in program.layout.components]

    def path(self, depth: int, state: int) -> list[int]:
        """Return the states of a shortest path to a state."""
        before = self._before if self._by_level is None else self._by_level.before
        path = path_to(self._found.levels, depth, state, before)
        orbits = self._program.orbits
        return path if orbits is None else orbits.real(path, self._following)

    def _before(self, level: Sequence[int], state: int) -> int:
        for one in level:
            if state in self._onwards(one):
                return one
        raise AssertionError(state)

    def always_possible(self, item: AlwaysPossible) -> Violation | None:
        """Return the nearest state that has no path to the goal, as a violation, or None."""
        goal = self._program.tables.reduced(item.goal)
        given = self._program.tables.reduced(item.given)
        if self._by_level is None:
            stuck = self._hopeless(self._test(goal), self._test(given))
        else:
            stuck = self._by_level.hopeless(self._found.levels, goal, given)
        if stuck is None:
            return None
        return Violation(
            property=item.name,
            formula=formula(item),
            explanation="from here, it can never be reached",
            path=tuple(moments_of(self._program, self.path(*stuck))),
        )

    def _test(self, expression: Expression) -> Test:
        holds = condition(expression)
        return lambda state: holds([state // weight % radix for weight, radix in self._split])

    def _hopeless(self, goal: Test, given: Test) -> tuple[int, int] | None:
        """Return the first state given, with its depth, that no path leads from to the goal.

        Each sweep turns round: hope that spreads from level to level gets all the way in one.
        """
        hopeful: set[int] = set()
        waiting: Sequence[tuple[int, int]] = [
            (depth, state)
            for depth in range(len(self._found.levels) - 1, -1, -1)
            for state in self._found.levels[depth]
        ]
        while True:
            left: list[tuple[int, int]] = []
            for depth, state in waiting:
                if goal(state) or any(after in hopeful for after in self._onwards(state)):
                    hopeful.add(state)
                else:
                    left.append((depth, state))
            if len(left) in (0, len(waiting)):
                return min((found for found in left if given(found[1])), default=None)
            waiting = left[::-1]

    def _onwards(self, state: int) -> Iterator[int]:
        orbits = self._program.orbits
        for _, after in self._following(state):
            yield after if orbits is None else orbits.representative(after)

    def leads_to(self, item: LeadsTo) -> Violation | None:
        """Return a behaviour that has ``given`` and never reaches ``then``, or None.

        Raises BudgetSpent.
        """
        tables = self._program.tables
        open_ = self._test(tables.reduced(Not(item.then)))
        given = self._test(tables.reduced(item.given))
        parents, order = self._wave(given, open_)
        graph = self._graph(parents)
        fair = self._fair()
        bad = [scc for scc in components(graph) if _lasting(scc, graph, fair)]
        if not bad:
            return None
        within = {state: scc for scc in bad for state in scc}
        state = next(state for state in order if state in within)
        tail = [state]
        while (parent := parents[tail[-1]]) is not None:
            tail.append(parent)
        tail.reverse()
        depth = next(d for d, level in enumerate(self._found.levels) if tail[0] in level)
        head = self.path(depth, tail[0])
        return Violation(
            property=item.name,
            formula=formula(item),
            explanation=self._for_ever(state, within[state], graph),
            path=tuple(moments_of(self._program, [*head, *tail[1:]])),
        )

    def _wave(self, given: Test, open_: Test) -> tuple[dict[int, int | None], list[int]]:
        """Return the states on paths from ``given`` that have not reached the goal, nearest first.

        With each state comes the one before it, or None for a state that has ``given``.
        """
        parents: dict[int, int | None] = {}
        order: list[int] = []
        wave: list[int] = []
        levels: Iterator[Sequence[int]] = iter(self._found.levels)
        while True:
            level = next(levels, None)
            if level is None and not wave:
                return parents, order
            after = [s for s in level or () if s not in parents and open_(s) and given(s)]
            parents.update(dict.fromkeys(after))
            for state in wave:
                for _, reached in self._following(state):
                    if reached not in parents and open_(reached):
                        parents[reached] = state
                        after.append(reached)
            order.extend(after)
            self._spend(len(parents))
            wave = after

    def _graph(self, states: Iterable[int]) -> Edges:
        """Return the steps from each of the states that lead to another."""
        graph: Edges = {}
        edges = 0
        for state in states:
            if len(graph) % _SLICE == 0:
                self._spend(len(graph), edges)
            onwards = [(step, after) for step, after in self._following(state) if after != state]
            edges += len(onwards)
            graph[state] = onwards
        self._spend(len(graph), edges)
        return graph

    def _spend(self, states: int, edges: int = 0) -> None:
        """Go on with so many states, and steps between them. Raises BudgetSpent."""
        held = self._found.states * BYTES_IN_LEVEL + states * _BYTES_IN_STATE
        depth = len(self._found.levels) - 1
        self._budget.spend(states, depth, held + edges * _BYTES_IN_EDGE)

    def _fair(self) -> list[frozenset[int]]:
        """Return, for each fair action, the numbers of its steps."""
        return [
            frozenset(n for n, step in enumerate(self._program.steps) if step.action.name == name)
            for name in self._program.model.fair
        ]

    def _for_ever(self, state: int, scc: frozenset[int], graph: Edges) -> str:
        owed = frozenset().union(*self._fair())
        if not any(step in owed for step, _ in graph[state]):
            return "from here, nothing has to happen any more"
        verbs = {
            self._program.steps[step].action.name
            for state in scc
            for step, after in graph[state]
            if after in scc
        }
        return f"from here, this can go on for ever: {', '.join(sorted(verbs))}"


def _lasting(scc: frozenset[int], graph: Edges, fair: list[frozenset[int]]) -> bool:
    """Whether a fair behaviour can stay: no fair action stays possible without being taken."""
    return all(
        any(
            all(step not in steps for step, _ in graph[state])
            or any(step in steps and after in scc for step, after in graph[state])
            for state in scc
        )
        for steps in fair
    )


def components(graph: Edges) -> Iterator[frozenset[int]]:
    """Yield the strongly connected components (Tarjan's algorithm, with a stack of its own)."""
    numbers: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    for root in graph:
        if root in numbers:
            continue
        calls = [(root, iter(graph[root]))]
        numbers[root] = lowest[root] = len(numbers)
        path.append(root)
        on_path.add(root)
        while calls:
            state, steps = calls[-1]
            for _, after in steps:
                if after not in graph:
                    continue
                if after not in numbers:
                    numbers[after] = lowest[after] = len(numbers)
                    path.append(after)
                    on_path.add(after)
                    calls.append((after, iter(graph[after])))
                    break
                if after in on_path:
                    lowest[state] = min(lowest[state], numbers[after])
            else:
                calls.pop()
                if calls:
                    above = calls[-1][0]
                    lowest[above] = min(lowest[above], lowest[state])
                if lowest[state] == numbers[state]:
                    found = set()
                    while state not in found:
                        found.add(path.pop())
                    on_path -= found
                    yield frozenset(found)
