"""A malformed declaration cannot be built, and the refusal names the row."""

import functools
import itertools
import operator
from typing import Any

import pytest

from perdure.errors import InvalidMachine
from perdure.machines import (
    Always,
    Arg,
    Authority,
    Bound,
    Choice,
    Configuration,
    Const,
    Count,
    Expression,
    Flag,
    Identity,
    Machine,
    Row,
    Synchronisation,
    Var,
    Verb,
    check,
    compose,
    row,
)
from perdure.machines.language.bounds import Scope, overlap
from perdure.machines.language.expressions import TRUE, All, AnyOf, Not, evaluate
from perdure.machines.language.vocabulary import Variable

ROOM = Bound("room", actual=100, checked=2)


def declared(
    *rows: Row | tuple[Row, ...],
    variables: tuple[Variable, ...] = (),
    verbs: tuple[Verb, ...] = (),
    **changes: Any,
) -> Machine:
    """Return a lamp: off, on, broken; with more rows, variables and verbs."""
    lamp: dict[str, Any] = {
        "name": "lamp",
        "phases": ("off", "on", "broken"),
        "initial": "off",
        "final": ("broken",),
    }
    usual = (
        row("switch", "off", "on"),
        row("switch", "on", "off"),
        row("smash", ("off", "on"), "broken"),
    )
    return Machine(**lamp | {"rows": (*usual, *rows)} | changes, variables=variables, verbs=verbs)


def refusal(*args: Any, **changes: Any) -> InvalidMachine:
    with pytest.raises(InvalidMachine) as caught:
        declared(*args, **changes)
    assert caught.value.data["machine"] == "lamp"
    named = caught.value.data["row"]
    where = "" if named is None else f", row «{named}»"
    assert str(caught.value) == f"machine 'lamp'{where}: {caught.value.data['problem']}"
    return caught.value


def test_a_well_formed_declaration_is_built() -> None:
    lamp = declared()
    assert [str(item) for item in lamp.all_rows()] == [
        "switch: off → on",
        "switch: on → off",
        "smash: off → broken",
        "smash: on → broken",
    ]
    assert lamp.verbs == (Verb("switch"), Verb("smash"))


def test_a_row_reads_as_a_line() -> None:
    (dim,) = row(
        "dim",
        "on",
        Var("mood"),
        guard=(Var("level") > 0) & ~Var("fixed"),
        updates={"level": Var("level") - 1, "mood": None},
    )
    assert str(dim) == (
        "dim: on → [mood] if level > 0 and not (fixed) then level := level - 1; mood := none"
    )


LEVEL = Count("level", ROOM)
FIXED = Flag("fixed")
MOOD = Choice("mood", ("warm", "cold"))
OWNER = Identity("owner")
_level, _fixed, _mood, _owner = Var("level"), Var("fixed"), Var("mood"), Var("owner")

