"""Composition: several machines side by side, stepping one at a time or together where declared.

Invariants: a part's verb that some synchronisation names happens only as declared there, and every
other verb happens alone, as in the machine itself; a step of one part changes no other. A part's
places are read and written under its name: ``session.phase``. No malformed model can be built.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from perdure.errors import InvalidArgument, InvalidMachine
from perdure.machines.language.expressions import TRUE, All, AnyOf, Expression, renamed
from perdure.machines.language.interchange import difference
from perdure.machines.language.joint_steps import joined
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import (
    Action,
    LeftOut,
    Model,
    Place,
    actions_of,
    model_of,
    places_of,
    qualified,
)
from perdure.machines.language.properties import (
    Always,
    AlwaysPossible,
    LeadsTo,
    Property,
    Sometimes,
    in_phase,
)
from perdure.machines.language.validation import (
    condition_problem,
    expression_problem,
    properties_problem,
    property_problem,
)
from perdure.machines.language.vocabulary import Variable


class Synchronisation(msgspec.Struct, frozen=True, kw_only=True):
    """Verbs of several parts that happen in one step, or one verb with a condition on others.

    ``verbs`` maps each part to its verb, or to several that happen one after the other. Arguments
    of one name are one argument. ``when`` may read every part's places (``Var("session.phase")``)
    and the arguments.
    """

    name: str
    verbs: Mapping[str, str | tuple[str, ...]]
    when: Expression = TRUE

    def moves(self) -> Iterator[tuple[str, str]]:
        """Yield each part with each of its verbs, in turn."""
        for part, verbs in self.verbs.items():
            for verb in (verbs,) if isinstance(verbs, str) else verbs:
                yield part, verb


def compose(
    name: str,
    parts: Mapping[str, Machine],
    *,
    together: Iterable[Synchronisation] = (),
    properties: Iterable[Property] = (),
    fair: Iterable[str] = (),
    interchangeable: Iterable[tuple[str, ...]] = (),
    final: Expression | None = None,
    left_out: Iterable[LeftOut] = (),
) -> Model:
    """Return the parts side by side as one model.

    It is finished where ``final`` holds, or without it where every part is in a final phase.
    ``fair`` names verbs (``session.retire``) and synchronisations. A synchronisation that can never
    happen, and a row that none of them lets happen, make a check fail, unless it is ``left_out``.
    Raises InvalidMachine for a part, verb, argument or place that is not there, a condition that
    makes no sense, or a row that is left out though it can happen.
    """
    syncs = tuple(together)
    _check_parts(name, parts, syncs)
    alone = {part: list(actions_of(machine, part)) for part, machine in parts.items()}
    bound = {(part, verb) for sync in syncs for part, verb in sync.moves()}
    free = [
        action
        for part, actions in alone.items()
        for action in actions
        if (part, action.rows[0][1].verb) not in bound
    ]
    places = tuple(place for part, machine in parts.items() for place in places_of(machine, part))
    joint = [action for sync in syncs for action in _joined(name, sync, alone, places)]
    everywhere = All(
        tuple(within(part, in_phase(*machine.final)) for part, machine in parts.items())
    )
    model = Model(
        name=name,
        places=places,
        actions=(*free, *joint),
        final=everywhere if final is None else final,
        properties=tuple(properties),
        fair=tuple(fair),
        interchangeable=tuple(interchangeable),
        left_out=tuple(left_out),
        parts=tuple(parts.items()),
    )
    _check(model)
    joint_names = {action.name for action in joint}
    impossible = (
        *(f"synchronisation {sync.name}" for sync in syncs if sync.name not in joint_names),
        *_nowhere(model, parts),
    )
    return msgspec.structs.replace(model, impossible=impossible)


def instances(machine: Machine, count: int, *, properties: Iterable[Property] = ()) -> Model:
    """Return ``count`` interchangeable instances of one machine, with its properties for each.

    The parts are named after the machine: ``session1``, ``session2``, …; ``properties`` may look
    across them. Raises InvalidMachine for fewer than one.
    """
    if count < 1:
        raise InvalidMachine(f"{count} instances of machine {machine.name!r}", machine=machine.name)
    names = tuple(f"{machine.name}{number}" for number in range(1, count + 1))
    return compose(
        f"{machine.name} x {count}",
        dict.fromkeys(names, machine),
        properties=(
            *(_of_part(name, item) for item in machine.properties for name in names),
            *properties,
        ),
        fair=tuple(qualified(name, verb) for name in names for verb in machine.fair),
        interchangeable=(names,) if count > 1 else (),
    )


def as_model(machine: Machine | Model, count: int = 1) -> Model:
    """Return the machine, or so many of it side by side, as a model. Raises InvalidArgument."""
    if isinstance(machine, Model):
        if count != 1:
            raise InvalidArgument(
                f"{machine.name} is composed already; only a single machine has instances",
                parameter="instances",
            )
        return machine
    if count < 1:
        raise InvalidArgument(f"there are no {count} instances", parameter="instances")
    return model_of(machine) if count == 1 else instances(machine, count)


def within(part: str, expression: Expression) -> Expression:
    """Return an expression about one machine as one about a part of a composition."""
    return renamed(expression, lambda name: qualified(part, name))


def every(parts: Iterable[str], expression: Expression) -> Expression:
    """Return the expression that it holds in all of the parts."""
    return All(tuple(within(part, expression) for part in parts))


def some(parts: Iterable[str], expression: Expression) -> Expression:
    """Return the expression that it holds in one of the parts at least."""
    return AnyOf(tuple(within(part, expression) for part in parts))


def at_most_one(parts: Iterable[str], expression: Expression) -> Expression:
    """Return the expression that it holds in no two of the parts at once."""
    pairs = itertools.combinations(tuple(parts), 2)
    return All(tuple(~(within(one, expression) & within(two, expression)) for one, two in pairs))


def _of_part(part: str, item: Property) -> Property:
    """Return a machine's property as one of a part."""
    name = f"{part}: {item.name}"
    match item:
        case Always():
            on = tuple(qualified(part, verb) for verb in item.on)
            return Always(name, within(part, item.holds), on)
        case Sometimes():
            return Sometimes(name, within(part, item.holds))
        case AlwaysPossible():
            return AlwaysPossible(name, within(part, item.goal), within(part, item.given))
        case LeadsTo():
            return LeadsTo(name, within(part, item.given), within(part, item.then))


