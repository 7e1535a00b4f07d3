"""The session's state: everything that a decision about a session can depend on.

Invariants: state is a function of the events alone. The authority finds a session's place in its
lifecycle by replaying the verbs of those events (see `lifecycle`).
"""

from typing import Final

import immutables
import msgspec

from perdure.aggregates.session.call_shapes import RULES, CallRules
from perdure.aggregates.session.calls import CallAnswered, steps_in
from perdure.aggregates.session.conversation import EMPTY, Conversation
from perdure.aggregates.session.events import SessionForked
from perdure.aggregates.session.open_calls import Calls, unanswered
from perdure.aggregates.session.recorded import NO_OBJECT
from perdure.aggregates.session.work import NO_WORK, Work
from perdure.machines import LIFECYCLE, Configuration
from perdure.values import Usage


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a fork comes from: the messages that it keeps of another session at a version.

    ``rules`` say how the fork finds tool calls in them.
    """

    session_id: str
    version: int
    message_count: int
    conversation_digest: str
    rules: CallRules = RULES


REPLACEMENT_RUN: Final = "fork-replacement"
"""The run by which a fork puts a message in place of its origin's."""


def origin_in(event: SessionForked) -> Origin:
    """Return the origin that an event names."""
    return Origin(
        session_id=event.origin_session_id,
        version=event.origin_version,
        message_count=event.origin_messages,
        conversation_digest=event.origin_digest,
        rules=event.rules,
    )


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision about a session can depend on.

    - ``runs``, ``inputs`` and ``keys``: run ids, input ids and idempotency keys, each with the
      version that recorded it first.
    - ``staged_context``: the encoded context messages that wait for the next turn.
    - ``checkpoint_version``: the version of the last checkpoint, or 0.
    - ``work``: the current run, the inputs that have not ended, the open calls and the tool filter.
    """

    id: str
    version: int = 0
    lifecycle: Configuration = LIFECYCLE.initial
    conversation: Conversation = EMPTY
    labels: dict[str, str] = {}
    metadata: msgspec.Raw = NO_OBJECT
    usage: Usage = Usage()
    staged_context: tuple[bytes, ...] = ()
    runs: immutables.Map[str, int] = immutables.Map()
    inputs: immutables.Map[str, int] = immutables.Map()
    keys: immutables.Map[str, int] = immutables.Map()
    checkpoint_version: int = 0
    work: Work = NO_WORK
    mobs: tuple[str, ...] = ()
    origin: Origin | None = None
    created_at: str = ""
    updated_at: str = ""

    @property
    def phase(self) -> str:
        """Return the lifecycle phase."""
        return self.lifecycle.phase


def calls_in_the_way(state: Session, run_id: str, given: msgspec.Raw | None = None) -> Calls:
    """Return the open calls because of which a run cannot begin, or be recorded as a turn.

    ``given`` is the JSON array of the run's request, or of the recorded turn's own messages;
    without either, and by the first rules, it is the unknown calls. A message that a fork begins
    with in place of its origin's may be the result of an unknown call.
    """
    work = state.work
    if not work.calls:
        return ()
    steps = () if given is None else steps_in(given, work.rules)
    replaces = run_id == REPLACEMENT_RUN and state.version == 1 and state.origin is not None
    if not work.rules.number:
        said = {step.id for step in steps if isinstance(step, CallAnswered)} if replaces else set()
        return tuple(c for c in work.calls if c.status == "unknown" and c.id not in said)
    if given is None:
        return tuple(c for c in work.calls if c.status == "unknown" and not c.kept)
    return unanswered(work.calls, steps, settles_unknown=replaces)


def initial_state(
    session_id: str, conversation: Conversation = EMPTY, work: Work = NO_WORK
) -> Session:
    """Return the state of a session before its first event.

    A fork starts with the ``conversation`` that it goes on from and, in ``work``, the tool calls
    that are open in it; every other session starts with neither.
    """
    return Session(id=session_id, conversation=conversation, work=work)
