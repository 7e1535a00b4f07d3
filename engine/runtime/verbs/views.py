"""The verbs that show an agent at work: its execution, its tools, and what it receives from peers.

Invariants: nothing here is recorded, and nothing is decided on it.
"""

import msgspec

from perdure.runtime.core import Core
from perdure.runtime.turn.agent_views import (
    ExecutionSnapshot,
    ExternalToolSurfaceSnapshot,
    PeerIngressSnapshot,
    Shown,
    StagedFilter,
    ToolScopeSnapshot,
    execution_of,
    shown_by,
    tool_scope_of,
)

# Views


async def execution_snapshot(core: Core, session_id: str) -> ExecutionSnapshot | None:
    """Return where the session's agent is in its work, None where it has no agent.

    An agent that was made on demand is the session's while it runs a turn, here and in the
    other views. Raises SessionNotFound, and InvalidArgument where what the agent offers for
    this (see `Agent`) fails or returns something else.
    """
    session_id = core.check_known(session_id)
    given = _show(core, session_id, "execution_snapshot", ExecutionSnapshot)
    turn = core.turns.get(session_id)
    if turn is None and session_id not in core.agents:
        return None
    terminal = core.sessions.get(session_id).terminal
    return execution_of(given, turn, core.loops.state(session_id), terminal)


async def tool_scope_snapshot(core: Core, session_id: str) -> ToolScopeSnapshot | None:
    """Return which tools the session's agent knows and may use, None where nothing says.

    Raises as `execution_snapshot` does.
    """
    session_id = core.check_known(session_id)
    given = _show(core, session_id, "tool_scope_snapshot", ToolScopeSnapshot)
    work = (await core.sessions.read(session_id)).state.work
    filters = tuple(
        None if raw is None else StagedFilter(filter=msgspec.json.decode(raw), revision=revision)
        for raw, revision in (
            (work.filter, work.filter_version),
            (work.next_filter, work.next_filter_version),
        )
    )
    return tool_scope_of(given, (filters[0], filters[1]))


async def external_tool_surface_snapshot(
    core: Core, session_id: str
) -> ExternalToolSurfaceSnapshot | None:
    """Return what the session's agent shows of tools from outside, None where it does not.

    Raises as `execution_snapshot` does.
    """
    session_id = core.check_known(session_id)
    return _show(core, session_id, "external_tool_surface_snapshot", ExternalToolSurfaceSnapshot)


async def peer_ingress_snapshot(core: Core, session_id: str) -> PeerIngressSnapshot | None:
    """Return what other agents may send to the session's, None where it does not say.

    Raises as `execution_snapshot` does.
    """
    session_id = core.check_known(session_id)
    return _show(core, session_id, "peer_ingress_snapshot", PeerIngressSnapshot)


def _show(core: Core, session_id: str, hook: str, kind: type[Shown]) -> Shown | None:
    """Return what the agent shows that runs the session's turn, or is attached to it."""
    turn = core.turns.get(session_id)
    agent = None if turn is None else turn.agent
    return shown_by(core.agents.get(session_id) if agent is None else agent, hook, kind)
