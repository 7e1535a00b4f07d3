"""Small random models, and the plainest search of their states."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from perdure.machines import (
    Action,
    Always,
    AlwaysPossible,
    Arg,
    Bound,
    Choice,
    Const,
    Count,
    Expression,
    Flag,
    LeadsTo,
    Model,
    Next,
    Place,
    Property,
    Sometimes,
    Value,
    Var,
    Variable,
)
from perdure.machines.language.expressions import TRUE, All, AnyOf, Not, evaluate, nodes
from perdure.machines.language.notation import written
from perdure.machines.language.vocabulary import Row

LARGEST = 120
WORDS = ("a", "b")
State = tuple[Value, ...]
Names = list[tuple[str, Variable]]


@st.composite
def models(draw: st.DrawFn, properties: int = 4) -> Model:
    """Models of up to three parts with up to two places each."""
    places = tuple(
        _place(draw, part, f"{part}.x{number}")
        for part in ("p", "q", "r")[: draw(st.integers(1, 3))]
        for number in range(draw(st.integers(1, 2)))
    )
    names: Names = [(place.name, place.variable) for place in places]
    actions = tuple(_action(draw, number, names) for number in range(draw(st.integers(2, 7))))
    return Model(
        name="random",
        places=places,
        actions=actions,
        final=draw(_truths(names, [], Var)),
        fair=tuple(dict.fromkeys(a.name for a in actions if draw(st.booleans()))),
        properties=tuple(_property(draw, n, names, actions) for n in range(properties)),
    )


def _place(draw: st.DrawFn, part: str, name: str) -> Place:
    variable = draw(_variables(name))
    initial = draw(st.sampled_from(variable.domain()))
    return Place(name, part, variable, variable.domain(), initial)


def _variables(name: str) -> st.SearchStrategy[Variable]:
    return st.one_of(
        st.just(Flag(name)),
        st.integers(1, 2).map(lambda most: Count(name, Bound("most", 9, most))),
        st.just(Choice(name, WORDS)),
    )


def _action(draw: st.DrawFn, number: int, names: Names) -> Action:
    arguments: tuple[Variable, ...] = tuple(
        draw(_variables(f"g{n}")) for n in range(draw(st.integers(0, 2)))
    )
    given: Names = [(argument.name, argument) for argument in arguments]
    targets = draw(
        st.lists(st.sampled_from(names), min_size=1, max_size=3, unique_by=lambda pair: pair[0])
    )
    asked = draw(st.sampled_from([0, 0, 1, 1, 2]))
    return Action(
        name=f"{draw(st.sampled_from('stu'))}",
        rows=(("", Row(f"row{number}", "a")),),
        arguments=arguments,
        guard=All(tuple(draw(_truths(names, given, Var)) for _ in range(asked))),
        updates=tuple((name, draw(_values(variable, names, given))) for name, variable in targets),
    )


def _property(draw: st.DrawFn, number: int, names: Names, actions: tuple[Action, ...]) -> Property:
    name = f"property {number}"
    truths = _truths(names, [], Var)
    match draw(st.integers(0, 4)):
        case 0:
            return Always(name, draw(truths))
        case 1:
            after = _truths(names, [], Next)
            on = tuple(draw(st.sets(st.sampled_from([action.name for action in actions]))))
            return Always(name, draw(truths) | draw(after), tuple(sorted(on)))
        case 2:
            return Sometimes(name, draw(truths))
        case 3:
            return AlwaysPossible(name, draw(truths), draw(st.just(TRUE) | truths))
        case _:
            return LeadsTo(name, draw(truths), draw(truths))


def _truths(
    names: Names, given: Names, read: Callable[[str], Expression]
) -> st.SearchStrategy[Expression]:
    leaves = [_leaf(read(name), variable) for name, variable in names]
    leaves += [_leaf(Arg(name), variable) for name, variable in given]
    numbers = _numbers(names, given, read)
    if numbers is not None:
        compared = st.tuples(st.sampled_from(["<", "<=", ">", ">=", "=", "≠"]), numbers, numbers)
        leaves.append(compared.map(_compared))
    return st.recursive(
        st.one_of(leaves),
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, max_size=3).map(lambda items: All(tuple(items))),
            st.lists(inner, max_size=3).map(lambda items: AnyOf(tuple(items))),
        ),
        max_leaves=4,
    )


def _leaf(one: Expression, variable: Variable) -> st.SearchStrategy[Expression]:
    match variable:
        case Flag():
            return st.just(one)
        case Count():
            return st.integers(0, 3).map(one.equals)
        case _:
            return st.sampled_from([None, *WORDS]).map(one.equals)


def _compared(pair: tuple[str, Expression, Expression]) -> Expression:
    sign, left, right = pair
    return {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
        "=": left.equals(right),
        "≠": left.differs(right),
    }[sign]


def _numbers(
    names: Names, given: Names, read: Callable[[str], Expression]
) -> st.SearchStrategy[Expression] | None:
    counts = [read(name) for name, variable in names if isinstance(variable, Count)]
    counts += [Arg(name) for name, variable in given if isinstance(variable, Count)]
    if not counts:
        return None
    one = st.sampled_from(counts) | st.integers(0, 2).map(Const)
    return one | st.tuples(one, one, st.booleans()).map(
        lambda pair: pair[0] + pair[1] if pair[2] else pair[0] - pair[1]
    )


def _values(variable: Variable, names: Names, given: Names) -> st.SearchStrategy[Expression]:
    match variable:
        case Flag():
            return st.booleans().map(Const) | _truths(names, given, Var)
        case Count():
            constants: st.SearchStrategy[Expression] = st.integers(0, 2).map(Const)
            numbers = _numbers(names, given, Var)
            return constants if numbers is None else constants | numbers
        case _:
            alike = [Var(name) for name, other in names if isinstance(other, Choice)]
            alike_given = [Arg(name) for name, other in given if isinstance(other, Choice)]
            return st.sampled_from([None, *WORDS]).map(Const) | st.sampled_from(
                [*alike, *alike_given]
            )


class Plainest:
    """Breadth first over tuples, by `evaluate` alone; every verdict by definition.

    Asks Hypothesis for another model where this one is too large for that.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.names = [place.name for place in model.places]
        self.domains = [place.domain for place in model.places]
        initial = tuple(place.initial for place in model.places)
        self.depths: dict[State, int] = {initial: 0}
        self.edges: dict[State, list[tuple[int, Mapping[str, Value], State]]] = {}
        waiting = [initial]
        for state in waiting:
            self.edges[state] = []
            assume(len(waiting) <= LARGEST)
            for number, given, after in self._steps(state):
                within = all(v in d for v, d in zip(after, self.domains, strict=True))
                self.edges[state].append((number if within else ~number, given, after))
                if within and after not in self.depths:
                    self.depths[after] = self.depths[state] + 1
                    waiting.append(after)

    def _steps(self, state: State) -> Iterator[tuple[int, Mapping[str, Value], State]]:
        before = dict(zip(self.names, state, strict=True))
        for number, action in enumerate(self.model.actions):
            for choice in itertools.product(*action.choices()):
                given = dict(zip((a.name for a in action.arguments), choice, strict=True))
                if evaluate(action.guard, before, given, checked=True):
                    written = {
                        name: evaluate(value, before, given, checked=True)
                        for name, value in action.updates
                    }
                    yield number, given, tuple((before | written).values())

    @property
    def counts(self) -> tuple[int, int, int]:
        """States, transitions and depth."""
        steps = sum(map(len, self.edges.values()))
        return len(self.depths), steps + 1, max(self.depths.values())

    @property
    def unfired(self) -> set[int]:
        """The actions that nothing reachable fires."""
        fired = {max(n, ~n) for steps in self.edges.values() for n, _, _ in steps}
        return set(range(len(self.model.actions))) - fired

    def holds(self, expression: Expression, state: State) -> Any:
        """Whether a state has it."""
        return evaluate(expression, self._named(state), {}, checked=True)

    def _named(self, state: State) -> dict[str, Value]:
        return dict(zip(self.names, state, strict=True))

    def violations(self) -> dict[str, int]:
        """The violated properties, with the number of steps that show it."""
        found: dict[str, list[int]] = {}
        for state, depth in self.depths.items():
            if not self.edges[state] and not self.holds(self.model.final, state):
                found.setdefault("nothing gets stuck", []).append(depth)
            for number, _, after in self.edges[state]:
                for name, domain, value in zip(self.names, self.domains, after, strict=True):
                    if number < 0 and value not in domain:
                        found.setdefault(f"{name} stays", []).append(depth + 1)
        for item in self.model.properties:
            found.setdefault(item.name, []).extend(self._broken(item))
        return {name: min(depths) for name, depths in found.items() if depths}

    def unwitnessed(self) -> set[str]:
        """What should be reachable and is not."""
        wanted: dict[str, Expression] = {}
        for item in self.model.properties:
            if isinstance(item, Sometimes):
                wanted[item.name] = item.holds
            elif not isinstance(item, Always) and item.given != TRUE:
                wanted[f"{item.name}: given {written(item.given)}"] = item.given
        return {
            name
            for name, wish in wanted.items()
            if not any(self.holds(wish, state) for state in self.depths)
        }

    def _broken(self, item: Property) -> Iterator[int]:
        match item:
            case Always(_, holds, on) if on or any(isinstance(n, Next) for n in nodes(holds)):
                for state, depth in self.depths.items():
                    for number, given, after in self.edges[state]:
                        action = self.model.actions[max(number, ~number)]
                        if (not on or action.name in on) and not evaluate(
                            holds,
                            self._named(state),
                            given,
                            checked=True,
                            after=self._named(after),
                        ):
                            yield depth + 1
            case Always(_, holds, _):
                yield from (d for s, d in self.depths.items() if not self.holds(holds, s))
            case AlwaysPossible(_, goal, given_where):
                for state, depth in self.depths.items():
                    if self.holds(given_where, state) and not any(
                        self.holds(goal, s) for s in self._onwards(state, TRUE)
                    ):
                        yield depth
            case LeadsTo(_, given_where, then):
                onwards = {
                    state: self._onwards(state, Not(then))
                    for state in self.depths
                    if not self.holds(then, state)
                }
                lasting = {state for state in onwards if self._may_stay(state, onwards)}
                for state, ahead in onwards.items():
                    if self.holds(given_where, state):
                        yield from (self.depths[state] + ahead[s] for s in lasting & ahead.keys())
            case _:
                return

    def _onwards(self, state: State, within: Expression) -> dict[State, int]:
        """The states that can be reached through states that have something, and how far away."""
        reached = {state: 0}
        waiting = [state]
        for one in waiting:
            for number, _, after in self.edges[one]:
                if number >= 0 and after not in reached and self.holds(within, after):
                    reached[after] = reached[one] + 1
                    waiting.append(after)
        return reached

    def _may_stay(self, state: State, onwards: dict[State, dict[State, int]]) -> bool:
        """Whether a fair behaviour may go round for ever among what leads here and back."""
        around = [s for s in onwards[state] if state in onwards[s]]
        for name in self.model.fair:
            taken = any(
                self._is(number, name) and after in around and after != one
                for one in around
                for number, _, after in self.edges[one]
            )
            possible = all(
                any(self._is(n, name) and after != one for n, _, after in self.edges[one])
                for one in around
            )
            if possible and not taken:
                return False
        return True

    def _is(self, number: int, name: str) -> bool:
        return number >= 0 and self.model.actions[number].name == name
