"""Live views: how an agent at work shows itself to its embedder.

Invariants: no verb decides on a view; an agent offers the views it has, and None stands for the
others.
"""

import asyncio
import inspect
from typing import Any, Literal, TypeVar

import msgspec

from perdure.errors import InvalidArgument
from perdure.runtime.turn.failures import said
from perdure.runtime.turn.running_turn import RunningTurn
from perdure.values import Terminal

Shown = TypeVar("Shown")
"""One of the snapshots here."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an agent waits for, such as a tool call; a ``barrier`` blocks the turn."""

    id: str
    kind: str
    barrier: bool = False


class ExecutionSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How far an agent is in its work.

    The engine fills in ``loop_state`` and ``turn_phase``, the run, the number of boundaries that
    landed, ``cancel_requested``, and ``terminal``: how the last run ended that this engine drove to
    its end, None once the session is no longer cached. The other fields are the agent's.
    """

    loop_state: Literal["none", "waiting", "running"] = "none"
    turn_phase: Literal["idle", "running", "cancelling"] = "idle"
    run_id: str | None = None
    pending_operations: tuple[Operation, ...] = ()
    boundary_count: int = 0
    cancel_requested: bool = False
    terminal: Terminal | None = None
    retry_attempts: int = 0
    retry_limit: int | None = None
    extraction_attempts: int = 0
    extraction_limit: int | None = None


class StagedFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of tools, any JSON value, and the revision that made it."""

    filter: Any
    revision: int


class ToolScopeSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The tools that an agent knows and may use.

    ``active`` is in effect, ``staged`` will be from the next boundary on. If the agent offers
    neither, they are the session's own filters (`Engine.stage_tool_filter`).
    """

    known: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    base_filter: Any = None
    active: StagedFilter | None = None
    staged: StagedFilter | None = None
    turn_allow: tuple[str, ...] = ()
    turn_deny: tuple[str, ...] = ()


class ToolSurfaceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One outside source of tools."""

    name: str
    state: Literal["absent", "active", "removing"]
    pending_operation: str | None = None
    staged_operation: str | None = None
    calls_in_flight: int = 0


class ExternalToolSurfaceSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The tools that come from outside an agent."""

    phase: Literal["operating", "shutdown"] = "operating"
    epoch: int = 0
    aligned_epoch: int = 0
    entries: tuple[ToolSurfaceEntry, ...] = ()


class PeerIngressSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The messages that other agents may send to this one."""

    self_id: str
    authentication_required: bool = True
    authority_phase: str = ""
    trusted_peers: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()


def execution_of(
    given: ExecutionSnapshot | None,
    turn: RunningTurn | None,
    loop_state: Literal["none", "waiting", "running"],
    terminal: Terminal | None,
) -> ExecutionSnapshot:
    """Return the agent's view of its execution, with the engine's fields filled in."""
    shown = given or ExecutionSnapshot()
    if turn is None:
        return msgspec.structs.replace(
            shown, loop_state=loop_state, turn_phase="idle", run_id=None, terminal=terminal
        )
    cancelling = turn.scope.requested
    return msgspec.structs.replace(
        shown,
        loop_state=loop_state,
        turn_phase="cancelling" if cancelling else "running",
        run_id=turn.run_id,
        boundary_count=turn.boundaries,
        cancel_requested=cancelling,
        terminal=terminal,
    )


def tool_scope_of(
    given: ToolScopeSnapshot | None, filters: tuple[StagedFilter | None, StagedFilter | None]
) -> ToolScopeSnapshot | None:
    """Return the agent's view of its tools, with the session's filters where it has none."""
    active, staged = filters
    if given is None and active is None and staged is None:
        return None
    shown = given or ToolScopeSnapshot()
    return msgspec.structs.replace(
        shown, active=shown.active or active, staged=shown.staged or staged
    )


def shown_by(agent: object, hook: str, kind: type[Shown]) -> Shown | None:
    """Return the result of the agent's hook, None if it has no hook or the hook returns None.

    Raises InvalidArgument if the hook fails, is asynchronous, or returns something else.
    """
    try:
        method = getattr(agent, hook, None)
        shown = method() if callable(method) else None
    except (Exception, asyncio.CancelledError) as error:  # nothing is awaited: no cancellation
        raise _misshown(hook, kind, f"it raised {type(error).__name__}: {said(error)}") from error
    if shown is None or isinstance(shown, kind):
        return shown
    if inspect.iscoroutine(shown):
        shown.close()  # it is never awaited
    raise _misshown(hook, kind, f"it returned {type(shown).__name__}")


def _misshown(hook: str, kind: type, because: str) -> InvalidArgument:
    told = because.encode("utf-8", "backslashreplace").decode()
    return InvalidArgument(
        f"an agent's {hook}() returns {kind.__name__} or None, without being awaited; {told}",
        parameter="agent",
        hook=hook,
    )
