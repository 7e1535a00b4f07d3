"""Facts: the events of a session, its state, and the two pure functions between them."""

from perdure.aggregates.session import commands, events
from perdure.aggregates.session.call_shapes import CallPlace, CallRules, CallShape
from perdure.aggregates.session.commands import *  # noqa: F403 - commands.__all__ lists them
from perdure.aggregates.session.conversation import Conversation
from perdure.aggregates.session.decide import decide
from perdure.aggregates.session.events import *  # noqa: F403 - events.__all__ lists them
from perdure.aggregates.session.evolve import evolve, fold
from perdure.aggregates.session.messages import EncodedMessages, decode_messages, encode_messages
from perdure.aggregates.session.open_calls import Call
from perdure.aggregates.session.state import Origin, Session, initial_state
from perdure.aggregates.session.work import Input, Run, Work

__all__ = [
    "Call",
    "CallPlace",
    "CallRules",
    "CallShape",
    "Conversation",
    "EncodedMessages",
    "Input",
    "Origin",
    "Run",
    "Session",
    "Work",
    "decide",
    "decode_messages",
    "encode_messages",
    "evolve",
    "fold",
    "initial_state",
]
__all__ += commands.__all__
__all__ += events.__all__
