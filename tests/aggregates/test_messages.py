"""Messages are recorded verbatim, or refused with the path to what cannot be."""

import enum
import json
import math
import string
from collections import ChainMap, Counter, OrderedDict, UserDict, namedtuple
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.aggregates import EncodedMessages, decode_messages, encode_messages
from perdure.aggregates.session.messages import MAX_DEPTH, MAX_DIGITS, NO_MESSAGES, encode_object
from perdure.errors import InvalidMessage

_text = st.text(st.characters(codec="utf-8"))
_integers = st.integers() | st.integers(2**63 - 2, 2**64 + 2) | st.integers(-(2**200), 2**200)
_exact_leaves = st.none() | st.booleans() | _integers | _text
_leaves = _exact_leaves | st.floats(allow_nan=False, allow_infinity=False)


def _json(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
        max_leaves=20,
    )


def _messages(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.dictionaries(_text, _json(leaves), max_size=4), min_size=1, max_size=4)


def recorded(value: Any) -> Any:
    """Return the value that a message's one field reads back as."""
    return decode_messages(encode_messages([{"x": value}]).array())[0]["x"]


def refusal(messages: Any) -> tuple[str, str]:
    with pytest.raises(InvalidMessage) as caught:
        encode_messages(messages)
    data = caught.value.data
    assert str(caught.value) == f"{data['path']} {data['reason']}"
    json.dumps(caught.value.describe()).encode()
    return data["path"], data["reason"]


def same(one: Any, two: Any) -> bool:
    """Whether two values are equal, to the type, the sign of zero and the order of keys."""
    if type(one) is not type(two):
        return False
    match one:
        case float():
            return bool(one == two and math.copysign(1, one) == math.copysign(1, two))
        case dict():
            return list(one) == list(two) and all(same(one[key], two[key]) for key in one)
        case list():
            return len(one) == len(two) and all(map(same, one, two))
        case _:
            return bool(one == two)


# Verbatim


@given(_messages(_leaves))
def test_whatever_json_can_carry_reads_back_the_same(messages: list[dict[str, Any]]) -> None:
    encoded = encode_messages(messages)
    assert same(decode_messages(encoded.array()), messages)
    assert same(json.loads(bytes(encoded.array())), messages)
    assert encoded.count == len(messages)


@given(_messages(_exact_leaves))
def test_the_encoding_is_compact_json_with_keys_in_the_order_given(
    messages: list[dict[str, Any]],
) -> None:
    expected = json.dumps(messages, separators=(",", ":"), ensure_ascii=False)
    assert bytes(encode_messages(messages).array()) == expected.encode()


def test_key_order_is_kept_because_prompt_caches_depend_on_it() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "é"}], "name": None, "a": 1}
    assert encode_messages([message]).joined == (
        '{"role":"user","content":[{"type":"text","text":"é"}],"name":null,"a":1}'.encode()
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (1, "1"),
        (1e16, "1e16"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e308"),
        (2**64, "18446744073709551616"),
        (-(2**70), "-1180591620717411303424"),
        (True, "true"),
    ],
)
def test_numbers_are_written_in_their_shortest_form(number: float, text: str) -> None:
    assert encode_messages([{"x": number}]).joined == f'{{"x":{text}}}'.encode()
    assert same(recorded(number), number)


@pytest.mark.parametrize(
    "text", [string.printable, "\x00\x1f\x7f", "\u2028\u2029", "👩‍👩‍👧", "\uffff", '"\\/']
)
def test_any_text_is_kept(text: str) -> None:
    assert recorded(text) == text
    assert recorded({text: text}) == {text: text}


def test_any_iterable_of_messages_will_do() -> None:
    expected = EncodedMessages(b'{"n":0},{"n":1}', 2)
    assert encode_messages({"n": n} for n in range(2)) == expected
    assert encode_messages(({"n": 0}, {"n": 1})) == expected


