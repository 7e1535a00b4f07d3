"""G8: an expression means the same interpreted, compiled and written."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.machines import Arg, Bound, Const, Expression, Value, Var
from perdure.machines.language.expressions import (
    TRUE,
    All,
    AnyOf,
    Calculate,
    Compare,
    Not,
    conjuncts,
    evaluate,
    flattened,
    fold,
    lift,
    nodes,
    replaced,
    terms,
)
from perdure.machines.language.notation import python_source, written

VARIABLES = {"ready": 0, "level": 1, "colour": 2, "owner": 3}
ARGUMENTS = {"hard": 0, "litres": 1, "shade": 2, "asker": 3}
WORDS = ("red", "blue")
_BOUNDS = st.builds(Bound, st.just("room"), actual=st.just(7), checked=st.just(2))

_numbers = st.recursive(
    st.integers(-3, 9).map(Const) | st.just(Var("level")) | st.just(Arg("litres")) | _BOUNDS,
    lambda inner: st.builds(Calculate, st.sampled_from("+-"), inner, inner),
    max_leaves=5,
)
_words = st.sampled_from(
    [Const("red"), Const("blue"), Const(None), Var("colour"), Arg("shade")],
)
_owners = st.sampled_from([Const(None), Var("owner"), Arg("asker")])
_equality = st.sampled_from("=≠")
_comparisons = (
    st.builds(Compare, st.sampled_from("=≠<≤>≥"), _numbers, _numbers)
    | st.builds(Compare, _equality, _words, _words)
    | st.builds(Compare, _equality, _owners, _owners)
)
_flags = st.recursive(
    st.booleans().map(Const) | st.just(Var("ready")) | st.just(Arg("hard")) | _comparisons,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(Compare, _equality, inner, inner)
        | st.lists(inner, max_size=3).map(lambda items: All(tuple(items)))
        | st.lists(inner, max_size=3).map(lambda items: AnyOf(tuple(items)))
    ),
    max_leaves=12,
)
_expressions = _flags | _numbers | _words | _owners
_values = st.tuples(
    st.booleans(),
    st.integers(0, 7),
    st.sampled_from([None, *WORDS]),
    st.sampled_from([None, "a", "b"]),
)


def interpreted(
    expression: Expression, held: tuple[Value, ...], given: tuple[Value, ...], *, checked: bool
) -> Any:
    return evaluate(
        expression,
        dict(zip(VARIABLES, held, strict=True)),
        dict(zip(ARGUMENTS, given, strict=True)),
        checked=checked,
    )


@given(_expressions, _values, _values, st.booleans())
def test_g8_compiled_source_gives_what_evaluation_gives(
    expression: Expression,
    held: tuple[Value, ...],
    passed: tuple[Value, ...],
    checked: bool,
) -> None:
    source = python_source(expression, VARIABLES, ARGUMENTS, checked=checked)

    compiled = eval(source, {"__builtins__": {}}, {"v": held, "a": passed})  # noqa: S307

    expected = interpreted(expression, held, passed, checked=checked)
    assert (compiled, type(compiled)) == (expected, type(expected))


def read_back(text: str, names: dict[str, Any]) -> Any:
    """Evaluate what `written` gave, as Python: the words and signs a person reads."""
    for sign, python in (("=", "=="), ("≠", "!="), ("≤", "<="), ("≥", ">=")):
        text = re.sub(f" {sign} ", f" {python} ", text)
    text = re.sub(r"given (\w+)", r"given_\1", text)
    constants = {"none": None, "true": True, "false": False, "red": "red", "blue": "blue"}
    return eval(text, {"__builtins__": {}}, constants | names)  # noqa: S307


@given(_expressions, _values, _values)
def test_g8_what_is_written_means_what_is_evaluated(
    expression: Expression, held: tuple[Value, ...], passed: tuple[Value, ...]
) -> None:
    names = dict(zip(VARIABLES, held, strict=True))
    names |= {f"given_{name}": value for name, value in zip(ARGUMENTS, passed, strict=True)}
    names["room"] = 7

    assert read_back(written(expression), names) == interpreted(
        expression, held, passed, checked=False
    )


def test_operators_on_variables_build_expressions() -> None:
    level, litres = Var("level"), Arg("litres")
    assert (level + 1) == Calculate("+", level, Const(1))
    assert (level - litres) == Calculate("-", level, litres)
    assert (level < 1, level <= 1, level > 1, level >= 1) == tuple(
        Compare(sign, level, Const(1)) for sign in ("<", "≤", ">", "≥")
    )
    assert level.equals(None) == Compare("=", level, Const(None))
    assert level.differs(litres) == Compare("≠", level, litres)
    assert (level & litres, level | litres, ~level) == (
        All((level, litres)),
        AnyOf((level, litres)),
        Not(level),
    )
    assert lift(level) is level


def test_a_person_can_read_what_is_written() -> None:
    level, room = Var("level"), Bound("room", actual=7, checked=2)
    guard = ((level + Arg("litres")) < room) & ~Var("colour").equals(None)
    assert written(guard) == "level + given litres < room and not (colour = none)"
    assert written(level - (level - 1)) == "level - (level - 1)"
    assert written(Compare("=", level < 1, Var("ready"))) == "(level < 1) = ready"
    assert (written(TRUE), written(AnyOf(())), written(Const(value=False))) == (
        "true",
        "(false)",
        "false",
    )


def test_a_bound_is_its_actual_size_unless_checked() -> None:
    room = Bound("room", actual=7, checked=2)
    assert (evaluate(room, {}, {}), evaluate(room, {}, {}, checked=True)) == (7, 2)


def test_the_nodes_of_an_expression_are_all_of_its_parts_outermost_first() -> None:
    level, one = Var("level"), Const(1)
    guard = Not(AnyOf((level < one,)))
    assert list(nodes(guard)) == [guard, guard.item, level < one, level, one]


@given(_expressions)
def test_a_fold_comes_to_every_part_of_an_expression(expression: Expression) -> None:
    counted = fold(expression, lambda _: 1, lambda _, parts: 1 + sum(parts))
    assert counted == len(nodes(expression))
    assert replaced(expression, lambda node: node) == expression


def test_a_fold_leaves_out_what_is_not_asked_for() -> None:
    asked: list[Expression] = []

    def leaf(node: Expression) -> bool:
        asked.append(node)
        return node == Const(value=True)

    either = AnyOf((Const(value=False), Const(value=True), Var("ready")))
    assert fold(either, leaf, lambda _, parts: any(parts))
    assert asked == [Const(value=False), Const(value=True)]


@given(_numbers, _values, _values)
def test_the_terms_of_a_sum_add_up_to_it(
    expression: Expression, held: tuple[Value, ...], passed: tuple[Value, ...]
) -> None:
    added = [
        sign * interpreted(term, held, passed, checked=True) for sign, term in terms(expression)
    ]
    assert sum(added) == interpreted(expression, held, passed, checked=True)
    assert not any(isinstance(term, Calculate) for _, term in terms(expression))


def test_a_connective_is_flattened_as_far_as_its_own_kind_goes() -> None:
    one, two, three = (Var(name) for name in ("one", "two", "three"))
    assert list(flattened((one & two) & (two | three))) == [one, two, two | three]
    assert list(flattened((one | two) | (two & three))) == [one, two, two & three]
    assert list(conjuncts(one | two)) == [one | two]


@pytest.mark.parametrize(
    "give",
    [
        lambda what: evaluate(what, {}, {}),
        lambda what: python_source(what, {}, {}),
        written,
    ],
)
def test_what_is_no_expression_is_refused(give: Any) -> None:
    with pytest.raises(TypeError, match="not an expression: 'level < 1'"):
        give("level < 1")
