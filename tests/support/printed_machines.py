"""Machines that are hard to print, and ones with faults that every checker must find."""

import msgspec

from perdure.machines import (
    Always,
    AlwaysPossible,
    Arg,
    Bound,
    Choice,
    Count,
    Expression,
    Flag,
    Identity,
    LeadsTo,
    Machine,
    Model,
    Next,
    Sometimes,
    Value,
    Var,
    Variable,
    Verb,
    in_phase,
    row,
)
from perdure.machines.language.expressions import replaced
from perdure.machines.printing.tlc import deep_bound, deep_ids

AWKWARD = Machine(
    name="WF_ naïve IF",
    phases=("Init", "x", "end"),
    initial="Init",
    final=("end",),
    variables=(
        Identity("run"),
        Identity("other", ("a", "b", "c")),
        Flag("IF"),
        Flag("do"),
        Choice("vars", ("if", 'two "words\\', "çà")),
        Flag("ção"),
    ),
    verbs=(Verb("Next", (Identity("run"), Flag("IF"))),),
    rows=(
        row(
            "Next",
            "Init",
            "x",
            guard=Var("run").differs(Arg("run")),
            updates={"run": Arg("run"), "IF": Arg("IF"), "other": Var("run")},
        ),
        # Every value is that of before the step: run and other change places.
        row(
            "back",
            "x",
            "Init",
            updates={"other": Var("run"), "run": Var("other"), "do": True, "vars": "çà"},
        ),
        row("TypeOK", "x", "end", guard=Var("IF") & Var("do") & Var("vars").equals("çà")),
        row("double", "x", "end", guard=~(Var("IF") & Var("do")), updates={"ção": True}),
    ),
    properties=(
        Always("Next takes another", Arg("run").differs(Var("run")), ("Next",)),
        Always("Next keeps what it takes", Arg("run").equals(Next("run")), ("Next",)),
        Sometimes("x", in_phase("x")),
        AlwaysPossible("end", in_phase("end")),
    ),
)
"""Names that TLA+, Promela, C or Mermaid reserve, or cannot write; a swap; ids of two kinds."""


_WORDS = ("a b", "a  b", "≤", "<=", "é", "\\xe9")
_FEW = Bound("few", actual=2, checked=2)
ALIKE = Machine(
    name="alike",
    phases=("start", "end"),
    initial="start",
    final=("end",),
    variables=(Choice("word", _WORDS), Count("more", _FEW), Count("less", _FEW)),
    verbs=(Verb("say", (Choice("said", _WORDS),)),),
    rows=(
        row("say", "start", updates={"word": Arg("said")}),
        row("add", "start", guard=Var("more") < _FEW, updates={"more": Var("more") + 1}),
        row("take", "start", guard=Var("less") < _FEW, updates={"less": Var("less") + 1}),
        row("finish", "start", "end", guard=Var("more") - Var("less") > -1),
        row("give_up", "start", "end", guard=Var("more") - Var("less") <= -1),
    ),
)
"""Words that are hard to tell apart in plain ASCII, and a number below zero."""

STILL = Machine(name="still", phases=("end",), initial="end", final=("end",), rows=())
"""A machine that does nothing."""


BARE = Machine(
    name="bare",
    phases=("start", "end"),
    initial="start",
    final=("end",),
    verbs=(Verb("go", (Identity("by"),)),),
    rows=(row("go", "start", "end", guard=Arg("by").differs(None)), row("wait", "start")),
    properties=(Always("there is a phase", Var("phase").differs(None)),),
)
"""A machine that asks for none, and holds it nowhere."""


def swollen(sign: str, other: int) -> Machine:
    """Return a machine of which a count goes far out of its range, by adding or taking away."""
    high = Bound("high", actual=150, checked=150)
    level = Var("level")
    return Machine(
        name="swollen",
        phases=("start", "end"),
        initial="start",
        final=("end",),
        variables=(Count("level", high, 120), Count("other", high, other)),
        rows=(
            row(
                "jump",
                "start",
                "end",
                updates={"level": level + Var("other") if sign == "+" else level - Var("other")},
            ),
            row("change", "start", "end", updates={"other": 0}),
        ),
    )


def stuck() -> Machine:
    """Return a machine that can stop short of its end."""
    return Machine(
        name="stuck",
        phases=("start", "waiting", "end"),
        initial="start",
        final=("end",),
        variables=(Flag("armed"),),
        rows=(
            row("arm", "start", updates={"armed": True}),
            row("go", "start", "waiting"),
            row("leave", "waiting", "end", guard=Var("armed")),
        ),
    )


def noted(*properties: Always) -> Machine:
    """Return a machine with a verb that changes nothing, and properties of it."""
    return Machine(
        name="noted",
        phases=("open", "closed", "end"),
        initial="open",
        final=("end",),
        variables=(Flag("seen"),),
        rows=(
            row("note", ("open", "closed")),
            row("see", "open", updates={"seen": True}),
            row("close", "open", "closed", guard=Var("seen")),
            row("finish", "closed", "end"),
        ),
        properties=properties,
    )


KEPT = (
    Always("what is closed was seen", Var("seen"), ("finish",)),
    Always("noting changes nothing", Next("seen").equals(Var("seen")), ("note", "close")),
    Always("what was seen stays so", ~Var("seen") | Next("seen")),
    Always("an end was seen", ~in_phase("end") | Var("seen")),
)
BROKEN = (
    Always("noted only while open", in_phase("open"), ("note",)),
    Always("noting is seeing", Next("seen"), ("note",)),
    Always("every step closes", Next("phase").differs("open")),
    Always("never ends", ~in_phase("end")),
)


def hurried(*fair: str) -> Machine:
    """Return a machine that gets to its end only if it is not left standing."""
    return Machine(
        name="hurried",
        phases=("start", "end"),
        initial="start",
        final=("end",),
        variables=(Flag("flipped"),),
        rows=(
            row("flip", "start", updates={"flipped": True}, guard=~Var("flipped")),
            row("flop", "start", updates={"flipped": False}, guard=Var("flipped")),
            row("finish", "start", "end"),
        ),
        properties=(LeadsTo("it ends", in_phase("start"), in_phase("end")),),
        fair=fair,
    )


def deepened(model: Model) -> Model:
    """Return the model with the deep configuration's bounds and ids as those to be checked.

    Properties are left out.
    """
    places = tuple(
        msgspec.structs.replace(place, variable=variable, domain=_domain(place.domain, variable))
        for place in model.places
        for variable in (_deeper(place.variable),)
    )
    actions = tuple(
        msgspec.structs.replace(
            action,
            arguments=tuple(map(_deeper, action.arguments)),
            guard=_with_deep_bounds(action.guard),
            updates=tuple((name, _with_deep_bounds(value)) for name, value in action.updates),
        )
        for action in model.actions
    )
    return msgspec.structs.replace(
        model, places=places, actions=actions, properties=(), fair=(), interchangeable=()
    )


def _deeper(variable: Variable) -> Variable:
    match variable:
        case Count():
            return msgspec.structs.replace(variable, maximum=deep_bound(variable.maximum))
        case Identity():
            return msgspec.structs.replace(variable, checked=deep_ids(variable.checked))
        case _:
            return variable


def _domain(domain: tuple[Value, ...], variable: Variable) -> tuple[Value, ...]:
    return variable.domain() if isinstance(variable, Count | Identity) else domain


def _with_deep_bounds(expression: Expression) -> Expression:
    return replaced(expression, lambda node: deep_bound(node) if isinstance(node, Bound) else node)
