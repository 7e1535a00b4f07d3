"""Promela: a model as one process that SPIN explores.

Invariants: the verifier, compiled with ``-DNOREDUCE``, stores as many states as the checker finds.
So there is one process with one loop, every step is one ``d_step`` that ends where it began, and
nothing but the places is in the state: arguments are unrolled, and the values that a step remembers
while it writes are hidden. All of the places are in it: SPIN would forget one that nothing reads
(it calls the variable dead), so one branch of the loop reads them all, to see that each holds a
value of its domain.

A finished model loops, so that what SPIN calls an invalid end state is a deadlock. An ``end`` label
could not say so: it marks a place in the text, of which there is one, the head of the loop, and
there it would excuse every deadlock. A label of its own for finished states would add a state for
each of them.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from perdure.machines.language.expressions import (
    All,
    AnyOf,
    Arg,
    Bound,
    Const,
    Expression,
    Value,
    Var,
    nodes,
    replaced,
    terms,
)
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Model, Place, model_of
from perdure.machines.language.notation import PYTHON, Notation, printed
from perdure.machines.language.properties import Always, about_steps, before_step, formula
from perdure.machines.language.vocabulary import Choice, Count, Flag, Identity, Variable
from perdure.machines.printing.names import Names, ascii_text, identifier
from perdure.machines.printing.rules import (
    Rule,
    by_name,
    merged,
    uses_none,
)

_RESERVED: Final = (
    "active assert atomic bit bool break byte chan d_step d_proctype D_proctype do else empty "
    "enabled end eval false fi for full full get_priority goto hidden if in init inline int len "
    "local ltl mtype nempty never nfull notrace np_ od of pc_value pid printf printm priority "
    "proctype provided return run select set_priority short show skip STDIN timeout trace true "
    "typedef unless unsigned until weakuntil always eventually stronguntil implies equivalent "
    "release next U V W X xr xs c_code c_decl c_expr c_state c_track lifecycle NONE"
)
_OF_C: Final = (  # a variable becomes a member of a C struct
    "auto case char const continue default double enum extern float inline long main now register "
    "restrict signed sizeof static struct switch union void volatile while"
)
_PROMELA: Final = Notation(
    signs=PYTHON.signs, all_of=" && ", any_of=" || ", true="true", false="false", negation="!({})"
)
_UNSIGNED: Final = ("bool", "byte")
_NUMBERS: Final = (("byte", 0, 255), ("short", -32768, 32767))


def promela(model: Machine | Model, *, properties: bool = True) -> str:
    """Return the machine, or the composition, as a Promela model with the checked bounds.

    ``properties`` has the verifier assert each `Always`. The other properties are not printed:
    `check` checks them.
    """
    flat = model_of(model) if isinstance(model, Machine) else model
    words = _Words(flat)
    lines = [
        f"/* {ascii_text(flat.name)}, printed from its declaration.",
        " * spin -a FILE && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan",
        " */",
        *words.declarations(),
        "",
        "active proctype lifecycle() {",
        "    do",
        *_steps(flat, words, properties=properties),
        "    /* Nothing needs to happen any more: a finished state is no invalid end state. */",
        f"    :: d_step {{ {words.expression(flat.final)} -> skip }}",
        "    /* Every place holds a value of its domain. */",
        f"    :: d_step {{ !({words.expression(_within_domains(flat))}) -> assert(false) }}",
        *(_states(flat, words) if properties else ()),
        "    od",
        "}",
    ]
    return "\n".join(lines) + "\n"


class _Words:
    """The names of one Promela model. Words and ids are symbols, and so is None."""

    def __init__(self, model: Model) -> None:
        self._model = model
        names = Names((*_RESERVED.split(), *_OF_C.split()))
        self._places = {p.name: names.take(identifier(p.name)) for p in model.places}
        self._types = {p.name: _type(p, model) for p in model.places}
        self._before = {
            name: names.take(f"before_{identifier(name)}") for name in _remembered(model)
        }
        values = [
            *(value for place in model.places for value in place.domain),
            *(
                value
                for action in model.actions
                for one in action.arguments
                for value in one.domain()
            ),
        ]
        symbols = dict.fromkeys(value for value in values if isinstance(value, str))
        self._symbols = {word: names.take(identifier(word)) for word in symbols}
        self._nothing = uses_none(model)

    def declarations(self) -> Iterator[str]:
        """Yield the symbols and the variables."""
        symbols = [*(["NONE"] if self._nothing else []), *self._symbols.values()]
        if symbols:
            yield f"mtype = {{ {', '.join(symbols)} }}"
        for place in self._model.places:
            name = self._places[place.name]
            yield f"{self._types[place.name]} {name} = {self.value(place.initial)}"
        for place_name, name in self._before.items():
            yield f"hidden {self._types[place_name]} {name}"

    def place(self, name: str) -> str:
        """Return the variable of a place."""
        return self._places[name]

    def before(self, name: str) -> str:
        """Return the variable that remembers the value of a place before a step."""
        return self._before[name]

    def value(self, value: Value) -> str:
        """Return a value."""
        match value:
            case None:
                return "NONE"
            case bool():
                return "true" if value else "false"
            case int():
                return str(value)
            case str():
                return self._symbols.get(value) or identifier(value)

    def expression(self, node: Expression, before: Iterable[str] = ()) -> str:
        """Return an expression; ``before`` are the places to be read as they were remembered."""
        remembered = frozenset(before)

        def leaf(part: Expression) -> str:
            match part:
                case Const(value):
                    return self.value(value)
                case Var(name):
                    return self._before[name] if name in remembered else self._places[name]
                case Bound():
                    return str(part.checked)
                case _:
                    raise TypeError(f"no expression about one state: {part!r}")

        return printed(node, _PROMELA, leaf)


def _type(place: Place, model: Model) -> str:
    match place.variable:
        case Flag():
            return "bool"
        case Count():
            return _number(place, model)
        case Choice() | Identity():
            return "mtype"


def _number(place: Place, model: Model) -> str:
    """Return a type in which nothing that a step writes, cut to size, is in the domain again."""
    least, most = 0, place.domain[-1]
    assert type(most) is int  # noqa: S101 - a count's
    ends = [
        _ends(value, model, action.arguments)
        for action in model.actions
        for name, value in action.updates
        if name == place.name
    ]
    low = min((one for one, _ in ends), default=least)
    high = max((one for _, one in ends), default=most)
    for name, first, last in _NUMBERS:
        size = last - first + 1
        if first <= least and most < last and most - size < low and high < least + size:
            return name
    return "int"


def _ends(expression: Expression, model: Model, arguments: Iterable[Variable]) -> tuple[int, int]:
    """Return the least and the most that a sum can be."""
    least = most = 0
    for sign, term in terms(expression):
        ends = [sign * end for end in _ends_of_term(term, model, arguments)]
        least, most = least + min(ends), most + max(ends)
    return least, most


def _ends_of_term(term: Expression, model: Model, arguments: Iterable[Variable]) -> tuple[int, int]:
    match term:
        case Const(int(value)):
            return value, value
        case Bound():
            return term.checked, term.checked
        case Var(name):
            found = model.variables()[name]
        case Arg(name):
            found = next(one for one in arguments if one.name == name)
        case _:
            raise TypeError(f"no number: {term!r}")
    return 0, found.maximum.checked if isinstance(found, Count) else 1


def _steps(model: Model, words: _Words, *, properties: bool) -> Iterator[str]:
    for name, actions in by_name(model).items():
        arguments = actions[0].arguments
        yield f"    /* {ascii_text(name)} */"
        wanted = _asserted(model, name) if properties else []
        for values in itertools.product(*actions[0].choices()):
            given = dict(zip((one.name for one in arguments), values, strict=True))
            if given:
                told = ", ".join(f"{one} = {words.value(value)}" for one, value in given.items())
                yield f"    /* given {ascii_text(told)} */"
            for rule in merged(actions):
                yield from _step(rule, given, wanted, words)


def _step(
    rule: Rule, given: Mapping[str, Value], wanted: list[Expression], words: _Words
) -> Iterator[str]:
    def here(expression: Expression) -> Expression:
        return replaced(
            expression, lambda node: Const(given[node.name]) if isinstance(node, Arg) else node
        )

    sources = AnyOf(tuple(Var(rule.place).equals(source) for source in rule.sources))
    first = sources.items if len(sources.items) == 1 else (sources,)
    guard = All((*first, *map(here, rule.guard)) if rule.place else tuple(map(here, rule.guard)))
    updates = {name: here(value) for name, value in rule.updates}
    checks = [f"assert({words.expression(before_step(here(item), updates))})" for item in wanted]
    effects = [*checks, *_writes(updates, words)] or ["skip"]
    yield f"    :: d_step {{ {words.expression(guard)} -> {'; '.join(effects)} }}"


def _writes(updates: Mapping[str, Expression], words: _Words) -> Iterator[str]:
    """Yield the assignments, after remembering the values that they overwrite but still read."""
    remembered = _overwritten(updates)
    for name in remembered:
        yield f"{words.before(name)} = {words.place(name)}"
    for name, value in updates.items():
        yield f"{words.place(name)} = {words.expression(value, remembered)}"


def _overwritten(updates: Mapping[str, Expression]) -> list[str]:
    """Return the places that an assignment reads after an earlier one has written them."""
    written: set[str] = set()
    found: list[str] = []
    for name, value in updates.items():
        found += [
            node.name for node in nodes(value) if isinstance(node, Var) and node.name in written
        ]
        written.add(name)
    return list(dict.fromkeys(found))


def _remembered(model: Model) -> list[str]:
    """Return the places that some step must remember while it writes."""
    found = [name for action in model.actions for name in _overwritten(dict(action.updates))]
    return list(dict.fromkeys(found))


def _asserted(model: Model, name: str) -> list[Expression]:
    """Return the conditions that must hold over every step of the verb."""
    return [
        item.holds
        for item in model.properties
        if isinstance(item, Always) and about_steps(item) and (not item.on or name in item.on)
    ]


def _within_domains(model: Model) -> Expression:
    return All(tuple(_within_domain(place, model) for place in model.places))


def _within_domain(place: Place, model: Model) -> Expression:
    held = Var(place.name)
    if isinstance(place.variable, Choice | Identity):
        return AnyOf(tuple(held.equals(value) for value in place.domain))
    most = held <= place.domain[-1]
    return most if _type(place, model) in _UNSIGNED else All((held >= 0, most))


def _states(model: Model, words: _Words) -> Iterator[str]:
    """Yield branches that can be taken only where what always holds does not."""
    for item in model.properties:
        if isinstance(item, Always) and not about_steps(item):
            yield f"    /* {ascii_text(item.name)}: {ascii_text(formula(item))} */"
            yield f"    :: d_step {{ !({words.expression(item.holds)}) -> assert(false) }}"
