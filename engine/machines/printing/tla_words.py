"""The words of one TLA+ module: its identifiers, and values, domains and expressions in them.

Invariants: the words of a model are a function of it alone, so a module and its configurations
agree; a parameter is never called like a variable, which TLA+ forbids.
"""

from collections.abc import Iterable, Iterator
from typing import Final

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
    Value,
    Var,
    fold,
)
from perdure.machines.language.model import Model
from perdure.machines.language.notation import Notation, in_notation
from perdure.machines.language.properties import AlwaysPossible, Property, Sometimes
from perdure.machines.language.vocabulary import (
    Choice,
    Count,
    Flag,
    Identity,
    Variable,
    given_domain,
)
from perdure.machines.printing.names import Names, ascii_text, camel, identifier, shortened
from perdure.machines.printing.rules import all_variables, bounds_of, by_name, uses_none

_RESERVED: Final = (
    "ACTION ASSUME ASSUMPTION AXIOM BOOLEAN BY CASE CHOOSE CONSTANT CONSTANTS COROLLARY DEF DEFINE "
    "DEFS DOMAIN ELSE ENABLED EXCEPT EXTENDS FALSE HAVE HIDE IF IN INSTANCE LAMBDA LEMMA LET LOCAL "
    "MODULE NEW OBVIOUS OMITTED ONLY OTHER PICK PROOF PROPOSITION PROVE QED RECURSIVE SF_ STATE "
    "STEP STRING SUBSET SUFFICES TAKE TEMPORAL THEN THEOREM TRUE UNCHANGED UNION USE VARIABLE "
    "VARIABLES WF_ WITH WITNESS Nat Naturals Integers Reals Sequences FiniteSets Bags TLC Int Real "
    "Infinity vars TypeOK Init Step Done Next Spec Fairness NONE"
)
_TLA: Final = Notation(
    signs={
        "=": "=",
        "≠": "#",
        "<": "<",
        "≤": "<=",
        ">": ">",
        "≥": ">=",
        "+": "+",
        "-": "-",
    },
    all_of=" /\\ ",
    any_of=" \\/ ",
    true="TRUE",
    false="FALSE",
    negation="~{}",
)
_SENTENCE_WORDS: Final = 8


