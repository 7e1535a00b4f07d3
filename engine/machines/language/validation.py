"""Validation: the rules of a well-formed declaration; `Machine` cannot be built without them.

Invariants: each check may rely on those before it; a refusal names the row where there is one, in
its message and in ``data["row"]``.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from perdure.errors import InvalidMachine
from perdure.machines.language.bounds import Scope, out_of_range, overlap
from perdure.machines.language.declaration import Declaration
from perdure.machines.language.expressions import (
    TRUE,
    Arg,
    Bound,
    Expression,
    Next,
    Var,
    deeper_than,
    nodes,
    reads,
)
from perdure.machines.language.properties import PHASE, Always, Property, expressions_of
from perdure.machines.language.value_types import FLAG, Mistyped, assignment_problem, type_of
from perdure.machines.language.vocabulary import Choice, Count, Identity, Row, Variable

_DEEPEST: Final = 180
"""Python compiles no deeper nesting: it takes 200 parentheses."""


def validate(machine: Declaration) -> None:
    """Raise InvalidMachine for the first thing wrong with the declaration."""
    for check in (
        _written,
        _names,
        _variables,
        _phases,
        _rows,
        _reads,
        _kinds,
        _outcomes,
        _ranges,
        _reachable,
        _traps,
        _properties,
    ):
        check(machine)


def _refusal(machine: Declaration, problem: str, item: Row | None = None) -> InvalidMachine:
    where = f", row «{item}»" if item is not None else ""
    return InvalidMachine(
        f"machine {machine.name!r}{where}: {problem}",
        machine=machine.name,
        row=None if item is None else str(item),
        problem=problem,
    )


def _written(machine: Declaration) -> None:
    """Refuse a row that holds a value of Python's where an expression is meant."""
    for item in _unlike(machine):
        bare = msgspec.structs.replace(item, guard=TRUE, updates=())
        for what, expression in (("its guard", item.guard), *item.updates):
            problem = expression_problem(expression)
            if problem is not None:
                raise _refusal(machine, f"{what}: {problem}", bare)


def _unlike(machine: Declaration) -> Iterable[Row]:
    """Return the first of each group of rows that share verb, guard and updates, as `row` gives."""
    rows = reversed(machine.all_rows())
    return reversed({(item.verb, id(item.guard), id(item.updates)): item for item in rows}.values())


def expression_problem(expression: Expression) -> str | None:
    """Return why something is no expression all through, or None where it is one."""
    held: Sequence[object] = nodes(expression)
    for node in held:
        if not isinstance(node, Expression):
            return f"{node!r} is no expression (equality is equals() and differs())"
    if len(held) > _DEEPEST and deeper_than(_DEEPEST, expression):
        return f"it is nested more than {_DEEPEST} deep: give many items to one All or AnyOf"
    return None


def _names(machine: Declaration) -> None:
    """Refuse a name that is no identifier, is declared twice, or is a verb no row uses.

    The machine's own is any single line of text.
    """
    groups: list[tuple[str, Iterable[str]]] = [
        ("phase", machine.phases),
        ("final phase", machine.final),
        ("variable", [variable.name for variable in machine.variables]),
        ("verb", [verb.name for verb in machine.verbs]),
        *(
            (f"argument of {verb.name!r},", [argument.name for argument in verb.arguments])
            for verb in machine.verbs
        ),
    ]
    for kind, names in groups:
        for name, times in Counter(names).items():
            if not name.isidentifier():
                raise _refusal(machine, f"{kind} {name!r} is not an identifier")
            if times > 1:
                raise _refusal(machine, f"{kind} {name!r} is declared {times} times")
    if not (machine.name.strip() and machine.name.isprintable()):
        raise _refusal(machine, "its name is empty, or no single line of text")
    if PHASE.name in {variable.name for variable in machine.variables}:
        raise _refusal(machine, f"no variable can be named {PHASE.name!r}, as the phase is")
    used = {item.verb for item in machine.all_rows()}
    for verb in machine.verbs:
        if verb.name not in used:
            raise _refusal(machine, f"verb {verb.name!r} is declared, but no row has it")


def _variables(machine: Declaration) -> None:
    """Refuse a variable without a domain to start in, and an argument of another kind than it."""
    by_name = {variable.name: variable for variable in machine.variables}
    for one in (*machine.variables, *(a for verb in machine.verbs for a in verb.arguments)):
        if isinstance(one, Count):
            problem = _unbounded(one.maximum)
            if problem is not None:
                raise _refusal(machine, f"{one.name!r} {problem}")
        for word in _words_of(one):
            if not isinstance(word, str):
                raise _refusal(machine, f"{one.name!r} can hold {word!r}, which is no text")
    for variable in machine.variables:
        initial = variable.initial
        if not any(value is initial or _same(value, initial) for value in variable.domain()):
            raise _refusal(
                machine, f"variable {variable.name!r} starts outside its domain: {initial}"
            )
    for verb in machine.verbs:
        for argument in verb.arguments:
            namesake = by_name.get(argument.name)
            if namesake is not None and type(namesake) is not type(argument):
                raise _refusal(
                    machine,
                    f"argument {argument.name!r} of {verb.name!r} is another kind of value "
                    "than the variable of that name",
                )
    for one in (*machine.variables, *(a for verb in machine.verbs for a in verb.arguments)):
        values = one.domain()
        if len(set(values)) < len(values):
            raise _refusal(machine, f"{one.name!r} lists a value of its domain twice")
        if len(values) < _fewest(one):
            raise _refusal(machine, f"{one.name!r} can hold nothing that the checker would explore")


