"""Facts: the events of a session, its state, and the two pure functions between them."""

from engine.aggregates.commands import (
    AppendContext,
    Archive,
    Command,
    CommitCheckpoint,
    RecordTurn,
    Register,
    Retire,
    SessionCommand,
    StageContext,
    decide,
)
from engine.aggregates.conversation import Conversation
from engine.aggregates.events import (
    ContextAppended,
    ContextStaged,
    SessionArchived,
    SessionCheckpointed,
    SessionEvent,
    SessionRegistered,
    SessionRetired,
    TurnApplied,
    tag_of,
)
from engine.aggregates.messages import Messages, decode_messages, encode_messages
from engine.aggregates.session import Session, evolve, fold, initial_state

__all__ = [
    "AppendContext",
    "Archive",
    "Command",
    "CommitCheckpoint",
    "ContextAppended",
    "ContextStaged",
    "Conversation",
    "Messages",
    "RecordTurn",
    "Register",
    "Retire",
    "Session",
    "SessionArchived",
    "SessionCheckpointed",
    "SessionCommand",
    "SessionEvent",
    "SessionRegistered",
    "SessionRetired",
    "StageContext",
    "TurnApplied",
    "decide",
    "decode_messages",
    "encode_messages",
    "evolve",
    "fold",
    "initial_state",
    "tag_of",
]
