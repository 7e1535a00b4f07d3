"""The rules of order that providers refuse a conversation by, written from their documents.

Invariants: nothing here is the product's. Each function returns why the provider would refuse the
messages, None where it would not. What a message without tools may be is not asked.

- OpenAI chat completions: "An assistant message with 'tool_calls' must be followed by tool messages
  responding to each 'tool_call_id'", and "messages with role 'tool' must be a response to a
  preceding message with 'tool_calls'" (the API's own refusals).
- OpenAI responses: "No tool output found for function call …", and "No tool call found for function
  call output with call_id …". A call's output is an item behind it; no item of another speaker
  comes between.
- Anthropic messages: "tool_use ids were found without tool_result blocks immediately after. Each
  tool_use block must have a corresponding tool_result block in the next message"; "tool result
  blocks must come first in the content array" (implement-tool-use); a tool_result must correspond
  to a tool_use in the previous message.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]


def why_refused(shape: str, messages: Sequence[Message]) -> str | None:
    """Return why the provider of a shape would refuse the messages, None where it would not."""
    rules = {"chat": refused_by_chat, "responses": refused_by_responses}
    return rules.get(shape, refused_by_anthropic)(messages)


def refused_by_chat(messages: Sequence[Message]) -> str | None:
    """Return why chat completions would refuse the messages."""
    waiting: Counter[str] = Counter()
    for place, message in enumerate(messages):
        if message.get("role") == "tool":
            if not waiting[message["tool_call_id"]]:
                return f"message {place} answers {message['tool_call_id']!r}, which does not wait"
            waiting[message["tool_call_id"]] -= 1
            continue
        if waiting.total():
            return f"message {place} comes before the results of {list(waiting.elements())}"
        waiting = Counter(call["id"] for call in message.get("tool_calls") or ())
    return f"no results of {list(waiting.elements())} at the end" if waiting.total() else None


def refused_by_responses(messages: Sequence[Message]) -> str | None:
    """Return why the responses API would refuse the items."""
    waiting: Counter[str] = Counter()
    for place, message in enumerate(messages):
        kind = message.get("type")
        if kind == "function_call":
            waiting[message["call_id"]] += 1
        elif kind == "function_call_output":
            if not waiting[message["call_id"]]:
                return f"item {place} answers {message['call_id']!r}, which does not wait"
            waiting[message["call_id"]] -= 1
        elif message.get("role") in ("user", "system", "developer") and waiting.total():
            return f"item {place} comes before the outputs of {list(waiting.elements())}"
    return f"no outputs of {list(waiting.elements())} at the end" if waiting.total() else None


def refused_by_anthropic(messages: Sequence[Message]) -> str | None:
    """Return why the messages API would refuse the messages."""
    waiting: Counter[str] = Counter()
    for place, message in enumerate(messages):
        blocks = message.get("content")
        blocks = blocks if isinstance(blocks, list) else []
        results = [block["type"] == "tool_result" for block in blocks]
        if results != sorted(results, reverse=True):
            return f"the results in message {place} do not come first"
        answered = Counter(b["tool_use_id"] for b in blocks if b["type"] == "tool_result")
        if answered - waiting:
            return f"message {place} answers {list(answered - waiting)}, which do not wait"
        if waiting - answered:
            return f"message {place} has no results of {list((waiting - answered).elements())}"
        waiting = Counter(b["id"] for b in blocks if b["type"] == "tool_use")
    return f"no results of {list(waiting.elements())} at the end" if waiting.total() else None