BAD_ROWS: dict[str, tuple[tuple[Row | tuple[Row, ...], ...], str, str]] = {
    "from an unknown phase": (
        (row("smash", "lost"),),
        "smash: lost → lost",
        "unknown phase 'lost'",
    ),
    "to an unknown phase": (
        (row("lose", "on", "lost"),),
        "lose: on → lost",
        "unknown phase 'lost'",
    ),
    "out of a final phase": (
        (row("mend", "broken", "off"),),
        "mend: broken → off",
        "nothing leaves the final phase 'broken'",
    ),
    "staying in a final phase": (
        (row("smash", "broken"),),
        "smash: broken → broken",
        "nothing leaves the final phase 'broken'",
    ),
    "to an undeclared variable": (
        (row("undo", "on", Var("before")),),
        "undo: on → [before]",
        "the target 'before' is not a declared choice",
    ),
    "to a variable that is no choice": (
        (row("undo", "on", _level),),
        "undo: on → [level]",
        "the target 'level' is not a declared choice",
    ),
    "to a choice of other things than phases": (
        (row("undo", "on", _mood),),
        "undo: on → [mood]",
        "the target can be 'warm', not a phase",
    ),
    "updating an undeclared variable": (
        (row("dim", "on", updates={"colour": 1}),),
        "dim: on → on then colour := 1",
        "it updates the undeclared variable 'colour'",
    ),
    "updating a variable twice": (
        (Row("dim", "on", None, TRUE, (("level", _level), ("level", _level))),),
        "dim: on → on then level := level; level := level",
        "it updates 'level' 2 times",
    ),
    "reading an undeclared variable in a guard": (
        (row("dim", "on", guard=Var("colour").equals(None)),),
        "dim: on → on if colour = none",
        "it reads the undeclared variable 'colour'",
    ),
    "reading an undeclared variable in an update": (
        (row("dim", "on", updates={"level": Var("colour")}),),
        "dim: on → on then level := colour",
        "it reads the undeclared variable 'colour'",
    ),
    "reading an undeclared argument": (
        (row("dim", "on", updates={"level": Arg("by")}),),
        "dim: on → on then level := given by",
        "it reads the undeclared argument 'by'",
    ),
    "reading another verb's argument": (
        (row("dim", "on", updates={"level": Arg("to")}),),
        "dim: on → on then level := given to",
        "it reads the undeclared argument 'to'",
    ),
    "guarded by what no row writes": (
        (row("dim", "on", guard=_fixed),),
        "dim: on → on if fixed",
        "no row writes 'fixed', which its guard reads",
    ),
    "naming another bound alike": (
        (row("dim", "on", updates={"level": Bound("room", actual=5, checked=2)}),),
        "dim: on → on then level := room",
        "another bound is named 'room' too",
    ),
    "guarded by a number": (
        (row("dim", "on", guard=_level, updates={"level": 0}),),
        "dim: on → on if level then level := 0",
        "its guard is not true or false",
    ),
    "setting a flag to a number": (
        (row("fix", "on", updates={"fixed": 1}),),
        "fix: on → on then fixed := 1",
        "'fixed' holds true or false, and is given a number",
    ),
    "setting a flag to nothing": (
        (row("fix", "on", updates={"fixed": None}),),
        "fix: on → on then fixed := none",
        "'fixed' holds true or false, and is given none",
    ),
    "setting a count to true": (
        (row("dim", "on", updates={"level": True}),),
        "dim: on → on then level := true",
        "'level' holds a number, and is given true or false",
    ),
    "setting a choice to an unknown word": (
        (row("tint", "on", updates={"mood": "wram"}),),
        "tint: on → on then mood := wram",
        "'mood' holds cold or warm, and is given wram",
    ),
    "setting a choice from one with more words": (
        (row("tint", "on", updates={"mood": Var("season")}),),
        "tint: on → on then mood := season",
        "'mood' is never hot",
    ),
    "setting an id to a word": (
        (row("sell", "on", updates={"owner": "bob"}),),
        "sell: on → on then owner := bob",
        "'owner' holds an id, and is given bob",
    ),
    "comparing a choice with a word it never is": (
        (row("tint", "on", guard=_mood.equals("wram"), updates={"mood": None}),),
        "tint: on → on if mood = wram then mood := none",
        "«mood = wram» makes no sense: mood (cold or warm) can never be wram",
    ),
    "comparing a flag with nothing": (
        (row("fix", "on", guard=_fixed.differs(None), updates={"fixed": True}),),
        "fix: on → on if fixed ≠ none then fixed := true",
        "«fixed ≠ none» makes no sense: fixed (true or false) can never be none",
    ),
    "ordering ids": (
        (row("sell", "on", guard=_owner < Var("owner"), updates={"owner": None}),),
        "sell: on → on if owner < owner then owner := none",
        "«owner < owner» makes no sense: owner (an id) is not a number",
    ),
    "adding flags": (
        (row("dim", "on", updates={"level": _level + _fixed}),),
        "dim: on → on then level := level + fixed",
        "«level + fixed» makes no sense: fixed (true or false) is not a number",
    ),
    "negating a number": (
        (row("dim", "on", guard=Not(_level), updates={"level": 0}),),
        "dim: on → on if not (level) then level := 0",
        "«not (level)» makes no sense: level (a number) is not true or false",
    ),
    "joining numbers": (
        (row("fix", "on", updates={"fixed": All((_fixed, _level))}),),
        "fix: on → on then fixed := fixed and level",
        "«fixed and level» makes no sense: level (a number) is not true or false",
    ),
    "holding a value no machine holds": (
        (row("dim", "on", updates={"level": 0.5}),),  # type: ignore[dict-item]
        "dim: on → on then level := 0.5",
        "0.5 is not a value a machine can hold",
    ),
}


