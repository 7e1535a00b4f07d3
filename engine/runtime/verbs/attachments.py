"""The verbs that bind an agent to a session, and bind it no more.

Invariants: no binding changes while a turn runs.
"""

from perdure.aggregates import Attach, Detach
from perdure.errors import SessionBusy
from perdure.projections.catalog import SessionView, view_of
from perdure.projections.snapshots import Folded
from perdure.runtime.cancellation import finish_and_apply
from perdure.runtime.core import Core, known
from perdure.runtime.recovery import close_lost_run, unbind_agent
from perdure.runtime.session.commit import Written
from perdure.runtime.turn.agent import AgentLike, as_agent, name_of
from perdure.runtime.write import write
from perdure.values import checked_id


async def attach(core: Core, session_id: str, agent: AgentLike) -> SessionView:
    """Bind an agent to the session, in place of any other; a stopped session is revived.

    ``agent`` has an async ``run_turn(turn)``, or is an async callable. Only this engine has the
    binding; the log says that the session is attached. Raises SessionNotFound, InvalidArgument,
    SessionBusy while a turn runs, IllegalTransition for a session that has ended.
    """
    bound = as_agent(agent)
    session_id = checked_id(session_id, "session_id")
    if session_id in core.turns:
        raise core.admission.busy(session_id)
    core.check_open()
    command = Attach(now=core.now(), agent=name_of(agent)[:255])
    cached = core.sessions.get(session_id)

    async def work(folded: Folded) -> Written:
        folded = await close_lost_run(core, cached, known(folded))
        if folded.state.work.run is not None:  # which another engine drives
            raise SessionBusy(session_id, folded.state.work.run.id)
        return await core.writer.commit(cached, folded, command)

    def bind(_: Written) -> None:
        core.agents[session_id] = bound

    written = await finish_and_apply(lambda: core.writer.run_alone(cached, work), bind)
    core.loops.wake(session_id)
    return view_of(written.folded.state)


async def detach(core: Core, session_id: str) -> SessionView:
    """Unbind the session's agent.

    Raises SessionNotFound, IllegalTransition if none is attached or a turn runs.
    """
    written = await finish_and_apply(
        lambda: write(core, session_id, Detach(now=core.now())),
        lambda _: unbind_agent(core, session_id),
    )
    return view_of(written.folded.state)
