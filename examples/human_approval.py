"""A tool call that needs a human, who may answer days later and after any number of restarts.

    python examples/human_approval.py --ask "Refund order 7"
    python examples/human_approval.py                  # shows what waits
    python examples/human_approval.py --approve        # or --deny

The first turn ends with a call that waits for a human, and the program ends with it. The answer is
recorded as the result of that call. The next turn continues from it and makes the refund, which
here is a line in refunds.txt. If the program is killed during the refund, it is unknown whether the
money went out. The program does not guess: the session refuses the next turn until a human has
looked and says `--happened`, `--did-not-happen`, or `--give-up`.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from perdure import (
    CallbackPending,
    Completed,
    Engine,
    Failed,
    OpenCall,
    PerdureError,
    Turn,
    TurnResult,
)

SESSION = "refunds"
REFUNDS = Path("refunds.txt")
ANSWERS = {
    "approve": "approved",
    "deny": "denied",
    "happened": "refunded",
    "did_not_happen": "not refunded: the program ended before",
}


class Agent:
    """Asks a human for approval, makes the refund, and reports it.

    A real agent would send the messages of `turn.prompt()` to a model for each next message; this
    one is scripted. The engine sees no difference: messages make calls, and messages answer them.
    """

    name = "refunds"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def run_turn(self, turn: Turn) -> TurnResult:
        """Take the next step, which depends on the last message."""
        last = (await turn.prompt())[-1]
        if last["role"] == "user":
            question = {"question": f"{last['content']}: may I?"}
            call_id = f"ask-{turn.run_id}"
            asking = made(call_id, "ask_human", question)
            waiting = CallbackPending("ask_human", question, call_id)
            return TurnResult(messages=[asking], terminal=waiting)
        if last["content"] != "approved":
            return TurnResult(messages=[says(f"I was told: {last['content']}.")])
        call_id = f"refund-{turn.run_id}"
        await turn.boundary([made(call_id, "refund", {})])  # the intent is recorded before the deed
        await self._refund(call_id)
        await turn.boundary([answered(call_id, "refunded")])
        return TurnResult(messages=[says("The money is on its way.")])

    async def _refund(self, call_id: str) -> None:
        """Make the refund, which cannot be undone. The call to a payment provider goes here."""
        await asyncio.sleep(self._seconds)
        await asyncio.to_thread(note, call_id)
        await asyncio.sleep(self._seconds)


def note(call_id: str) -> None:
    """Write down that money went out."""
    with REFUNDS.open("a", encoding="utf-8") as refunds:
        refunds.write(f"{call_id}\n")


def made(call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the message that makes a tool call, in the shape of chat completions."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": call_id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def answered(call_id: str, text: str) -> dict[str, Any]:
    """Return the message that answers a tool call."""
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def says(text: str) -> dict[str, Any]:
    """Return a message of the assistant."""
    return {"role": "assistant", "content": text}


async def resolve(engine: Engine, answer: str) -> None:
    """Record the human's answer for the oldest call that waits for one."""
    wanted = "intended" if answer in ("approve", "deny") else "unknown"
    calls = [call for call in await engine.open_calls(SESSION) if call.status == wanted]
    if not calls:
        sys.exit("No call waits for that.")
    if answer == "give_up":
        await engine.abandon_call(SESSION, calls[0].id, reason="its outcome is not known")
    else:
        await engine.stage_tool_results(SESSION, [answered(calls[0].id, ANSWERS[answer])])


async def go_on(engine: Engine, request: str | None) -> None:
    """Run a turn, and print the answer."""
    out = await engine.apply_turn(SESSION, request)
    if isinstance(out.terminal, Failed):
        print(f"failed: {out.terminal.message}")
    elif isinstance(out.terminal, Completed):
        count = (await engine.read(SESSION)).message_count
        (last,) = (await engine.history(SESSION, offset=count - 1)).messages
        print(f"agent: {last['content']}")


def waiting(call: OpenCall) -> str:
    """Return a line that shows a call and the options that answer it."""
    told = f"{call.name} {call.arguments}"
    if call.status == "unknown":
        return f"unknown: {told}; look, then --happened, --did-not-happen or --give-up"
    if call.status == "executed":
        return f"answered: {told}"
    return f"waits: {told}; --approve or --deny"


async def run(db: str, seconds: float, request: str | None, answer: str | None) -> None:
    """Make one request or give one answer, then print the open calls."""
    async with Engine.open(db) as engine:
        await engine.register(SESSION)
        await engine.attach(SESSION, Agent(seconds))  # closes the run that a crash left behind
        if answer is not None:
            await resolve(engine, answer)
        statuses = {call.status for call in await engine.open_calls(SESSION)}
        if request is not None and "intended" in statuses:
            print("First things first.")
        elif request is not None or "executed" in statuses:
            await go_on(engine, request)
        calls = await engine.open_calls(SESSION)
        print("\n".join(waiting(call) for call in calls) or "Nothing waits.")


def main() -> None:
    """Read the command line and run."""
    arguments = argparse.ArgumentParser(description="Refunds, each approved by a human.")
    arguments.add_argument("--db", default="sqlite:///human_approval.db", help="the log")
    arguments.add_argument("--seconds", type=float, default=0.0, help="how slow the money moves")
    choice = arguments.add_mutually_exclusive_group()
    choice.add_argument("--ask", metavar="TEXT", help="what to ask the agent for")
    for name, about in (
        ("approve", "the waiting call may be executed"),
        ("deny", "the waiting call may not be executed"),
        ("happened", "the unknown call was executed"),
        ("did_not_happen", "the unknown call was not executed"),
        ("give_up", "the outcome of the unknown call is recorded as not known"),
    ):
        option = f"--{name.replace('_', '-')}"
        choice.add_argument(option, dest="answer", action="store_const", const=name, help=about)
    given = arguments.parse_args()
    try:
        asyncio.run(run(given.db, given.seconds, given.ask, given.answer))
    except PerdureError as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
