"""The explorer: what it counts, what it finds, and how it says so."""

import pkgutil
from collections.abc import Callable

import msgspec
import pytest

from perdure import InvalidArgument, InvalidMachine
from perdure.machines import (
    Always,
    AlwaysPossible,
    Arg,
    Bound,
    Choice,
    Count,
    Flag,
    LeadsTo,
    Machine,
    Next,
    Property,
    Report,
    Sometimes,
    Var,
    Verb,
    check,
    compose,
    in_phase,
    instances,
    row,
)
from perdure.machines.checker.check import WhenNumpy
from tests.support.reference_model import REFERENCE, looking_across

ENGINES: tuple[WhenNumpy, ...] = ("never", "always")
COUNTS = {1: (44, 240, 7), 2: (1_936, 21_033, 14), 3: (85_184, 1_388_113, 21)}
ACROSS = {1: (44, 240), 2: (1_180, 11_025), 3: (30_752, 401_857)}


def counts(report: Report) -> tuple[int, int, int]:
    return report.states, report.transitions, report.depth


@pytest.mark.parametrize("numpy", ENGINES)
@pytest.mark.parametrize("number", COUNTS)
def test_the_reference_model_has_the_states_that_every_checker_finds(
    number: int, numpy: WhenNumpy
) -> None:
    properties = None if number < 3 else ()
    report = check(REFERENCE, instances=number, properties=properties, numpy=numpy)
    assert counts(report) == COUNTS[number]
    assert report.ok, str(report)


@pytest.mark.thorough
def test_four_instances_are_explored_within_a_small_part_of_the_memory_allowed() -> None:
    report = check(REFERENCE, instances=4, memory_bytes=1 << 29)
    assert counts(report) == (3_748_096, 81_435_905, 28)
    assert report.ok, str(report)


@pytest.mark.parametrize("numpy", ENGINES)
@pytest.mark.parametrize("number", ACROSS)
def test_guards_that_look_across_instances_are_explored_exactly(
    number: int, numpy: WhenNumpy
) -> None:
    report = check(looking_across(number), numpy=numpy)
    assert (report.states, report.transitions) == ACROSS[number]
    assert report.ok, str(report)


PENDING = Var("pending")
RUNNING, ARCHIVED = in_phase("running"), in_phase("archived")


def found(item: Property, numpy: WhenNumpy = "never") -> list[str]:
    """Return the verbs of the shortest way to break a property, none if it holds."""
    report = check(REFERENCE, properties=[item], numpy=numpy)
    assert report.ok is not bool(report.violations)
    return [str(m.verb) for one in report.violations for m in one.path[1:]]


@pytest.mark.parametrize("numpy", ENGINES)
@pytest.mark.parametrize(
    ("item", "path"),
    [
        (Always("never full", PENDING < 2), ["register", "enqueue", "enqueue"]),
        (Always("two at most", PENDING <= 2), []),
        (
            Always("pending never falls", Next("pending") >= PENDING),
            ["register", "enqueue", "start", "commit"],
        ),
        (Always("failing keeps pending", Next("pending").equals(PENDING), on=("fail",)), []),
        (
            Always("nothing is enqueued while running", ~RUNNING, on=("enqueue",)),
            ["register", "enqueue", "start", "enqueue"],
        ),
        (AlwaysPossible("an end", ARCHIVED), []),
        (AlwaysPossible("idle again", in_phase("idle")), ["register", "retire"]),
        (AlwaysPossible("idle again, from idle", in_phase("idle"), in_phase("idle")), []),
        (
            AlwaysPossible("idle again, from running", in_phase("idle"), RUNNING),
            ["register", "enqueue", "start", "retire"],
        ),
    ],
)
def test_the_shortest_way_to_break_a_property_is_found(
    item: Property, path: list[str], numpy: WhenNumpy
) -> None:
    broken = found(item, numpy)
    assert len(broken) == len(path)  # there may be several that are as short
    if numpy == "never":
        assert broken == path


INITIALLY = (
    "phase=unregistered",
    "cancel_requested=no",
    "gate=armed",
    "pending=0",
    "return_to=none",
)


def test_a_violation_is_told_as_verbs_and_what_each_changed() -> None:
    report = check(REFERENCE, properties=[Always("never running", ~RUNNING)])
    assert str(report.violations[0]).splitlines() == [
        "never running (always: not (phase = running))",
        f"  0. initially: {', '.join(INITIALLY)}",
        "  1. register(): phase=idle",
        "  2. enqueue(): pending=1",
        "  3. start(): phase=running, return_to=idle",
        "the last state breaks it",
    ]


def test_what_is_never_witnessed_fails_the_check() -> None:
    report = check(REFERENCE, properties=[Sometimes("both", RUNNING & ARCHIVED)])
    assert (report.ok, report.unwitnessed, report.witnessed) == (False, ("both",), ())
    report = check(REFERENCE, properties=[Sometimes("one", RUNNING)])
    assert (report.ok, report.unwitnessed, report.witnessed) == (True, (), ("one",))


