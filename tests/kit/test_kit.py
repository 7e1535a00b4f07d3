"""The kit for lifecycles of one's own finds what is wrong, and only that."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import perdure.testing
from perdure.errors import IllegalTransition, InvalidMachine
from perdure.machines import Always, Arg, Authority, Configuration, Next, Var, implies
from perdure.testing import (
    BoundReached,
    DeclaredOperation,
    MachineTest,
    check_refinement,
    machine_test,
    validate_trace,
)
from tests.support.door import CALLS, DOOR, Call, Door, TheDoor, a_door, decide_door, evolve_door

# Traces


def test_a_legal_log_is_legal_and_says_where_it_ends() -> None:
    trace = validate_trace(DOOR, ["shut", ("lock", ["a"]), ("unlock", ("a",)), ("remove", ())])
    assert trace.ok
    assert (trace.configuration, trace.events, trace.finished) == (
        Configuration("gone", (None,)),
        4,
        True,
    )
    assert str(trace) == "4 events, all legal; it ends gone"


def test_the_first_event_that_is_no_legal_move_is_named_with_what_was_allowed() -> None:
    trace = validate_trace(DOOR, ["shut", ("lock", ["a"]), ("unlock", ["b"]), "nonsense"])
    assert not trace.ok
    assert trace.configuration == Configuration("locked", ("a",))
    found = trace.illegal
    assert found is not None
    assert (found.index, found.verb, found.arguments, found.phase) == (
        2,
        "unlock",
        ("b",),
        "locked",
    )
    assert found.allowed == ("unlock",)
    assert found.because == "that needs key = given key; key is a"
    assert str(trace) == (
        "event 2: cannot unlock door: it is locked (that needs key = given key; key is a); "
        "allowed: unlock"
    )


@pytest.mark.parametrize(
    ("event", "because"),
    [
        ("slam", "there is no verb 'slam'"),
        (("shut", ["now"]), "it takes no arguments, and is given 1"),
        ("lock", "it takes key, and is given 0"),
        (("lock", [7]), "key cannot be 7"),
        (("lock", [None]), "key cannot be None"),
        (("lock", [""]), "key cannot be ''"),
    ],
)
def test_what_is_no_move_at_all_is_a_finding_too(event: Any, because: str) -> None:
    found = validate_trace(DOOR, ["shut", event]).illegal
    assert found is not None
    assert (found.index, found.because) == (1, because)


def test_an_event_may_stand_for_several_steps_or_none() -> None:
    logged = {"slammed": (("open", ()), ("shut", ())), "looked at": ()}
    trace = validate_trace(
        Authority(DOOR),
        ["looked at", "slammed"],
        steps=logged.__getitem__,
        start=Configuration("shut", (None,)),
    )
    assert (trace.ok, trace.events, trace.configuration.phase) == (True, 2, "shut")
    illegal = validate_trace(DOOR, ["slammed"], steps=logged.__getitem__)
    assert str(illegal).startswith("event 0: cannot open door: it is open")
    assert illegal.configuration == Authority(DOOR).initial


def test_what_is_neither_a_verb_nor_a_pair_is_refused() -> None:
    with pytest.raises(TypeError, match="42 is neither a verb nor"):
        validate_trace(DOOR, [42])


# Refinement


def problems(**changes: Any) -> str:
    return "\n".join(check_refinement(DOOR, a_door(**changes)).problems)


def test_a_faithful_implementation_takes_every_row() -> None:
    found = check_refinement(DOOR, a_door())
    assert (found.problems, found.untaken) == ((), ())
    assert (found.states, len(found.taken)) == (5, 6)


def test_what_no_verb_can_be_given_at_all_is_refused_and_no_error() -> None:
    odd: Any = ("unlock", (["a"],))
    found = check_refinement(DOOR, a_door(commands=lambda _: (*CALLS, odd)))
    assert (found.problems, found.untaken) == ((), ())


def any_key(door: Door, call: Call) -> tuple[Call, ...]:
    return (call,) if (door[0], call[0]) == ("locked", "unlock") else decide_door(door, call)


def never_removed(door: Door, call: Call) -> tuple[Call, ...]:
    return decide_door(door, ("unlock", ("?",)) if call[0] == "remove" else call)


def does_nothing(door: Door, call: Call) -> tuple[Call, ...]:
    return () if decide_door(door, call) and call[0] == "lock" else (call,)


def twice(door: Door, call: Call) -> tuple[Call, ...]:
    decided = decide_door(door, call)
    return (*decided, ("open", ())) if call[0] == "shut" else decided


def keeps_the_key(door: Door, call: Call) -> Door:
    phase, key, moves = evolve_door(door, call)
    return phase, door[1] if call[0] == "unlock" else key, moves


def jams(door: Door, call: Call) -> tuple[Call, ...]:
    if door[2] > 1:
        raise IllegalTransition(machine="door", subject="it", verb="", phase=door[0], allowed=())
    return decide_door(door, call)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"decide": any_key}, "it does unlock(b) where no such move is legal: locked ('a',)"),
        ({"decide": never_removed}, "it refuses remove, which is legal"),
        ({"decide": never_removed}, "no concrete step takes «remove: open → gone»"),
        ({"decide": does_nothing}, "it does nothing, but lock(a) changes something"),
        ({"decide": twice}, "it was asked for shut and did shut then open"),
        ({"evolve": keeps_the_key}, "unlock(a) leads to shut (None,), not shut ('a',)"),
        (
            {"steps": lambda _: (("slam", ()),)},
            "slam from open (None,) is 0 declared rows, not one",
        ),
        ({"initial": [("shut", None, 0)]}, "it begins shut (None,), as the declaration does not"),
        ({"decide": jams}, "the same to the abstraction answers differently"),
    ],
)
def test_an_unfaithful_implementation_is_found(changes: dict[str, Any], complaint: str) -> None:
    assert complaint in problems(**changes)


def test_a_value_outside_its_domain_is_found() -> None:
    smith = [*CALLS, ("lock", ("forged",))]
    found = check_refinement(DOOR, a_door(commands=lambda _: smith), checked=True).problems
    assert found[0] == "after shut → lock(forged): key is 'forged', which is outside its domain"


def test_a_problem_says_the_shortest_way_there() -> None:
    first = check_refinement(DOOR, a_door(decide=any_key)).problems[0]
    assert first.startswith("after shut → lock(a) → unlock(b): ")


def test_reaching_the_bound_proves_nothing() -> None:
    endless = a_door(abstraction=lambda door: door)
    with pytest.raises(BoundReached, match="more than 50 abstract states"):
        check_refinement(DOOR, endless, max_states=50)


def test_an_excuse_for_a_row_that_is_not_there_is_found() -> None:
    (problem,) = check_refinement(DOOR, a_door(), not_reached={"kick": "nobody does"}).problems
    assert problem == "«kick» is listed as not reached (nobody does), but there is no such row"


# Generated tests


def run(test: type[MachineTest], max_examples: int = 150) -> type[MachineTest]:
    budget = settings(
        max_examples=max_examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(test, settings=budget)
    return test


def test_a_faithful_object_passes_and_every_verb_was_done_and_refused() -> None:
    test = run(machine_test(DOOR, TheDoor), max_examples=60)
    verbs = {verb.name for verb in DOOR.verbs}
    assert set(test.accepted) == set(test.refused) == verbs
    assert set(test.taken) == set(DOOR.all_rows())


async def _made_later() -> TheDoor:
    return TheDoor()


def test_the_system_may_be_made_and_asked_asynchronously() -> None:
    assert run(machine_test(DOOR, _made_later), max_examples=10).accepted["open"]


class AnyKey(TheDoor):
    def unlock(self, key: str) -> None:
        self._do("unlock", *(self.door[1:2] if self.door[1] else (key,)))  # type: ignore[arg-type]


class Stuck(TheDoor):
    def remove(self) -> None:
        raise IllegalTransition(machine="door", subject="it", verb="remove", phase="", allowed=())


class Forgetful(TheDoor):
    def lock(self, key: str) -> None:
        super().lock(key)
        self.door = ("locked", None, 0)


class TakesAnything(TheDoor):
    def lock(self, key: str) -> None:
        self._do("lock", key)


@pytest.mark.parametrize(
    ("system", "complaint"),
    [
        (AnyKey, "unlock\\(.*\\) is not legal where the machine is locked"),
        (Stuck, "remove is legal where the machine is .*, but the system refused remove"),
        (Forgetful, "the system says .*'key': None.*, the model .*'key': '"),
        (TakesAnything, "lock\\(\\) is not legal where the machine is shut"),
    ],
)
def test_an_unfaithful_object_is_found(system: type[TheDoor], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        run(machine_test(DOOR, system))


def test_what_the_system_lacks_and_what_the_machine_lacks_is_named() -> None:
    class Doorless:
        def shut(self) -> None: ...

    class Misspelt(TheDoor):
        def observe(self) -> Any:
            return {"phse": "open"}

    with pytest.raises(
        AttributeError, match=r"Doorless has no lock, open, .*each verb is a method"
    ):
        run(machine_test(DOOR, Doorless))
    with pytest.raises(AssertionError, match="tells of 'phse'; door holds phase, key"):
        run(machine_test(DOOR, Misspelt))


def test_an_error_that_is_no_refusal_fails_the_test() -> None:
    class Broken(TheDoor):
        def shut(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(machine_test(DOOR, Broken))


@pytest.mark.parametrize(
    "broken",
    [
        Always("it is never locked", Var("phase").differs("locked")),
        Always("the key never changes", Next("key").equals(Var("key"))),
        Always("no key unlocks it", Arg("key").differs(Var("key")), on=("unlock",)),
    ],
)
def test_a_property_that_does_not_hold_is_found(broken: Always) -> None:
    machine = msgspec.structs.replace(DOOR, properties=(broken,))
    with pytest.raises(AssertionError, match=f"'{broken.name}' does not hold"):
        run(machine_test(machine, TheDoor))


def test_properties_that_hold_are_no_obstacle() -> None:
    locked = Var("phase").equals("locked")
    held = (
        Always("locked with some key", implies(locked, Var("key").differs(None))),
        Always("unlocking forgets the key", Next("key").equals(None), on=("unlock",)),
    )
    run(machine_test(msgspec.structs.replace(DOOR, properties=held), TheDoor), max_examples=40)


class Slammed(TheDoor):
    def slam(self) -> None:
        if self.door[0] == "open":
            self._do("shut")
        self._do("lock", "a")


SLAM = DeclaredOperation(asks=lambda: ((("shut", ()), ("lock", ("a",))), (("lock", ("a",)),)))


def test_an_operation_stands_for_the_first_of_its_alternatives_that_is_legal() -> None:
    test = run(machine_test(DOOR, Slammed, operations={"slam": SLAM}), max_examples=40)
    assert test.accepted["slam"]
    wrong = DeclaredOperation(asks=lambda: ((("shut", ()),),))
    with pytest.raises(AssertionError):
        run(machine_test(DOOR, Slammed, operations={"slam": wrong}))


class NoLock:
    shut, open, remove, observe = TheDoor.shut, TheDoor.open, TheDoor.remove, TheDoor.observe
    __init__, _do = TheDoor.__init__, TheDoor._do


def test_a_verb_without_a_method_is_listed_with_its_reason() -> None:
    reasons = dict.fromkeys(("lock", "unlock"), "there is no lock on it")
    run(machine_test(DOOR, NoLock, not_bound=reasons), max_examples=40)
    with pytest.raises(AttributeError, match="lock"):
        run(machine_test(DOOR, NoLock))


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [("lock", "the system has it"), ("slam", "is no verb of the machine")],
)
def test_the_list_of_what_is_not_bound_cannot_go_stale(listed: str, complaint: str) -> None:
    with pytest.raises(InvalidMachine, match=complaint):
        machine_test(DOOR, TheDoor, not_bound={listed: "not yet"})


def test_the_public_names_of_the_kit_are_these() -> None:
    assert perdure.testing.__all__ == [
        "NOW",
        "SESSION_ID",
        "Alternatives",
        "BoundReached",
        "Concrete",
        "DeclaredOperation",
        "IllegalMove",
        "MachineTest",
        "Refinement",
        "Scenario",
        "Steps",
        "StoreConformance",
        "Trace",
        "check_refinement",
        "given",
        "machine_test",
        "register",
        "scripted_environment",
        "turn",
        "validate_trace",
    ]
    assert all(hasattr(perdure.testing, name) for name in perdure.testing.__all__)


def test_given_when_then_needs_no_hypothesis() -> None:
    script = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from perdure.testing import given, validate_trace, check_refinement\n"
        "try:\n    from perdure.testing import machine_test\n"
        "except ImportError:\n    print('only that')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "only that\n"