@pytest.mark.parametrize(("rows", "named", "problem"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_refused_by_name(
    rows: tuple[Row | tuple[Row, ...], ...], named: str, problem: str
) -> None:
    refused = refusal(
        *rows,
        row("set_level", "on", updates={"level": Arg("to")}),
        variables=(LEVEL, FIXED, MOOD, OWNER, Choice("season", ("warm", "hot"))),
        verbs=(Verb("set_level", (Count("to", ROOM),)),),
    )
    assert (refused.data["row"], refused.data["problem"]) == (named, problem)


def test_two_outcomes_of_one_event_are_refused_with_a_witness() -> None:
    refused = refusal(
        row("dim", "on", guard=Arg("level") > 0, updates={"level": _level}),
        row("dim", "on", "off", guard=(_level > 1) & (Arg("level") <= 1)),
        variables=(LEVEL,),
        verbs=(Verb("dim", (Count("level", ROOM),)),),
    )
    assert refused.data["row"] == "dim: on → off if level > 1 and given level ≤ 1"
    assert refused.data["problem"] == (
        "a second outcome beside «dim: on → on if given level > 0 then level := level», "
        "when level = 2 and given level = 1"
    )


def test_two_unconditional_outcomes_are_refused() -> None:
    refused = refusal(row("switch", "on"))
    assert refused.data["problem"] == "a second outcome beside «switch: on → off», when always"


def test_guards_that_only_an_absent_id_would_satisfy_together_are_two_outcomes_of_nothing() -> None:
    """An id argument is never none, so the two rows can never both be meant."""
    assert declared(
        row("sell", "on", guard=Arg("owner").equals(None)),
        row("sell", "on", "off", updates={"owner": Arg("owner")}),
        variables=(OWNER,),
        verbs=(Verb("sell", (OWNER,)),),
    )


def test_an_unreachable_phase_is_refused() -> None:
    refused = refusal(row("smash", "lit", "broken"), phases=("off", "on", "broken", "lit"))
    assert refused.data["problem"] == "phase 'lit' cannot be reached from 'off'"


def test_a_trap_is_refused() -> None:
    refused = refusal(
        row("lose", "on", "lost"),
        row("find", "lost", "nowhere"),
        row("find", "nowhere", "lost"),
        phases=("off", "on", "broken", "lost", "nowhere"),
    )
    assert refused.data["problem"] == "phase 'lost' is a trap: no final phase follows from it"


def test_a_phase_that_only_a_remembered_target_leads_to_is_reachable() -> None:
    assert declared(
        row("undo", "on", Var("before"), updates={"before": "spare"}),
        row("smash", "spare", "broken"),
        phases=("off", "on", "broken", "spare"),
        variables=(Choice("before", ("off", "spare")),),
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"initial": "lost"}, "the initial phase 'lost' is not declared"),
        ({"final": ("lost",)}, "the final phase 'lost' is not declared"),
        ({"final": ()}, "no final phase is declared"),
        ({"phases": ("off", "on", "broken", "on")}, "phase 'on' is declared 2 times"),
        ({"final": ("broken", "broken")}, "final phase 'broken' is declared 2 times"),
        (
            {"phases": ("off", "on", "broken", "half on")},
            "phase 'half on' is not an identifier",
        ),
    ],
)
def test_bad_phases_are_refused(changes: dict[str, Any], problem: str) -> None:
    refused = refusal(**changes)
    assert (refused.data["row"], refused.data["problem"]) == (None, problem)


def test_what_is_nested_too_deeply_is_refused_and_told_how_to_be_said() -> None:
    levels = [Var("level").equals(number % 3) for number in range(3000)]
    problem = "its guard: it is nested more than 180 deep: give many items to one All or AnyOf"
    for count in (190, 3000):
        guard = functools.reduce(operator.or_, levels[:count])
        caught = refusal(RISE, row("fall", "on", guard=guard), variables=LEVELS)
        assert problem in str(caught)
    long = Always("of many", AnyOf(tuple(levels)))
    deep = functools.reduce(operator.or_, levels[:175])
    machine = declared(RISE, row("fall", "on", guard=deep), variables=LEVELS, properties=(long,))
    assert check(machine).ok
    assert Authority(machine).allowed(Configuration("on", (0, 0)))


@pytest.mark.parametrize("name", ["", " ", "lamp\nshade", "lamp\x1b[31m"])
def test_a_name_that_is_no_line_of_text_is_refused(name: str) -> None:
    with pytest.raises(InvalidMachine, match="its name is empty, or no single line of text"):
        declared(name=name)
    with pytest.raises(InvalidMachine, match="its name is empty, or no single line of text"):
        compose(name, {"one": declared()})


_SET = row("set_level", "on", updates={"level": 0})


