"""The conversation digest is SHA-256 of the recorded array, and costs only the new messages."""

import asyncio
import gc
import hashlib
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from perdure import Engine
from perdure.aggregates import Conversation, encode_messages
from perdure.aggregates.session.conversation import EMPTY
from perdure.aggregates.session.messages import NO_MESSAGES, EncodedMessages
from perdure.testing import given as given_session
from perdure.testing import register, turn

_dicts = st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.integers(), max_size=3)
_batches = st.lists(st.lists(_dicts, min_size=1, max_size=3), max_size=8)


class Counted:
    """A running SHA-256 that counts the bytes it and its copies read."""

    def __init__(self, inner: Any, read: list[int]) -> None:
        self.inner = inner
        self.read = read

    def copy(self) -> "Counted":
        return Counted(self.inner.copy(), self.read)

    def update(self, data: bytes | memoryview) -> None:
        self.read.append(len(data))
        self.inner.update(data)

    def hexdigest(self) -> str:
        return str(self.inner.hexdigest())


def extended(conversation: Conversation, messages: EncodedMessages) -> Conversation:
    return conversation.extend(messages.array(), messages.count)


@given(_batches)
def test_the_running_digest_is_the_digest_of_the_whole(batches: list[list[Any]]) -> None:
    conversation = EMPTY
    whole: list[Any] = []
    for batch in batches:
        whole += batch
        conversation = extended(conversation, encode_messages(batch))
        text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False)
        assert conversation.digest() == hashlib.sha256(text.encode()).hexdigest()
        assert conversation.count == len(whole)


def test_a_boundary_that_lands_nothing_leaves_the_digest_as_it_is() -> None:
    first = extended(EMPTY, encode_messages([{"role": "user"}]))
    assert extended(first, NO_MESSAGES) == first
    assert extended(EMPTY, NO_MESSAGES) == EMPTY


@given(_batches)
def test_how_messages_were_grouped_into_turns_makes_no_difference(
    batches: list[list[Any]],
) -> None:
    apart = EMPTY
    for batch in batches:
        apart = extended(apart, encode_messages(batch))
    whole = [message for batch in batches for message in batch]
    together = extended(EMPTY, encode_messages(whole)) if whole else EMPTY
    assert apart == together
    assert hash(apart) == hash(together)


def test_an_empty_conversation_is_an_empty_array() -> None:
    assert EMPTY.digest() == hashlib.sha256(b"[]").hexdigest()
    assert EMPTY.count == 0


def test_g10_a_turn_hashes_its_own_bytes_and_none_of_those_before() -> None:
    read: list[int] = []
    conversation = Conversation(0, Counted(hashlib.sha256(b"["), read))
    costs = []
    for n in range(1000):
        messages = encode_messages([{"role": "user", "content": f"{n:04}"}])
        read.clear()
        conversation = extended(conversation, messages)
        conversation.digest()
        costs.append(sum(read) - len(messages.joined))
    assert costs == [1, *[2] * 999]  # a bracket, and between turns a comma


def test_g10_folding_a_turn_hashes_its_own_bytes_once() -> None:
    read: list[int] = []
    state = given_session(register()).state
    fields = {name: getattr(state, name) for name in state.__struct_fields__}
    counted = Conversation(0, Counted(hashlib.sha256(b"["), read))
    session = given_session()
    session.state = type(state)(**fields | {"conversation": counted})
    costs = []
    for n in range(50):
        read.clear()
        command = turn(f"run-{n}", "hello", "hi")
        session.when(command)
        costs.append(sum(read) - len(command.messages.joined))
    assert costs == [1, *[2] * 49]  # deciding: comma, bytes, bracket; folding: nothing more


def test_a_conversation_foresees_only_the_very_bytes_that_come_next_and_once() -> None:
    array = encode_messages([{"n": 1}]).array()
    after = EMPTY.foresee(array, 1)
    assert EMPTY.extend(array, 1) is after
    again = EMPTY.extend(array, 1)
    assert again == after
    assert again is not after
    EMPTY.foresee(array, 1)
    other = EMPTY.extend(encode_messages([{"n": 2}]).array(), 1)
    assert other != after
    EMPTY.foresee(array, 1)
    assert EMPTY.extend(array, 2).count == 2
    assert EMPTY.extend(array, 1) == after


def conversations() -> int:
    gc.collect()
    return sum(type(one) is Conversation for one in gc.get_objects())


def test_g10_no_conversation_keeps_those_that_follow_it_in_memory(tmp_path: Path) -> None:
    async def main() -> None:
        before = conversations()
        async with Engine.open(f"sqlite:///{tmp_path / 's.db'}") as engine:
            await engine.register("s")
            for n in range(50):
                await engine.record_turn("s", [{"n": n}])
            assert conversations() - before < 5
            await engine.discard_live("s")
            await engine.read("s")
            assert (await engine.audit()).ok
            assert conversations() - before < 5

    asyncio.run(main())


def test_extending_leaves_the_conversation_before_as_it_was() -> None:
    one = extended(EMPTY, encode_messages([{"n": 1}]))
    before = one.digest()
    two, other = (extended(one, encode_messages([{"n": n}])) for n in (2, 3))
    assert one.digest() == before
    assert len({one.digest(), two.digest(), other.digest()}) == 3
    assert (one == two, two == other) == (False, False)


def test_conversations_of_different_length_are_different_even_if_someone_says_otherwise() -> None:
    assert Conversation(1, hashlib.sha256(b"[")) != EMPTY
    assert EMPTY != "[]"


def test_a_conversation_shows_its_length_and_the_head_of_its_digest() -> None:
    assert repr(EMPTY) == "Conversation(count=0, digest=4f53cda18c2b…)"


def test_the_digest_depends_on_content_and_on_nothing_else() -> None:
    """No run id, time, boundary, label or session id is in it; the order of keys is."""
    one = given_session(register(), turn("run-1", "a", "b")).state
    other = given_session(
        register(team="x"),
        turn("run-2", "a", "b", boundary="immediate"),
        session_id="another",
    ).state
    assert one.conversation.digest() == other.conversation.digest()
    swapped = [{"content": "a", "role": "user"}, {"role": "assistant", "content": "b"}]
    assert extended(EMPTY, encode_messages(swapped)).digest() != one.conversation.digest()
