"""A stateful test of an implementation, generated from a declared machine for Hypothesis.

Invariants: the model advances by the interpreted declaration, never by the compiled table that the
system may use itself; legal and illegal steps are both asked of the system, and it must accept the
legal ones and refuse the others; after every step, the system reports the values of the model, and
the declared properties hold.

    TestApproval = machine_test(APPROVAL, Approval, refusals=(Refused,)).TestCase
"""

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, ClassVar, Final

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from perdure.errors import InvalidMachine, PerdureError
from perdure.machines import (
    Always,
    Bound,
    Choice,
    Configuration,
    Count,
    Flag,
    Identity,
    Machine,
    Row,
    Value,
    Variable,
    Verb,
)
from perdure.machines.language.expressions import evaluate, nodes
from perdure.machines.language.properties import about_steps
from perdure.machines.language.vocabulary import given_domain
from perdure.testing.declared import Alternatives, Declared, Steps, step_text, steps_text


class DeclaredOperation(msgspec.Struct, frozen=True, kw_only=True):
    """A request to the system under a name of its own, which stands for declared steps.

    ``asks`` returns, for its arguments, the alternatives of steps, of which the first legal one is
    to happen; ``arguments`` are drawn as a verb's are. Where ``method`` is empty, the system has a
    method of the operation's name.
    """

    asks: Callable[..., Alternatives]
    arguments: tuple[Variable, ...] = ()
    method: str = ""


CHANCE: Final = st.integers(0, 3).map(lambda chance: not chance)
"""Steps into a final phase are drawn less often, so that examples get far."""