@pytest.mark.parametrize(
    ("variables", "verbs", "problem"),
    [
        ((LEVEL, Flag("level")), (), "variable 'level' is declared 2 times"),
        ((LEVEL, Flag("is-on")), (), "variable 'is-on' is not an identifier"),
        ((LEVEL,), (Verb("smash"), Verb("smash")), "verb 'smash' is declared 2 times"),
        ((LEVEL,), (Verb("polish"),), "verb 'polish' is declared, but no row has it"),
        ((LEVEL,), (Verb("1st"),), "verb '1st' is not an identifier"),
        (
            (LEVEL,),
            (Verb("smash", (Flag("hard"), Flag("hard"))),),
            "argument of 'smash', 'hard' is declared 2 times",
        ),
        (
            (LEVEL,),
            (Verb("smash", (Flag(""),)),),
            "argument of 'smash', '' is not an identifier",
        ),
        (
            (LEVEL,),
            (Verb("smash", (Flag("level"),)),),
            "argument 'level' of 'smash' is another kind of value than the variable of that name",
        ),
        (
            (Count("level", ROOM, initial=3),),
            (),
            "variable 'level' starts outside its domain: 3",
        ),
        (
            (Count("level", ROOM, initial=True),),
            (),
            "variable 'level' starts outside its domain: True",
        ),
        (
            (LEVEL, Flag("fixed", initial=0)),  # type: ignore[arg-type]
            (),
            "variable 'fixed' starts outside its domain: 0",
        ),
        (
            (LEVEL, Choice("mood", ("warm",), initial="cold")),
            (),
            "variable 'mood' starts outside its domain: cold",
        ),
        (
            (LEVEL, Identity("owner", initial="nobody")),
            (),
            "variable 'owner' starts outside its domain: nobody",
        ),
        (
            (LEVEL, Choice("mood", ("warm", "warm"))),
            (),
            "'mood' lists a value of its domain twice",
        ),
        (
            (LEVEL, Choice("mood", ())),
            (),
            "'mood' can hold nothing that the checker would explore",
        ),
        (
            (LEVEL,),
            (Verb("smash", (Identity("by", checked=()),)),),
            "'by' can hold nothing that the checker would explore",
        ),
    ],
)
def test_bad_variables_and_verbs_are_refused(
    variables: tuple[Variable, ...], verbs: tuple[Verb, ...], problem: str
) -> None:
    refused = refusal(_SET, variables=variables, verbs=verbs)
    assert (refused.data["row"], refused.data["problem"]) == (None, problem)


def test_an_empty_choice_of_guards_is_a_guard() -> None:
    assert declared(row("dim", "on", guard=AnyOf(())))


LEVELS = (Count("level", ROOM), Count("other", ROOM))
_level = Var("level")
RISE = row("rise", "on", guard=_level < ROOM, updates={"level": _level + 1})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (_level == 1, False),  # type: ignore[comparison-overlap]
        (_level != 1, True),  # type: ignore[comparison-overlap]
        (All((_level > 0, _level == 1)), False),  # type: ignore[arg-type, comparison-overlap]
        (Not(_level != 1), True),  # type: ignore[arg-type, comparison-overlap]
    ],
)
def test_what_is_no_expression_is_refused_wherever_one_is_meant(value: Any, written: bool) -> None:
    expected = f"{written} is no expression"
    caught = refusal(RISE, row("fall", "on", guard=value), variables=LEVELS)
    assert caught.data["row"] == "fall: on → on"
    assert expected in str(caught)
    caught = refusal(RISE, variables=LEVELS, properties=(Always("p", value),))
    assert f"property 'p': {expected}" in str(caught)
    lamp = declared(RISE, variables=LEVELS)
    guarded = [Synchronisation(name="s", verbs={"one": "rise"}, when=value)]
    for changes in ({"together": guarded}, {"final": value}):
        with pytest.raises(InvalidMachine, match=expected):
            compose("m", {"one": lamp}, **changes)


@pytest.mark.parametrize(
    "half",
    [
        lambda: _level > 0 and _level < ROOM,
        lambda: _level > 0 or _level < ROOM,
        lambda: 0 < _level < ROOM,
        lambda: not _level,
    ],
)
def test_python_s_own_words_lose_no_half_of_a_guard(half: Any) -> None:
    with pytest.raises(TypeError, match=r"use &, \|, ~ and equals\(\)"):
        half()


_BEYOND = "the number decides nothing; give it as a Bound"


