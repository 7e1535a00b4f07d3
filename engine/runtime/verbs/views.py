"""The verbs that show an agent at work: its execution, its tools, its messages from other agents.

Invariants: nothing here is recorded, and no verb decides on it.
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


async def execution_snapshot(core: Core, session_id: str) -> ExecutionSnapshot | None:
    """Return how far the session's agent is in its work, None if the session has no agent.

    In this and the other views, an agent that was made on demand is the session's while it runs a
    turn. Raises SessionNotFound, and InvalidArgument if the agent's own method for this (see
    `Agent`) fails or returns something else.
    """
    session_id = core.check_known(session_id)
    given = _show(core, session_id, "execution_snapshot", ExecutionSnapshot)
    turn = core.turns.get(session_id)
    if turn is None and session_id not in core.agents:
        return None
    terminal = core.sessions.get(session_id).terminal
    return execution_of(given, turn, core.loops.state(session_id), terminal)


async def tool_scope_snapshot(core: Core, session_id: str) -> ToolScopeSnapshot | None:
    """Return the tools that the session's agent knows and may use, None if nothing says so.

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
    """Return the agent's view of tools from outside, None if it offers none.

    Raises as `execution_snapshot` does.
    """
    session_id = core.check_known(session_id)
    return _show(core, session_id, "external_tool_surface_snapshot", ExternalToolSurfaceSnapshot)


async def peer_ingress_snapshot(core: Core, session_id: str) -> PeerIngressSnapshot | None:
    """Return which messages of other agents the session's agent accepts, None if it does not say.

    Raises as `execution_snapshot` does.
    """
    session_id = core.check_known(session_id)
    return _show(core, session_id, "peer_ingress_snapshot", PeerIngressSnapshot)


def _show(core: Core, session_id: str, hook: str, kind: type[Shown]) -> Shown | None:
    """Return the snapshot of the agent that runs the session's turn, or is attached to it."""
    turn = core.turns.get(session_id)
    agent = None if turn is None else turn.agent
    return shown_by(core.agents.get(session_id) if agent is None else agent, hook, kind)
