"""Expressions: guards and updates as data.

Invariants: an expression reads only variables, arguments and bounds that its machine declares;
it has no side effects; it means the same interpreted (`evaluate`), compiled (`python_source`) and
printed (`written`). A lambda could do only the first.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

Value = None | bool | int | str
"""What a variable or an argument can hold."""

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

    def __bool__(self) -> bool:
        """Raise TypeError: only a state says what is true."""
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
    """What a variable holds after the step, in a property about steps."""

    name: str


class Bound(Expression, frozen=True, tag=True):
    """A named limit with two values: what a running engine allows, and what the checker explores.

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


class Calculate(Expression, frozen=True, tag=True):
    """A sum or a difference."""

    sign: Sign
    left: Expression
    right: Expression


class All(Expression, frozen=True, tag=True):
    """True when every item is; true of no items."""

    items: tuple[Expression, ...]


class AnyOf(Expression, frozen=True, tag=True):
    """True when some item is; false of no items."""

    items: tuple[Expression, ...]


class Not(Expression, frozen=True, tag=True):
    """The negation."""

    item: Expression


TRUE: Final = All(())

_NAMED: Final = (Var, Arg, Next)
_LEAVES: Final = frozenset((*_NAMED, Const, Bound))
_TWO_SIDED: Final = (Compare, Calculate)
_MANY: Final = (All, AnyOf)


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


PYTHON_SIGNS: Final = {
    "=": "==",
    "≠": "!=",
    "<": "<",
    "≤": "<=",
    ">": ">",
    "≥": ">=",
    "+": "+",
    "-": "-",
}


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

    def source(node: Expression) -> str:
        match node:
            case Const(value):
                return repr(value)
            case Var(name):
                return f"v[{variables[name]}]"
            case Arg(name):
                return f"a[{arguments[name]}]"
            case Bound():
                return repr(node.checked if checked else node.actual)
            case Compare(sign, left, right) | Calculate(sign, left, right):
                return f"({source(left)} {PYTHON_SIGNS[sign]} {source(right)})"
            case All(items):
                return f"({' and '.join(map(source, items)) or 'True'})"
            case AnyOf(items):
                return f"({' or '.join(map(source, items)) or 'False'})"
            case Not(item):
                return f"(not {source(item)})"
            case _:
                raise TypeError(f"not an expression: {node!r}")

    return source(expression)


def written(expression: Expression) -> str:
    """Return the expression as a person would write it, for messages and contracts."""
    match expression:
        case Const(value):
            return _literal(value)
        case Var(name):
            return name
        case Arg(name):
            return f"given {name}"
        case Next(name):
            return f"{name}'"
        case Bound():
            return expression.name
        case Compare(sign, left, right):
            return f"{_operand(left)} {sign} {_operand(right)}"
        case Calculate(sign, left, right):
            last = _operand(right)
            last = f"({last})" if isinstance(right, Calculate) else last
            return f"{_operand(left)} {sign} {last}"
        case All(items):
            return " and ".join(written(item) for item in items) or "true"
        case AnyOf(items):
            return f"({' or '.join(written(item) for item in items) or 'false'})"
        case Not(item):
            return f"not ({written(item)})"
        case _:
            raise TypeError(f"not an expression: {expression!r}")


def _operand(expression: Expression) -> str:
    """Return the expression as written inside a comparison or a sum, which bind tighter."""
    text = written(expression)
    return f"({text})" if isinstance(expression, Compare | All | Not) else text


def replaced(expression: Expression, replace: Callable[[Expression], Expression]) -> Expression:
    """Return the expression with each value, name and bound in it replaced."""

    def walk(node: Expression) -> Expression:
        match node:
            case Compare(sign, left, right):
                return Compare(sign, walk(left), walk(right))
            case Calculate(sign, left, right):
                return Calculate(sign, walk(left), walk(right))
            case All(items):
                return All(tuple(map(walk, items)))
            case AnyOf(items):
                return AnyOf(tuple(map(walk, items)))
            case Not(item):
                return Not(walk(item))
            case _:
                return replace(node)

    return walk(expression)


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
    """Yield what has to hold, one by one."""
    if isinstance(expression, All):
        for item in expression.items:
            yield from conjuncts(item)
    else:
        yield expression


def _literal(value: Value) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def nodes(expression: Expression) -> list[Expression]:
    """Return the expression and everything in it, outermost first and from left to right."""
    found = [expression]
    for node in found:  # which grows by what is inside
        if type(node) not in _LEAVES:
            found += _inside(node)
    return found


def reads(expression: Expression) -> list[Var | Arg | Next]:
    """Return where the expression reads a variable or an argument, in the same order."""
    return [node for node in nodes(expression) if isinstance(node, _NAMED)]


def deeper_than(most: int, expression: Expression) -> bool:
    """Whether expressions are nested in the expression more often than that."""
    level = [expression]
    for _ in range(most):
        level = [inner for node in level for inner in _inside(node)]
    return bool(level)


def _inside(node: Expression) -> tuple[Expression, ...]:
    """Return what the expression is made of, from left to right."""
    if isinstance(node, _TWO_SIDED):
        return (node.left, node.right)
    if isinstance(node, _MANY):
        return tuple(node.items)
    return (node.item,) if isinstance(node, Not) else ()