def _joined(
    name: str, sync: Synchronisation, alone: Mapping[str, list[Action]], places: Iterable[Place]
) -> Iterator[Action]:
    """Yield an action for each combination of rows that the synchronised verbs have."""
    rows: dict[str, list[list[Action]]] = {}
    arguments: dict[str, Variable] = {}
    for part, verb in sync.moves():
        found = [action for action in alone[part] if action.rows[0][1].verb == verb]
        rows.setdefault(part, []).append(found)
        for argument in found[0].arguments:
            if arguments.setdefault(argument.name, argument) != argument:
                raise _refusal(name, f"{sync.name}: {argument.name!r} is two different arguments")
    problem = condition_problem(
        sync.when, {place.name: place.variable for place in places}, arguments
    )
    if problem is not None:
        raise _refusal(name, f"{sync.name}: {problem}")
    domains = {place.name: place.domain for place in places}
    yield from joined(sync.name, rows.values(), tuple(arguments.values()), sync.when, domains)


def _nowhere(model: Model, parts: Mapping[str, Machine]) -> Iterator[str]:
    """Yield the rows that no action has and that are not left out; refuse to leave out others."""
    happening = {row for action in model.actions for row in action.rows}
    left_out = dict.fromkeys(model.left_out, 0)
    for part, machine in parts.items():
        for item in machine.all_rows():
            if (part, item) not in happening:
                named = [one for one in left_out if one.names(part, item)]
                for one in named:
                    left_out[one] += 1
                if not named:
                    yield f"{part}: {item}"
    for one, rows in left_out.items():
        if rows < len(one.sources):
            where = f"{one.part}.{one.verb} from {', '.join(one.sources)}"
            raise _refusal(model.name, f"{where} is left out, but is not there or can happen")
        if not one.why.strip():
            raise _refusal(model.name, f"{one.part}.{one.verb} is left out without a reason")


def _refusal(name: str, problem: str) -> InvalidMachine:
    return InvalidMachine(f"composition {name!r}: {problem}", machine=name, problem=problem)


def _check_parts(
    name: str, parts: Mapping[str, Machine], syncs: tuple[Synchronisation, ...]
) -> None:
    """Refuse a part without a proper name, and a synchronisation of unknown parts or verbs."""
    if not (name.strip() and name.isprintable()):
        raise _refusal(name, "its name is empty, or no single line of text")
    if not parts:
        raise _refusal(name, "it has no parts")
    for part in parts:
        if not part.isidentifier():
            raise _refusal(name, f"part {part!r} is not an identifier")
    seen: set[str] = set()
    for sync in syncs:
        if not sync.name.isidentifier() or sync.name in seen:
            raise _refusal(name, f"synchronisation {sync.name!r} is no identifier, or there twice")
        seen.add(sync.name)
        if not list(sync.moves()):
            raise _refusal(name, f"synchronisation {sync.name!r} has no verbs")
        problem = expression_problem(sync.when)
        if problem is not None:
            raise _refusal(name, f"{sync.name}: {problem}")
        for part, verb in sync.moves():
            machine = parts.get(part)
            if machine is None:
                raise _refusal(name, f"{sync.name}: there is no part {part!r}")
            if verb not in {item.name for item in machine.verbs}:
                raise _refusal(name, f"{sync.name}: part {part!r} has no verb {verb!r}")


def _check(model: Model) -> None:
    """Refuse conditions, properties, fairness and symmetry that name unknown parts or verbs."""
    variables = model.variables()
    problem = condition_problem(model.final, variables, {})
    if problem is not None:
        raise _refusal(model.name, f"where it is finished: {problem}")
    arguments_of = {action.name: action.arguments for action in model.actions}
    problem = properties_problem(model.properties)
    if problem is not None:
        raise _refusal(model.name, problem)
    for item in model.properties:
        problem = property_problem(item, variables, arguments_of)
        if problem is not None:
            raise _refusal(model.name, f"property {item.name!r}: {problem}")
    for name, times in Counter(item.name for item in model.properties).items():
        if times > 1:
            raise _refusal(model.name, f"{times} properties are named {name!r}")
    for name in model.fair:
        if name not in arguments_of:
            raise _refusal(model.name, f"{name!r} is said to be fair, but is no action")
    parts = Counter(dict.fromkeys((part for part, _ in model.parts), 1))
    for part in Counter(itertools.chain.from_iterable(model.interchangeable)) - parts:
        problem = f"{part!r} is no part, or is said twice to be interchangeable"
        raise _refusal(model.name, problem)
    for group in model.interchangeable:
        for one, two in itertools.pairwise(group):
            what = difference(model, one, two)
            if what is not None:
                problem = f"{what} has no counterpart"
                raise _refusal(
                    model.name, f"parts {one!r} and {two!r} are not interchangeable: {problem}"
                )