class MachineTest(RuleBasedStateMachine):
    """Base of generated tests; add rules of your own in a subclass.

    ``configuration`` is where the model is, ``system`` the thing under test, as the factory made
    it. ``accepted`` and ``refused`` count, over all examples, how often each operation was, and
    ``taken`` how often each declared row was taken; a test that wants to know that enough happened
    can look there.
    """

    machine: ClassVar[Machine]
    refusals: ClassVar[tuple[type[Exception], ...]]
    accepted: ClassVar[Counter[str]]
    refused: ClassVar[Counter[str]]
    taken: ClassVar[Counter[Row]]
    _make: ClassVar[Callable[[], Any]]
    _declared: ClassVar[Declared]
    _chosen: ClassVar[tuple[tuple[str, DeclaredOperation, tuple[Any, ...], bool], ...]]

    def __init__(self) -> None:
        super().__init__()
        self.configuration = self._declared.initial
        self.system: Any = None
        self._runner: asyncio.Runner | None = None

    @initialize()
    def begin(self) -> None:
        """Make the system."""
        self.system = self.settle(type(self)._make())
        wanted = {operation.method or name for name, operation, _, _ in self._chosen}
        missing = sorted(name for name in wanted if not hasattr(self.system, name))
        if missing:
            raise AttributeError(
                f"{type(self.system).__name__} has no {', '.join(missing)}: each verb is a method, "
                "an operation, or listed as not bound"
            )

    def settle(self, value: Any) -> Any:
        """Return the value, or its result if it is awaitable."""
        if not inspect.isawaitable(value):
            return value
        if self._runner is None:
            self._runner = asyncio.Runner()

        async def wait() -> Any:
            return await value

        return self._runner.run(wait())

    @rule(data=st.data(), even_if_it_ends=CHANCE)
    def go_on(self, data: st.DataObject, *, even_if_it_ends: bool) -> None:
        """Ask for a legal operation, so that examples reach every part of the machine."""
        legal = [
            (name, operation, arguments)
            for name, operation, arguments, rarely in self._chosen
            if self._declared.first_legal(self.configuration, operation.asks(*arguments))
            and (even_if_it_ends or not self.leads_on(operation.asks(*arguments), anywhere=rarely))
        ]
        if legal:
            verb = data.draw(st.sampled_from(sorted({name for name, _, _ in legal})))
            chosen = data.draw(st.sampled_from([one for one in legal if one[0] == verb]))
            self._ask(*chosen)

    @rule(data=st.data())
    def overstep(self, data: st.DataObject) -> None:
        """Ask for a verb that this phase has a row for, with arguments that its guard refuses."""
        phase = self.configuration.phase
        here = {item.verb for item in self.machine.all_rows() if item.source == phase}
        refused = [
            (name, operation, arguments)
            for name, operation, arguments, _ in self._chosen
            if any(steps and steps[0][0] in here for steps in operation.asks(*arguments))
            and not self._declared.first_legal(self.configuration, operation.asks(*arguments))
        ]
        if refused:
            self._ask(*data.draw(st.sampled_from(refused)))

    def _ask(self, name: str, operation: DeclaredOperation, arguments: tuple[Any, ...]) -> None:
        method = getattr(self.system, operation.method or name)
        self.attempt(name, operation.asks(*arguments), method, *arguments)

    def attempt(
        self, name: str, asks: Alternatives, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        """Call the system, compare its answer with the model, and advance the model.

        Returns the result of the call, or the refusal. Raises AssertionError if the system refuses
        a legal step or accepts an illegal one.
        """
        here = self.configuration
        expected = self._declared.first_legal(here, asks)
        try:
            answer = self.settle(function(*arguments))
        except self.refusals as refusal:
            if expected is not None:
                raise AssertionError(
                    f"{steps_text(expected[0])} is legal where the machine is {_where(here)}, "
                    f"but the system refused {step_text(name, arguments)}: {refusal!r}"
                ) from refusal
            self.refused[name] += 1
            return refusal
        if expected is None:
            wanted = " or ".join(map(steps_text, asks)) or "anything"
            raise AssertionError(
                f"{wanted} is not legal where the machine is {_where(here)}, "
                f"but the system accepted {step_text(name, arguments)}"
            )
        self.accepted[name] += 1
        self._advance(expected[0])
        return answer

    def leads_on(self, asks: Alternatives, *, anywhere: bool) -> bool:
        """Whether the request would lead into a final phase, or ``anywhere`` out of this one."""
        expected = self._declared.first_legal(self.configuration, asks)
        if expected is None or expected[1].phase == self.configuration.phase:
            return False
        return anywhere or expected[1].phase in self.machine.final

    def _advance(self, steps: Steps) -> None:
        """Move the model on, and hold every step to the properties that are about steps."""
        for verb, arguments in steps:
            before = self.configuration
            self.taken.update(self._declared.rows(before, verb, arguments))
            after = self._declared.step(before, verb, arguments)
            assert after is not None, f"{step_text(verb, arguments)} was legal a moment ago"  # noqa: S101
            self.configuration = after
            for item in self.machine.properties:
                if isinstance(item, Always) and about_steps(item) and verb in (item.on or (verb,)):
                    self._hold(item, before, self._declared.given(verb, arguments))

    @invariant()
    def the_system_is_where_the_model_is(self) -> None:
        """Compare the values that the system reports, all or some, with the model."""
        observe = getattr(self.system, "observe", None)
        if observe is None:
            return
        held = self._declared.held(self.configuration)
        observed = self.settle(observe())
        if isinstance(observed, Configuration):
            observed = self._declared.held(observed)
        unknown = [name for name in observed if name not in held]
        if unknown:
            raise AssertionError(
                f"observe() tells of {', '.join(map(repr, unknown))}; "
                f"{self.machine.name} holds {', '.join(held)}"
            )
        expected = {name: held[name] for name in observed}
        if observed != expected:
            raise AssertionError(f"the system says {observed}, the model {expected}")

    @invariant()
    def what_always_holds_holds_now(self) -> None:
        """Check the declared properties that are about states."""
        for item in self.machine.properties:
            if isinstance(item, Always) and not about_steps(item):
                self._hold(item, self.configuration, {})

    def _hold(self, item: Always, before: Configuration, given: Mapping[str, Value]) -> None:
        held, after = self._declared.held(before), self._declared.held(self.configuration)
        if not evaluate(item.holds, held, given, after=after):
            raise AssertionError(f"{item.name!r} does not hold: {held}, then {after}")

    def teardown(self) -> None:
        """Close the system, if it can be, and the event loop, if there was one."""
        try:
            close = getattr(self.system, "close", None)
            if close is not None:
                self.settle(close())
        finally:
            if self._runner is not None:
                self._runner.close()


def machine_test(
    machine: Machine,
    system: Callable[[], Any],
    *,
    refusals: Iterable[type[Exception]] = (PerdureError,),
    operations: Mapping[str, DeclaredOperation] | None = None,
    not_bound: Mapping[str, str] | None = None,
    rarely: Iterable[str] = (),
    base: type[MachineTest] = MachineTest,
) -> type[MachineTest]:
    """Return a Hypothesis state machine that drives the real thing beside the declared one.

    ``system`` makes a fresh thing under test, plain or awaitable. Each verb is its method of that
    name, plain or async, which takes the declared arguments in order and returns normally or
    raises one of ``refusals``. If it has ``observe()``, that returns a `Configuration`, or a
    mapping of ``"phase"`` and variables to values, as much as can be seen from outside; if it has
    ``close()``, that ends an example. Arguments are drawn from the declared domains, and now and
    then from outside them, where the system must refuse.

    ``operations`` are the requests that stand for other steps than their names say, or for several.
    ``not_bound`` maps verbs to the reason why the system cannot be asked for them; one that is
    listed though the system has the method is InvalidMachine. Rules of your own go into a subclass
    or into ``base``, where one called ``ask_<verb>`` replaces the generated one. Steps into a
    final phase are drawn only now and then, so that examples get far; ``rarely`` names more
    verbs that are to leave their phase only now and then.
    """
    chosen = dict(operations or {})
    excused = dict(not_bound or {})
    for verb in machine.verbs:
        bound = verb.name in chosen or hasattr(base, f"ask_{verb.name}")
        if not bound and verb.name not in excused:
            chosen[verb.name] = DeclaredOperation(asks=_itself(verb), arguments=verb.arguments)
    for name in excused:
        if name not in {verb.name for verb in machine.verbs}:
            raise InvalidMachine(f"{name!r} is listed as not bound, but is no verb of the machine")
        if name in chosen or hasattr(system, name) or hasattr(base, f"ask_{name}"):
            raise InvalidMachine(f"{name!r} is listed as not bound, but the system has it")
    near = _limits(machine)
    members: dict[str, Any] = {
        f"ask_{name}": _rule(name, operation, near, rarely=name in rarely)
        for name, operation in chosen.items()
    }
    members |= {
        "__doc__": f"The {machine.name} machine, and the system that implements it.",
        "__module__": __name__,
        "machine": machine,
        "refusals": tuple(refusals),
        "accepted": Counter(),
        "refused": Counter(),
        "taken": Counter(),
        "_make": staticmethod(system),
        "_declared": Declared(machine),
        "_chosen": tuple(
            (name, operation, arguments, name in rarely)
            for name, operation in chosen.items()
            for arguments in product(*(_of_interest(one, near) for one in operation.arguments))
        ),
    }
    return type(f"{machine.name.title().replace('_', '')}Test", (base,), members)


def _rule(name: str, operation: DeclaredOperation, near: Sequence[int], *, rarely: bool) -> Any:
    """Return a rule that asks for the operation, with drawn arguments."""
    names = tuple(argument.name for argument in operation.arguments)

    def ask(self: MachineTest, *, even_if_it_ends: bool, **given: Any) -> None:
        arguments = tuple(given[argument] for argument in names)
        if even_if_it_ends or not self.leads_on(operation.asks(*arguments), anywhere=rarely):
            self._ask(name, operation, arguments)

    ask.__name__ = f"ask_{name}"
    strategies: dict[str, Any] = {
        argument.name: values_of(argument, near) for argument in operation.arguments
    }
    decorated: Any = rule  # its overloads know no strategies by computed name
    return decorated(even_if_it_ends=CHANCE, **strategies)(ask)


def values_of(variable: Variable, near: Sequence[int] = ()) -> st.SearchStrategy[Any]:
    """Return a strategy of values for an argument: those of interest, and some beyond.

    What lies beyond is no value of the kind at all (a count below zero or above its bound, a word
    that is not declared, no id), so the system must refuse it.
    """
    beyond: list[Any]
    match variable:
        case Flag():
            return st.booleans()
        case Count():
            beyond = [-1, variable.maximum.actual + 1]
        case Choice():
            beyond = ["no such word"]
        case Identity():
            beyond = [""]
    within = st.sampled_from(_of_interest(variable, near))
    return st.one_of(*[within] * _WITHIN, st.sampled_from(beyond))


def _of_interest(variable: Variable, near: Sequence[int]) -> list[Any]:
    """Return the values explored, the largest, those at the machine's limits, and another id."""
    explored = list(given_domain(variable))
    match variable:
        case Count():
            largest = variable.maximum.actual
            return sorted({*explored, largest, *(n for n in near if 0 <= n <= largest)})
        case Identity():
            return [*explored, "another id"]
        case _:
            return explored


def _limits(machine: Machine) -> list[int]:
    """Return the actual values of the bounds that guards read, and the numbers just beyond."""
    found = {
        n.actual for item in machine.all_rows() for n in nodes(item.guard) if isinstance(n, Bound)
    }
    return sorted(found | {limit + 1 for limit in found})


_WITHIN: Final = 5
"""So many arguments are from the domain for each that is not."""


def _itself(verb: Verb) -> Callable[..., Alternatives]:
    def asks(*arguments: Any) -> Alternatives:
        return (((verb.name, arguments),),)

    return asks


def _where(here: Configuration) -> str:
    return f"{here.phase} {here.values}" if here.values else here.phase
