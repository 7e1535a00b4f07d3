"""Joint steps: parts move at once, the verbs of one part in turn, and only where they can."""

import pytest

from perdure.errors import InvalidMachine
from perdure.machines import (
    Always,
    Arg,
    Bound,
    Choice,
    Count,
    LeftOut,
    Machine,
    Model,
    Next,
    Sometimes,
    Synchronisation,
    Var,
    Verb,
    check,
    compose,
    in_phase,
    row,
    within,
)
from perdure.machines.builtin.live_session import live
from perdure.machines.language.expressions import Expression

_MOST = Bound("most", actual=4, checked=4)
_presses = Var("presses")

LAMP = Machine(
    name="lamp",
    phases=("dark", "lit", "paused", "broken"),
    initial="dark",
    final=("broken",),
    variables=(Count("presses", _MOST), Choice("before", ("dark", "lit"))),
    verbs=(Verb("jump", (Count("by", _MOST),)),),
    rows=(
        row("press", "dark", "lit", guard=_presses < _MOST, updates={"presses": _presses + 1}),
        row("press", "lit", "dark", guard=_presses < _MOST, updates={"presses": _presses + 1}),
        row("pause", "dark", "paused", updates={"before": "dark"}),
        row("pause", "lit", "paused", updates={"before": "lit"}),
        row("resume", "paused", Var("before"), updates={"before": None}),
        row(
            "jump",
            "lit",
            guard=(_presses + Arg("by")) <= _MOST,
            updates={"presses": _presses + Arg("by")},
        ),
        row("crash", ("dark", "lit", "paused"), "broken"),
    ),
)


def together(*verbs: str, **changes: object) -> Model:
    """A lamp of which these verbs happen in one step."""
    step = Synchronisation(name="step", verbs={"lamp": verbs})
    return compose("lamps", {"lamp": LAMP}, together=[step], **changes)  # type: ignore[arg-type]


def rows_of(model: Model) -> list[tuple[str, ...]]:
    """The phases that each joint step moves through."""
    return [
        tuple(f"{item.verb} {item.source}" for _, item in action.rows)
        for action in model.actions
        if action.name == "step"
    ]


def test_the_verbs_of_one_part_happen_one_after_the_other() -> None:
    twice = together(
        "press",
        "press",
        properties=[
            Always(
                "two at a time", Next("lamp.presses").equals(Var("lamp.presses") + 2), ("step",)
            ),
            Always("there and back", Next("lamp.phase").equals(Var("lamp.phase")), ("step",)),
            Sometimes("all were used", Var("lamp.presses").equals(4)),
        ],
    )

    assert rows_of(twice) == [("press dark", "press lit"), ("press lit", "press dark")]
    report = check(twice)
    assert report.violations == ()
    assert report.unwitnessed == ()


def test_the_second_verb_is_asked_about_where_the_first_one_leads() -> None:
    thrice = together(
        *("press", "press", "press"),
        properties=[
            Always("there is room for all three", Var("lamp.presses") <= 1, ("step",)),
            Sometimes("three presses", Var("lamp.presses").equals(3)),
        ],
    )
    assert check(thrice).violations == ()

    jump = together("press", "jump")
    assert rows_of(jump) == [("press dark", "jump lit")]
    assert check(jump).violations == ()


def test_what_the_first_verb_writes_may_decide_what_the_second_asks() -> None:
    few = Bound("few", actual=1, checked=1)
    tank = Machine(
        name="tank",
        phases=("dry", "wet", "gone"),
        initial="dry",
        final=("gone",),
        variables=(Count("level", _MOST), Count("leaks", few)),
        rows=(
            row("leak", "dry", guard=Var("leaks") < few, updates={"leaks": Var("leaks") + 1}),
            row("fill", "dry", "wet", updates={"level": 4}),
            row("drain", "wet", "gone", guard=Var("level") > Var("leaks")),
        ),
    )
    step = Synchronisation(name="step", verbs={"tank": ("fill", "drain")})
    assert check(compose("tanks", {"tank": tank}, together=[step])).ok


def test_a_phase_that_is_returned_to_is_followed_to_each_phase_it_can_be() -> None:
    assert rows_of(together("pause", "resume", "press")) == [
        ("pause dark", "resume paused", "press dark"),
        ("pause lit", "resume paused", "press lit"),
    ]


def test_rows_that_can_never_happen_together_are_not_there() -> None:
    only_dark = Synchronisation(
        name="step", verbs={"lamp": "press"}, when=within("lamp", in_phase("dark"))
    )
    model = compose("lamps", {"lamp": LAMP}, together=[only_dark])

    assert rows_of(model) == [("press dark",)]


def test_a_condition_on_an_argument_that_no_verb_has_is_refused() -> None:
    wrong = Synchronisation(name="step", verbs={"lamp": "press"}, when=Arg("by").equals(1))

    with pytest.raises(InvalidMachine, match="it reads the undeclared argument 'by'"):
        compose("lamps", {"lamp": LAMP}, together=[wrong])


def test_a_composition_is_finished_where_it_says_so() -> None:
    never = Synchronisation(name="step", verbs={"lamp": "crash"}, when=Var("lamp.presses") > 4)
    paused = within("lamp", in_phase("paused"))
    shut = Synchronisation(name="shut", verbs={"lamp": "resume"}, when=Var("lamp.presses") > 4)

    stuck = check(compose("lamps", {"lamp": LAMP}, together=[never, shut]))
    done = check(compose("lamps", {"lamp": LAMP}, together=[never, shut], final=paused))

    assert [violation.property for violation in stuck.violations] == ["nothing gets stuck"]
    assert done.violations == ()


def only_when(when: Expression, **changes: object) -> Model:
    step = Synchronisation(name="step", verbs={"lamp": "press"}, when=when)
    return compose("lamps", {"lamp": LAMP}, together=[step], **changes)  # type: ignore[arg-type]


def test_a_synchronisation_that_can_never_happen_fails_the_check() -> None:
    report = check(only_when(within("lamp", in_phase("dark") & in_phase("lit"))))
    press = "→ {} if presses < most then presses := presses + 1"
    assert report.unfired[:3] == (
        "synchronisation step",
        f"lamp: press: dark {press.format('lit')}",
        f"lamp: press: lit {press.format('dark')}",
    )
    assert not report.ok


def test_a_row_that_no_joint_step_has_fails_the_check_unless_it_is_left_out() -> None:
    dark = within("lamp", in_phase("dark"))
    lit = LeftOut("lamp", "press", ("lit",), "the lamp has a switch of its own to go dark")
    assert [row.split(" →")[0] for row in check(only_when(dark)).unfired] == ["lamp: press: lit"]
    assert check(only_when(dark, left_out=[lit])).unfired == ()


def test_what_happens_cannot_be_left_out_nor_what_is_not_there_nor_without_a_reason() -> None:
    dark = within("lamp", in_phase("dark"))
    for verb, source in (("press", "dark"), ("pause", "lit"), ("press", "paused")):
        with pytest.raises(InvalidMachine, match=f"{verb} from {source} is left out, but"):
            only_when(dark, left_out=[LeftOut("lamp", verb, (source,), "since")])
    with pytest.raises(InvalidMachine, match="left out without a reason"):
        only_when(dark, left_out=[LeftOut("lamp", "press", ("lit",), " ")])


def test_a_live_session_says_why_it_leaves_rows_out() -> None:
    model = live()
    assert model.impossible == ()
    assert {(one.part, one.verb) for one in model.left_out} == {
        *(("input", verb) for verb in ("supersede", "coalesce", "abandon")),
        ("admission", "request_interrupt"),
    }
