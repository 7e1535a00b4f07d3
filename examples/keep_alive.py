"""A session that is kept alive: a worker answers the messages of other processes.

    python examples/keep_alive.py serve            # until Ctrl-C or a TERM signal
    python examples/keep_alive.py send "hello"     # in another terminal, at any time
    python examples/keep_alive.py show             # the messages, and their states

A message is durable once `send` returns, also if no worker runs. The worker sleeps until an event
is recorded, takes all queued messages as one turn, and sleeps again. A worker that is told to stop
ends its turn first. A worker that is killed loses nothing: an input that no receipt names is queued
again, for the next worker.
"""

import argparse
import asyncio
import signal
import sys

from perdure import Engine, PerdureError, Turn
from perdure.aggregates import RunCompleted


class Worker:
    """The agent."""

    name = "worker"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def run_turn(self, turn: Turn) -> str:
        """Answer all messages of the turn. The call to a real provider goes here."""
        sent = [str(message["content"]) for item in turn.inputs for message in item.messages]
        await asyncio.sleep(self._seconds)
        return f"You sent {', '.join(sent)}."


async def serve(url: str, session_id: str, seconds: float, grace_seconds: float) -> None:
    """Work until a signal says to stop."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with Engine.open(url, grace_seconds=grace_seconds) as engine:
        view = await engine.register(session_id)
        reporting = asyncio.create_task(report(engine, session_id, view.version))
        await engine.attach(session_id, Worker(seconds))
        await engine.keep_alive(session_id)
        say("Working; Ctrl-C stops.")
        await told.wait()
        say("Stopping.")
    await reporting  # the subscription ends with the engine
    say("Stopped.")


async def report(engine: Engine, session_id: str, after_version: int) -> None:
    """Print a line for each turn that is recorded from now on."""
    async for delivery in engine.subscribe(session_id):
        event = delivery.event
        if delivery.version > after_version and isinstance(event, RunCompleted) and event.receipt:
            receipt = event.receipt
            answered = len(receipt.contributing_input_ids)
            say(f"Answered {answered}; that makes {receipt.message_count} messages.")


async def send(url: str, session_id: str, text: str, key: str | None) -> None:
    """Queue a message for the worker that runs now or later."""
    async with Engine.open(url) as engine:
        await engine.register(session_id)
        taken = await engine.ingest(session_id, text, idempotency_key=key)
        say(f"{taken.status} {taken.input_id}")


async def show(url: str, session_id: str) -> None:
    """Print the messages that were sent, and their states."""
    async with Engine.open(url, readonly=True) as engine:
        for item in await engine.inputs(session_id):
            texts = ", ".join(str(message["content"]) for message in item.messages)
            say(f"{item.state:9} {texts}")


def say(text: str) -> None:
    """Print a line and flush, so that it also appears at once in a pipe."""
    print(text, flush=True)


def main() -> None:
    """Read the command line and run."""
    arguments = argparse.ArgumentParser(description="A session fed by other processes.")
    arguments.add_argument("--db", default="sqlite:///keep_alive.db", help="where it is recorded")
    arguments.add_argument("--session", default="inbox", help="which session")
    commands = arguments.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="answer messages")
    serving.add_argument("--seconds", type=float, default=0.5, help="how long a turn takes")
    serving.add_argument("--grace", type=float, default=5.0, help="seconds a turn has to end")
    sending = commands.add_parser("send", help="send a message")
    sending.add_argument("text")
    sending.add_argument("--key", help="sent twice under one key, it is accepted once")
    commands.add_parser("show", help="print the messages and their states")
    given = arguments.parse_args()
    try:
        if given.command == "serve":
            asyncio.run(serve(given.db, given.session, given.seconds, given.grace))
        elif given.command == "send":
            asyncio.run(send(given.db, given.session, given.text, given.key))
        else:
            asyncio.run(show(given.db, given.session))
    except PerdureError as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
