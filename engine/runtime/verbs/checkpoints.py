"""The verbs over checkpoints and checkpointers, and over snapshots handed over.

Invariants: a checkpoint is one commit; a snapshot that is handed over is kept only if it is, byte
for byte, the snapshot that the log folds to.
"""

import asyncio
from typing import Annotated

import msgspec

from perdure.aggregates import CommitCheckpoint
from perdure.errors import Conflict, InvalidArgument
from perdure.projections.snapshots import Kept, catch_up, nothing_folded, snapshot_of
from perdure.runtime.arguments import LARGEST_COUNT
from perdure.runtime.core import Core
from perdure.runtime.session.cache import keep_snapshot
from perdure.runtime.write import write
from perdure.values import Checkpoint


class _Versioned(msgspec.Struct):
    version: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_COUNT)]


async def checkpoint(core: Core, session_id: str) -> Checkpoint:
    """Commit a checkpoint of the session as it is; nothing if nothing has happened since the last.

    Raises SessionNotFound, IllegalTransition for a session that has ended, StaleWriter.
    """
    written = await write(core, session_id, CommitCheckpoint(now=core.now()))
    state = written.folded.state
    return Checkpoint(
        session_id=state.id,
        version=state.version,
        message_count=state.conversation.count,
        conversation_digest=state.conversation.digest(),
        changed=bool(written.events),
    )


# Checkpointers


async def cancel_all_checkpointers(core: Core) -> None:
    """Stop automatic checkpoints of all sessions until `rearm_all_checkpointers`."""
    core.check_open()
    core.checkpointers.cancel_all()


async def rearm_all_checkpointers(core: Core) -> None:
    """Allow automatic checkpoints again, and take those that fell due in between."""
    core.check_open()
    core.checkpointers.rearm_all()


async def checkpoint_committed(core: Core, session_id: str, snapshot: bytes) -> None:
    """Keep a snapshot that came with a commit, if it agrees with the log.

    It agrees if it is, byte for byte, the snapshot that the log folds to: a snapshot's seal has no
    key, and a kept snapshot is trusted until the next audit. Costs a fold up to the snapshot's
    version. Raises SessionNotFound, InvalidArgument unless it is bytes, Conflict if it belongs to
    another session or does not agree with the log, LogCorrupt if the log cannot be folded.
    """
    session_id = core.check_known(session_id)
    if not isinstance(snapshot, bytes):
        raise InvalidArgument("a snapshot is bytes", parameter="snapshot")
    try:
        version = msgspec.json.decode(snapshot, type=_Versioned).version
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Conflict(f"this is no snapshot: {error}", session_id=session_id) from error
    kept = Kept(version, snapshot)
    folded, _ = await asyncio.to_thread(
        catch_up,
        core.store.recorder,
        core.mapper,
        nothing_folded(session_id),
        upto=version,
    )
    if snapshot_of(folded) != kept:
        raise Conflict(
            f"the snapshot does not agree with the log of session {session_id!r}",
            session_id=session_id,
            version=version,
        )
    await asyncio.to_thread(keep_snapshot, core.store, session_id, kept)
