"""Asking for groups of sessions, and for forks."""

import json
from typing import Any, Final, Literal

from .calls import Call
from .knowledge import Attempt
from .logs import SessionLog

_POINTLESS: Final = 2
"""The note of a fork at no point: its origin, and the origin's version."""


async def join_mob(call: Call) -> None:
    mob = call.chance.choice(("mob-0", "mob-0", "mob-1"))
    view = await call.engine.join_mob(call.id, mob)
    call.must(mob in call.log.groups[view.version], "G2", f"joined {mob}")


async def leave_mob(call: Call) -> None:
    mob = call.chance.choice([*call.log.mobs * 3, "mob-0"])
    view = await call.engine.leave_mob(call.id, mob)
    call.must(mob not in call.log.groups[view.version], "G2", f"left {mob}")


async def membership(call: Call) -> None:
    mob = f"mob-{call.chance.randrange(3)}"  # one of which never has members
    before = mob in call.log.mobs
    belongs = await call.engine.belongs_to_mob(call.id, mob)
    now = [mob in groups for groups in call.log.groups[call.before :]]
    call.must(belongs in now or belongs == before, "G6", f"it belongs to {mob}: {belongs}")
    least = _members(call, mob)
    found = [view.id for view in await call.engine.list(mob=mob)]
    call.must(least & _members(call, mob) <= set(found), "G6", f"{mob} has {found}")
    logs = call.world.known.logs
    ever = {name for name, log in logs.items() if any(mob in one for one in log.groups)}
    call.must(set(found) <= ever and len(found) == len(set(found)), "G6", f"{mob} has {found}")


def _members(call: Call, mob: str) -> set[str]:
    call.world.sync()
    return {name for name, log in call.world.known.logs.items() if mob in log.mobs}


async def archive_mob(call: Call) -> None:
    mob = call.chance.choice([*call.log.mobs * 3, "mob-0", "mob-1"])
    names = sorted(_members(call, mob))
    for name in names:
        call.world.start(call.site.process, name)
    try:
        pending: Literal["refuse", "abandon"] = call.chance.choice(("refuse", "refuse", "abandon"))
        if pending == "abandon":
            call.askings.append(call.world.known.asking("abandon", None))
        members = await call.engine.archive_mob(mob, pending=pending)
    finally:
        if call.site.process.alive:
            for name in names:
                call.world.leave(call.site.process, name)
    told = {one.session_id for one in members}
    call.must(set(names) & _members(call, mob) <= told, "G2", f"{mob}: nothing of all but {told}")
    for one in members:
        phase = call.world.log(one.session_id).phase
        ended = phase in ("archived", "destroyed")
        call.must(ended or one.outcome == "refused", "G2", f"{one} is {phase}")


async def fork(call: Call) -> None:
    log, known = call.log, call.world.known
    name = f"{call.id}-{known.number()}"
    point: dict[str, Any] = {}
    if call.often(0.4):
        point["at_version"] = call.chance.randint(0, log.version + 1)
    elif call.often(0.7):
        point["at_message"] = call.chance.randint(0, len(log.messages) + 1)
        if call.often(0.5):
            point["replace"] = known.give(name, {"role": "user", "content": f"not so {name}"})
            attempt = Attempt("record_turn", [point["replace"]], "immediate", ())
            known.ask(name, "fork-replacement", attempt)
    await _forked(call, name, point)
    call.world.sessions.append(name)
    if point and call.often(0.5):
        await _again(call, name)


async def fork_again(call: Call) -> None:
    """Ask again for a fork that was asked for once, and perhaps not made."""
    known = call.world.known
    names = [
        name
        for name, (first, *_) in known.forks.items()
        if len(first) > _POINTLESS and call.world.log(first["of"]).version
    ]
    if not names:
        return
    made = [name for name in names if call.world.log(name).version]
    await _again(call, call.chance.choice(made if made and call.often(0.9) else names))


async def _again(call: Call, name: str) -> None:
    """Ask for a fork at the point where it was asked for first, or at another."""
    first = call.world.known.forks[name][0]
    point = {key: value for key, value in first.items() if key not in ("of", "least")}
    recorded = call.world.log(name)
    if call.often(0.4):
        point = {"at_message": call.chance.randint(0, 4)}
    before = recorded.version
    same = before and _is_at(recorded, point)
    await _forked(call, name, point, of=first["of"])
    call.must(not before or same, "G3", f"{name} was forked at {point} again")
    call.world.seen["a fork was asked for again"] += bool(before)


def _is_at(made: SessionLog, point: dict[str, Any]) -> bool:
    """Whether a fork that is recorded is the one at this point."""
    begun = json.loads(made.rows[0])
    replaced = made.tags[1:2] == ["turn-applied"] and "fork-replacement" in made.runs
    if replaced != ("replace" in point):
        return False
    if "at_version" in point:
        counts = made.known.logs[begun["origin_session_id"]].counts
        whole = begun["origin_messages"] == counts[point["at_version"]]
        return bool(whole and begun["origin_version"] >= point["at_version"])
    return bool(begun["origin_messages"] == point["at_message"])


async def _forked(call: Call, name: str, point: dict[str, Any], *, of: str | None = None) -> None:
    origin = call.world.log(of or call.id)
    asked = {key: value for key, value in point.items() if key != "replace"}
    asked |= {"of": origin.id, "least": origin.version}
    call.world.known.forks.setdefault(name, []).append(asked | point)
    view = await call.engine.fork(origin.id, new_session_id=name, **point)
    made = call.world.log(name)
    call.must(made.version >= view.version > 0, "G2", f"{name} was forked")
    call.must(made.counts[view.version] == view.message_count, "G6", f"{name} has {view}")
    call.must(_is_at(made, point or _point_of(made)), "G2", f"{name} is no fork at {point}")


def _point_of(made: SessionLog) -> dict[str, Any]:
    """Return the point of a fork that was asked for without one: where it was made."""
    return {"at_version": json.loads(made.rows[0])["origin_version"]}
