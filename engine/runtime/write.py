"""How a verb becomes a commit of one command.

Invariants: a lost run is closed before a command is decided on; a command that was refused has
written nothing.
"""

from perdure.aggregates import SessionCommand
from perdure.projections.snapshots import Folded
from perdure.runtime.core import Core, known
from perdure.runtime.recovery import close_lost_run
from perdure.runtime.session.commit import Written
from perdure.values import checked_id


async def write(core: Core, session_id: str, command: SessionCommand) -> Written:
    """Decide on the command, alone among this engine's writers of the session, and commit it.

    Raises SessionNotFound, InvalidArgument, EngineClosed, StaleWriter, StoreError, and the refusals
    of the session's lifecycle.
    """
    core.check_open()
    cached = core.sessions.get(checked_id(session_id, "session_id"))

    async def work(folded: Folded) -> Written:
        folded = await close_lost_run(core, cached, known(folded))
        return await core.writer.commit(cached, folded, command)

    return await core.writer.run_alone(cached, work)