LIMIT = Bound("limit", actual=9, checked=2)


def counting(*, guarded: bool, stuck: bool = False) -> Machine:
    """Return a machine that counts, up to its bound or beyond, and may get stuck."""
    count = Var("count")
    return Machine(
        name="counting",
        phases=("open", "closing", "closed"),
        initial="open",
        final=("closed",),
        variables=(Count("count", LIMIT), Flag("jammed")),
        verbs=(Verb("add", (Count("by", LIMIT),)),),
        rows=(
            row(
                "add",
                "open",
                guard=(count + Arg("by") <= LIMIT) if guarded else count <= LIMIT,
                updates={"count": count + Arg("by")},
            ),
            row("jam", "open", updates={"jammed": True}),
            row("close", "open", "closing"),
            row("finish", "closing", "closed", guard=~Var("jammed") if stuck else count >= 0),
            row("give_up", "closing", guard=count > LIMIT),
        ),
    )


@pytest.mark.parametrize("numpy", ENGINES)
def test_an_update_that_leaves_its_domain_is_a_violation(numpy: WhenNumpy) -> None:
    report = check(counting(guarded=False), numpy=numpy)
    (violation,) = report.violations
    assert violation.property == "count stays within 0..2"
    assert [(m.verb, m.arguments) for m in violation.path[1:]] == [
        ("add", {"by": 1}),
        ("add", {"by": 2}),
    ]
    assert violation.path[-1].state["count"] == 3
    assert not check(counting(guarded=True), numpy=numpy).violations


@pytest.mark.parametrize("numpy", ENGINES)
def test_a_state_in_which_nothing_can_happen_and_that_is_not_final_is_a_violation(
    numpy: WhenNumpy,
) -> None:
    (violation,) = check(counting(guarded=True, stuck=True), numpy=numpy).violations
    assert violation.property == "nothing gets stuck"
    assert [m.verb for m in violation.path] == [None, "jam", "close"]


@pytest.mark.parametrize("numpy", ENGINES)
def test_a_row_that_never_fires_fails_the_check(numpy: WhenNumpy) -> None:
    report = check(counting(guarded=True), numpy=numpy)
    assert report.unfired == ("give_up: closing → closing if count > limit",)
    assert not report.ok
    assert not report.violations


@pytest.mark.parametrize("numpy", ENGINES)
def test_a_limit_of_states_is_no_pass(numpy: WhenNumpy) -> None:
    report = check(REFERENCE, instances=2, max_states=1_935, numpy=numpy)
    assert (report.ok, report.incomplete) == (False, "more than 1,935 states")
    assert not report.unfired
    assert check(REFERENCE, instances=2, max_states=1_936, numpy=numpy).ok


@pytest.mark.parametrize("numpy", ENGINES)
def test_a_limit_of_memory_is_no_pass(numpy: WhenNumpy) -> None:
    report = check(REFERENCE, instances=3, properties=(), memory_bytes=1 << 20, numpy=numpy)
    assert not report.ok
    assert str(report.incomplete).startswith("more than 1,048,576 bytes, at ")


def test_progress_is_told_while_the_search_goes_on() -> None:
    told: list[tuple[int, int]] = []
    check(REFERENCE, instances=2, progress=lambda *so_far: told.append(so_far))
    assert [depth for _, depth in told] == sorted(depth for _, depth in told)
    assert told[-1][0] == 1_936


def test_only_a_single_machine_has_instances() -> None:
    with pytest.raises(InvalidArgument, match="composed already"):
        check(instances(REFERENCE, 2), instances=2)
    with pytest.raises(InvalidArgument, match="no 0 instances"):
        check(REFERENCE, instances=0)


def test_a_property_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidMachine, match="nonsense"):
        check(REFERENCE, properties=[Always("of nothing", Var("nonsense"))])


def draining(*fair: str) -> Machine:
    """Return a machine that works off what is pending, unless it rests for ever."""
    return Machine(
        name="draining",
        phases=("busy", "resting", "done"),
        initial="busy",
        final=("done",),
        rows=(
            row("work", "busy", "done"),
            row("rest", "busy", "resting"),
            row("wake", "resting", "busy"),
            row("look", ("busy", "resting")),
        ),
        properties=(LeadsTo("it gets done", in_phase("busy"), in_phase("done")),),
        fair=fair,
    )


@pytest.mark.parametrize(
    ("fair", "verbs", "said"),
    [
        ((), [], "from here, nothing has to happen any more"),
        (("work",), [], "from here, this can go on for ever: rest, wake"),
        (("wake",), [], "from here, nothing has to happen any more"),
        (("work", "wake"), [], "from here, this can go on for ever: rest, wake"),
        (("look",), [], "from here, nothing has to happen any more"),
    ],
)
def test_what_leads_to_something_is_only_owed_what_is_fair(
    fair: tuple[str, ...], verbs: list[str], said: str
) -> None:
    (violation,) = check(draining(*fair)).violations
    assert [m.verb for m in violation.path[1:]] == verbs
    assert violation.explanation == said


