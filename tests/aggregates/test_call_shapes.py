"""The table of call shapes, a row after the other, by each provider's own documented example.

What a provider runs itself, and what only looks like a call, is none.
"""

from typing import Any, NamedTuple

import pytest

from perdure.aggregates.session.call_shapes import FIRST_RULES, RULES, CallRules, CallShape
from perdure.aggregates.session.calls import TABLE, CallAnswered, CallMade, steps_in, steps_of
from perdure.aggregates.session.messages import encode_messages
from perdure.aggregates.session.prompt import MARK, presentable

Message = dict[str, Any]


class Example(NamedTuple):
    """A message with a call, one with its result, and what is found in them."""

    shape: str
    call: Message
    result: Message
    id: str | None
    tool: str
    arguments: Any


def chat(**call: Any) -> Message:
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def item(kind: str, **fields: Any) -> Message:
    return {"type": kind, "id": "it_1", "status": "completed", **fields}


PARIS = {"location": "Paris, France"}
PARIS_TEXT = '{"location":"Paris, France"}'
EXAMPLES = [
    Example(
        "openai-chat",
        chat(
            id="call_12345xyz",
            type="function",
            function={"name": "get_weather", "arguments": PARIS_TEXT},
        ),
        {"role": "tool", "tool_call_id": "call_12345xyz", "content": "15"},
        "call_12345xyz",
        "get_weather",
        PARIS_TEXT,
    ),
    Example(
        "openai-chat",
        chat(id="call_c", type="custom", custom={"name": "code_exec", "input": "print(1)"}),
        {"role": "tool", "tool_call_id": "call_c", "content": "1"},
        "call_c",
        "code_exec",
        "print(1)",
    ),
    Example(
        "openai-chat-function",
        {
            "role": "assistant",
            "content": None,
            "function_call": {"name": "get_weather", "arguments": PARIS_TEXT},
        },
        {"role": "function", "name": "get_weather", "content": "15"},
        None,
        "get_weather",
        PARIS_TEXT,
    ),
    Example(
        "inspect",
        chat(id="c", type="function", function="bash", arguments={"cmd": "ls"}),
        {"role": "tool", "tool_call_id": "c", "function": "bash", "content": "a.py"},
        "c",
        "bash",
        {"cmd": "ls"},
    ),
    Example(
        "openai-responses-function_call",
        item("function_call", call_id="call_1", name="get_weather", arguments=PARIS_TEXT),
        item("function_call_output", call_id="call_1", output="15"),
        "call_1",
        "get_weather",
        PARIS_TEXT,
    ),
    Example(
        "openai-responses-custom_tool_call",
        item("custom_tool_call", call_id="call_2", name="code_exec", input="print(1)"),
        item("custom_tool_call_output", call_id="call_2", output="1"),
        "call_2",
        "code_exec",
        "print(1)",
    ),
    Example(
        "openai-responses-computer_call",
        item("computer_call", call_id="call_3", action={"type": "click", "x": 1, "y": 2}),
        item("computer_call_output", call_id="call_3", output={"type": "computer_screenshot"}),
        "call_3",
        "computer_call",
        {"type": "click", "x": 1, "y": 2},
    ),
    Example(
        "openai-responses-local_shell_call",
        item("local_shell_call", call_id="call_4", action={"type": "exec", "command": ["ls"]}),
        {"type": "local_shell_call_output", "id": "call_4", "output": "a.py"},
        "call_4",
        "local_shell_call",
        {"type": "exec", "command": ["ls"]},
    ),
    Example(
        "openai-responses-shell_call",
        item("shell_call", call_id="call_5", action={"commands": ["ls"]}),
        item("shell_call_output", call_id="call_5", output=[{"stdout": "a.py"}]),
        "call_5",
        "shell_call",
        {"commands": ["ls"]},
    ),
    Example(
        "openai-responses-apply_patch_call",
        item("apply_patch_call", call_id="call_6", operation={"type": "delete_file", "path": "a"}),
        item("apply_patch_call_output", call_id="call_6"),
        "call_6",
        "apply_patch_call",
        {"type": "delete_file", "path": "a"},
    ),
    Example(
        "openai-responses-tool_search_call",
        item("tool_search_call", call_id="call_7", execution="client", arguments={"q": "w"}),
        item("tool_search_output", call_id="call_7", execution="client", tools=[]),
        "call_7",
        "tool_search_call",
        {"q": "w"},
    ),
    Example(
        "openai-responses-mcp_approval",
        {
            "type": "mcp_approval_request",
            "id": "mcpr_1",
            "name": "ask_question",
            "server_label": "deepwiki",
            "arguments": "{}",
        },
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        "mcpr_1",
        "ask_question",
        "{}",
    ),
    Example(
        "anthropic",
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I'll check."},
                {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": PARIS},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "15"}],
        },
        "toolu_01",
        "get_weather",
        PARIS,
    ),
    Example(
        "gemini",
        {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": PARIS}}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "get_weather", "response": {"result": 15}}}],
        },
        None,
        "get_weather",
        PARIS,
    ),
    Example(
        "gemini-snake",
        {
            "role": "model",
            "parts": [{"function_call": {"id": "g1", "name": "get_weather", "args": PARIS}}],
        },
        {
            "role": "user",
            "parts": [
                {"function_response": {"id": "g1", "name": "get_weather", "response": {"r": 15}}}
            ],
        },
        "g1",
        "get_weather",
        PARIS,
    ),
    *(
        Example(
            name,
            {
                "author": "agent",
                "content": {
                    "role": "model",
                    "parts": [{call: {"id": "adk-1", "name": "roll_die", "args": {"sides": 6}}}],
                },
            },
            {
                "author": "agent",
                "content": {
                    "role": "user",
                    "parts": [{result: {"id": "adk-1", "name": "roll_die", "response": {"r": 4}}}],
                },
            },
            "adk-1",
            "roll_die",
            {"sides": 6},
        )
        for name, call, result in (
            ("adk", "function_call", "function_response"),
            ("adk-camel", "functionCall", "functionResponse"),
        )
    ),
    Example(
        "bedrock",
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "tooluse_k", "name": "top_song", "input": {"sign": "W"}}}
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "tooluse_k", "content": [{"json": {"song": "E"}}]}}
            ],
        },
        "tooluse_k",
        "top_song",
        {"sign": "W"},
    ),
    *(
        Example(
            name,
            wrap("ai", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "l1", "type": "x"}]),
            wrap("tool", content="17", tool_call_id="l1", status="success"),
            "l1",
            "f",
            {"a": 1},
        )
        for name, wrap in (
            ("langchain", lambda kind, **fields: {"type": kind, "content": "", **fields}),
            ("langchain-data", lambda kind, **fields: {"type": kind, "data": fields}),
            (
                "langchain-kwargs",
                lambda kind, **fields: {
                    "lc": 1,
                    "type": "constructor",
                    "id": ["langchain", "schema", "messages", kind],
                    "kwargs": fields,
                },
            ),
        )
    ),
    Example(
        "vercel",
        {
            "role": "assistant",
            "content": [
                {"type": "tool-call", "toolCallId": "v1", "toolName": "weather", "input": PARIS}
            ],
        },
        {
            "role": "tool",
            "content": [
                {
                    "type": "tool-result",
                    "toolCallId": "v1",
                    "toolName": "weather",
                    "output": {"type": "json", "value": 15},
                }
            ],
        },
        "v1",
        "weather",
        PARIS,
    ),
    *(
        Example(
            "pydantic-ai",
            {
                "kind": "response",
                "parts": [
                    {"part_kind": "tool-call", "tool_name": "f", "args": "{}", "tool_call_id": "p"}
                ],
            },
            {
                "kind": "request",
                "parts": [
                    {"part_kind": kind, "tool_name": "f", "content": "r", "tool_call_id": "p"}
                ],
            },
            "p",
            "f",
            "{}",
        )
        for kind in ("tool-return", "retry-prompt")
    ),
    Example(
        "opentelemetry",
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "o1", "name": "f", "arguments": {"a": 1}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "o1", "response": "r"}]},
        "o1",
        "f",
        {"a": 1},
    ),
    Example(
        "tau2",
        {
            "role": "user",
            "tool_calls": [{"id": "t2", "name": "f", "arguments": {}, "requestor": "user"}],
        },
        {"role": "tool", "id": "t2", "content": "done", "requestor": "user", "error": False},
        "t2",
        "f",
        {},
    ),
    Example(
        "blocks",
        {
            "role": "block_assistant",
            "blocks": [
                {"block_type": "tool_use", "data": {"id": "b1", "name": "f", "args": {"a": 1}}}
            ],
            "stop_reason": "tool_use",
        },
        {
            "role": "tool_results",
            "results": [{"tool_use_id": "b1", "content": "r", "is_error": False}],
        },
        "b1",
        "f",
        {"a": 1},
    ),
    Example(
        "blocks-assistant",
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "b2", "name": "f", "args": {"a": 1}}],
        },
        {"role": "tool_results", "results": [{"tool_use_id": "b2", "content": "r"}]},
        "b2",
        "f",
        {"a": 1},
    ),
]