def _unbounded(most: object) -> str | None:
    """Return why something is no bound of a count, or None where it is."""
    if not isinstance(most, Bound):
        return f"counts up to {most!r}, and not to a Bound with its actual and its checked value"
    if {type(most.actual), type(most.checked)} != {int}:
        return "counts up to a bound that is no whole number"
    if most.checked > most.actual:
        return f"is explored as far as {most.checked}, and runs as far as {most.actual}"
    return None


def _words_of(variable: Variable) -> tuple[object, ...]:
    match variable:
        case Choice():
            return variable.words
        case Identity():
            return variable.checked
        case _:
            return ()


def _fewest(variable: Variable) -> int:
    """Return how many values a domain has at least: None alone, or 0 alone, decides nothing."""
    return 2 if isinstance(variable, Choice | Identity) else 1


def _same(one: object, two: object) -> bool:
    return type(one) is type(two) and one == two


def _phases(machine: Declaration) -> None:
    if machine.initial not in machine.phases:
        raise _refusal(machine, f"the initial phase {machine.initial!r} is not declared")
    for phase in machine.final:
        if phase not in machine.phases:
            raise _refusal(machine, f"the final phase {phase!r} is not declared")
    if not machine.final:
        raise _refusal(machine, "no final phase is declared")


def _rows(machine: Declaration) -> None:
    """Refuse unknown phases, rows that leave a final phase, and unknown or double updates."""
    variables = {variable.name: variable for variable in machine.variables}
    for item in machine.all_rows():
        if item.source not in machine.phases:
            raise _refusal(machine, f"unknown phase {item.source!r}", item)
        if item.source in machine.final:
            raise _refusal(machine, f"nothing leaves the final phase {item.source!r}", item)
        match item.target:
            case Var(name):
                if not isinstance(variables.get(name), Choice):
                    raise _refusal(machine, f"the target {name!r} is not a declared choice", item)
                for word in machine.targets(item):
                    if word not in machine.phases:
                        raise _refusal(machine, f"the target can be {word!r}, not a phase", item)
            case str(phase):
                if phase not in machine.phases:
                    raise _refusal(machine, f"unknown phase {phase!r}", item)
            case None:
                pass
        for name, times in Counter(name for name, _ in item.updates).items():
            if name not in variables:
                raise _refusal(machine, f"it updates the undeclared variable {name!r}", item)
            if times > 1:
                raise _refusal(machine, f"it updates {name!r} {times} times", item)


def _reads(machine: Declaration) -> None:
    """Refuse a row that reads an undeclared name, or whose guard reads a variable never written."""
    variables = {variable.name for variable in machine.variables}
    updated = {name for item in machine.all_rows() for name, _ in item.updates}
    bounds = {v.maximum.name: v.maximum for v in machine.variables if isinstance(v, Count)}
    for item in _unlike(machine):
        arguments = {argument.name for argument in machine.verb(item.verb).arguments}
        for node in _nodes(item):
            if isinstance(node, Bound) and bounds.setdefault(node.name, node) != node:
                raise _refusal(machine, f"another bound is named {node.name!r} too", item)
            if isinstance(node, Var) and node.name not in variables:
                raise _refusal(machine, f"it reads the undeclared variable {node.name!r}", item)
            if isinstance(node, Arg) and node.name not in arguments:
                raise _refusal(machine, f"it reads the undeclared argument {node.name!r}", item)
        for node in reads(item.guard):
            if isinstance(node, Var) and node.name not in updated:
                raise _refusal(machine, f"no row writes {node.name!r}, which its guard reads", item)


def _nodes(item: Row) -> Iterator[Expression]:
    for expression in (item.guard, *(value for _, value in item.updates)):
        yield from nodes(expression)


def _kinds(machine: Declaration) -> None:
    """Refuse a guard that is not true or false, and an update its variable cannot hold."""
    variables = {variable.name: variable for variable in machine.variables}
    for item in _unlike(machine):
        arguments = {a.name: a for a in machine.verb(item.verb).arguments}
        try:
            if type_of(item.guard, variables, arguments).name != FLAG:
                raise _refusal(machine, f"its guard is not {FLAG}", item)
            for name, value in item.updates:
                problem = assignment_problem(variables[name], type_of(value, variables, arguments))
                if problem is not None:
                    raise _refusal(machine, problem, item)
        except Mistyped as mistake:
            raise _refusal(machine, str(mistake), item) from mistake


