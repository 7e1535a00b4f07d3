"""A door: a small machine of a user's own, and an implementation of it in plain Python."""

from typing import Any

from perdure.errors import IllegalTransition
from perdure.machines import Arg, Configuration, Identity, Machine, Var, Verb, row
from perdure.testing import Concrete

DOOR = Machine(
    name="door",
    phases=("open", "shut", "locked", "gone"),
    initial="open",
    final=("gone",),
    variables=(Identity("key"),),
    verbs=(Verb("lock", (Identity("key"),)), Verb("unlock", (Identity("key"),))),
    rows=(
        row("shut", "open", "shut"),
        row("open", "shut", "open"),
        row("lock", "shut", "locked", updates={"key": Arg("key")}),
        row("unlock", "locked", "shut", guard=Var("key").equals(Arg("key")), updates={"key": None}),
        row("remove", ("open", "shut"), "gone"),
    ),
)
Door = tuple[str, str | None, int]  # the phase, the key, and how often it moved
Call = tuple[str, tuple[str, ...]]
CALLS: tuple[Call, ...] = (
    ("shut", ()),
    ("open", ()),
    ("remove", ()),
    *((verb, (key,)) for verb in ("lock", "unlock") for key in ("a", "b")),
)
MOVES = {("open", "shut"): "shut", ("shut", "open"): "open", ("shut", "lock"): "locked"}
MOVES |= {("locked", "unlock"): "shut", ("open", "remove"): "gone", ("shut", "remove"): "gone"}


def decide_door(door: Door, call: Call) -> tuple[Call, ...]:
    verb, given = call
    if (door[0], verb) not in MOVES or (verb == "unlock" and given != (door[1],)):
        raise IllegalTransition(machine="door", subject="it", verb=verb, phase=door[0], allowed=())
    return (call,)


def evolve_door(door: Door, call: Call) -> Door:
    verb, given = call
    key = {"lock": given[0] if given else None, "unlock": None}.get(verb, door[1])
    return MOVES[door[0], verb], key, door[2] + 1


def a_door(**changes: Any) -> Concrete[Door, Call, Call]:
    parts: dict[str, Any] = {
        "initial": [("open", None, 0)],
        "commands": lambda _: CALLS,
        "decide": decide_door,
        "evolve": evolve_door,
        "configuration": lambda door: Configuration(door[0], (door[1],)),
        "steps": lambda call: (call,),
        "asks": lambda _, call: ((call,),),
        "abstraction": lambda door: door[:2],
    }
    return Concrete(**parts | changes)


class TheDoor:
    """The same door as an object with a method for each verb."""

    def __init__(self) -> None:
        self.door: Door = ("open", None, 0)

    def shut(self) -> None:
        self._do("shut")

    async def open(self) -> None:
        self._do("open")

    def lock(self, key: str) -> None:
        if not key:
            raise IllegalTransition(machine="door", subject="it", verb="lock", phase="", allowed=())
        self._do("lock", key)

    def unlock(self, key: str) -> None:
        self._do("unlock", key)

    def remove(self) -> None:
        self._do("remove")

    def observe(self) -> Configuration:
        return Configuration(self.door[0], (self.door[1],))

    def _do(self, verb: str, *arguments: str) -> None:
        for call in decide_door(self.door, (verb, arguments)):
            self.door = evolve_door(self.door, call)
