"""The testing helpers offered to users: they fail loudly, and are as deterministic as they say."""

from datetime import UTC, datetime, timedelta

import pytest

from perdure.aggregates import Archive, Retire, SessionArchived, SessionRetired, TurnApplied
from perdure.errors import Conflict, IllegalTransition
from perdure.testing import NOW, SESSION_ID, given, register, scripted_environment, turn


def test_a_scenario_reads_given_when_then() -> None:
    (event,) = given(register(), turn("run-1", "hello")).when(Retire(now=NOW)).then(SessionRetired)
    assert (event.session_id, event.version) == (SESSION_ID, 3)


def test_a_scenario_goes_on_from_what_happened() -> None:
    session = given(register())
    session.when(turn("run-1", "hello", "hi")).then(TurnApplied)
    session.when(Archive(now=NOW)).then(SessionRetired, SessionArchived)
    session.when(turn("run-2", "late")).then_refused(IllegalTransition)
    assert (session.state.phase, session.state.version) == ("archived", 4)


def test_other_events_than_expected_fail_the_test_and_are_named() -> None:
    session = given(register()).when(Archive(now=NOW))
    with pytest.raises(
        AssertionError, match=r"^expected \['TurnApplied'\], decided \['SessionRetired', 'Session"
    ):
        session.then(TurnApplied)
    with pytest.raises(AssertionError, match="expected Conflict, got "):
        session.then_refused(Conflict)


def test_an_unexpected_refusal_fails_the_test_and_is_told() -> None:
    session = given().when(Retire(now=NOW))
    with pytest.raises(AssertionError, match=r"^refused: cannot retire session ") as caught:
        session.then(SessionRetired)
    assert isinstance(caught.value.__cause__, IllegalTransition)
    with pytest.raises(AssertionError, match="expected Conflict, got IllegalTransition"):
        session.then_refused(Conflict)


def test_a_past_that_could_not_have_happened_is_refused() -> None:
    with pytest.raises(IllegalTransition):
        given(turn("run-1", "hello"))


def test_turns_alternate_between_user_and_assistant() -> None:
    assert turn("run-1", "a", "b", "c").messages.joined == (
        b'{"role":"user","content":"a"},{"role":"assistant","content":"b"},'
        b'{"role":"user","content":"c"}'
    )


def test_a_scripted_environment_is_the_same_every_time() -> None:
    def readings() -> list[str]:
        environment = scripted_environment()
        return [environment.timestamp(), environment.new_id(), environment.timestamp()]

    assert readings() == readings() == [NOW, "id-1", "2026-01-31T12:00:01.000000Z"]


def test_a_scripted_clock_moves_as_it_is_told() -> None:
    environment = scripted_environment(datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=1))
    assert [environment.timestamp()[:10] for _ in range(2)] == ["2020-01-01", "2020-01-02"]