def _outcomes(machine: Declaration) -> None:
    """Refuse two rows of one phase and verb whose guards can hold together.

    At the explored size that is seen for certain, and at the actual bounds as `sizes` says.
    """
    rivals: dict[tuple[str, str], list[Row]] = {}
    for item in machine.all_rows():
        rivals.setdefault((item.source, item.verb), []).append(item)
    for items in rivals.values():
        for one, two in itertools.combinations(items, 2):
            scope = Scope(machine.variables, machine.verb(one.verb).arguments)
            witness = overlap((one.guard, two.guard), scope)
            if witness is not None:
                raise _refusal(machine, f"a second outcome beside «{one}», when {witness}", two)


def _ranges(machine: Declaration) -> None:
    """Refuse an update that no explored value takes out of its range, but an actual one does."""
    for item in _unlike(machine):
        if item.updates:
            problem = out_of_range(
                item, Scope(machine.variables, machine.verb(item.verb).arguments)
            )
            if problem is not None:
                raise _refusal(machine, problem, item)


def _reachable(machine: Declaration) -> None:
    seen = {machine.initial}
    frontier = [machine.initial]
    while frontier:
        phase = frontier.pop()
        for item in machine.all_rows():
            if item.source == phase:
                fresh = set(machine.targets(item)) - seen
                seen |= fresh
                frontier.extend(fresh)
    for phase in machine.phases:
        if phase not in seen:
            raise _refusal(machine, f"phase {phase!r} cannot be reached from {machine.initial!r}")


def _traps(machine: Declaration) -> None:
    leads_on = set(machine.final)
    grown = True
    while grown:
        grown = False
        for item in machine.all_rows():
            if item.source not in leads_on and leads_on & set(machine.targets(item)):
                leads_on.add(item.source)
                grown = True
    for phase in machine.phases:
        if phase not in leads_on:
            raise _refusal(machine, f"phase {phase!r} is a trap: no final phase follows from it")


def _properties(machine: Declaration) -> None:
    """Refuse a property that makes no sense, two of one name, and fairness of an unknown verb."""
    phase = Choice(PHASE.name, machine.phases, machine.initial)
    variables = {variable.name: variable for variable in (phase, *machine.variables)}
    arguments_of = {verb.name: verb.arguments for verb in machine.verbs}
    problem = properties_problem(machine.properties)
    if problem is not None:
        raise _refusal(machine, problem)
    for item in machine.properties:
        problem = property_problem(item, variables, arguments_of)
        if problem is not None:
            raise _refusal(machine, f"property {item.name!r}: {problem}")
    for name, times in Counter(item.name for item in machine.properties).items():
        if times > 1:
            raise _refusal(machine, f"{times} properties are named {name!r}")
    for name in machine.fair:
        if name not in arguments_of:
            raise _refusal(machine, f"{name!r} is said to be fair, but is no verb")


def properties_problem(items: Iterable[object]) -> str | None:
    """Return which of the things is no property, or None where all are."""
    return next((f"{one!r} is no property" for one in items if not isinstance(one, Property)), None)


def property_problem(
    item: Property,
    variables: Mapping[str, Variable],
    arguments_of: Mapping[str, tuple[Variable, ...]],
) -> str | None:
    """Return why a property makes no sense, or None where it does.

    ``variables`` are all that it may read, the phases among them; ``arguments_of`` has every verb.
    """
    on = item.on if isinstance(item, Always) else ()
    for name in on:
        if name not in arguments_of:
            return f"there is no verb {name!r}"
    shared = {argument.name: argument for argument in arguments_of[on[0]]} if on else {}
    for name in on[1:]:
        also = {argument.name: argument for argument in arguments_of[name]}
        shared = {name: one for name, one in shared.items() if also.get(name) == one}
    for expression in expressions_of(item):
        problem = condition_problem(expression, variables, shared, steps=isinstance(item, Always))
        if problem is not None:
            return problem
    return None


def condition_problem(
    expression: Expression,
    variables: Mapping[str, Variable],
    arguments: Mapping[str, Variable],
    *,
    steps: bool = False,
) -> str | None:
    """Return why a condition makes no sense, or None where it does.

    ``steps`` allows it to read the values after the step.
    """
    problem = expression_problem(expression)
    if problem is not None:
        return problem
    for node in reads(expression):
        if isinstance(node, Next) and not steps:
            return f"it reads {node.name!r} after a step, but is about one state"
        if isinstance(node, Arg):
            if node.name not in arguments:
                return f"it reads the undeclared argument {node.name!r}"
        elif node.name not in variables:
            return f"it reads {node.name!r}, which is not declared"
    try:
        if type_of(expression, variables, arguments).name != FLAG:
            return f"it is not {FLAG}"
    except Mistyped as mistake:
        return str(mistake)
    return None