@pytest.mark.parametrize(
    "vacuous",
    [
        _level <= 500,
        _level.differs(3),
        Const(3) > _level,
        _level + Var("other") < 5,
        _level - Var("other") > -3,
        (_level + 1).equals(4),
        _level + 2 > Var("other") + 5,
    ],
)
def test_a_number_beyond_all_that_is_explored_is_refused(vacuous: Expression) -> None:
    other = row("more", "on", updates={"other": _level})
    fall = row("fall", "on", guard=vacuous)
    assert _BEYOND in str(refusal(RISE, other, fall, variables=LEVELS))
    promised = (Always("p", vacuous),)
    assert _BEYOND in str(refusal(RISE, other, variables=LEVELS, properties=promised))


@pytest.mark.parametrize(
    "telling",
    [
        _level < 2,
        _level.equals(2),
        _level > -1,
        _level + Var("other") < 4,
        _level - Var("other") > -2,
        (_level + 1).equals(3),
        _level + 5 < ROOM,
    ],
)
def test_a_number_within_what_is_explored_is_none_of_that(telling: Expression) -> None:
    other = row("more", "on", updates={"other": _level})
    assert declared(RISE, other, variables=LEVELS, properties=(Always("p", telling),))


@pytest.mark.parametrize("bound", [Bound("room", 3, "2"), Bound("room", 3, 2.5)])  # type: ignore[arg-type]
def test_a_bound_that_is_no_whole_number_is_refused(bound: Bound) -> None:
    problem = "'level' counts up to a bound that is no whole number"
    assert problem in str(refusal(RISE, variables=(Count("level", bound),)))


@pytest.mark.parametrize("word", [1, None, ["up"]])
def test_a_word_or_an_id_that_is_no_text_is_refused(word: Any) -> None:
    for variable in (Choice("mood", ("down", word)), Identity("mood", ("ann", word))):
        problem = f"'mood' can hold {word!r}, which is no text"
        assert problem in str(refusal(RISE, variables=(*LEVELS, variable)))


@pytest.mark.parametrize("given", [_level > 1, _level, "level", None])
def test_what_is_no_property_is_refused_and_not_passed_over(given: Any) -> None:
    problem = "is no property"
    assert problem in str(refusal(RISE, variables=LEVELS, properties=(given,)))
    machine = declared(RISE, variables=LEVELS)
    with pytest.raises(InvalidMachine, match=problem):
        compose("two", {"one": machine}, properties=(given,))
    with pytest.raises(InvalidMachine, match=problem):
        check(machine, properties=(given,))


def test_a_count_without_a_bound_is_refused() -> None:
    unbound = Count("level", 3)  # type: ignore[arg-type]
    problem = "'level' counts up to 3, and not to a Bound"
    assert problem in str(refusal(RISE, variables=(unbound,)))
    assert problem in str(refusal(verbs=(Verb("switch", (unbound,)),)))


LIMIT = Bound("limit", actual=10, checked=2)
_x, _y = Var("x"), Var("y")


def _two(
    one: Expression, two: Expression, *variables: Variable, given: tuple[Variable, ...] = ()
) -> Machine:
    """Return a lamp with two rows of one verb, and what sets the variables they read."""
    names = tuple(variable.name for variable in variables)
    return declared(
        row("set_all", "on", updates={name: Arg(name) for name in names}),
        row("go", "on", "off", guard=one),
        row("go", "on", guard=two),
        variables=variables,
        verbs=(Verb("set_all", variables), Verb("go", given)),
    )


_COUNTS = (Count("x", LIMIT), Count("y", LIMIT))
_STEP = Count("n", Bound("one", actual=1, checked=1))
_IDS = (Identity("one"), Identity("two"), Identity("three"))
_ONE, _TWO, _THREE = Var("one"), Var("two"), Var("three")
_ALL_THERE = _ONE.differs(None) & _TWO.differs(None) & _THREE.differs(None)


