"""The types of values, so that a row cannot compare or write values that never fit.

Invariants: an expression that has a type evaluates without an error for all values its variables
and arguments can hold, and to a value of that type. The rules are those of TLA+, which knows no
order between words and no truth of numbers.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NoReturn

import msgspec

from perdure.machines.language.expressions import (
    Arg,
    Bound,
    Calculate,
    Compare,
    Const,
    Expression,
    Next,
    Var,
    fold,
    terms,
)
from perdure.machines.language.notation import written
from perdure.machines.language.vocabulary import Choice, Count, Flag, Identity, Variable

FLAG: Final = "true or false"
NUMBER: Final = "a number"
WORD: Final = "a word"
IDENTITY: Final = "an id"
NOTHING: Final = "none"


class Mistyped(Exception):
    """An expression makes no sense; the text says which part and why."""


class ValueType(msgspec.Struct, frozen=True):
    """A type of value; for words, the words it can be."""

    name: str
    words: frozenset[str] = frozenset()

    def fits(self, other: "ValueType") -> bool:
        """Whether values of the two types can be equal at all."""
        nothing_holds = (WORD, IDENTITY, NOTHING)
        if NOTHING in (self.name, other.name):
            return self.name in nothing_holds and other.name in nothing_holds
        if self.name != other.name:
            return False
        return self.name != WORD or bool(self.words & other.words)


_FLAG: Final = ValueType(FLAG)
_NUMBER: Final = ValueType(NUMBER)
_IDENTITY: Final = ValueType(IDENTITY)
_NOTHING: Final = ValueType(NOTHING)


def type_of(
    expression: Expression, variables: Mapping[str, Variable], arguments: Mapping[str, Variable]
) -> ValueType:
    """Return the type of the expression. Raises Mistyped where a part makes no sense.

    Every name it reads must be declared in ``variables`` or ``arguments``.
    """

    def leaf(node: Expression) -> ValueType:
        match node:
            case Const(value):
                return _of_value(value)
            case Var(name) | Next(name):
                return type_held_by(variables[name])
            case Arg(name):
                return type_held_by(arguments[name])
            case Bound():
                return _NUMBER
            case _:
                raise Mistyped(f"{node!r} is not an expression")

    def compound(node: Expression, parts: Iterator[ValueType]) -> ValueType:
        match node:
            case Compare("=" | "≠", left, right):
                one, two = parts
                if not one.fits(two):
                    _complain(node, f"{_named(left, one)} can never be {_named(right, two)}")
                if one.name == NUMBER:
                    _must_decide(node, variables, arguments)
            case Compare():
                _need(NUMBER, node, list(parts))
                _must_decide(node, variables, arguments)
            case Calculate():
                _need(NUMBER, node, parts)
                return _NUMBER
            case _:
                _need(FLAG, node, parts)
        return _FLAG

    return fold(expression, leaf, compound)


def _need(wanted: str, node: Expression, parts: Iterable[ValueType]) -> None:
    """Raise Mistyped for a child of another type than the node needs."""
    for part, kind in zip(node.children(), parts, strict=True):
        if kind.name != wanted:
            _complain(node, f"{_named(part, kind)} is not {wanted}")


def _must_decide(
    comparison: Compare, variables: Mapping[str, Variable], arguments: Mapping[str, Variable]
) -> None:
    """Raise Mistyped for a number beyond all explored ones: it would decide nothing there."""
    literal = most = least = 0
    for sign, term in (*terms(comparison.left), *terms(comparison.right, -1)):
        match term:
            case Const(int(value)):
                literal -= sign * value
            case Var(name) | Next(name):
                most, least = _spread(variables[name], sign, most, least)
            case Arg(name):
                most, least = _spread(arguments[name], sign, most, least)
            case _:
                return  # a bound grows with the count that it is compared with
    for end, beyond in (most, literal > most), (least, literal < least):
        if end and beyond:
            checked = f"the counts are checked only as far as {end}"
            _complain(comparison, f"{checked}, so the number decides nothing; give it as a Bound")


def _spread(variable: Variable, sign: int, most: int, least: int) -> tuple[int, int]:
    """Return the most and the least of a sum once a count is added to it, or taken away."""
    size = variable.maximum.checked if isinstance(variable, Count) else 0
    return (most + size, least) if sign > 0 else (most, least - size)


def type_held_by(variable: Variable) -> ValueType:
    """Return the type of the values of a variable or an argument."""
    match variable:
        case Flag():
            return _FLAG
        case Count():
            return _NUMBER
        case Choice():
            return ValueType(WORD, frozenset(variable.words))
        case Identity():
            return _IDENTITY


def assignment_problem(variable: Variable, value: ValueType) -> str | None:
    """Return why the variable cannot be given a value of this type, or None where it can."""
    held = type_held_by(variable)
    if not held.fits(value):
        return f"{variable.name!r} holds {_described(held)}, and is given {_described(value)}"
    if isinstance(variable, Choice) and (unknown := value.words - held.words):
        return f"{variable.name!r} is never {' or '.join(sorted(unknown))}"
    return None


def _of_value(value: object) -> ValueType:
    match value:
        case None:
            return _NOTHING
        case bool():
            return _FLAG
        case int():
            return _NUMBER
        case str():
            return ValueType(WORD, frozenset((value,)))
        case _:
            raise Mistyped(f"{value!r} is not a value a machine can hold")


def _described(kind: ValueType) -> str:
    return " or ".join(sorted(kind.words)) if kind.words else kind.name


def _named(part: Expression, kind: ValueType) -> str:
    text, described = written(part), _described(kind)
    return text if text == described else f"{text} ({described})"


def _complain(node: Expression, problem: str) -> NoReturn:
    raise Mistyped(f"«{written(node)}» makes no sense: {problem}")
