"""The verbs over work in hand: tool calls, tool filters, and published events.

Invariants: the engine invents no result of a tool call: it comes from outside, or the call is
abandoned by a recorded decision.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from perdure.aggregates import (
    AbandonCall,
    Publish,
    StageToolFilter,
    StageToolResults,
    encode_messages,
)
from perdure.aggregates.session.messages import EncodedMessages
from perdure.errors import CallNotOpen, InvalidArgument
from perdure.projections.catalog import SessionView, view_of
from perdure.runtime.arguments import encoded_json, optional_text
from perdure.runtime.core import Core
from perdure.runtime.recovery import read_recorded
from perdure.runtime.turn.open_calls import open_calls_of
from perdure.runtime.verbs.reads import history
from perdure.runtime.write import write
from perdure.values import OpenCall, OpenCalls, checked_id

# Tool calls


async def open_calls(core: Core, session_id: str) -> OpenCalls:
    """Return the tool calls that have no result in the conversation yet, oldest first.

    Those of a run whose owner is gone are unknown, as they will be once the run is closed. The
    list's ``summary`` says in words what there is: that none is open, or that among so many
    messages there is no call of a known shape (see `Engine.open`). Raises SessionNotFound.
    """
    core.check_open()
    return open_calls_of(await read_recorded(core, session_id))


async def stage_tool_results(
    core: Core, session_id: str, messages: Iterable[Mapping[str, Any]]
) -> OpenCalls:
    """Keep the results of open tool calls for the next turn, which begins with them.

    ``messages`` have the shape of the provider; each must answer open calls. The same results again
    change nothing, also once they have landed. Returns the calls that are open, as `open_calls`
    does. Raises SessionNotFound, InvalidMessage, CallNotOpen, Conflict for a call of which another
    result is staged, IllegalTransition, StaleWriter.
    """
    core.check_open()
    command = StageToolResults(now=core.now(), messages=encode_messages(messages))
    try:
        written = await write(core, session_id, command)
    except CallNotOpen:
        rest = await _not_recorded(core, session_id, command.messages)
        if rest.count == command.messages.count:
            raise
        if not rest.count:
            return await open_calls(core, session_id)
        again = msgspec.structs.replace(command, messages=rest)
        written = await write(core, session_id, again)
    return open_calls_of(written.folded.state)


async def _not_recorded(core: Core, session_id: str, given: EncodedMessages) -> EncodedMessages:
    """Return those of the results that the conversation does not hold already, byte for byte."""
    page = await history(core, session_id)
    recorded = {msgspec.json.encode(message) for message in page.messages}
    each = msgspec.json.decode(given.array(), type=list[msgspec.Raw])
    new = [bytes(message) for message in each if bytes(message) not in recorded]
    return EncodedMessages(b",".join(new), len(new))


async def abandon_call(
    core: Core, session_id: str, call_id: str | OpenCall, *, reason: str | None = None
) -> OpenCalls:
    """Decide, on the record, that an open tool call will have no result.

    ``call_id`` is the id of the call, or one of `open_calls`; where calls have the same id, the id
    alone stands for the first of them. Returns the calls that are still open. Raises
    SessionNotFound, InvalidArgument, CallNotOpen, Conflict for a call whose result is staged,
    IllegalTransition for a session that has ended, StaleWriter.
    """
    core.check_open()
    call = call_id if isinstance(call_id, OpenCall) else None
    name = call_id if call is None else call.id
    if not isinstance(name, str):
        raise InvalidArgument("call_id must be text, or an open call", parameter="call_id")
    command = AbandonCall(
        now=core.now(),
        call_id=str.__str__(name),  # providers' ids have no common form
        key=None if call is None else (call.message, call.place),
        reason=optional_text(reason),
    )
    written = await write(core, session_id, command)
    return open_calls_of(written.folded.state)


# Tool filters and published events


async def stage_tool_filter(core: Core, session_id: str, tool_filter: Any) -> SessionView:
    """Filter the agent's tools by this from the next boundary on; it may be any JSON value.

    That is the next boundary of the running turn, or the beginning of the next turn. The filter is
    recorded; a later one takes its place. Raises SessionNotFound, InvalidMessage, IllegalTransition
    for a session that has ended, StaleWriter.
    """
    core.check_open()
    command = StageToolFilter(now=core.now(), filter=encoded_json(tool_filter, "tool_filter"))
    return view_of((await write(core, session_id, command)).folded.state)


async def publish(core: Core, session_id: str, name: str, payload: Any = None) -> SessionView:
    """Record an event for the session's subscribers, who receive it once and in order.

    ``payload`` is any JSON value. Raises SessionNotFound, InvalidArgument, InvalidMessage,
    IllegalTransition for a session that has ended, StaleWriter.
    """
    core.check_open()
    command = Publish(
        now=core.now(),
        name=checked_id(name, "name"),
        payload=encoded_json(payload, "payload"),
    )
    return view_of((await write(core, session_id, command)).folded.state)