@pytest.mark.parametrize(
    ("one", "two", "variables", "given", "witness"),
    [
        (_x < LIMIT, _x >= 2, _COUNTS[:1], (), "x = 2"),
        (_x.equals(LIMIT), _x > 2, _COUNTS[:1], (), "x = 10"),
        (_x < 2, Arg("n") > _x, _COUNTS[:1], (_STEP,), "x = 0 and given n = 1"),
        ((_x > _y) & (_y >= 2), _x < LIMIT, _COUNTS, (), "x = 3 and y = 2"),
        ((_x + 3).equals(LIMIT), _x > 2, _COUNTS[:1], (), "x = 7"),
        (_ALL_THERE & _ONE.differs(_TWO), _ONE.differs(_THREE) & _TWO.differs(_THREE), _IDS, (),
         "one = a and two = b and three = id1"),
    ],
)  # fmt: skip
def test_two_outcomes_that_only_the_actual_bounds_allow_are_refused(
    one: Expression,
    two: Expression,
    variables: tuple[Variable, ...],
    given: tuple[Variable, ...],
    witness: str,
) -> None:
    with pytest.raises(InvalidMachine, match="a second outcome beside") as caught:
        _two(one, two, *variables, given=given)
    found = caught.value.data["problem"].partition(", when ")[2]
    assert found.removesuffix(" (at the actual bounds)") == witness
    assert caught.value.data["row"].startswith("go: on")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (_x < LIMIT, _x.equals(LIMIT)),
        (_x < LIMIT, _x >= LIMIT),
        ((_x < _y) & (_y < LIMIT), (_x >= _y) | _y.equals(LIMIT)),
        (_x.equals(0), (_x > 0) & (_x <= LIMIT)),
        ((_x + 1) <= LIMIT, _x.equals(LIMIT)),
    ],
)
def test_guards_that_exclude_each_other_at_every_size_are_two_rows(
    one: Expression, two: Expression
) -> None:
    assert _two(one, two, *_COUNTS)


_GUARDS = (
    *(name < number for name in (_x, _y) for number in (2, LIMIT)),
    *(name.equals(number) for name in (_x, _y) for number in (0, 2, LIMIT)),
    *(name >= number for name in (_x, _y) for number in (2, LIMIT)),
    *(_x < _y, _x.equals(_y), (_x + 1).equals(LIMIT), (_y + 2) < LIMIT),
)


def test_what_the_actual_bounds_allow_is_what_trying_all_values_finds() -> None:
    scope = Scope(_COUNTS, ())
    everything = list(itertools.product(range(LIMIT.actual + 1), repeat=2))
    met = 0
    for guards in itertools.combinations(_GUARDS, 3):
        truly = any(
            all(evaluate(guard, {"x": x, "y": y}, {}) for guard in guards) for x, y in everything
        )
        explored = any(
            all(evaluate(guard, {"x": x, "y": y}, {}, checked=True) for guard in guards)
            for x, y in itertools.product(range(LIMIT.checked + 1), repeat=2)
        )
        found = overlap(guards, scope)
        assert (found is not None) == (truly or explored), guards
        met += truly and not explored
    assert met > 100


def test_an_update_that_leaves_its_range_only_at_the_actual_bounds_is_refused() -> None:
    more = Bound("more", actual=20, checked=2)
    up = {"x": _x + 1}
    refused = refusal(row("rise", "on", guard=_x < more, updates=up), variables=_COUNTS[:1])
    assert refused.data["row"] == "rise: on → on if x < more then x := x + 1"
    assert refused.data["problem"] == (
        "it sets 'x' to 11, which is not within limit, when x = 10 (at the actual bounds)"
    )
    assert declared(row("rise", "on", guard=_x < LIMIT, updates=up), variables=_COUNTS[:1])
    # Where it shows as far as is explored, what can be reached decides.
    assert declared(row("rise", "on", updates=up), variables=_COUNTS[:1])
    both = (_x < more) & (_x < LIMIT)
    assert declared(row("rise", "on", guard=both, updates=up), variables=_COUNTS[:1])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"phases": ("off", "on", 3, "broken")}, "3 is no text"),
        ({"final": (3,)}, "3 is no text"),
        ({"phases": "off"}, "'off' is given where several names are"),
        ({"fair": "smash"}, "'smash' is given where several names are"),
        ({"name": 3}, "3 is no text"),
        ({"rows": ("switch",)}, "'switch' is no row"),
        ({"rows": row(3, "off", "on")}, "3 is no text"),  # type: ignore[arg-type]
        ({"variables": ("level",)}, "'level' is no variable"),
        ({"variables": (Flag(3),)}, "3 is no text"),  # type: ignore[arg-type]
        ({"verbs": ("switch",)}, "'switch' is no verb"),
        ({"verbs": (Verb("switch", ("by",)),)}, "'by' is no variable"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_declaration_at_all_is_refused_as_one(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidMachine) as caught:
        declared(**changes)
    assert caught.value.data["problem"] == problem


def test_a_count_that_is_explored_further_than_it_runs_is_refused() -> None:
    caught = refusal(variables=(Count("level", Bound("few", actual=2, checked=3)),))
    assert caught.data["problem"] == "'level' is explored as far as 3, and runs as far as 2"
