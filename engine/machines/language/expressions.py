"""Expressions: guards and updates as data.

Invariants: an expression reads only variables, arguments and bounds that its machine declares; it
has no side effects; it means the same interpreted (`evaluate`), compiled (`notation.python_source`)
and printed (`notation.written`). A lambda could do only the first.

Other code descends an expression by `fold`, `nodes`, `terms`, `flattened` or its `children`.
`evaluate` descends by itself: it is the reference that the others are compared with.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec

Value = None | bool | int | str
"""A value of a variable or an argument."""

Comparison = Literal["=", "≠", "<", "≤", ">", "≥"]
Sign = Literal["+", "-"]

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "≠": operator.ne,
    "<": operator.lt,
    "≤": operator.le,
    ">": operator.gt,
    "≥": operator.ge,
}
_CALCULATE: Final[dict[str, Callable[[Any, Any], Any]]] = {"+": operator.add, "-": operator.sub}


class Expression(msgspec.Struct, frozen=True):
    """Base of all expressions; build them with operators on `Var` and `Arg`.

    ``<``, ``<=``, ``>``, ``>=``, ``+`` and ``-`` give expressions; ``==`` compares two
    declarations as Python values, so equality in the machine is `equals` and `differs`. An
    expression is neither true nor false: ``and``, ``or`` and ``a < b < c`` would lose half of it.
    """

    def children(self) -> "tuple[Expression, ...]":
        """Return the expressions directly inside, from left to right."""
        return ()

    def with_children(self, parts: "Iterator[Expression]") -> "Expression":  # noqa: ARG002
        """Return the same over other expressions, as many as there are children."""
        return self

    def __bool__(self) -> bool:
        """Raise TypeError: an expression has a truth value only in a state."""
        raise TypeError("an expression is not true or false: use &, |, ~ and equals()")

    def equals(self, other: "Operand") -> "Compare":
        """Return the expression ``self = other``."""
        return Compare("=", self, lift(other))

    def differs(self, other: "Operand") -> "Compare":
        """Return the expression ``self ≠ other``."""
        return Compare("≠", self, lift(other))

    def __lt__(self, other: "Operand") -> "Compare":
        return Compare("<", self, lift(other))

    def __le__(self, other: "Operand") -> "Compare":
        return Compare("≤", self, lift(other))

    def __gt__(self, other: "Operand") -> "Compare":
        return Compare(">", self, lift(other))

    def __ge__(self, other: "Operand") -> "Compare":
        return Compare("≥", self, lift(other))

    def __add__(self, other: "Operand") -> "Calculate":
        return Calculate("+", self, lift(other))

    def __sub__(self, other: "Operand") -> "Calculate":
        return Calculate("-", self, lift(other))

    def __and__(self, other: "Expression") -> "All":
        return All((self, other))

    def __or__(self, other: "Expression") -> "AnyOf":
        return AnyOf((self, other))

    def __invert__(self) -> "Not":
        return Not(self)


Operand = Expression | Value


class Const(Expression, frozen=True, tag=True):
    """A value written in the declaration."""

    value: Value


class Var(Expression, frozen=True, tag=True):
    """A declared variable of the machine."""

    name: str


class Arg(Expression, frozen=True, tag=True):
    """A declared argument of the row's verb."""

    name: str


class Next(Expression, frozen=True, tag=True):
    """The value of a variable after the step, in a property about steps."""

    name: str


class Bound(Expression, frozen=True, tag=True):
    """A named limit with two values: one for a running engine, and one for the checker.

    The rule is the same at both sizes; only the number differs, as with a TLA+ constant.
    """

    name: str
    actual: int
    checked: int


class Compare(Expression, frozen=True, tag=True):
    """A comparison; the order ones are for numbers."""

    sign: Comparison
    left: Expression
    right: Expression

    def children(self) -> tuple[Expression, ...]:
        """Return both sides."""
        return (self.left, self.right)

    def with_children(self, parts: Iterator[Expression]) -> "Compare":
        """Return the same comparison of two other expressions."""
        return Compare(self.sign, *parts)


class Calculate(Expression, frozen=True, tag=True):
    """A sum or a difference."""

    sign: Sign
    left: Expression
    right: Expression

    def children(self) -> tuple[Expression, ...]:
        """Return both sides."""
        return (self.left, self.right)

    def with_children(self, parts: Iterator[Expression]) -> "Calculate":
        """Return the sum, or the difference, of two other expressions."""
        return Calculate(self.sign, *parts)


class All(Expression, frozen=True, tag=True):
    """True when every item is; true of no items."""

    items: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        """Return the items."""
        return tuple(self.items)

    def with_children(self, parts: Iterator[Expression]) -> "All":
        """Return that all of the other expressions hold."""
        return All(tuple(parts))


