"""Properties: statements about all states and steps of a machine, as data.

Invariants: a property makes one statement twice: in plain words (``name``) and as expressions. The
expressions read ``phase`` and the machine's variables; in a composition, those of a part under its
name (``session.phase``). None is ever assumed: each is checked in every reachable state.
"""

from collections.abc import Iterator, Mapping

import msgspec

from perdure.machines.language.expressions import (
    TRUE,
    All,
    AnyOf,
    Expression,
    Next,
    Var,
    nodes,
    replaced,
)
from perdure.machines.language.notation import written

PHASE = Var("phase")
"""The machine's phase, in a property or across the parts of a composition."""


class Always(msgspec.Struct, frozen=True):
    """Safety: ``holds`` in every reachable state, or over every step.

    If it reads `Next`, it is about each step: the values before and after it. With ``on`` it is
    about the steps of those verbs only, and may read the arguments they share with `Arg`.
    """

    name: str
    holds: Expression
    on: tuple[str, ...] = ()


class Sometimes(msgspec.Struct, frozen=True):
    """Reachability: it holds in some state. It guards against a check where nothing happens."""

    name: str
    holds: Expression


class AlwaysPossible(msgspec.Struct, frozen=True):
    """From every reachable state, a state in which ``goal`` holds can still be reached.

    With ``given``, from every reachable state in which that holds.
    """

    name: str
    goal: Expression
    given: Expression = TRUE


class LeadsTo(msgspec.Struct, frozen=True):
    """Whenever ``given`` holds, ``then`` holds then or later, if the fair verbs are not starved.

    Fairness is weak, and of the verbs that the machine names in ``fair``: one that stays possible
    without a break happens in the end. No other verb has to happen.
    """

    name: str
    given: Expression
    then: Expression


Property = Always | Sometimes | AlwaysPossible | LeadsTo


def expressions_of(item: Property) -> Iterator[Expression]:
    """Yield the property's expressions."""
    match item:
        case Always() | Sometimes():
            yield item.holds
        case AlwaysPossible():
            yield item.goal
            yield item.given
        case LeadsTo():
            yield item.given
            yield item.then


def to_witness(item: Property) -> Expression | None:
    """Return the condition that some state must meet, or the property is empty; None if any may."""
    match item:
        case Sometimes():
            return item.holds
        case AlwaysPossible() | LeadsTo() if item.given != TRUE:
            return item.given
        case _:
            return None


def formula(item: Property) -> str:
    """Return the property as a person would write it."""
    match item:
        case Always(_, holds, on) if on:
            return f"always, on {', '.join(on)}: {written(holds)}"
        case Always():
            return f"always: {written(item.holds)}"
        case Sometimes():
            return f"sometimes: {written(item.holds)}"
        case AlwaysPossible(_, goal, given) if given != TRUE:
            return f"always possible, from where {written(given)}: {written(goal)}"
        case AlwaysPossible():
            return f"always possible: {written(item.goal)}"
        case LeadsTo():
            return f"{written(item.given)} leads to {written(item.then)}"


def reads_next(item: Always) -> bool:
    """Whether the property reads values after a step."""
    return any(isinstance(node, Next) for node in nodes(item.holds))


def about_steps(item: Always) -> bool:
    """Whether the property is about steps, and not about each state."""
    return bool(item.on) or reads_next(item)


def before_step(holds: Expression, updates: Mapping[str, Expression]) -> Expression:
    """Return the condition before a step with these updates that makes ``holds`` true of it."""

    def after(node: Expression) -> Expression:
        if isinstance(node, Next):
            return updates.get(node.name, Var(node.name))
        return node

    return replaced(holds, after)


def in_phase(*phases: str) -> Expression:
    """Return the expression that the phase is one of these."""
    return _one_of(PHASE, phases)


def goes_to(*phases: str) -> Expression:
    """Return the expression that a step leads to one of these phases, or stays in it."""
    return _one_of(Next(PHASE.name), phases)


def _one_of(phase: Expression, phases: tuple[str, ...]) -> Expression:
    if len(phases) == 1:
        return phase.equals(phases[0])
    return AnyOf(tuple(phase.equals(one) for one in phases))


def implies(one: Expression, other: Expression) -> Expression:
    """Return the expression that the other holds where the one does."""
    return ~one | other


def exactly(one: Expression, other: Expression) -> Expression:
    """Return the expression that the one holds just where the other does."""
    return implies(one, other) & implies(other, one)


def unchanged(*names: str) -> Expression:
    """Return the expression that a step leaves these variables as they were."""
    return All(tuple(Next(name).equals(Var(name)) for name in names))
