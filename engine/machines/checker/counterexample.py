"""Counterexamples: the shortest path to a state, in the words of the declaration.

Invariants: no path is shorter; each of its steps was taken again with `evaluate`, so that the
compiled expressions do not vouch for themselves.
"""

import itertools
from collections.abc import Callable, Sequence

from perdure.machines.checker.program import Program, Step, step_arguments
from perdure.machines.checker.report import Moment, Violation
from perdure.machines.language.expressions import Value, evaluate
from perdure.machines.language.properties import Always, Property, about_steps, formula

State = dict[str, Value]
Before = Callable[[Sequence[int], int], int]
"""Finds in a level a state from which a step leads to another."""


def path_to(levels: Sequence[Sequence[int]], depth: int, state: int, before: Before) -> list[int]:
    """Return the states of a shortest path from the initial one."""
    path = [state]
    for distance in range(depth - 1, -1, -1):
        state = before(levels[distance], state)
        path.append(state)
    return path[::-1]


def moments_of(program: Program, path: Sequence[int]) -> list[Moment]:
    """Return the path as moments: verbs with arguments, and the state after each."""
    first = program.layout.unpacked(path[0])
    moments = [Moment(verb=None, arguments={}, state=first)]
    for number, reached in itertools.pairwise(path):
        wanted = program.layout.unpacked(reached)
        step, state = next(pair for pair in program.enabled(number) if pair[1] == wanted)
        moments.append(_moment(step, state))
    return moments


def _moment(step: Step, state: State) -> Moment:
    return Moment(verb=step.action.name, arguments=step_arguments(step), state=state)


def violation_of(
    program: Program, subject: Property | str | None, path: Sequence[int]
) -> Violation:
    """Return the violation that a watch found in the path's last state."""
    moments = moments_of(program, path)
    match subject:
        case None:
            return Violation(
                property="nothing gets stuck",
                formula="always: something can happen, or all is final",
                explanation="here nothing can happen, and not all is final",
                path=tuple(moments),
            )
        case str():
            domain = next(p.domain for p in program.model.places if p.name == subject)
            within = f"{domain[0]}..{domain[-1]}" if isinstance(domain[-1], int) else "its domain"
            last = _step(program, path[-1], lambda _, __, after: after[subject] not in domain)
            return Violation(
                property=f"{subject} stays within {within}",
                formula=f"always: {subject} in {within}",
                explanation=f"{subject} leaves {within}",
                path=(*moments, last),
            )
        case Always() if about_steps(subject):
            last = _step(program, path[-1], lambda *taken: _broken(subject, *taken))
            return _of(subject, "the last step breaks it", (*moments, last))
        case _:
            return _of(subject, "the last state breaks it", tuple(moments))


def _of(item: Property, explanation: str, path: tuple[Moment, ...]) -> Violation:
    return Violation(property=item.name, formula=formula(item), explanation=explanation, path=path)


def _broken(item: Always, step: Step, before: State, after: State) -> bool:
    concerned = not item.on or step.action.name in item.on
    given = step_arguments(step)
    return concerned and not evaluate(item.holds, before, given, checked=True, after=after)


def _step(program: Program, number: int, wanted: Callable[[Step, State, State], bool]) -> Moment:
    before = program.layout.unpacked(number)
    for step, after in program.enabled(number):
        if wanted(step, before, after):
            return _moment(step, after)
    raise AssertionError(before)
