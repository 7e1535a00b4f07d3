"""TLA+: a model as a module that SANY accepts and TLC checks.

Invariants: TLC finds as many distinct states as the checker does with the same bounds; every
name is one identifier, reserved by nothing; a finished model stutters (``Done``), so that what TLC
calls a deadlock is one. Possibility (``always possible``) is beyond TLC; the module says so.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from perdure.machines.language.expressions import TRUE
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Action, Model, model_of
from perdure.machines.language.properties import (
    Always,
    AlwaysPossible,
    LeadsTo,
    Property,
    Sometimes,
    about_steps,
    before_step,
    formula,
    reads_next,
)
from perdure.machines.language.vocabulary import Variable
from perdure.machines.printing.names import ascii_text
from perdure.machines.printing.rules import (
    Rule,
    arguments_read,
    by_name,
    can_change_nothing,
    merged,
)
from perdure.machines.printing.tla_words import Words, conjunction, words_of

_RULE: Final = 77


def module_name(model: Machine | Model) -> str:
    """Return the name of the module, which is that of its file too, less ``.tla``."""
    return words_of(_flat(model)).module


def tla(model: Machine | Model) -> str:
    """Return the machine, or the composition, as a TLA+ module.

    The bounds and the sets of ids are constants; `tla_config` gives them values.
    """
    flat = _flat(model)
    words = words_of(flat)
    title = f" MODULE {words.module} "
    side = "-" * max(4, (_RULE - len(title)) // 2)
    parts = (
        _comment(f"{flat.name}, printed from its declaration."),
        "EXTENDS Naturals",
        *_constants(words),
        *_variables(flat, words),
        *_actions(flat, words),
        *_spec(flat, words),
        *(text for item in flat.properties for text in _property(item, flat, words)),
    )
    return f"{side}{title}{side}\n" + "\n\n".join(parts) + f"\n{'=' * _RULE}\n"


def _flat(model: Machine | Model) -> Model:
    return model_of(model) if isinstance(model, Machine) else model


def _comment(*lines: str) -> str:
    return "\n".join(f"\\* {ascii_text(line)}" for line in lines)


def _constants(words: Words) -> Iterator[str]:
    lines = [(words.none, "no value: no run, nothing remembered")] if words.none else []
    lines += [(name, f"ids, of which the checker takes {len(ids)}") for ids, name in words.ids()]
    lines += [
        (name, f"a bound: {bound.actual} in a running engine, {bound.checked} when checked")
        for bound, name in words.bounds()
    ]
    if not lines:
        return
    width = max(len(name) for name, _ in lines) + 1
    last = len(lines) - 1
    yield "CONSTANTS\n" + "\n".join(
        f"    {name + ',' * (place < last):<{width}}  \\* {comment}"
        for place, (name, comment) in enumerate(lines)
    )
    facts = [f"{words.none} \\notin {name}" for _, name in words.ids()] if words.none else []
    facts += [f"{name} \\in Nat" for _, name in words.bounds()]
    if facts:
        yield f"ASSUME\n{conjunction(facts)}"


def _variables(model: Model, words: Words) -> Iterator[str]:
    names = [words.place(place.name) for place in model.places]
    yield "VARIABLES\n    " + ",\n    ".join(names)
    yield f"vars == <<{', '.join(names)}>>"
    yield "TypeOK ==\n" + conjunction(
        f"{words.place(place.name)} \\in {words.domain(place.variable, place.domain)}"
        for place in model.places
    )
    yield "Init ==\n" + conjunction(
        f"{words.place(place.name)} = {words.value(place.initial)}" for place in model.places
    )


def _actions(model: Model, words: Words) -> Iterator[str]:
    for name, actions in by_name(model).items():
        rules = [conjunction(_rule(rule, model, words)) for rule in merged(actions)]
        body = rules[0] if len(rules) == 1 else "\n".join(map(_alternative, rules))
        given = [words.given(argument.name) for argument in actions[0].arguments]
        head = f"{words.operator(name)}({', '.join(given)})" if given else words.operator(name)
        yield f"{_comment(name)}\n{head} ==\n{body}"


def _alternative(conditions: str) -> str:
    """Return a list of conditions as one item of a disjunction."""
    return "    \\/ " + "\n".join(f"   {line}" for line in conditions.splitlines()).lstrip()


def _rule(rule: Rule, model: Model, words: Words) -> list[str]:
    """Return the conditions and effects of a rule, one a line; what stays is said to stay."""
    place = rule.place and words.place(rule.place)
    lines = []
    if len(rule.sources) == 1 and place:
        lines.append(f"{place} = {words.value(rule.sources[0])}")
    elif place:
        lines.append(f"{place} \\in {{{', '.join(map(words.value, rule.sources))}}}")
    lines += [words.expression(item) for item in rule.guard]
    changes = dict(rule.updates)
    for name, value in rule.updates:
        lines.append(f"{words.place(name)}' = {words.assigned(value)}")
    stays = [words.place(one.name) for one in model.places if one.name not in changes]
    if stays == [words.place(one.name) for one in model.places]:
        lines.append("UNCHANGED vars")
    elif stays:
        lines.append(f"UNCHANGED <<{', '.join(stays)}>>")
    return lines


def _some(action: Action, words: Words) -> str:
    """Return that the action happens, with some arguments."""
    call = words.call(action.name, action.arguments)
    return f"\\E {words.ranges(action.arguments)} : {call}" if action.arguments else call


def _spec(model: Model, words: Words) -> Iterator[str]:
    actions = [group[0] for group in by_name(model).values()]
    steps = [f"    \\/ {_some(action, words)}" for action in actions] or ["    FALSE"]
    yield f"{_comment('Every step of the declaration.')}\nStep ==\n" + "\n".join(steps)
    yield (
        f"{_comment('Nothing needs to happen any more: being finished is no deadlock.')}\n"
        f"Done ==\n{conjunction((words.expression(model.final), 'UNCHANGED vars'))}"
    )
    yield "Next == Step \\/ Done"
    if not model.fair or not any(isinstance(item, LeadsTo) for item in model.properties):
        yield "Spec == Init /\\ [][Next]_vars"
        return
    fair = [f"WF_vars({_some(by_name(model)[name][0], words)})" for name in model.fair]
    yield (
        f"{_comment('What stays possible without a break happens at last.')}\n"
        f"Fairness ==\n{conjunction(fair)}"
    )
    yield "Spec == Init /\\ [][Next]_vars /\\ Fairness"


def _property(item: Property, model: Model, words: Words) -> Iterator[str]:
    name = words.property(item)
    about = _comment(item.name, formula(item))
    match item:
        case Always() if about_steps(item):
            yield from _about_steps(item, model, words)
        case Always():
            yield f"{about}\n{name} ==\n    {words.expression(item.holds)}"
        case Sometimes():
            note = _comment("Some state has it: check this as an invariant, and be shown one.")
            yield f"{about}\n{note}\n{name} ==\n    ~({words.expression(item.holds)})"
        case AlwaysPossible():
            note = _comment(
                "TLC has no word for possibility (AG EF). perdure's checker checks that such",
                "a state can be reached from every reachable one; this is its condition.",
            )
            yield f"{about}\n{note}\n{name} ==\n    {words.expression(item.goal)}"
            if item.given != TRUE:
                where = _comment("From every reachable state of which this holds:")
                yield f"{where}\n{name}_From ==\n    {words.expression(item.given)}"
        case LeadsTo():
            given, then = words.operand(item.given), words.operand(item.then)
            yield f"{about}\n{name} ==\n    {given} ~> {then}"


def _about_steps(item: Always, model: Model, words: Words) -> Iterator[str]:
    """Yield a property of steps, and one of states for the steps that ``[A]_vars`` cannot see.

    A step that changes nothing is one that TLA+ allows at any time, so whether it may happen is
    asked of the state before it. A property that reads no value after a step is about the
    state before it anyway.
    """
    about, given = _comment(item.name, formula(item)), _given(item, model)
    names = item.on
    if reads_next(item):
        holds = words.operand(item.holds)
        if names:
            steps = _steps(names, model, given, words)
            body = _for_all(given, words, f"{_any_of(steps)}\n    => {holds}")
        else:
            body = f"    {holds}"
        yield f"{about}\n{words.property(item)} ==\n    [][\n{body}\n    ]_vars"
        if not _may_stutter(item, model):
            return
        about = _comment(f"{item.name}: the same for steps that change nothing.")
        names = tuple(name for name in names if _can_stutter(name, model))
        still = before_step(item.holds, {})
        steps = _steps(names, model, given, words)
        asked = f"    ENABLED (\n{_any_of(steps)}\n    /\\ UNCHANGED vars)"
        body = f"{asked}\n    => {words.operand(still)}"
    else:
        steps = _steps(names, model, given, words)
        body = f"    ENABLED (\n{_any_of(steps)})\n    => {words.operand(item.holds)}"
    yield f"{about}\n{words.standing(item)} ==\n{_for_all(given, words, body)}"


def _any_of(steps: Iterable[str]) -> str:
    """Return that one of the steps happens, in parentheses that end where they began."""
    found = list(steps)
    if len(found) == 1:
        return f"    ({found[0]})"
    return "    (" + "\n     ".join(f"\\/ {step}" for step in found) + ")"


def _given(item: Always, model: Model) -> list[Variable]:
    """Return the arguments that the property reads."""
    read = arguments_read(item.holds)
    if not read:
        return []
    return [one for one in by_name(model)[item.on[0]][0].arguments if one.name in read]


def _steps(
    names: tuple[str, ...], model: Model, given: list[Variable], words: Words
) -> Iterator[str]:
    """Yield the steps of these names, with the arguments of the property given, the rest open."""
    if not names:
        yield "Step"
    groups = by_name(model)
    for name in names:
        action = groups[name][0]
        others = [one for one in action.arguments if one not in given]
        call = words.call(action.name, action.arguments)
        yield f"\\E {words.ranges(others)} : {call}" if others else call


def _may_stutter(item: Always, model: Model) -> bool:
    """Whether some step that the property is about can change nothing."""
    return any(_can_stutter(name, model) for name in item.on or by_name(model))


def _can_stutter(name: str, model: Model) -> bool:
    return any(can_change_nothing(action) for action in by_name(model)[name])


def _for_all(given: list[Variable], words: Words, body: str) -> str:
    if not given:
        return body
    inner = "\n".join(f"    {line}" for line in body.splitlines())
    return f"    \\A {words.ranges(given)} :\n{inner}"


def invariants(model: Model) -> list[str]:
    """Return the operators that must be true in every state."""
    words = words_of(model)
    names = ["TypeOK"]
    for item in model.properties:
        if not isinstance(item, Always):
            continue
        if not about_steps(item):
            names.append(words.property(item))
        elif not reads_next(item) or _may_stutter(item, model):
            names.append(words.standing(item))
    return names


def temporal(model: Model) -> list[str]:
    """Return the operators that must be true of every behaviour."""
    words = words_of(model)
    return [
        words.property(item)
        for item in model.properties
        if isinstance(item, LeadsTo) or (isinstance(item, Always) and reads_next(item))
    ]


def probes(model: Model) -> list[str]:
    """Return the operators that some state must violate."""
    words = words_of(model)
    return [words.property(item) for item in model.properties if isinstance(item, Sometimes)]
