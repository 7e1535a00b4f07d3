"""G7: each event's link covers the link before it and every byte of the event."""

import hashlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perdure.aggregates import SessionRegistered, TurnApplied
from perdure.store import Mapper, links
from perdure.testing import NOW, register, turn
from perdure.testing import given as given_session

BODY = b'{"tag":"session-registered","v":1,"session_id":"s","labels":{"a":"\xc3\xa9"}}'

_bodies = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
    st.text(st.characters(codec="utf-8"), max_size=20) | st.integers(),
    min_size=1,
    max_size=4,
).map(lambda one: json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode())
_links = st.text("0123456789abcdef", min_size=64, max_size=64)


def test_g7_the_link_before_the_first_is_the_hash_of_the_session_id() -> None:
    assert links.genesis("session-é") == hashlib.sha256("session-é".encode()).hexdigest()


def recomputed(previous: str, state: bytes) -> str:
    """The link by its definition: the hash of the last link and the state without its own."""
    text = state.decode()
    member = f',"link":"{json.loads(text)["link"]}"'
    assert text.endswith(member + "}")
    body = text.removesuffix(member + "}") + "}"
    return hashlib.sha256(previous.encode() + body.encode()).hexdigest()


@given(_links, _bodies)
@example(links.genesis("s"), b'{"link":"not this one"}')
def test_g7_a_sealed_event_is_json_and_its_link_is_what_the_definition_says(
    previous: str, body: bytes
) -> None:
    state, link = links.seal(previous, body)
    assert json.loads(state) == json.loads(body) | {"link": link}
    assert recomputed(previous, state) == link
    assert links.stored_link(state) == links.expected_link(previous, state) == link
    assert links.sealed_link(state) == link
    assert state.startswith(body[:-1])
    assert links.holds(previous, state)


@given(st.data())
def test_g7_any_changed_byte_breaks_the_link(data: st.DataObject) -> None:
    previous = links.genesis("s")
    state, _ = links.seal(previous, BODY)
    place = data.draw(st.integers(0, len(state) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != state[place]))
    changed = state[:place] + bytes([byte]) + state[place + 1 :]
    assert not links.holds(previous, changed)


def test_g7_every_single_flipped_bit_breaks_the_link() -> None:
    previous = links.genesis("s")
    state, _ = links.seal(previous, BODY)
    for place, bit in ((p, b) for p in range(len(state)) for b in range(8)):
        changed = bytearray(state)
        changed[place] ^= 1 << bit
        assert not links.holds(previous, bytes(changed))


@given(st.data())
def test_g7_a_removed_or_inserted_byte_breaks_the_link(data: st.DataObject) -> None:
    previous = links.genesis("s")
    state, _ = links.seal(previous, BODY)
    place = data.draw(st.integers(0, len(state)))
    more = data.draw(st.binary(min_size=1, max_size=3))
    assert not links.holds(previous, state[:place] + more + state[place:])
    gone = data.draw(st.integers(0, len(state) - 1))
    assert not links.holds(previous, state[:gone] + state[gone + len(more) :])


@pytest.mark.parametrize("previous", [links.genesis("t"), "0" * 64, ""])
def test_g7_a_transplanted_event_does_not_follow(previous: str) -> None:
    state, _ = links.seal(links.genesis("s"), BODY)
    assert not links.holds(previous, state)


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{}",
        BODY,
        BODY[:-1] + b',"link":"' + b"A" * 64 + b'"}',
        BODY[:-1] + b',"link":"' + b"a" * 63 + b'"}',
        BODY[:-1] + b',"link": "' + b"a" * 64 + b'"}',
        BODY[:-1] + b',"link":"' + b"a" * 64 + b'"} ',
        BODY[:-1] + b',"link":"' + b"a" * 64 + b'"}\n',
    ],
)
def test_g7_what_carries_no_link_in_its_place_holds_after_nothing(state: bytes) -> None:
    assert links.stored_link(state) is None
    assert not links.holds(links.genesis("s"), state)


def test_g7_a_whole_log_holds_in_its_order_and_in_no_other() -> None:
    session = given_session()
    events = [
        *session.when(register()).then(SessionRegistered),
        *(e for n in range(3) for e in session.when(turn(f"run-{n}", "a")).then(TurnApplied)),
    ]
    rows, head = Mapper().to_stored(events, links.genesis(session.state.id))

    previous = links.genesis(session.state.id)
    for row in rows:
        assert links.holds(previous, row.state)
        assert sum(links.holds(previous, other.state) for other in rows) == 1
        previous = links.sealed_link(row.state)

    assert previous == head
    assert json.loads(rows[0].state)["at"] == NOW
