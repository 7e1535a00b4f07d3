"""Recording a transcript: only the turns that the log does not have yet.

Invariants: a session that holds all of the transcript gets no event; one whose conversation is not
the transcript's beginning is left alone; several processes may record the same transcript at once,
and it is recorded once.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from perdure.cli.importer.transcripts import Transcript, TranscriptTurn
from perdure.errors import Conflict, IllegalTransition, SessionNotFound, StaleWriter
from perdure.projections import SessionView
from perdure.runtime import Engine

_ATTEMPTS: Final = 5
"""How often to read the session again when another process wrote to it."""

Status = Literal["imported", "extended", "unchanged"]


class RecordedTranscript(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one transcript: turns, messages and events are those appended now."""

    session_id: str
    status: Status
    turns: int
    messages: int
    events: int


async def record(
    engine: Engine,
    transcript: Transcript,
    *,
    archive: bool = False,
    labels: Mapping[str, str] | None = None,
) -> RecordedTranscript:
    """Bring the session up to the transcript, and to its end if ``archive``.

    Raises Conflict where the recorded session is not the transcript's beginning, IllegalTransition
    where there is more to come but the session takes no more, and what `Engine.record_turn` does.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _record(engine, transcript, archive=archive, labels=labels)
        except (StaleWriter, IllegalTransition):  # look again: was another process faster?
            continue
    return await _record(engine, transcript, archive=archive, labels=labels)


async def _record(
    engine: Engine, transcript: Transcript, *, archive: bool, labels: Mapping[str, str] | None
) -> RecordedTranscript:
    name = transcript.session_id
    try:
        view, version_before = await engine.read(name), None
    except SessionNotFound:
        metadata = transcript.metadata or None
        view = await engine.register(name, labels=labels, metadata=metadata)
        version_before = 0
    missing = [] if await _is_past(engine, view, transcript) else _missing(view, transcript)
    version = view.version
    for turn in missing:
        await engine.record_turn(
            name,
            turn.messages,
            run_id=turn.run_id,
            expected_version=version,
            open_calls="keep",  # what a transcript left open is no reason to leave it out
            reason="imported",
        )
        version = (await engine.read(name)).version  # of a turn, and of calls that it keeps
    ended = archive and view.phase != "archived"
    if ended:
        version = (await engine.archive(name)).version
    events = version - (view.version if version_before is None else version_before)
    return RecordedTranscript(
        session_id=name,
        status="imported" if version_before == 0 else "extended" if events else "unchanged",
        turns=len(missing),
        messages=sum(len(turn.messages) for turn in missing),
        events=events,
    )


async def _is_past(engine: Engine, view: SessionView, transcript: Transcript) -> bool:
    """Whether the session was continued beyond the transcript, having been just that before."""
    count = max(transcript.boundaries())
    if view.message_count <= count or (
        transcript.metadata and view.metadata != transcript.metadata
    ):
        return False
    digest = transcript.boundaries()[count]
    return any(
        (receipt.message_count, receipt.conversation_digest) == (count, digest)
        for receipt in await engine.receipts(view.id)
    )


def _missing(view: SessionView, transcript: Transcript) -> list[TranscriptTurn]:
    """Return the turns that are not recorded yet. Raises Conflict unless the others are."""
    count = view.message_count
    if transcript.metadata and view.metadata != transcript.metadata:
        raise _conflict(view, "is registered with other metadata than this line's other keys")
    if view.staged_context:
        raise _conflict(view, "has context staged, which would land before this line's next turn")
    if transcript.boundaries().get(count) != view.conversation_digest:
        raise _conflict(
            view,
            f"has a conversation recorded (of length {count}) that is not the beginning, "
            "up to the end of a turn, of this line's",
        )
    return [turn for turn in transcript.turns if turn.message_count > count]


def _conflict(view: SessionView, problem: str) -> Conflict:
    return Conflict(
        f"session {view.id!r} {problem}",
        session_id=view.id,
        message_count=view.message_count,
        conversation_digest=view.conversation_digest,
    )
