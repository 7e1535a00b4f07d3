"""Interchangeable parts may be counted once; what is found is the same."""

import math

import pytest

from perdure import Unsupported
from perdure.machines import (
    PHASE,
    Always,
    AlwaysPossible,
    LeadsTo,
    Machine,
    Property,
    Report,
    Sometimes,
    Synchronisation,
    Var,
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
from perdure.machines.checker.check import WhenNumpy
from tests.support.reference_model import REFERENCE

NAMES = ("reference1", "reference2")
RUNNING = in_phase("running")
ENGINES: tuple[WhenNumpy, ...] = ("never", "always")


@pytest.mark.parametrize(
    ("count", "numpy"), [(2, "never"), (3, "never"), (2, "always"), (3, "always"), (4, "always")]
)
def test_independent_instances_have_as_many_orbits_as_multisets(
    count: int, numpy: WhenNumpy
) -> None:
    report = check(REFERENCE, instances=count, properties=(), symmetry=True, numpy=numpy)
    assert report.states == math.comb(44 + count - 1, count)
    assert report.depth == 7 * count
    assert report.ok
    assert report.reduced


@pytest.mark.parametrize("numpy", ENGINES)
@pytest.mark.parametrize(
    "properties",
    [
        (Always("at most one runs", at_most_one(NAMES, RUNNING)),),
        tuple(Always(f"{name} never runs", ~within(name, RUNNING)) for name in NAMES),
        tuple(Sometimes(f"{name} runs alone", within(name, RUNNING)) for name in NAMES),
        (Sometimes("all run", every(NAMES, RUNNING)),),
        (AlwaysPossible("all can be archived", every(NAMES, in_phase("archived"))),),
        tuple(AlwaysPossible(n, within(n, in_phase("archived"))) for n in NAMES),
        tuple(AlwaysPossible(n, within(n, in_phase("idle"))) for n in NAMES),
        (AlwaysPossible("all are idle again", every(NAMES, in_phase("idle"))),),
    ],
)
def test_the_verdict_is_the_same_with_symmetry_and_without(
    properties: tuple[Property, ...], numpy: WhenNumpy
) -> None:
    model = instances(REFERENCE, 2, properties=properties)
    whole = check(model, properties=properties, numpy=numpy)
    reduced = check(model, properties=properties, numpy=numpy, symmetry=True)
    assert reduced.ok is whole.ok
    assert reduced.states < whole.states / 1.9
    assert shortest(reduced) == shortest(whole)
    assert (reduced.witnessed, reduced.unwitnessed) == (whole.witnessed, whole.unwitnessed)


def shortest(report: Report) -> list[int]:
    return [len(violation.path) for violation in report.violations[:1]]


@pytest.mark.parametrize("numpy", ENGINES)
def test_the_path_under_symmetry_really_happens(numpy: WhenNumpy) -> None:
    all_archived = every(NAMES, in_phase("archived"))
    model = instances(REFERENCE, 2)
    never = Always("never all archived", ~all_archived)
    (violation,) = check(model, properties=[never], symmetry=True, numpy=numpy).violations
    assert len(violation.path) == 1 + 3 * 2
    for before, moment in zip(violation.path, violation.path[1:], strict=False):
        changed = {n for n, value in moment.state.items() if before.state[n] != value}
        assert {name.split(".")[0] for name in changed} == {str(moment.verb).split(".")[0]}
    assert all(violation.path[-1].state[f"{n}.{PHASE.name}"] == "archived" for n in NAMES)


def test_what_leads_to_something_is_refused_under_symmetry() -> None:
    pending = Var("reference1.pending")
    item = LeadsTo("it drains", pending > 0, pending.equals(0))
    with pytest.raises(Unsupported, match="'it drains' cannot be checked under symmetry"):
        check(instances(REFERENCE, 2), properties=[item], symmetry=True)


@pytest.mark.parametrize("numpy", ENGINES)
def test_the_path_ends_where_the_property_that_names_a_part_is_broken(numpy: WhenNumpy) -> None:
    promised = [Always(name, ~within(name, RUNNING)) for name in NAMES]
    report = check(instances(REFERENCE, 2), properties=promised, symmetry=True, numpy=numpy)
    assert report.violations
    for violation in report.violations:
        assert violation.path[-1].state[f"{violation.property}.phase"] == "running"
        assert violation.path[-2].state[f"{violation.property}.phase"] != "running"


@pytest.mark.parametrize("numpy", ENGINES)
def test_what_breaks_alike_for_several_parts_is_told_once_and_by_the_shortest_way(
    numpy: WhenNumpy,
) -> None:
    names = (*NAMES, "reference3")
    start = {one: tuple(f"{other}.start" for other in names if other != one) for one in names}
    promised = [
        *(Always(f"{one} never runs", ~within(one, RUNNING)) for one in names),
        *(Always(f"none starts by {one}", ~within(one, RUNNING), start[one]) for one in names),
        *(Always(f"{one} stays put", ~within(one, RUNNING), (f"{one}.fail",)) for one in names),
    ]
    model = instances(REFERENCE, 3)
    whole = check(model, properties=promised, numpy=numpy)
    reduced = check(model, properties=promised, symmetry=True, numpy=numpy)
    kinds = [{item.name for item in promised[n : n + 3]} for n in (0, 3, 6)]
    assert len(whole.violations) == 9
    assert len(reduced.violations) == 3
    for kind in kinds:
        (told,) = [one for one in reduced.violations if one.property in kind]
        ways = {len(one.path) for one in whole.violations if one.property in kind}
        assert {len(told.path)} == ways


def test_what_is_said_of_many_parts_alike_is_not_said_in_every_order() -> None:
    names = tuple(f"w{number}" for number in range(1, 15))
    worker = Machine(
        name="worker",
        phases=("waiting", "working", "done"),
        initial="waiting",
        final=("done",),
        rows=(row("begin", "waiting", "working"), row("end", "working", "done")),
    )
    model = compose(
        "workers",
        dict.fromkeys(names, worker),
        together=[
            Synchronisation(
                name=f"begin_{name}",
                verbs={name: "begin"},
                when=~some((one for one in names if one != name), in_phase("working")),
            )
            for name in names
        ],
        properties=[
            Sometimes("all are done", every(names, in_phase("done"))),
            Always("one works at a time", at_most_one(names, in_phase("working"))),
        ],
        interchangeable=[names],
    )
    report = check(model, symmetry=True)
    assert report.ok
    assert report.states == 14 + 15  # so many are done, and one of the others works or none does


@pytest.mark.parametrize("numpy", ENGINES)
@pytest.mark.parametrize("name", NAMES)
def test_a_property_that_names_one_part_is_judged_for_that_part(
    name: str, numpy: WhenNumpy
) -> None:
    model = instances(REFERENCE, 2)
    never = [Always("it never runs", ~within(name, RUNNING))]
    first = [Always("it never runs first", within(NAMES[0], RUNNING), on=(f"{NAMES[1]}.start",))]
    alone = [Sometimes("it runs", within(name, RUNNING))]

    assert check(model, properties=never, symmetry=True, numpy=numpy).violations
    assert check(model, properties=alone, symmetry=True, numpy=numpy).ok
    for promised in (never, alone):
        report = check(model, properties=promised, symmetry=True, numpy=numpy)
        assert not report.reduced
        assert report == check(model, properties=promised, numpy=numpy)
    assert "start" in {verb.name for verb in REFERENCE.verbs}
    assert check(model, properties=first, symmetry=True, numpy=numpy).violations


def test_parts_that_a_property_does_not_tell_apart_are_still_counted_once() -> None:
    model = instances(REFERENCE, 3)
    never = [Always("the first never runs", ~within("reference1", RUNNING))]
    report = check(model, properties=never, symmetry=True)
    assert [violation.property for violation in report.violations] == ["the first never runs"]
    assert report.reduced
    assert report.states == 44 * math.comb(44 + 1, 2)


def test_what_differs_only_in_how_it_is_written_is_the_same_for_every_part() -> None:
    running = [within(name, RUNNING) for name in NAMES]
    archived = [within(name, in_phase("archived")) for name in NAMES]
    one = Sometimes("the first alone", running[0] & archived[1])
    two = Sometimes("the second alone", archived[0] & running[1])
    model = instances(REFERENCE, 2, properties=(one, two))
    assert check(model, properties=(one, two), symmetry=True).witnessed == (one.name, two.name)