class AnyOf(Expression, frozen=True, tag=True):
    """True when some item is; false of no items."""

    items: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        """Return the items."""
        return tuple(self.items)

    def with_children(self, parts: Iterator[Expression]) -> "AnyOf":
        """Return that one of the other expressions holds."""
        return AnyOf(tuple(parts))


class Not(Expression, frozen=True, tag=True):
    """The negation."""

    item: Expression

    def children(self) -> tuple[Expression, ...]:
        """Return the item."""
        return (self.item,)

    def with_children(self, parts: Iterator[Expression]) -> "Not":
        """Return the negation of another expression."""
        return Not(*parts)


TRUE: Final = All(())

_NAMED: Final = (Var, Arg, Next)
_COMPOUND: Final = frozenset((Compare, Calculate, All, AnyOf, Not))
"""Expressions that are made of others. To look a type up is faster than to ask `isinstance`."""

Result = TypeVar("Result")


def lift(operand: Operand) -> Expression:
    """Return ``operand`` as an expression, wrapping a plain value in `Const`."""
    return operand if isinstance(operand, Expression) else Const(operand)


def evaluate(
    expression: Expression,
    variables: Mapping[str, Value],
    arguments: Mapping[str, Value],
    *,
    checked: bool = False,
    after: Mapping[str, Value] | None = None,
) -> Any:
    """Return the expression's value by walking it: the reference meaning.

    ``checked`` takes each bound at the size the checker explores. ``after`` holds the variables
    after a step, for what reads `Next`.
    Raises KeyError for a name that is neither variable nor argument.
    """

    def walk(node: Expression) -> Any:
        match node:
            case Const(value):
                return value
            case Var(name):
                return variables[name]
            case Arg(name):
                return arguments[name]
            case Next(name):
                return (after or {})[name]
            case Bound():
                return node.checked if checked else node.actual
            case Compare(sign, left, right):
                return _COMPARE[sign](walk(left), walk(right))
            case Calculate(sign, left, right):
                return _CALCULATE[sign](walk(left), walk(right))
            case All(items):
                return all(walk(item) for item in items)
            case AnyOf(items):
                return any(walk(item) for item in items)
            case Not(item):
                return not walk(item)
            case _:
                raise TypeError(f"not an expression: {node!r}")

    return walk(expression)


def fold(
    expression: Expression,
    leaf: Callable[[Expression], Result],
    compound: Callable[[Expression, Iterator[Result]], Result],
) -> Result:
    """Return the expression's result: ``compound`` gives it from the results for the children.

    ``leaf`` gives the result of an expression that is made of no others. ``compound`` takes a node
    and an iterator over the results for its children, from left to right. A child is folded when
    the iterator comes to it, so that ``compound`` may leave some out.
    """

    def walk(node: Expression) -> Result:
        if type(node) in _COMPOUND:
            return compound(node, map(walk, node.children()))
        return leaf(node)

    return walk(expression)


def replaced(expression: Expression, replace: Callable[[Expression], Expression]) -> Expression:
    """Return the expression with each value, name and bound in it replaced."""
    return fold(expression, replace, lambda node, parts: node.with_children(parts))


def renamed(expression: Expression, rename: Callable[[str], str]) -> Expression:
    """Return the expression with every variable it reads, before or after a step, renamed."""

    def again(node: Expression) -> Expression:
        match node:
            case Var(name):
                return Var(rename(name))
            case Next(name):
                return Next(rename(name))
            case _:
                return node

    return replaced(expression, again)


def conjuncts(expression: Expression) -> Iterator[Expression]:
    """Yield the conditions that must all hold, one by one."""
    if isinstance(expression, All):
        yield from flattened(expression)
    else:
        yield expression


def flattened(node: All | AnyOf) -> Iterator[Expression]:
    """Yield the items of a connective, and of each of its kind inside it."""
    for item in node.items:
        if isinstance(item, type(node)):
            yield from flattened(item)
        else:
            yield item


def terms(expression: Expression, sign: int = 1) -> Iterator[tuple[int, Expression]]:
    """Yield the terms of a sum, each with 1, or with -1 if it is subtracted."""
    if isinstance(expression, Calculate):
        yield from terms(expression.left, sign)
        yield from terms(expression.right, sign if expression.sign == "+" else -sign)
    else:
        yield sign, expression


def nodes(expression: Expression) -> list[Expression]:
    """Return the expression and everything in it, outermost first and from left to right."""
    found = [expression]
    for node in found:  # which grows by the children
        if type(node) in _COMPOUND:
            found += node.children()
    return found


def reads(expression: Expression) -> list[Var | Arg | Next]:
    """Return where the expression reads a variable or an argument, in the same order."""
    return [node for node in nodes(expression) if isinstance(node, _NAMED)]


def deeper_than(most: int, expression: Expression) -> bool:
    """Whether expressions are nested in the expression more often than that."""
    level = [expression]
    for _ in range(most):
        level = [inner for node in level for inner in node.children()]
    return bool(level)
