"""The call shapes of frameworks, benchmarks and tracing, and those of the service ported here.

Invariants: a row for each shape, from the framework's own documents; a released row never changes.
"""

from typing import Any, Final

from perdure.aggregates.session.call_shapes import CallShape

_TEXT: Final = "{text}"


# LangChain: https://python.langchain.com/api_reference/core/messages.html, as ``model_dump``,
# ``messages_to_dict`` and ``dumpd`` write them.
def _langchain(under: str, message: tuple[str, ...]) -> tuple[CallShape, CallShape]:
    result: dict[str, Any] = {"content": _TEXT, "tool_call_id": "{id}", "status": "error"}
    names = ["langchain", "schema", "messages", "ToolMessage"]
    wrapped = {
        "": {"type": "tool"} | result,
        "data.": {"type": "tool", "data": {"type": "tool"} | result},
        "kwargs.": {"lc": 1, "type": "constructor", "id": names, "kwargs": result},
    }
    says = "constructor" if under == "kwargs." else "tool"
    return (
        CallShape(
            name=f"langchain{'-' * bool(under)}{under.rstrip('.')}",
            kind="call",
            at=f"{under}tool_calls[]",
            message={"type": message},
            id=("id",),
            tool=("name",),
            arguments=("args",),
            stand_in=wrapped[under],
        ),
        CallShape(
            name=f"langchain{'-' * bool(under)}{under.rstrip('.')}",
            kind="result",
            message={"type": (says,)},
            id=(f"{under}tool_call_id",),
        ),
    )


_LANGCHAIN: Final = (
    *_langchain("", ("ai", "AIMessageChunk")),
    *_langchain("data.", ("ai", "AIMessageChunk")),
    *_langchain("kwargs.", ("constructor",)),
)

# Vercel AI SDK: https://ai-sdk.dev/docs/reference/ai-sdk-core/model-message
_VERCEL: Final = (
    CallShape(
        name="vercel",
        kind="call",
        at="content[]",
        part={"type": ("tool-call",)},
        id=("toolCallId",),
        tool=("toolName",),
        arguments=("input", "args"),
        stand_in={
            "role": "tool",
            "content": [
                {
                    "type": "tool-result",
                    "toolCallId": "{id}",
                    "toolName": "{tool}",
                    "output": {"type": "error-text", "value": _TEXT},
                }
            ],
        },
    ),
    CallShape(
        name="vercel",
        kind="result",
        at="content[]",
        part={"type": ("tool-result",)},
        id=("toolCallId",),
    ),
)

# pydantic-ai: https://ai.pydantic.dev/message-history/ (``builtin-tool-call`` is the provider's)
_PYDANTIC_AI: Final = (
    CallShape(
        name="pydantic-ai",
        kind="call",
        at="parts[]",
        part={"part_kind": ("tool-call",)},
        id=("tool_call_id",),
        tool=("tool_name",),
        arguments=("args",),
        stand_in={
            "kind": "request",
            "parts": [
                {
                    "part_kind": "tool-return",
                    "tool_name": "{tool}",
                    "content": _TEXT,
                    "tool_call_id": "{id}",
                }
            ],
        },
    ),
    CallShape(
        name="pydantic-ai",
        kind="result",
        at="parts[]",
        part={"part_kind": ("tool-return", "retry-prompt")},
        id=("tool_call_id",),
    ),
)

# OpenTelemetry: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/
_OPENTELEMETRY: Final = (
    CallShape(
        name="opentelemetry",
        kind="call",
        at="parts[]",
        part={"type": ("tool_call",)},
        id=("id",),
        tool=("name",),
        arguments=("arguments",),
        by_name=True,
        stand_in={
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "{id}", "response": _TEXT}],
        },
    ),
    CallShape(
        name="opentelemetry",
        kind="result",
        at="parts[]",
        part={"type": ("tool_call_response",)},
        id=("id",),
    ),
)

# tau2: https://github.com/sierra-research/tau2-bench (its messages; the user calls tools as well)
_TAU2: Final = (
    CallShape(
        name="tau2",
        kind="call",
        at="tool_calls[]",
        message={"role": ("assistant", "user")},
        part={"requestor": ("assistant", "user")},
        id=("id",),
        tool=("name",),
        arguments=("arguments",),
        stand_in={"role": "tool", "id": "{id}", "content": _TEXT, "error": True},
    ),
    CallShape(name="tau2", kind="result", message={"role": ("tool",)}, id=("id",)),
)

# The service that perdure was ported from: blocks, and results in a message of their own.
_BLOCK_RESULTS: Final = {
    "role": "tool_results",
    "results": [{"tool_use_id": "{id}", "content": _TEXT, "is_error": True}],
}
_BLOCKS: Final = (
    CallShape(
        name="blocks",
        kind="call",
        at="blocks[]",
        message={"role": ("block_assistant",)},
        part={"block_type": ("tool_use",)},
        id=("data.id",),
        tool=("data.name",),
        arguments=("data.args",),
        stand_in=_BLOCK_RESULTS,
    ),
    CallShape(
        name="blocks-assistant",
        kind="call",
        at="tool_calls[]",
        message={"role": ("assistant",)},
        id=("id",),
        tool=("name",),
        arguments=("args",),
        stand_in=_BLOCK_RESULTS,
    ),
    CallShape(
        name="blocks",
        kind="result",
        at="results[]",
        message={"role": ("tool_results",)},
        id=("tool_use_id",),
    ),
)

FRAMEWORK_SHAPES: Final = (
    *_LANGCHAIN,
    *_VERCEL,
    *_PYDANTIC_AI,
    *_OPENTELEMETRY,
    *_TAU2,
    *_BLOCKS,
)