def found(*messages: Message, rules: CallRules = RULES) -> list[CallMade | CallAnswered]:
    return steps_in(encode_messages(list(messages)).array(), rules)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.shape)
def test_a_documented_call_is_found_and_its_result_answers_it(example: Example) -> None:
    made, answer = found(example.call, example.result)
    assert isinstance(made, CallMade)
    assert isinstance(answer, CallAnswered)
    assert (made.id, made.name, made.arguments) == (example.id, example.tool, example.arguments)
    assert made.shape is not None
    assert made.shape.name == example.shape
    if example.id is None:
        assert (answer.id, answer.name) == (None, example.tool)
    else:
        assert answer.id == example.id


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.shape)
def test_a_stand_in_is_a_result_in_the_shape_of_its_call(example: Example) -> None:
    asked = {"role": "user", "content": "and now?"}
    shown = presentable([example.call, asked], RULES, ())
    assert (shown[0], shown[2:]) == (example.call, [asked])
    (answer,) = steps_of([shown[1]], RULES)
    assert isinstance(answer, CallAnswered)
    assert answer.id == example.id
    if example.shape != "openai-responses-computer_call":  # whose result is a picture
        assert (MARK in str(shown[1])) is (example.shape != "openai-responses-tool_search_call")
    assert presentable([example.call, example.result, asked], RULES, ()) == [
        example.call,
        example.result,
        asked,
    ]
    late = presentable([example.call, asked, example.result], RULES, ())
    assert late == [example.call, example.result, asked]


