"""The contract: a machine, or several together, on one page that a person reads.

Invariants: the page is a function of the declaration and the counts, and says all of it; nothing on
it needs the code to be understood.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from perdure.machines.builtin.catalog import BUILT_IN
from perdure.machines.checker.report import Report
from perdure.machines.language.composition import within
from perdure.machines.language.expressions import All, Const, Expression, Value, Var, conjuncts
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Model, Place, model_of
from perdure.machines.language.notation import written
from perdure.machines.language.properties import (
    Always,
    AlwaysPossible,
    LeadsTo,
    Property,
    Sometimes,
    formula,
)
from perdure.machines.language.vocabulary import Choice, Count, Flag, Identity, Row, Variable
from perdure.machines.printing.rules import Rule, bounds_of, by_name, merged

_NOTATION: Final = """\
`x := y` gives `x` a new value, computed from the values before the move; a variable that is not
named stays as it is. `given x` is an argument of the verb. `none` is no value at all. `x'`, in a
property, is the value of `x` after the step. A move with several conditions needs all of them."""


def contract(model: Machine | Model, report: Report | None = None) -> str:
    """Return the page, in Markdown, with the results of a check if its ``report`` is given."""
    if isinstance(model, Machine):
        parts = _machine_page(model, report)
    else:
        parts = _model_page(model, report)
    return "\n\n".join(part for part in parts if part) + "\n"


def _machine_page(machine: Machine, report: Report | None) -> Iterator[str]:
    flat = model_of(machine)
    yield f"# The {_spoken(machine.name)} machine"
    yield (
        f"A machine is always in one phase, and moves only by its verbs. This one has "
        f"{_number(len(machine.phases), 'phase')}, {_number(len(machine.verbs), 'verb')} and "
        f"{_number(len(machine.all_rows()), 'row')}. A row says that a verb is allowed in a phase, "
        "under which condition, with which changes. **A move that no row allows is refused, and "
        "changes nothing.**"
    )
    yield _NOTATION
    yield "## Phases\n\n" + _table(("phase", "is", "verbs that may be allowed"), _phases(machine))
    yield _variables(flat)
    yield _bounds(flat)
    yield "## Verbs\n\n" + _table(("verb", "arguments", "who"), _verbs(machine))
    yield (
        "## Rows\n\nEach row holds for every phase it is *from*. Where the phase it leads *to* is "
        "a variable, it leads to the phase that the variable holds.\n\n"
        + _table(("verb", "from", "to", "allowed if", "changes"), _rows(machine))
    )
    yield (
        "## Every phase by every verb\n\n`=` stays in the phase, a phase's name leads there, `?` "
        "has a condition (see the rows), and an empty cell is refused.\n\n" + _matrix(machine)
    )
    yield _properties(flat)
    yield _fairness(flat)
    yield _counted(report)


def _model_page(model: Model, report: Report | None) -> Iterator[str]:
    parts = list(dict.fromkeys(place.part for place in model.places if place.part))
    yield f"# {model.name}: several machines together"
    yield (
        f"The parts are {_listed(parts)}. Each is a machine with a contract of its own, and what "
        "belongs to a part stands under its name. One part moves at a time, except where the table "
        "of joint steps says that verbs of several happen in one step, all of them or none: such a "
        "verb never happens otherwise. A step of one part changes no other."
    )
    yield _NOTATION
    yield _parts(model)
    joint = list(_joint(model))
    if joint:
        head = ("step", "verbs", "arguments", "who", "and only if")
        yield "## Joint steps\n\n" + _table(head, joint)
    else:
        yield "## Joint steps\n\nThere are none: the parts share nothing."
    yield _left_out(model)
    yield _variables(model)
    yield _bounds(model)
    yield "## Steps\n\n" + _table(("step", "from", "allowed if", "changes"), _steps(model))
    yield _properties(model)
    yield _fairness(model)
    yield _counted(report)


def _phases(machine: Machine) -> Iterator[tuple[str, ...]]:
    for phase in machine.phases:
        kinds = ["where it starts"] if phase == machine.initial else []
        kinds += ["an end: nothing leaves it"] if phase in machine.final else []
        verbs = dict.fromkeys(row.verb for row in machine.all_rows() if row.source == phase)
        yield _code(phase), ", ".join(kinds), ", ".join(map(_code, verbs))


def _variables(model: Model) -> str:
    rows = [(_code(p.name), _holds(p), _code(_value(p.initial))) for p in model.places]
    return "## Variables\n\n" + _table(("variable", "holds", "starts as"), rows)


def _holds(place: Place) -> str:
    if place.name.rpartition(".")[2] == "phase" and isinstance(place.variable, Choice):
        return f"the phase: {_alternatives(place.domain)}"
    return _described(place.variable, nothing=None in place.domain)


def _described(variable: Variable, *, nothing: bool) -> str:
    match variable:
        case Flag():
            return "`true` or `false`"
        case Count():
            return f"a number from 0 to {_code(variable.maximum.name)}"
        case Choice():
            return _alternatives((*variable.words, *((None,) if nothing else ())))
        case Identity():
            return "an id, only ever compared" + (", or `none`" if nothing else "")


def _bounds(model: Model) -> str:
    bounds = bounds_of(model)
    ids = {
        one.checked: None
        for one in (
            *(place.variable for place in model.places),
            *(argument for action in model.actions for argument in action.arguments),
        )
        if isinstance(one, Identity)
    }
    if not bounds and not ids:
        return ""
    rows = [(_code(one.name), f"{one.actual:,}", str(one.checked)) for one in bounds]
    rows += [("ids", "any", _alternatives(values)) for values in ids]
    return (
        "## Bounds\n\nA running engine allows the *actual* value. Exhaustive checks take the "
        "*checked* one: the rules are the same at both sizes, and only the number differs.\n\n"
        + _table(("bound", "actual", "checked"), rows)
    )


def _verbs(machine: Machine) -> Iterator[tuple[str, ...]]:
    for verb in machine.verbs:
        yield _code(verb.name), _arguments(verb.arguments), _who(restricted=verb.restricted)


def _arguments(arguments: Iterable[Variable]) -> str:
    return "; ".join(f"{_code(one.name)}: {_described(one, nothing=False)}" for one in arguments)


def _who(*, restricted: bool) -> str:
    return "the engine alone, with the authority's token" if restricted else "any caller"


def _rows(machine: Machine) -> Iterator[tuple[str, ...]]:
    grouped: dict[tuple[object, ...], list[Row]] = {}
    for item in machine.all_rows():
        grouped.setdefault((item.verb, item.target, item.guard, item.updates), []).append(item)
    for rows in grouped.values():
        first = rows[0]
        match first.target:
            case None:
                to = "the same"
            case Var(name):
                to = f"what {_code(name)} holds"
            case phase:
                to = _code(phase)
        guard = [first.guard] if first.guard != All(()) else []
        sources = ", ".join(_code(row.source) for row in rows)
        yield _code(first.verb), sources, to, _conditions(guard), _changes(first.updates)


def _matrix(machine: Machine) -> str:
    cells: dict[tuple[str, str], list[str]] = {}
    for item in machine.all_rows():
        for target in machine.targets(item):
            asks = item.guard != All(()) or isinstance(item.target, Var)
            to = ("=" if target == item.source else target) + ("?" if asks else "")
            found = cells.setdefault((item.source, item.verb), [])
            if to not in found:
                found.append(to)
    phases = [phase for phase in machine.phases if phase not in machine.final]
    rows = [
        (_code(verb.name), *(" ".join(cells.get((phase, verb.name), ())) for phase in phases))
        for verb in machine.verbs
    ]
    ends = f"\n\nEverything is refused in {_listed(machine.final)}."
    return _table(("verb", *phases), rows) + ends


def _parts(model: Model) -> str:
    """Return which machine each part is, and where the contract of a built-in one is."""
    rows = []
    for part, machine in model.parts:
        built_in = machine.name in BUILT_IN and BUILT_IN[machine.name] == machine
        path = f"machines/{machine.name}/contract.md" if built_in else ""
        rows.append((_code(part), _code(machine.name), _code(path)))
    return "## Parts\n\n" + _table(("part", "machine", "its contract, in `specs/`"), rows)


def _left_out(model: Model) -> str:
    if not model.left_out:
        return ""
    rows = [
        (_code(f"{one.part}.{one.verb}"), ", ".join(map(_code, one.sources)), _cell(one.why))
        for one in model.left_out
    ]
    return "## Left out\n\nRows of the parts that no step here has.\n\n" + _table(
        ("verb", "from", "why"), rows
    )


def _joint(model: Model) -> Iterator[tuple[str, ...]]:
    """Yield the joint steps, and the verbs of one part that have a condition on other parts."""
    machines = dict(model.parts)
    for name, actions in by_name(model).items():
        if "." in name:
            continue
        verbs = [(part, item.verb) for part, item in actions[0].rows]
        own = {
            written(condition)
            for action in actions
            for alone in action.rows
            for condition in _own(alone)
        }
        shared = [
            condition
            for condition in conjuncts(actions[0].guard)
            if all(condition in conjuncts(action.guard) for action in actions)
            and written(condition) not in own
        ]
        told = ", ".join(_code(f"{part}.{verb}") for part, verb in verbs)
        restricted = any(machines[part].verb(verb).restricted for part, verb in verbs)
        given = _arguments(actions[0].arguments)
        yield _code(name), told, given, _who(restricted=restricted), _conditions(shared)


def _own(row: tuple[str, Row]) -> Iterator[Expression]:
    """Yield the conditions that a row of one part brings, as the composition writes them."""
    part, item = row
    yield within(part, Var("phase").equals(item.source))
    if isinstance(item.target, Var):
        yield within(part, item.target.differs(None))
    for condition in conjuncts(item.guard):
        yield within(part, condition)


def _steps(model: Model) -> Iterator[tuple[str, ...]]:
    for name, actions in by_name(model).items():
        for rule in merged(actions):
            yield _code(name), _sources(rule), _conditions(rule.guard), _changes(rule.updates)


def _sources(rule: Rule) -> str:
    if not rule.place:
        return ""
    return f"{_code(rule.place)} is {' or '.join(map(_code, rule.sources))}"


def _properties(model: Model) -> str:
    if not model.properties:
        return ""
    rows = [(_kind(item), _cell(item.name), _code(formula(item))) for item in model.properties]
    return (
        "## Properties\n\nEach is checked in every state and over every step there is. *Always* "
        "is about every reachable state, or every step; *sometimes* means that some state has it, "
        "so that nothing holds just because nothing happens; *always possible* means that from "
        "everywhere such a state can still be reached; *leads to* means that it gets there if fair "
        "verbs are not starved.\n\n" + _table(("word", "in plain words", "as a formula"), rows)
    )


def _kind(item: Property) -> str:
    match item:
        case Always():
            return "always"
        case Sometimes():
            return "sometimes"
        case AlwaysPossible():
            return "always possible"
        case LeadsTo():
            return "leads to"


def _fairness(model: Model) -> str:
    if not model.fair:
        return ""
    return (
        "## Fairness\n\nOf these it is assumed that each happens at last, once it stays possible "
        f"without a break: {', '.join(map(_code, model.fair))}. Nothing else is bound to happen."
    )


def _counted(report: Report | None) -> str:
    if report is None:
        return ""
    broken = [f"{one.property}: {one.explanation}" for one in report.violations]
    broken += [f"never fired: {row}" for row in report.unfired]
    broken += [f"never witnessed: {name}" for name in report.unwitnessed]
    broken += [f"the exploration ended early: {report.incomplete}"] if report.incomplete else []
    verdict = "\n".join(f"**Broken:** {_cell(one)}\n" for one in broken) or "All of it holds.\n"
    transitions = "transitions: the initial state, and every step, those that change nothing too"
    return (
        "## Counts\n\nExplored exhaustively with the checked bounds. Another checker of the same "
        f"rules must find as many.\n\n{verdict}\n"
        + _table(
            ("what", "count"),
            (
                ("distinct states", f"{report.states:,}"),
                (transitions, f"{report.transitions:,}"),
                ("steps to the farthest state", f"{report.depth:,}"),
            ),
        )
    )


def _conditions(items: Iterable[Expression]) -> str:
    return " and ".join(_code(written(item)) for item in items)


def _changes(updates: Iterable[tuple[str, Expression]]) -> str:
    return ", ".join(_code(f"{name} := {written(value)}") for name, value in updates)


def _value(value: Value) -> str:
    return written(Const(value))


def _alternatives(values: Sequence[Value]) -> str:
    return ", ".join(_code(_value(value)) for value in values)


def _listed(names: Iterable[str]) -> str:
    found = [_code(name) for name in names]
    return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s'[: count != 1]}"


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
