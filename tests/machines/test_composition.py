"""Several machines side by side: what steps, what steps together, and what cannot be built."""

import math
from collections.abc import Callable

import pytest

from perdure import InvalidMachine
from perdure.machines import (
    Always,
    Arg,
    Bound,
    Choice,
    Count,
    Flag,
    Machine,
    Model,
    Next,
    Sometimes,
    Synchronisation,
    Var,
    Verb,
    at_most_one,
    check,
    compose,
    every,
    in_phase,
    instances,
    row,
    some,
    within,
)
from perdure.machines.language.expressions import TRUE, Expression
from perdure.machines.language.properties import Property
from tests.support.reference_model import REFERENCE

SEATS = Bound("seats", actual=100, checked=2)


def switch(name: str = "switch") -> Machine:
    return Machine(
        name=name,
        phases=("off", "on", "gone"),
        initial="off",
        final=("gone",),
        rows=(row("flip", "off", "on"), row("flip", "on", "off"), row("drop", "off", "gone")),
    )


def counter() -> Machine:
    return Machine(
        name="counter",
        phases=("open", "closed"),
        initial="open",
        final=("closed",),
        variables=(Count("held", SEATS), Flag("full")),
        verbs=(Verb("take", (Count("many", SEATS),)),),
        rows=(
            row("take", "open", guard=Var("held") < SEATS, updates={"held": Var("held") + 1}),
            row("close", "open", "closed", guard=Var("held").equals(0)),
            row("give", "open", guard=Var("held") > 0, updates={"held": Var("held") - 1}),
        ),
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_instances_that_share_nothing_multiply(count: int) -> None:
    report = check(switch(), instances=count)
    assert report.states == 3**count
    assert report.transitions == 1 + count * 3 * 3 ** (count - 1)
    assert report.ok


def test_a_step_of_one_part_changes_no_other() -> None:
    names = ("reference1", "reference2")
    still = tuple(
        Next(f"{names[1]}.{name}").equals(Var(f"{names[1]}.{name}"))
        for name in ("phase", "pending", "gate", "cancel_requested", "return_to")
    )
    verbs = tuple(f"{names[0]}.{verb.name}" for verb in REFERENCE.verbs)
    untouched = still[0] & still[1] & still[2] & still[3] & still[4]
    model = instances(REFERENCE, 2)
    assert check(model, properties=[Always("the other stays", untouched, on=verbs)]).ok
    moved = Always("the other stays", untouched, on=("reference2.enqueue",))
    assert len(check(model, properties=[moved]).violations) == 1


def test_verbs_that_are_joined_happen_in_one_step_and_never_alone() -> None:
    model = compose(
        "pair",
        {"one": switch(), "two": switch()},
        together=[Synchronisation(name="both_flip", verbs={"one": "flip", "two": "flip"})],
        properties=[
            Always(
                "both are on at once",
                every(("one", "two"), in_phase("on")) | ~some(("one", "two"), in_phase("on")),
            )
        ],
    )
    report = check(model)
    assert not report.violations
    assert report.states == 5  # off off, on on, and gone with off either way, and both gone
    assert {"both_flip"} < {action.name for action in model.actions}
    assert not {"one.flip", "two.flip"} & {action.name for action in model.actions}


def test_a_condition_may_look_across_parts() -> None:
    names = ("one", "two")
    model = compose(
        "guarded",
        dict.fromkeys(names, switch()),
        together=[
            Synchronisation(
                name=f"flip_{name}",
                verbs={name: "flip"},
                when=~within(other, in_phase("on")),
            )
            for name, other in (names, names[::-1])
        ],
        properties=[Always("one on at a time", at_most_one(names, in_phase("on")))],
    )
    report = check(model)
    assert not report.violations
    assert report.ok
    assert report.states == 3 * 3 - 1  # all but both on


def test_parts_that_wait_for_each_other_get_stuck_and_that_is_found() -> None:
    model = compose(
        "waiting",
        {"one": switch(), "two": switch()},
        together=[
            Synchronisation(
                name="flip_one", verbs={"one": "flip"}, when=Var("two.phase").equals("off")
            )
        ],
    )
    (violation,) = check(model).violations
    assert violation.property == "nothing gets stuck"
    assert [m.verb for m in violation.path[1:]] == ["flip_one", "two.drop"]


def test_what_a_condition_adds_up_across_parts_is_exact() -> None:
    names = ("one", "two", "three")
    held = Var("one.held") + Var("two.held") + Var("three.held")
    model = compose(
        "shared seats",
        dict.fromkeys(names, counter()),
        together=[
            Synchronisation(name=f"take_{name}", verbs={name: "take"}, when=held < SEATS)
            for name in names
        ],
        properties=[Always("no more seats than there are", held <= SEATS)],
    )
    report = check(model)
    assert not report.violations
    # Each is closed, or open with some seats; the seats add up to two at most.
    expected = sum(math.comb(3, open_) * math.comb(2 + open_, open_) for open_ in range(4))
    assert report.states == expected


REFUSED: dict[str, tuple[Callable[[], Model], str]] = {
    "no parts": (lambda: compose("none", {}), "it has no parts"),
    "no such part": (
        lambda: compose(
            "m", {"one": switch()}, together=[Synchronisation(name="s", verbs={"two": "flip"})]
        ),
        "there is no part 'two'",
    ),
    "no such verb": (
        lambda: compose(
            "m", {"one": switch()}, together=[Synchronisation(name="s", verbs={"one": "flop"})]
        ),
        "part 'one' has no verb 'flop'",
    ),
    "no such place": (
        lambda: compose(
            "m", {"one": switch()}, properties=[Always("p", Var("two.phase").equals("on"))]
        ),
        "two.phase",
    ),
    "no such action": (lambda: compose("m", {"one": switch()}, fair=["two.flip"]), "two.flip"),
    "not interchangeable": (
        lambda: compose("m", {"one": switch(), "two": counter()}, interchangeable=[("one", "two")]),
        "'one' and 'two' are not interchangeable",
    ),
    "told apart by a property": (
        lambda: compose(
            "m",
            {"one": switch(), "two": switch()},
            properties=[Always("p", ~within("one", in_phase("gone")))],
            interchangeable=[("one", "two")],
        ),
        "not interchangeable",
    ),
    "interchangeable with nobody": (
        lambda: compose("m", {"one": switch()}, interchangeable=[("two", "three")]),
        "'two' is no part, or is said twice to be interchangeable",
    ),
    "interchangeable twice": (
        lambda: compose(
            "m",
            dict.fromkeys(("one", "two", "three"), switch()),
            interchangeable=[("one", "two"), ("two", "three")],
        ),
        "'two' is no part, or is said twice to be interchangeable",
    ),
    "two properties of one name": (
        lambda: compose(
            "m",
            {"one": switch()},
            properties=[Sometimes("p", within("one", in_phase(at))) for at in ("on", "gone")],
        ),
        "2 properties are named 'p'",
    ),
    "a step of nobody": (
        lambda: compose("m", {"one": switch()}, together=[Synchronisation(name="s", verbs={})]),
        "synchronisation 's' has no verbs",
    ),
    "no instances": (lambda: instances(switch(), 0), "0 instances"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_malformed_cannot_be_composed(case: str) -> None:
    build, complaint = REFUSED[case]
    with pytest.raises(InvalidMachine, match=complaint):
        build()


def worker(verbs: tuple[Verb, ...] = ()) -> Machine:
    return Machine(
        name="worker",
        phases=("waiting", "deploying", "done"),
        initial="waiting",
        final=("done",),
        verbs=verbs,
        rows=(row("lock", "waiting", "deploying"), row("release", "deploying", "done")),
    )


LOCK = Machine(
    name="lock",
    phases=("free", "held", "gone"),
    initial="free",
    final=("gone",),
    rows=(row("take", "free", "held"), row("give", "held", "free"), row("drop", "free", "gone")),
)


def sharing(*promised: Property, fair: tuple[str, ...] = ("release_w1", "release_w2")) -> Model:
    workers = ("w1", "w2")
    return compose(
        "pipeline",
        {**dict.fromkeys(workers, worker()), "lock": LOCK},
        together=[
            *(
                Synchronisation(name=f"lock_{one}", verbs={one: "lock", "lock": "take"})
                for one in workers
            ),
            *(
                Synchronisation(name=f"release_{one}", verbs={"lock": "give", one: "release"})
                for one in workers
            ),
            Synchronisation(
                name="drop", verbs={"lock": "drop"}, when=every(workers, in_phase("done"))
            ),
        ],
        properties=promised,
        fair=fair,
        interchangeable=[workers],
    )


def test_workers_that_share_a_lock_are_interchangeable() -> None:
    model = sharing(
        Always("one deploys at a time", at_most_one(("w1", "w2"), in_phase("deploying"))),
        *(
            Always(
                f"{one} waits for the other",
                ~within(two, in_phase("deploying")),
                on=(f"lock_{one}",),
            )
            for one, two in (("w1", "w2"), ("w2", "w1"))
        ),
    )
    whole, reduced = check(model), check(model, symmetry=True)
    assert whole.violations == reduced.violations == ()
    assert whole.unfired == reduced.unfired == ()
    assert reduced.states < whole.states


def test_what_tells_parts_apart_is_named() -> None:
    alone = Always("the first is alone", ~within("w2", in_phase("deploying")), on=("lock_w1",))
    with pytest.raises(InvalidMachine, match="property 'the first is alone' has no counterpart"):
        sharing(alone)
    with pytest.raises(InvalidMachine, match="fairness of release_w1 has no counterpart"):
        sharing(fair=("release_w1",))


def choosing(first: str) -> Machine:
    return Machine(
        name="choosing",
        phases=("open", "closed"),
        initial="open",
        final=("closed",),
        variables=(Choice("word", ("a", "b")),),
        verbs=(Verb("choose", (Choice("chosen", (first,)),)),),
        rows=(
            row("choose", "open", updates={"word": Arg("chosen")}),
            row("close", "open", "closed"),
        ),
    )


def test_parts_that_can_be_given_different_values_are_not_interchangeable() -> None:
    parts = {"one": choosing("a"), "two": choosing("b")}
    with pytest.raises(InvalidMachine, match="step «one: choose: open → open then word"):
        compose("m", parts, interchangeable=[("one", "two")])


@pytest.mark.parametrize(
    "said",
    [
        Var("w1.phase").equals("done") & Var("w2.phase").equals("done") & TRUE,
        TRUE & (Var("w2.phase").equals("done") & Var("w1.phase").equals("done")),
        Var("w1.phase").equals(Var("w2.phase")),
    ],
)
def test_order_and_nesting_tell_no_parts_apart(said: Expression) -> None:
    assert sharing(Sometimes("both", said)).interchangeable
