"""Asking for checkpoints, for the ends of sessions, for loops and for checkpointers."""

from typing import Literal

from .calls import Call

# Phases


async def checkpoint(call: Call) -> None:
    out = await call.engine.checkpoint(call.id)
    call.must(call.log.counts[out.version] == out.message_count, "G2", "a checkpoint")


async def retire(call: Call) -> None:
    await call.engine.retire(call.id, reason="a test")
    call.must("session-retired" in call.log.tags, "G2", "retired and not recorded")


async def archive(call: Call) -> None:
    pending: Literal["refuse", "abandon"] = call.chance.choice(("refuse", "abandon"))
    if pending == "abandon":
        call.asking("abandon")
    view = await call.engine.archive(call.id, pending=pending)
    call.must(view.phase == call.log.phase == "archived", "G2", "archived and not recorded")


async def drain(call: Call) -> None:
    """Archive the session once its queued input has been run, none of it abandoned."""
    call.asking("drain")
    call.in_steps = True
    before = call.log.inputs_in("queued")
    view = await call.engine.archive(call.id, pending="drain")
    call.must(view.phase == call.log.phase == "archived", "G2", "archived and not recorded")
    call.world.seen["a session was drained"] += bool(before)


async def stop(call: Call) -> None:
    await call.engine.control.stop(call.id)
    call.must("session-stopped" in call.log.tags, "G2", "stopped")


async def reset(call: Call) -> None:
    report = await call.engine.control.reset(call.id)
    call.must("session-reset" in call.log.tags, "G2", "reset")
    kept = set(report.abandoned) & set(call.log.inputs_in("queued"))
    call.must(not kept, "G2", f"{kept} were abandoned")


async def recycle(call: Call) -> None:
    await call.engine.control.recycle(call.id)
    call.must("session-recycled" in call.log.tags, "G2", "recycled")


async def recover(call: Call) -> None:
    report = await call.engine.control.recover(call.id)
    if report.run_id is not None:
        run = call.log.runs[report.run_id]
        call.must(run.ended == "run-interrupted", "G2", f"{report.run_id} was recovered")


async def destroy(call: Call) -> None:
    await call.engine.control.destroy(call.id, reason="a test")
    call.must(call.log.phase == "destroyed", "G2", "destroyed and not recorded")


# Loops and checkpointers


async def keep_alive(call: Call) -> None:
    await call.engine.keep_alive(call.id)
    call.world.known.kept_alive.add(call.id)
    call.world.enter(call.site.process, call.id)  # for as long as the process lives


async def stop_loop(call: Call) -> None:
    call.asking("owner")
    await call.engine.stop_loop(call.id)


async def cancel_all_checkpointers(call: Call) -> None:
    await call.engine.cancel_all_checkpointers()


async def rearm_all_checkpointers(call: Call) -> None:
    await call.engine.rearm_all_checkpointers()