def test_what_is_fair_and_stays_possible_happens_at_last() -> None:
    machine = Machine(
        name="line",
        phases=("a", "b", "c"),
        initial="a",
        final=("c",),
        rows=(row("on", "a", "b"), row("on", "b", "c"), row("look", ("a", "b"))),
        properties=(LeadsTo("it ends", in_phase("a"), in_phase("c")),),
        fair=("on",),
    )
    assert check(machine).ok


@pytest.mark.parametrize("numpy", ENGINES)
def test_what_a_row_would_write_is_asked_only_where_the_row_may_fire(numpy: WhenNumpy) -> None:
    word = Choice("word", ("a", "b"))
    told = Machine(
        name="told",
        phases=("deaf", "open", "done"),
        initial="deaf",
        final=("done",),
        variables=(word,),
        verbs=(Verb("hear", (word,)),),
        rows=(
            row("wake", "deaf", "open"),
            row("hear", "open", updates={"word": Arg("word")}),
            row("finish", "open", "done"),
        ),
    )
    teller = Machine(
        name="teller",
        phases=("quiet", "done"),
        initial="quiet",
        final=("done",),
        variables=(Choice("word", ("a", "b"), "b"),),
        rows=(row("stop", "quiet", "done"),),
    )
    model = compose("telling", {"one": told, "two": teller})
    heard = ("one.word", Var("two.word"))
    copying = [
        msgspec.structs.replace(action, updates=(heard,)) if action.name == "one.hear" else action
        for action in model.actions
    ]
    report = check(msgspec.structs.replace(model, actions=tuple(copying)), numpy=numpy)
    assert report.ok, str(report)
    assert report.states == 5 * 2


def test_what_leads_to_something_is_judged_within_the_memory_and_tells_progress() -> None:
    model = instances(REFERENCE, 2)
    pending = Var("reference1.pending")
    drains = [LeadsTo("it drains", pending > 0, pending.equals(0))]
    limit = 500_000
    told: dict[bool, list[tuple[int, int]]] = {False: [], True: []}

    def progress(judged: bool) -> Callable[[int, int], None]:
        return lambda states, depth: told[judged].append((states, depth))

    assert check(model, properties=[], memory_bytes=limit, progress=progress(judged=False)).ok
    report = check(model, properties=drains, memory_bytes=limit)
    assert not report.ok
    assert report.violations == ()
    assert str(report.incomplete).startswith("more than 500,000 bytes, at ")
    assert not check(model, properties=drains, progress=progress(judged=True)).incomplete
    assert len(told[True]) > len(told[False])


@pytest.mark.parametrize("numpy", ENGINES)
def test_what_is_promised_of_what_never_is_promises_nothing(numpy: WhenNumpy) -> None:
    never = RUNNING & ARCHIVED
    promised: list[Property] = [
        AlwaysPossible("it ends", ARCHIVED, never),
        LeadsTo("it runs", never, RUNNING),
    ]
    report = check(REFERENCE, properties=promised, numpy=numpy)
    given = "given phase = running and phase = archived"
    assert report.unwitnessed == (f"it ends: {given}", f"it runs: {given}")
    assert (report.ok, report.violations, report.witnessed) == (False, (), ())
    assert f"never witnessed: it ends: {given}" in str(report)
    assert check(REFERENCE, properties=[AlwaysPossible("it ends", ARCHIVED, RUNNING)]).ok


@pytest.mark.parametrize(
    ("numpy", "asking"),
    [
        ("never", "liveness.LongRun._onwards"),
        ("always", "search_numpy.NumpySearch._hopeless"),
    ],
)
def test_what_stays_possible_far_away_is_found_in_a_few_sweeps(
    numpy: WhenNumpy, asking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    high = Bound("high", actual=200, checked=200)
    level = Var("level")
    tower = Machine(
        name="tower",
        phases=("inside", "gone"),
        initial="inside",
        final=("gone",),
        variables=(Count("level", high),),
        rows=(
            row("climb", "inside", guard=level < high, updates={"level": level + 1}),
            row("descend", "inside", guard=level > 0, updates={"level": level - 1}),
            row("leave", "inside", "gone", guard=level.equals(0)),
        ),
        properties=(AlwaysPossible("one can leave", in_phase("gone")),),
    )
    asked = 0
    name = f"perdure.machines.checker.{asking}"
    original = pkgutil.resolve_name(name)

    def counting(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        return original(*arguments)

    monkeypatch.setattr(name, counting)
    report = check(tower, numpy=numpy)
    assert report.ok
    assert report.states < asked < 4 * report.states


def test_a_way_to_search_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="'sometimes', and none of auto, always, never"):
        check(REFERENCE, numpy="sometimes")  # type: ignore[arg-type]