def test_joined_messages_are_one_after_the_other() -> None:
    one, two = encode_messages([{"n": 1}]), encode_messages([{"n": 2}, {"n": 3}])
    assert one + two == encode_messages([{"n": 1}, {"n": 2}, {"n": 3}])
    assert NO_MESSAGES + one == one + NO_MESSAGES == one
    assert bytes(NO_MESSAGES.array()) == b"[]"


# What stands for JSON's own types


class Role(enum.StrEnum):
    USER = "user"


class OldRole(str, enum.Enum):  # noqa: UP042 - the kind that prints as OldRole.USER
    USER = "user"


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not what is in it"


class Whole(int):
    def __int__(self) -> int:
        return 0


class Real(float):
    def __float__(self) -> float:
        return 0.0


class Rank(enum.IntEnum):
    FIRST = 1


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the plain kind is what callers have


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, (2,)), "[1,[2]]"),
        (Point(1, 2), "[1,2]"),
        (Role.USER, '"user"'),
        (OldRole.USER, '"user"'),
        (Text("as it is"), '"as it is"'),
        (Whole(7), "7"),
        (Real(0.5), "0.5"),
        (Rank.FIRST, "1"),
        (Counter(a=2), '{"a":2}'),
        (MappingProxyType({"b": 1, "a": (Role.USER,)}), '{"b":1,"a":["user"]}'),
        (ChainMap({"a": 1}), '{"a":1}'),
        (UserDict(a=1), '{"a":1}'),
        ({Text("key"): 1, Role.USER: 2}, '{"key":1,"user":2}'),
    ],
    ids=repr,
)
def test_a_derived_type_is_recorded_as_the_one_it_derives_from(value: object, text: str) -> None:
    assert encode_messages([{"x": value}]).joined == f'{{"x":{text}}}'.encode()


def test_an_ordered_dict_is_recorded_in_its_own_order() -> None:
    moved = OrderedDict(a=1, b=2)
    moved.move_to_end("a")
    assert encode_messages([moved]).joined == b'{"b":2,"a":1}'
    assert encode_messages([{"x": [moved]}]).joined == b'{"x":[{"b":2,"a":1}]}'


# Refusals


class Model:  # as pydantic has them
    def model_dump(self) -> dict[str, str]:
        return {"role": "user"}


@pytest.mark.parametrize(
    ("messages", "path", "reason"),
    [
        ([], "messages", "is empty, and at least one message is needed"),
        (None, "messages", "must be a list of objects, not null"),
        ("hello", "messages", "must be a list of objects, not a value of type str"),
        (b"[]", "messages", "must be a list of objects, not a value of type bytes"),
        ({"role": "user"}, "messages", "must be a list of objects, not a value of type dict"),
        (7, "messages", "must be a list of objects, not a value of type int"),
        ([{}, "hello"], "messages[1]", "must be an object, not a value of type str"),
        ([[]], "messages[0]", "must be an object, not a value of type list"),
        ([None], "messages[0]", "must be an object, not null"),
        (
            [Model()],
            "messages[0]",
            "must be an object, not a value of type Model (pass its dict form)",
        ),
        (
            [{"a": [{"b": math.nan}]}],
            "messages[0].a[0].b",
            "is nan, which JSON cannot carry",
        ),
        ([{"a": math.inf}], "messages[0].a", "is inf, which JSON cannot carry"),
        ([{"a": -math.inf}], "messages[0].a", "is -inf, which JSON cannot carry"),
        ([{"a": Real("nan")}], "messages[0].a", "is nan, which JSON cannot carry"),
        ([{"a": b"x"}], "messages[0].a", "is a value of type bytes, which JSON cannot carry"),
        ([{"a": {1}}], "messages[0].a", "is a value of type set, which JSON cannot carry"),
        (
            [{"a": ({"b": Decimal(1)},)}],
            "messages[0].a[0].b",
            "is a value of type Decimal, which JSON cannot carry",
        ),
        (
            [{"a": datetime.now(UTC)}],
            "messages[0].a",
            "is a value of type datetime, which JSON cannot carry",
        ),
        ([{"a": Model()}], "messages[0].a", "is a value of type Model, which JSON cannot carry"),
        (
            [{"a": msgspec.Raw(b"1")}],
            "messages[0].a",
            "is a value of type Raw, which JSON cannot carry",
        ),
        ([{1: "x"}], "messages[0]", "has the key 1: JSON keys are text"),
        ([{"a": {None: 1}}], "messages[0].a", "has the key None: JSON keys are text"),
        ([{"a": {(1, 2): 1}}], "messages[0].a", "has the key (1, 2): JSON keys are text"),
        ([OrderedDict({True: 1})], "messages[0]", "has the key True: JSON keys are text"),
        ([{}, {"a": "\ud800"}], "messages[1].a", "has a lone surrogate, which UTF-8 cannot carry"),
        (
            [{"a": ["x", {"b": "\udfff"}]}],
            "messages[0].a[1].b",
            "has a lone surrogate, which UTF-8 cannot carry",
        ),
        (
            [{"a": {"\ud800": 1}}],
            r"messages[0].a.\ud800",
            "has a lone surrogate, which UTF-8 cannot carry",
        ),
        (
            [{"\ud800": [math.nan]}],
            r"messages[0].\ud800[0]",
            "is nan, which JSON cannot carry",
        ),
    ],
)
def test_what_json_cannot_carry_is_refused_with_its_path(
    messages: Any, path: str, reason: str
) -> None:
    assert refusal(messages) == (path, reason)


