"""Agents: what an embedder hands the engine to run turns with.

Invariants: an agent sees a session only through the `Turn` it is given, and what it says becomes
part of the conversation only through what it returns or lands at a boundary. Any async callable
works as an agent.
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
    OpenCall,
    Receipt,
    Usage,
)

Message = Mapping[str, Any]
PlainMessages = list[dict[str, Any]]


class TurnResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn leads to: the agent's own messages, and how it ended.

    ``messages`` land behind the request; ``terminal`` holds the run's result, the call that waits
    for outside, or that there was nothing to do.
    """

    messages: Sequence[Message] = ()
    terminal: Completed | CallbackPending | NoPendingBoundary = Completed()
    usage: Usage | None = None


class AgentFailure(Exception):
    """What an agent raises to say how a turn failed; any other exception is a failed ``turn``.

    ``recoverable`` says that asking again may help. A subclass may set both, as it likes.
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
    """An input that a run has taken, and the messages it brings."""

    id: str
    messages: PlainMessages


class LandedBoundary(msgspec.Struct, frozen=True, kw_only=True):
    """A boundary that landed: its receipt, and the inputs that steer the run from here on."""

    receipt: Receipt
    steered: list[TurnInput]


class CancelScope:
    """Whether a turn is asked to end. A cooperative agent looks, an eager one waits."""

    def __init__(self) -> None:
        self._requested: Final = asyncio.Event()
        self.reason: str | None = None

    @property
    def requested(self) -> bool:
        """Whether the turn is to end: at its next boundary, or now."""
        return self._requested.is_set()

    def request(self, reason: str | None = None) -> None:
        """Ask for the turn to end."""
        self.reason = self.reason or reason
        self._requested.set()

    async def wait(self) -> None:
        """Wait until the turn is asked to end."""
        await self._requested.wait()


class Turn(Protocol):
    """One turn, as its agent sees it.

    ``request`` are the messages that were asked with, ``inputs`` what the run took from the queue,
    ``results`` and ``context`` what had been staged; all of these land before the agent's own
    messages. ``tool_filter`` is what the session's tools are filtered by, any JSON value or None.
    """

    session: SessionView
    run_id: str
    request: PlainMessages
    inputs: list[TurnInput]
    results: PlainMessages
    context: PlainMessages
    open_calls: list[OpenCall]
    tool_filter: Any
    scope: CancelScope

    async def history(self, *, offset: int = 0, limit: int | None = None) -> PlainMessages:
        """Return the conversation as it is recorded, oldest first."""

    async def prompt(self) -> PlainMessages:
        """Return all that a model needs to see: the history, what was staged, and the request."""

    def emit(self, event: Any) -> None:
        """Send something to whoever watches the turn, now: it is not recorded. Never waits.

        It is passed on as it is and not copied, so it must not be changed afterwards.
        """

    async def boundary(
        self, messages: Iterable[Message] = (), *, usage: Usage | None = None
    ) -> LandedBoundary:
        """Land what the run has so far, with a receipt of its own, and go on.

        Raises InvalidMessage; CallNotOpen for the result of a call which one from outside answered
        at a boundary before; and StaleWriter where the run is not this engine's any more. Where
        the turn is asked to end after a boundary, this does not return: the task is cancelled.
        """


@runtime_checkable
class Agent(Protocol):
    """What runs turns.

    It may also offer ``execution_snapshot``, ``tool_scope_snapshot``,
    ``external_tool_surface_snapshot`` and ``peer_ingress_snapshot``: plain methods without
    arguments, which return at once what `Engine` shows under these names (an `ExecutionSnapshot`,
    and so on), or None. The engine's verb raises InvalidArgument for one that raises, is
    asynchronous, or returns something else.
    """

    async def run_turn(self, turn: Turn) -> Any:
        """Run one turn and return a `TurnResult`, messages, a text to say, or None."""


AgentLike = Agent | Callable[[Turn], Awaitable[Any]]
Builder = Callable[[SessionView], AgentLike | Awaitable[AgentLike]]
"""Makes an agent for a session that has none attached."""


class _CallableAgent:
    def __init__(self, function: Callable[[Turn], Awaitable[Any]]) -> None:
        self._function: Final = function

    async def run_turn(self, turn: Turn) -> Any:
        return await answer_of(self._function, self._function(turn))


def as_agent(given: object) -> Agent:
    """Return an agent, or an async callable as one.

    Raises InvalidArgument for anything else, among it a class that makes agents and an asynchronous
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
            "an agent returns once and does not yield: what it streams, it emits with turn.emit",
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
    """Return what an agent calls itself: its ``name``, or that of its class or function.

    Raises InvalidArgument for a name that fails, or is not Unicode and could not be recorded.
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
    """Return what an agent gave when it was run, which is to be waited for.

    Raises AgentFailure for an agent that is not asynchronous.
    """
    if isinstance(answer, Awaitable):
        return answer
    raise AgentFailure(
        f"an agent is asynchronous, and {name_of(agent)} gave {type(answer).__name__} at once"
    )


def as_result(given: object) -> TurnResult:
    """Return what an agent returned as a `TurnResult`.

    A text is what the assistant says; a mapping is one message; a list of them, several.
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
    """Says what it was asked. For tests and for trying things out."""

    name = "echo"

    async def run_turn(self, turn: Turn) -> TurnResult:
        """Return an assistant message with the text of the last message asked."""
        asked = [*turn.request, *(m for item in turn.inputs for m in item.messages)]
        text = str(asked[-1].get("content", "")) if asked else ""
        for word in text.split():
            turn.emit({"delta": word})
        return TurnResult(messages=[{"role": "assistant", "content": text}])


class ScriptedAgent:
    """Says what a recorded conversation says, turn by turn.

    A turn begins at each user message, as in `perdure import`. Where the script stands follows from
    how much of it the session already has, so an agent made anew goes on where the last one was.
    With ``boundaries`` each message but the last lands by itself.
    """

    name = "scripted"

    def __init__(self, messages: Iterable[Message], *, boundaries: bool = False) -> None:
        self._script: Final = [dict(message) for message in messages]
        self._boundaries: Final = boundaries

    def requests(self, recorded: int) -> PlainMessages:
        """Return what is asked next, once so many of the script's messages are recorded.

        What comes before the first user message belongs to the first turn's request. In the middle
        of a turn that was left unfinished nothing is asked: the agent goes on with it.
        """
        next_user = self._next_user(recorded)
        begun = self._next_user(0) < recorded
        return [] if begun and recorded < next_user else self._script[recorded : next_user + 1]

    async def run_turn(self, turn: Turn) -> TurnResult:
        """Return the messages that follow what lands before them, up to the next user message."""
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
        """Return where the next user message is, from a place on; the end where there is none."""
        while place < len(self._script) and self._script[place].get("role") != "user":
            place += 1
        return place
