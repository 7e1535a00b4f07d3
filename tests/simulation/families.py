"""Asking for groups of sessions, and for forks."""

from typing import Any

from .calls import Call
from .knowledge import Attempt


async def join_mob(call: Call) -> None:
    mob = f"mob-{call.chance.randrange(3)}"
    await call.engine.join_mob(call.id, mob)
    call.must("mob-joined" in call.log.tags, "G2", f"joined {mob}")


async def leave_mob(call: Call) -> None:
    mob = call.chance.choice([*call.log.mobs * 3, "mob-0"])
    await call.engine.leave_mob(call.id, mob)


async def archive_mob(call: Call) -> None:
    mob = f"mob-{call.chance.randrange(3)}"
    names = [name for name, log in call.world.known.logs.items() if mob in log.mobs]
    for name in names:
        call.world.start(call.site.process, name)
    try:
        members = await call.engine.archive_mob(mob)
    finally:
        if call.site.process.alive:
            for name in names:
                call.world.leave(call.site.process, name)
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
    view = await call.engine.fork(call.id, new_session_id=name, **point)
    made = call.world.log(name)
    call.must(made.version >= view.version > 0, "G2", f"{name} was forked")
    call.must(made.counts[view.version] == view.message_count, "G6", f"{name} has {view}")
    call.world.sessions.append(name)