def test_the_first_offending_value_is_the_one_named() -> None:
    assert refusal([{"a": 1}, {"b": math.nan, "c": math.inf}])[0] == "messages[1].b"


def test_metadata_is_held_to_the_same_rules_under_its_own_name() -> None:
    assert encode_object({"a": Role.USER}, "metadata") == b'{"a":"user"}'
    with pytest.raises(InvalidMessage, match=r"^metadata\.a is nan"):
        encode_object({"a": math.nan}, "metadata")


def in_lists(levels: int) -> Any:
    value: Any = "inmost"
    for _ in range(levels):
        value = [value]
    return value


def in_objects(levels: int) -> Any:
    value: Any = "inmost"
    for _ in range(levels):
        value = {"k": value}
    return value


@pytest.mark.parametrize("nested", [in_lists, in_objects])
def test_a_message_nests_to_the_limit_and_no_deeper(nested: Callable[[int], Any]) -> None:
    deepest = [{"x": nested(MAX_DEPTH - 1)}]
    assert decode_messages(encode_messages(deepest).array()) == deepest
    assert json.loads(bytes(encode_messages(deepest).array())) == deepest
    path, reason = refusal([{"x": nested(MAX_DEPTH)}])
    assert path.startswith("messages[0].x")
    assert reason == "is nested more than 200 levels deep"


def test_what_derives_from_text_is_recorded_however_deep_it_lies() -> None:
    nested = in_objects(MAX_DEPTH - 2) | {"role": Role.USER}
    message: Any = {"x": nested}
    while isinstance(nested["k"], dict):
        nested = nested["k"]
    nested["k"] = {"k": Role.USER}
    assert b'"k":"user"' in encode_messages([message]).joined
    nested["k"] = OrderedDict(k={"k": Role.USER})
    assert refusal([message])[1] == "is nested more than 200 levels deep"


def test_a_message_that_contains_itself_is_refused() -> None:
    for kind in (dict, OrderedDict):
        endless: dict[str, Any] = kind()
        endless["again"] = endless
        assert refusal([endless])[1] == "is nested more than 200 levels deep"
    for first in ("plain", Role.USER):
        circle: list[Any] = [first]
        circle.append(circle)
        assert refusal([{"x": circle}])[1] == "is nested more than 200 levels deep"


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_of_more_digits_than_python_reads_is_refused(sign: int) -> None:
    longest = sign * (10**MAX_DIGITS - 1)
    assert recorded(longest) == longest
    assert refusal([{"a": [0, sign * 10**MAX_DIGITS]}]) == (
        "messages[0].a[1]",
        "is an integer of more than 4299 digits",
    )
