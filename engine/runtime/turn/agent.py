"""Agents: the embedder's code that runs turns for the engine.

Invariants: an agent sees a session only through its `Turn`; its messages join the conversation only
as it returns them or lands them at a boundary. Any async callable works as an agent.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from perdure.errors import InvalidArgument
from perdure.projections.catalog import SessionView
from perdure.values import (
    CallbackPending,
    Completed,
    FailureKind,
    NoPendingBoundary,
    OpenCalls,
    Receipt,
    Usage,
)

Message = Mapping[str, Any]
PlainMessages = list[dict[str, Any]]


class TurnResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a turn: the agent's own messages, and how the turn ended.

    - ``messages`` land after the request.
    - ``terminal`` holds the run's result, the call that waits for an answer from outside, or that
      there was nothing to do.
    - ``usage`` counts the tokens that the turn used.
    """

    messages: Sequence[Message] = ()
    terminal: Completed | CallbackPending | NoPendingBoundary = Completed()
    usage: Usage | None = None


class AgentFailure(Exception):
    """The exception by which an agent fails a turn; any other exception fails it as kind ``turn``.

    ``recoverable`` says that another try may succeed. A subclass may set ``kind`` and
    ``recoverable`` itself.
    """

    kind: FailureKind = "turn"
    recoverable: bool = False

    def __init__(
        self, message: str, *, kind: FailureKind = "turn", recoverable: bool = False
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.recoverable = recoverable


class TurnInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input that a run has taken, with its messages."""

    id: str
    messages: PlainMessages


class LandedBoundary(msgspec.Struct, frozen=True, kw_only=True):
    """A boundary that landed: its receipt, and the inputs that steer the run from here on."""

    receipt: Receipt
    steered: list[TurnInput]


class CancelScope:
    """Whether a turn is asked to end. A cooperative agent reads it, an eager one waits for it."""

    def __init__(self) -> None:
        self._requested: Final = asyncio.Event()
        self.reason: str | None = None

    @property
    def requested(self) -> bool:
        """Whether the turn is asked to end, at its next boundary or now."""
        return self._requested.is_set()

    def request(self, reason: str | None = None) -> None:
        """Ask the turn to end."""
        self.reason = self.reason or reason
        self._requested.set()

    async def wait(self) -> None:
        """Wait until the turn is asked to end."""
        await self._requested.wait()


class Turn(Protocol):
    """One turn, as its agent sees it.

    - ``session``: the session at the beginning of the turn, or after the last boundary.
    - ``run_id``: the id of the run.
    - ``request``: the messages that the turn was asked with.
    - ``inputs``: the inputs that the run took from the queue.
    - ``results``, ``context``: the staged results and context. These, the inputs and the request
      land before the agent's own messages.
    - ``open_calls``: the tool calls without a result.
    - ``tool_filter``: the filter of the session's tools, any JSON value or None.
    - ``scope``: whether the turn is asked to end.
    """

    session: SessionView
    run_id: str
    request: PlainMessages
    inputs: list[TurnInput]
    results: PlainMessages
    context: PlainMessages
    open_calls: OpenCalls
    tool_filter: Any
    scope: CancelScope

    async def history(self, *, offset: int = 0, limit: int | None = None) -> PlainMessages:
        """Return the recorded conversation, oldest first."""

    async def prompt(self) -> PlainMessages:
        """Return everything for the model: history, staged messages, inputs, request.

        Every tool call is directly followed by its result. One that was recorded later is moved
        there; a call without one gets a stand-in in the shape of its provider, which begins with
        ``[not recorded]`` and is in no log.
        """

    def emit(self, event: Any) -> None:
        """Send an event to the turn's watchers at once. It is not recorded. Never waits.

        It is passed on as it is, without a copy, so do not change it afterwards.
        """

    async def boundary(
        self, messages: Iterable[Message] = (), *, usage: Usage | None = None
    ) -> LandedBoundary:
        """Land the messages of the run so far, with a receipt of their own, and go on.

        Raises InvalidMessage, CallNotOpen for the result of a call that was answered from outside
        at an earlier boundary, StaleWriter if the run is no longer this engine's. If the turn is
        asked to end after a boundary, this does not return: the agent's task is cancelled.
        """


@runtime_checkable
class Agent(Protocol):
    """An object that runs turns.

    It may also have the methods ``execution_snapshot``, ``tool_scope_snapshot``,
    ``external_tool_surface_snapshot`` and ``peer_ingress_snapshot``. Each is a plain method without
    arguments that returns at once: the value that the verb of `Engine` of this name returns (an
    `ExecutionSnapshot`, and so on), or None. The verb raises InvalidArgument for a method that
    raises, is asynchronous, or returns something else.
    """

    async def run_turn(self, turn: Turn) -> Any:
        """Run one turn and return a `TurnResult`, messages, a text to say, or None."""


AgentLike = Agent | Callable[[Turn], Awaitable[Any]]
Builder = Callable[[SessionView], AgentLike | Awaitable[AgentLike]]
"""Makes an agent for a session to which none is attached."""


class _CallableAgent:
    def __init__(self, function: Callable[[Turn], Awaitable[Any]]) -> None:
        self._function: Final = function

    async def run_turn(self, turn: Turn) -> Any:
        return await answer_of(self._function, self._function(turn))


def as_agent(given: object) -> Agent:
    """Return an agent, or an async callable as one.

    Raises InvalidArgument for anything else, such as a class that makes agents or an asynchronous
    generator.
    """
    if isinstance(given, type):
        raise InvalidArgument(
            f"an agent is an object, not the class {given.__qualname__}", parameter="agent"
        )
    try:
        runs = getattr(given, "run_turn", given)
    except Exception as error:
        raise InvalidArgument(
            f"the agent's run_turn cannot be had ({type(error).__name__})", parameter="agent"
        ) from error
    if inspect.isasyncgenfunction(runs):
        raise InvalidArgument(
            "an agent returns once and does not yield: it streams with turn.emit",
            parameter="agent",
        )
    if isinstance(given, Agent):
        return given
    if callable(given):
        return _CallableAgent(given)
    raise InvalidArgument(
        "an agent has an async run_turn(turn), or is an async callable; "
        f"{type(given).__name__} is neither",
        parameter="agent",
    )


def name_of(agent: object) -> str:
    """Return the agent's ``name``, or the name of its class or function.

    Raises InvalidArgument if reading the name fails, or it is not Unicode and cannot be recorded.
    """
    try:
        own = getattr(agent, "name", None)
        if not isinstance(own, str) or not own:
            own = str(getattr(agent, "__qualname__", type(agent).__qualname__))
        return own.encode().decode()
    except Exception as error:
        raise InvalidArgument(
            f"the agent's name cannot be recorded ({type(error).__name__})", parameter="agent"
        ) from error


def answer_of(agent: object, answer: object) -> Awaitable[Any]:
    """Return the awaitable that an agent returned.

    Raises AgentFailure for an agent that is not asynchronous.
    """
    if isinstance(answer, Awaitable):
        return answer
    raise AgentFailure(
        f"an agent is asynchronous, and {name_of(agent)} gave {type(answer).__name__} at once"
    )


def as_result(given: object) -> TurnResult:
    """Return the agent's answer as a `TurnResult`.

    A text is a message of the assistant; a mapping is one message; a list of mappings is several.
    """
    match given:
        case TurnResult():
            return given
        case None:
            return TurnResult()
        case str():
            return TurnResult(messages=[{"role": "assistant", "content": given}])
        case Mapping():
            return TurnResult(messages=[given])
        case list() | tuple():
            return TurnResult(messages=list(given))
        case _:
            raise AgentFailure(
                "an agent returns a TurnResult, messages, a text or None, "
                f"not {type(given).__name__}"
            )


class EchoAgent:
    """Repeats its request. For tests and first steps."""

    name = "echo"

    async def run_turn(self, turn: Turn) -> TurnResult:
        """Return an assistant message with the text of the last message asked."""
        asked = [*turn.request, *(m for item in turn.inputs for m in item.messages)]
        text = str(asked[-1].get("content", "")) if asked else ""
        for word in text.split():
            turn.emit({"delta": word})
        return TurnResult(messages=[{"role": "assistant", "content": text}])


class ScriptedAgent:
    """Replays a recorded conversation, turn by turn.

    A turn begins at each user message, as in `perdure import`. The place in the script follows from
    the number of messages that the session has, so a new agent goes on where the last one stopped.
    With ``boundaries`` each message except the last lands at a boundary of its own.
    """

    name = "scripted"

    def __init__(self, messages: Iterable[Message], *, boundaries: bool = False) -> None:
        self._script: Final = [dict(message) for message in messages]
        self._boundaries: Final = boundaries

    def requests(self, recorded: int) -> PlainMessages:
        """Return the next request, given how many of the script's messages are recorded.

        Messages before the first user message belong to the first turn's request. In the middle of
        an unfinished turn the request is empty: the agent goes on with that turn.
        """
        next_user = self._next_user(recorded)
        begun = self._next_user(0) < recorded
        return [] if begun and recorded < next_user else self._script[recorded : next_user + 1]

    async def run_turn(self, turn: Turn) -> TurnResult:
        """Return the script's next messages, up to the next user message."""
        brought = sum(len(item.messages) for item in turn.inputs)
        landing = len(turn.results) + len(turn.context) + brought + len(turn.request)
        start = turn.session.message_count + landing
        said = self._script[start : self._next_user(start)]
        if self._boundaries and said:
            for message in said[:-1]:
                await turn.boundary([message])
            said = said[-1:]
        return TurnResult(messages=said)

    def _next_user(self, place: int) -> int:
        """Return the place of the next user message, or the script's end."""
        while place < len(self._script) and self._script[place].get("role") != "user":
            place += 1
        return place
