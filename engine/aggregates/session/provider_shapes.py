"""The call shapes of providers: OpenAI, Anthropic, Gemini and Bedrock, and of their followers.

Invariants: a row for each shape, from the provider's own documents; a released row never changes.
"""

from typing import Any, Final

from perdure.aggregates.session.call_shapes import CallShape

_TEXT: Final = "{text}"

# OpenAI chat completions: https://platform.openai.com/docs/guides/function-calling?api-mode=chat
# and, with the same shape, most others that call themselves compatible.
_CHAT_RESULT: Final = {"role": "tool", "tool_call_id": "{id}", "content": _TEXT}
_CHAT: Final = (
    CallShape(
        name="openai-chat",
        kind="call",
        at="tool_calls[]",
        id=("id",),
        tool=("function.name", "custom.name"),
        arguments=("function.arguments", "custom.input"),
        stand_in=_CHAT_RESULT,
    ),
    CallShape(name="openai-chat", kind="result", message={"role": ("tool",)}, id=("tool_call_id",)),
    CallShape(
        name="openai-chat-function",
        kind="call",
        at="function_call",
        message={"role": ("assistant",)},
        tool=("name",),
        arguments=("arguments",),
        by_name=True,
        stand_in={"role": "function", "name": "{tool}", "content": _TEXT},
    ),
    CallShape(
        name="openai-chat-function",
        kind="result",
        message={"role": ("function",)},
        tool=("name",),
        by_name=True,
    ),
    # Inspect AI: https://inspect.aisi.org.uk/reference/inspect_ai.model.html
    CallShape(
        name="inspect",
        kind="call",
        at="tool_calls[]",
        id=("id",),
        tool=("function",),
        arguments=("arguments",),
        stand_in=_CHAT_RESULT,
    ),
    # SWE-agent: https://swe-agent.com/latest/usage/trajectories/
    CallShape(
        name="swe-agent",
        kind="result",
        at="tool_call_ids[]",
        message={"role": ("tool",)},
        id=("",),
    ),
)

# OpenAI responses: https://platform.openai.com/docs/api-reference/responses/create
# Each documented call by its name. A call without a ``call_id`` is run by the provider.
_BLANK: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4"
    "DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
_OUTPUTS: Final[dict[str, dict[str, Any]]] = {
    "function_call": {"output": _TEXT},
    "custom_tool_call": {"output": _TEXT},
    "computer_call": {"output": {"type": "computer_screenshot", "image_url": _BLANK}},
    "local_shell_call": {"output": _TEXT},
    "shell_call": {
        "output": [{"stdout": "", "stderr": _TEXT, "outcome": {"type": "exit", "exit_code": 1}}]
    },
    "apply_patch_call": {"status": "failed", "output": _TEXT},
    "tool_search_call": {"execution": "client", "status": "completed", "tools": []},
}


def _responses(call: str, output: dict[str, Any]) -> tuple[CallShape, CallShape]:
    answer = call.removesuffix("_call") + "_output" if "search" in call else f"{call}_output"
    by_id = call == "local_shell_call"  # its output has the call's id as "id"
    return (
        CallShape(
            name=f"openai-responses-{call}",
            kind="call",
            part={"type": (call,)},
            unless={"execution": ("server",)} if "search" in call else {},
            id=("call_id",),
            tool=("name", "type"),
            arguments=("arguments", "input", "action", "actions", "operation"),
            stand_in={"type": answer, "id" if by_id else "call_id": "{id}"} | output,
        ),
        CallShape(
            name=f"openai-responses-{call}",
            kind="result",
            part={"type": (answer,)},
            id=("call_id", "id") if by_id else ("call_id",),
        ),
    )


_RESPONSES: Final = (
    *(shape for call, output in _OUTPUTS.items() for shape in _responses(call, output)),
    CallShape(
        name="openai-responses-mcp_approval",
        kind="call",
        part={"type": ("mcp_approval_request",)},
        id=("id",),
        tool=("name",),
        arguments=("arguments",),
        stand_in={
            "type": "mcp_approval_response",
            "approval_request_id": "{id}",
            "approve": False,
            "reason": _TEXT,
        },
    ),
    CallShape(
        name="openai-responses-mcp_approval",
        kind="result",
        part={"type": ("mcp_approval_response",)},
        id=("approval_request_id",),
    ),
)

# Anthropic messages: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use
# ``server_tool_use`` and ``mcp_tool_use`` are run by the provider, which answers them itself.
_ANTHROPIC: Final = (
    CallShape(
        name="anthropic",
        kind="call",
        at="content[]",
        part={"type": ("tool_use",)},
        id=("id",),
        tool=("name",),
        arguments=("input",),
        stand_in={
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "{id}", "content": _TEXT, "is_error": True}
            ],
        },
    ),
    CallShape(
        name="anthropic",
        kind="result",
        at="content[]",
        part={"type": ("tool_result",)},
        id=("tool_use_id",),
    ),
)


# Gemini: https://ai.google.dev/gemini-api/docs/function-calling, in camelCase and in snake_case.
# ADK events hold such parts under ``content``: https://google.github.io/adk-docs/events/
def _gemini(name: str, at: str, call: str, result: str) -> tuple[CallShape, CallShape]:
    answer: dict[str, Any] = {
        "role": "user",
        "parts": [{result: {"id": "{id}", "name": "{tool}", "response": {"error": _TEXT}}}],
    }
    if at.startswith("content."):
        answer = {"author": "user", "content": answer}
    return (
        CallShape(
            name=name,
            kind="call",
            at=f"{at}.{call}",
            id=("id",),
            tool=("name",),
            arguments=("args",),
            by_name=True,
            stand_in=answer,
        ),
        CallShape(
            name=name, kind="result", at=f"{at}.{result}", id=("id",), tool=("name",), by_name=True
        ),
    )


_GEMINI: Final = (
    *_gemini("gemini", "parts[]", "functionCall", "functionResponse"),
    *_gemini("gemini-snake", "parts[]", "function_call", "function_response"),
    *_gemini("adk", "content.parts[]", "function_call", "function_response"),
    *_gemini("adk-camel", "content.parts[]", "functionCall", "functionResponse"),
)

# Bedrock: https://docs.aws.amazon.com/bedrock/latest/userguide/tool-use-inference-call.html
_BEDROCK: Final = (
    CallShape(
        name="bedrock",
        kind="call",
        at="content[].toolUse",
        unless={"type": ("server_tool_use",)},
        id=("toolUseId",),
        tool=("name",),
        arguments=("input",),
        stand_in={
            "role": "user",
            "content": [
                {
                    "toolResult": {
                        "toolUseId": "{id}",
                        "content": [{"text": _TEXT}],
                        "status": "error",
                    }
                }
            ],
        },
    ),
    CallShape(name="bedrock", kind="result", at="content[].toolResult", id=("toolUseId",)),
)

PROVIDER_SHAPES: Final = (*_CHAT, *_RESPONSES, *_ANTHROPIC, *_GEMINI, *_BEDROCK)
