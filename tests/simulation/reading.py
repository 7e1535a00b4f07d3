"""Reading: every answer is compared with the log.

Invariants: nothing here changes anything of a session.
"""

import msgspec

from .calls import Call

# Reading


async def runtime_state(call: Call) -> None:
    state = await call.engine.control.runtime_state(call.id)
    log = call.log
    if state.version == log.version:
        seen = state.phase, state.current_run, list(state.queued), list(state.mobs)
        held = log.phase, log.current, log.inputs_in("queued"), log.mobs
        call.must(seen == held, "G6", f"{seen} is in hand, and in the log {held}")
        filters = state.tool_filter, state.next_tool_filter
        staged = log.filters[-1], log.next_filter and log.next_filter[0]
        call.must(filters == staged, "G6", f"filters are {filters}, and in the log {staged}")
        calls = [(one.id, one.status) for one in state.open_calls]
        listed = [(one.id, one.status) for one in log.calls.values()]
        call.must(calls == listed, "G9", f"open: {calls}")


async def inputs(call: Call) -> None:
    least = set(call.log.accepted)
    found = {one.id for one in await call.engine.inputs(call.id)}
    call.must(least <= found <= set(call.log.accepted), "G6", f"there are {found}")


async def views(call: Call) -> None:
    await call.engine.execution_snapshot(call.id)
    version = call.log.version
    scope = await call.engine.tool_scope_snapshot(call.id)
    log = call.log
    if scope is None:
        none = log.filter is None and log.next_filter is None
        call.must(none or log.version > version, "G6", "no filter is shown")
    elif log.version == version:
        shown = [one and (one.filter, one.revision) for one in (scope.active, scope.staged)]
        call.must(shown == [log.filter, log.next_filter], "G6", f"filters {shown} are shown")


async def read(call: Call) -> None:
    view = await call.engine.read(call.id)
    log = call.log
    call.must(call.before <= view.version <= log.version, "G6", f"read version {view.version}")
    call.must(view.message_count == log.counts[view.version], "G6", "the number of messages")
    if view.version == log.version:
        seen = view.phase, view.conversation_digest, view.staged_context
        staged = list(map(msgspec.json.decode, log.staged))
        call.must(seen == (log.phase, log.digest(), staged), "G6", f"read {view}")


async def history(call: Call) -> None:
    least = call.log.counts[-1]
    offset = call.chance.randrange(least + 1)
    page = await call.engine.history(call.id, offset=offset, limit=call.chance.choice((None, 3)))
    call.must(least <= page.message_count <= len(call.log.messages), "G6", "how many there are")
    call.world.heard(call.id, offset, page.messages)


async def receipts(call: Call) -> None:
    least = sum(len(run.receipts) for run in call.log.runs.values())
    found = await call.engine.receipts(call.id)
    call.must(len(found) >= least, "G2", "a receipt is gone")
    for one in found:
        call.world.told_receipt(call.id, one)
    if found:
        one = call.chance.choice(found)
        again = await call.engine.load_receipt(call.id, one.run_id, one.sequence)
        call.must(again == one, "G6", f"{one} loads as {again}")


async def as_of(call: Call) -> None:
    version = call.chance.randint(1, max(1, call.before))
    view = await call.engine.as_of(call.id, version)
    call.must(view.message_count == call.log.counts[version], "G6", f"as of {version}: {view}")


async def head(call: Call) -> None:
    found = await call.engine.head(call.id)
    row = call.log.rows[found.version - 1]
    call.must(found.link in row.decode()[-70:], "G6", f"{found} is no head")
    call.world.heads[call.id] = found


async def list_all(call: Call) -> None:
    expected = {name for name, version, *_ in call.world.rows if version == 1}
    found = [view.id for view in await call.engine.list()]
    call.must(expected <= set(found), "G6", "a session is not listed")
    call.must(len(found) == len(set(found)), "G6", "a session is listed twice")


async def discard_live(call: Call) -> None:
    await call.engine.discard_live(call.id)
