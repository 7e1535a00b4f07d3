"""Notations: expressions as text, for Python, for other languages and for people.

Invariants: text means the same as `evaluate`. In a notation, each comparison, sum and connective
stands in parentheses, so that no precedence of the language matters.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from perdure.machines.language.expressions import (
    All,
    AnyOf,
    Arg,
    Bound,
    Calculate,
    Compare,
    Const,
    Expression,
    Next,
    Not,
    Value,
    Var,
    fold,
)

Leaf = Callable[[Expression], str]
"""Text of a value, a name or a bound."""


class Notation(msgspec.Struct, frozen=True, kw_only=True):
    """How a language writes the signs and the connectives.

    ``all_of`` and ``any_of`` stand between the items, ``true`` and ``false`` for no items at all;
    ``negation`` has ``{}`` for its item.
    """

    signs: Mapping[str, str]
    all_of: str
    any_of: str
    true: str
    false: str
    negation: str


PYTHON: Final = Notation(
    signs={
        "=": "==",
        "≠": "!=",
        "<": "<",
        "≤": "<=",
        ">": ">",
        "≥": ">=",
        "+": "+",
        "-": "-",
    },
    all_of=" and ",
    any_of=" or ",
    true="True",
    false="False",
    negation="(not {})",
)


def printed(expression: Expression, notation: Notation, leaf: Leaf) -> str:
    """Return the expression as text in a notation; ``leaf`` gives the text of the rest."""
    return fold(expression, leaf, lambda node, parts: in_notation(notation, node, parts))


def in_notation(notation: Notation, node: Expression, parts: Iterator[str]) -> str:
    """Return a compound expression as text, given the texts of its children."""
    match node:
        case Compare(sign) | Calculate(sign):
            return f"({next(parts)} {notation.signs[sign]} {next(parts)})"
        case All():
            return f"({notation.all_of.join(parts) or notation.true})"
        case AnyOf():
            return f"({notation.any_of.join(parts) or notation.false})"
        case _:
            return notation.negation.format(*parts)


def python_source(
    expression: Expression,
    variables: Mapping[str, int],
    arguments: Mapping[str, int],
    *,
    checked: bool = False,
) -> str:
    """Return Python source with the same meaning as `evaluate`, over tuples ``v`` and ``a``.

    ``variables`` and ``arguments`` map names to their places in the two tuples. The source holds
    nothing but those subscripts, literals of `Value` types, and operators.
    """

    def leaf(node: Expression) -> str:
        match node:
            case Const(value):
                return repr(value)
            case Var(name):
                return f"v[{variables[name]}]"
            case Arg(name):
                return f"a[{arguments[name]}]"
            case Bound():
                return repr(node.checked if checked else node.actual)
            case _:
                raise TypeError(f"not an expression: {node!r}")

    return printed(expression, PYTHON, leaf)


def written(expression: Expression) -> str:
    """Return the expression as a person would write it, for messages and contracts."""
    return fold(expression, _leaf, _compound)


def _leaf(node: Expression) -> str:
    match node:
        case Const(value):
            return _literal(value)
        case Var(name):
            return name
        case Arg(name):
            return f"given {name}"
        case Next(name):
            return f"{name}'"
        case Bound():
            return node.name
        case _:
            raise TypeError(f"not an expression: {node!r}")


def _compound(node: Expression, parts: Iterator[str]) -> str:
    match node:
        case Compare(sign, left, right):
            return f"{_operand(left, next(parts))} {sign} {_operand(right, next(parts))}"
        case Calculate(sign, left, right):
            first, last = _operand(left, next(parts)), _operand(right, next(parts))
            return f"{first} {sign} {f'({last})' if isinstance(right, Calculate) else last}"
        case All():
            return " and ".join(parts) or "true"
        case AnyOf():
            return f"({' or '.join(parts) or 'false'})"
        case _:
            return f"not ({next(parts)})"


def _operand(node: Expression, text: str) -> str:
    """Return an expression's text inside a comparison or a sum, which bind tighter."""
    return f"({text})" if isinstance(node, Compare | All | Not) else text


def _literal(value: Value) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
