"""A chat in the terminal: streaming, Ctrl-C, and going on after a crash.

    python examples/chat.py

Each line that you type is recorded before the model sees it; the answer is recorded, with its
receipt, when it is complete. Ctrl-C interrupts the answer and keeps the part that was printed; at
the prompt it ends the program, as Ctrl-D does. If the program is killed in the middle of an answer
and started again, it shows the question that was in flight and answers it.
"""

import argparse
import asyncio
import sys
import uuid
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any

from perdure import Delivery, Engine, Failed, LiveEvent, PerdureError, Turn

ENDS = ("run-completed", "run-failed", "run-cancelled", "run-interrupted", "run-rolled-back")


async def model(messages: list[dict[str, Any]], pause: float) -> AsyncGenerator[str, None]:
    """Yield the words of an answer. The streaming call to a real provider goes here."""
    asked = [message["content"] for message in messages if message["role"] == "user"]
    answer = f"You said {asked[-1]!r}, message {len(asked)} of yours; the first was {asked[0]!r}."
    for word in answer.split():
        await asyncio.sleep(pause)
        yield f"{word} "


class Chat:
    """The agent."""

    name = "chat"

    def __init__(self, pause: float) -> None:
        self._pause = pause

    async def run_turn(self, turn: Turn) -> str:
        """Answer the request, word by word."""
        messages = await turn.prompt()
        if turn.request:
            await turn.boundary()  # from here on the question is durable
        said = ""
        try:
            async with aclosing(model(messages, self._pause)) as words:
                async for word in words:
                    said += word
                    turn.emit(word)
        except asyncio.CancelledError:
            if said:
                await turn.boundary([{"role": "assistant", "content": f"{said}…"}])
            raise
        return said.strip()


class Terminal:
    """One session, on a screen."""

    def __init__(self, engine: Engine, session_id: str) -> None:
        self._engine = engine
        self._session_id = session_id
        self._position = 0

    async def begin(self, agent: Chat) -> None:
        """Show the length of the conversation; answer a question that a crash left unanswered."""
        await self._engine.register(self._session_id)
        report = await self._engine.control.recover(self._session_id)
        await self._engine.attach(self._session_id, agent)
        view = await self._engine.read(self._session_id)
        if not view.message_count:
            print(
                "A new conversation. Ctrl-C interrupts an answer; at the prompt it ends the chat."
            )
            return
        print(f"Going on after {view.message_count} messages.")
        page = await self._engine.history(self._session_id, offset=view.message_count - 1)
        last = page.messages[-1]
        if report.run_id is not None and last["role"] == "user":
            print(f"This was in flight when the program ended: {last['content']}")
            await self.turn(None)

    async def turn(self, request: str | None) -> None:
        """Ask, and print the answer word by word."""
        run_id = str(uuid.uuid4())
        showing = asyncio.create_task(self._show(run_id))
        try:
            out = await self._engine.apply_turn(self._session_id, request, run_id=run_id)
            await showing
        except PerdureError as refusal:
            print(refusal)
        else:
            if isinstance(out.terminal, Failed):
                print(f"That failed: {out.terminal.message}")
        finally:
            showing.cancel()

    async def _show(self, run_id: str) -> None:
        """Print the words that the run emits, until its end is recorded."""
        events = self._engine.subscribe(self._session_id, after=self._position, live=True)
        async for event in events:
            if isinstance(event, LiveEvent):
                print(event.payload, end="", flush=True)
            elif isinstance(event, Delivery):
                self._position = event.position
                if event.tag in ENDS and getattr(event.event, "run_id", None) == run_id:
                    print()
                    return


def main() -> None:
    """Chat until Ctrl-C or Ctrl-D at the prompt."""
    arguments = argparse.ArgumentParser(description="A chat that survives its own end.")
    arguments.add_argument("--db", default="sqlite:///chat.db", help="where it is recorded")
    arguments.add_argument("--session", default="chat", help="which conversation")
    arguments.add_argument("--pause", type=float, default=0.1, help="seconds before each word")
    given = arguments.parse_args()

    # At the prompt no event loop runs. During an answer one does: Ctrl-C then cancels the task of
    # the turn, and KeyboardInterrupt arrives here after the engine has recorded the interruption.
    with asyncio.Runner() as runner:
        try:
            engine = runner.run(opened(given.db))
        except PerdureError as refusal:
            sys.exit(str(refusal))
        try:
            terminal = Terminal(engine, given.session)
            interruptible(runner, terminal.begin(Chat(given.pause)))
            while (line := read_line()) is not None:
                if line:
                    interruptible(runner, terminal.turn(line))
        except PerdureError as refusal:
            sys.exit(str(refusal))
        finally:
            runner.run(engine.close())


def interruptible(runner: asyncio.Runner, work: Coroutine[Any, Any, None]) -> None:
    """Run the work; Ctrl-C ends the work and not the program."""
    try:
        runner.run(work)
    except KeyboardInterrupt:
        print("\n(interrupted)")


def read_line() -> str | None:
    """Return the line that was typed, None at the end of the input."""
    try:
        return input("you: ").strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return None


async def opened(url: str) -> Engine:
    """Open the engine on this event loop."""
    engine: Engine = await Engine.open(url)
    return engine


if __name__ == "__main__":
    main()