class Words:
    """The identifiers of one module."""

    def __init__(self, model: Model) -> None:
        names = Names(_RESERVED.split())
        self._names = names
        self.module: Final = names.take(_tla(camel(model.name)))
        self.none: Final = "NONE" if uses_none(model) else ""
        self._places = {
            place.name: names.take(_tla(identifier(place.name))) for place in model.places
        }
        self._bounds = {
            bound: names.take(_tla(identifier(bound.name))) for bound in bounds_of(model)
        }
        self._ids: dict[tuple[str, ...], str] = {}
        for variable in all_variables(model):
            if isinstance(variable, Identity) and variable.checked not in self._ids:
                self._ids[variable.checked] = names.take(_tla(f"{camel(variable.name)}Ids"))
        self._operators = {name: names.take(_tla(camel(name))) for name in by_name(model)}
        self._properties = {
            item.name: names.take(_tla(_property_name(item))) for item in model.properties
        }
        self._standing = {
            item.name: names.take(f"{self._properties[item.name]}_Enabled")
            for item in model.properties
        }
        self._texts = _texts(model)
        given = dict.fromkeys(a.name for action in model.actions for a in action.arguments)
        self._given = {name: names.take(f"given_{identifier(name)}") for name in given}

    def ids(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield each set of ids that the checker takes, and the constant's name."""
        yield from self._ids.items()

    def bounds(self) -> Iterator[tuple[Bound, str]]:
        """Yield each bound and the constant's name."""
        yield from self._bounds.items()

    def place(self, name: str) -> str:
        """Return the variable of a place."""
        return self._places[name]

    def given(self, name: str) -> str:
        """Return the parameter of an argument."""
        return self._given[name]

    def operator(self, name: str) -> str:
        """Return the operator of an action."""
        return self._operators[name]

    def property(self, item: Property) -> str:
        """Return the operator of a property."""
        return self._properties[item.name]

    def standing(self, item: Property) -> str:
        """Return the operator of the statement about states that a property of steps makes."""
        return self._standing[item.name]

    def value(self, value: Value) -> str:
        """Return a value."""
        match value:
            case None:
                return "NONE"
            case bool():
                return "TRUE" if value else "FALSE"
            case int():
                return str(value) if value >= 0 else f"(0 - {-value})"  # Naturals has no sign
            case str():
                text = self._texts.get(value) or ascii_text(value)
                text = text.replace("\\", "\\\\").replace('"', '\\"')
                return f'"{text}"'

    def domain(self, variable: Variable, values: Iterable[Value]) -> str:
        """Return the set of the values of a variable or an argument."""
        match variable:
            case Flag():
                return "BOOLEAN"
            case Count():
                return f"0..{self._bounds[variable.maximum]}"
            case Identity():
                some = self._ids[variable.checked]
            case Choice():
                named = ", ".join(self.value(word) for word in values if word is not None)
                some = f"{{{named}}}"
        return f"{some} \\union {{NONE}}" if None in values else some

    def ranges(self, arguments: Iterable[Variable]) -> str:
        """Return the arguments with their sets, as a quantifier binds them."""
        return ", ".join(
            f"{self.given(one.name)} \\in {self.domain(one, given_domain(one))}"
            for one in arguments
        )

    def call(self, name: str, arguments: Iterable[Variable]) -> str:
        """Return an action with its parameters."""
        given = ", ".join(self.given(one.name) for one in arguments)
        return f"{self.operator(name)}({given})" if given else self.operator(name)

    def expression(self, node: Expression) -> str:
        """Return an expression by itself: without the parentheses that it has inside another."""
        text = self.operand(node)
        return text[1:-1] if isinstance(node, Compare | Calculate | All | AnyOf) else text

    def assigned(self, node: Expression) -> str:
        """Return an expression on the right of an equals sign, which binds looser than sums."""
        return self.expression(node) if isinstance(node, Calculate) else self.operand(node)

    def operand(self, node: Expression) -> str:
        """Return an expression as part of another."""
        return fold(node, self._leaf, self._compound)

    def _compound(self, node: Expression, parts: Iterator[str]) -> str:
        if isinstance(node, AnyOf) and (place := _one_of(node.items)) is not None:
            words = ", ".join(self._leaf(item.right) for item in _equalities(node.items))
            return f"({self._leaf(place)} \\in {{{words}}})"
        return in_notation(_TLA, node, parts)

    def _leaf(self, node: Expression) -> str:
        match node:
            case Const(value):
                return self.value(value)
            case Var(name):
                return self.place(name)
            case Next(name):
                return f"{self.place(name)}'"
            case Arg(name):
                return self.given(name)
            case Bound():
                return self._bounds[node]
            case _:
                raise TypeError(f"not an expression: {node!r}")


def _equalities(items: Iterable[Expression]) -> list[Compare]:
    return [item for item in items if isinstance(item, Compare) and item.sign == "="]


def _one_of(items: tuple[Expression, ...]) -> Expression | None:
    """Return the name that is compared with words, if the items are such comparisons alone."""
    found = _equalities(items)
    left = {item.left for item in found if isinstance(item.left, Var | Next)}
    if len(found) < len(items) or len(items) < 2 or len(left) != 1:  # noqa: PLR2004 - a choice
        return None
    if not all(isinstance(item.right, Const) and item.left in left for item in found):
        return None
    return left.pop()


def words_of(model: Model) -> Words:
    """Return the words of the model's module."""
    return Words(model)


def conjunction(lines: Iterable[str]) -> str:
    """Return the conditions as a list that TLA+ reads by its alignment."""
    return "\n".join(f"    /\\ {line}" for line in lines)


def _texts(model: Model) -> dict[str, str]:
    """Return how each word of the model is written, no two the same way."""
    domains = [
        *(place.domain for place in model.places),
        *(values for action in model.actions for values in action.choices()),
    ]
    words = dict.fromkeys(one for values in domains for one in values if isinstance(one, str))
    names = Names()
    own_first = sorted(words, key=lambda word: ascii_text(word) != word)
    return {word: names.take(ascii_text(word)) for word in own_first}


def _property_name(item: Property) -> str:
    name = camel(shortened(item.name, _SENTENCE_WORDS))
    match item:
        case Sometimes():
            return f"Never{name}"
        case AlwaysPossible():
            return f"Goal{name}"
        case _:
            return name


def _tla(name: str) -> str:
    """Return the name, unless it begins as fairness does."""
    return f"x{name}" if name.startswith(("WF_", "SF_")) else name