def test_every_row_of_the_table_has_an_example() -> None:
    shown = {example.shape for example in EXAMPLES}
    results = {"swe-agent"}  # which answers calls of chat completions
    assert {shape.name for shape in TABLE} == shown | results
    assert [step.id for step in found({"role": "tool", "tool_call_ids": ["a", "b"]})] == ["a", "b"]


NO_CALLS: list[Message] = [
    {"type": "incoming_call", "call_id": "tel-1", "caller": "+49 89 1234"},
    {"type": "phone_call_output", "call_id": "tel-1"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    {"type": "mcp_call", "id": "mcp_1", "name": "ask", "arguments": "{}", "output": "r"},
    {"type": "code_interpreter_call", "id": "ci_1", "code": "1"},
    {"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": {}},
    {"type": "tool_search_call", "call_id": "x", "execution": "server", "arguments": {}},
    {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web"}]},
    {"role": "assistant", "content": [{"type": "mcp_tool_use", "id": "m", "name": "ask"}]},
    {
        "role": "assistant",
        "content": [{"toolUse": {"toolUseId": "b", "name": "w", "type": "server_tool_use"}}],
    },
    {"kind": "response", "parts": [{"part_kind": "builtin-tool-call", "tool_name": "w"}]},
    {"role": "user", "content": "what are tool_calls, functionCall and function_call?"},
    {"role": "assistant", "tool_calls": None, "function_call": None, "content": "a field"},
    {"role": "assistant", "tool_calls": [{"id": 7}, "x", {"id": "n", "function": {}}]},
    {"role": "user", "content": [{"type": "tool_use"}], "parts": "toolUse", "blocks": {"a": 1}},
]


@pytest.mark.parametrize("message", NO_CALLS, ids=lambda message: str(message)[:40])
def test_a_provider_s_own_tool_and_a_lookalike_make_no_call(message: Message) -> None:
    assert found(message) == []


def test_the_first_rules_find_what_they_found() -> None:
    telephone = NO_CALLS[0]
    (made,) = found(telephone, rules=FIRST_RULES)
    assert isinstance(made, CallMade)
    assert (made.id, made.name) == ("tel-1", "incoming_call")
    gemini = next(example for example in EXAMPLES if example.shape == "gemini")
    assert found(gemini.call, gemini.result, rules=FIRST_RULES) == []


def test_a_call_that_a_client_writes_at_two_places_of_a_message_is_one_call() -> None:
    both = {
        "type": "ai",
        "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}],
        "tool_calls": [{"id": "c", "name": "f", "args": {}}],
    }
    assert [step.id for step in found(both)] == ["c"]


def test_two_parallel_calls_of_one_id_are_two_calls() -> None:
    twice = {
        "role": "assistant",
        "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": n}}
            for n in ("1", "2")
        ],
    }
    assert [(s.id, s.place, s.arguments) for s in found(twice) if isinstance(s, CallMade)] == [
        ("c", 0, "1"),
        ("c", 1, "2"),
    ]


OWN = (
    CallShape(
        name="own",
        kind="call",
        at="acts[]",
        message={"speaker": ("bot",)},
        id=("nr",),
        tool=("verb",),
        arguments=("with",),
        stand_in={"speaker": "world", "acts": [{"re": "{id}", "says": "{text}"}]},
    ),
    CallShape(name="own", kind="result", at="acts[]", message={"speaker": ("world",)}, id=("re",)),
)


def test_an_embedder_s_own_shape_is_found_by_the_rules_that_have_it() -> None:
    rules = RULES.with_shapes(OWN)
    call = {"speaker": "bot", "acts": [{"nr": "7", "verb": "open", "with": {"door": 1}}]}
    answer = {"speaker": "world", "acts": [{"re": "7", "says": "it creaks"}]}
    assert found(call, answer) == []
    made, answered = found(call, answer, rules=rules)
    assert (made.id, answered.id) == ("7", "7")
    assert presentable([call], rules, ())[1]["acts"][0]["says"].startswith(MARK)
    assert rules.with_shapes(OWN) is rules
