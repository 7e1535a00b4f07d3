"""G8: the compiled authority and `transitions` agree about every move of a declared machine."""

import enum
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from perdure.errors import AuthorityRequired, IllegalTransition
from perdure.machines import (
    LIFECYCLE,
    SESSION,
    Arg,
    Authority,
    Bound,
    Choice,
    Configuration,
    Count,
    Flag,
    Identity,
    Machine,
    Token,
    Value,
    Var,
    Verb,
    row,
)
from perdure.machines.authority import arguments_test
from perdure.machines.language import notation
from perdure.machines.language.vocabulary import arguments_problem
from perdure.machines.reference import Reference
from perdure.testing import validate_trace

DOOR = Machine(
    name="door",
    phases=("open", "closed", "held", "gone"),
    initial="closed",
    final=("gone",),
    variables=(Flag("locked"), Choice("before", ("open", "closed"))),
    verbs=(Verb("push", (Flag("hard"),)), Verb("seal", restricted=True)),
    rows=(
        row("push", "closed", "open", guard=~Var("locked") | Arg("hard")),
        row("push", "open", "closed", updates={"locked": Arg("hard")}),
        row("seal", "closed", guard=~Var("locked"), updates={"locked": True}),
        row("hold", "open", "held", updates={"before": "open"}),
        row("hold", "closed", "held", updates={"before": "closed"}),
        row("release", "held", Var("before"), updates={"before": None}),
        row("remove", ("open", "closed", "held"), "gone"),
    ),
)

_ROOM = Bound("room", actual=4, checked=4)
TANK = Machine(
    name="tank",
    phases=("filling", "draining", "empty"),
    initial="filling",
    final=("empty",),
    variables=(Count("level", _ROOM), Count("spilt", _ROOM), Choice("colour", ("red", "blue"))),
    verbs=(
        Verb("pour", (Count("litres", _ROOM), Choice("colour", ("red", "blue")))),
        Verb("drain", (Count("litres", _ROOM),)),
    ),
    rows=(
        row(
            "pour",
            "filling",
            guard=((Var("level") + Arg("litres")) < _ROOM)
            & (Var("colour").equals(None) | Var("colour").equals(Arg("colour"))),
            updates={"level": Var("level") + Arg("litres"), "colour": Arg("colour")},
        ),
        row(
            "pour",
            "filling",
            "draining",
            guard=((Var("level") + Arg("litres")) >= _ROOM) & Arg("colour").differs("blue"),
            updates={"level": _ROOM, "spilt": Var("level") - (_ROOM - Arg("litres"))},
        ),
        row(
            "drain",
            "draining",
            guard=(Arg("litres") > 0) & (Var("level") > Arg("litres")),
            updates={"level": Var("level") - Arg("litres")},
        ),
        row("drain", "draining", "empty", guard=Arg("litres") >= Var("level")),
        row("swap", "filling", updates={"level": Var("spilt"), "spilt": Var("level")}),
    ),
)

LEASE = Machine(
    name="lease",
    phases=("free", "taken", "over"),
    initial="free",
    final=("over",),
    variables=(Identity("holder"), Identity("waiting")),
    verbs=(Verb("take", (Identity("holder"),)), Verb("hand_on", (Identity("holder"),))),
    rows=(
        row("take", "free", "taken", updates={"holder": Arg("holder")}),
        row(
            "take",
            "taken",
            guard=Var("holder").differs(Arg("holder")) & Var("waiting").equals(None),
            updates={"waiting": Arg("holder")},
        ),
        row(
            "hand_on",
            "taken",
            guard=Var("holder").equals(Arg("holder")) & Var("waiting").differs(None),
            updates={"holder": Var("waiting"), "waiting": None},
        ),
        row(
            "hand_on",
            "taken",
            "over",
            guard=Var("holder").equals(Arg("holder")) & Var("waiting").equals(None),
            updates={"holder": None},
        ),
    ),
)


def questions(
    machine: Machine,
) -> Iterator[tuple[Configuration, str, tuple[Value, ...]]]:
    """Every phase, with every valuation, verb and argument."""
    for phase, values in itertools.product(machine.phases, machine.valuations()):
        for verb in machine.verbs:
            for arguments in itertools.product(*verb.argument_domains()):
                yield Configuration(phase, values), verb.name, arguments


class Terse(Authority):
    """An authority that refuses without listing what it would have allowed, which takes long."""

    def _refusal(
        self,
        configuration: Configuration,
        verb: str,
        arguments: tuple[Value, ...],
        subject: str | None,
    ) -> IllegalTransition:
        return IllegalTransition(
            machine=self.machine.name,
            subject=str(subject),
            verb=verb,
            phase=configuration.phase,
            allowed=(),
        )


def answer(
    authority: Authority, configuration: Configuration, verb: str, arguments: tuple[Value, ...]
) -> Configuration | None:
    try:
        return authority.replay(configuration, verb, arguments)
    except IllegalTransition:
        return None


def answers(machine: Machine, every: int = 1) -> Iterator[tuple[bool, str | None]]:
    """For every question, or for each so many, whether it is a move, and where the two differ."""
    authority, reference = Terse(machine, checked=True), Reference(machine, checked=True)
    for configuration, verb, arguments in itertools.islice(questions(machine), 0, None, every):
        compiled = answer(authority, configuration, verb, arguments)
        agree = compiled == reference.step(configuration, verb, arguments)
        yield compiled is not None, None if agree else f"{verb}{arguments} at {configuration}"


@pytest.mark.parametrize(
    ("machine", "every", "asked", "moved"),
    [
        pytest.param(SESSION, 1, 217_728, 57_222, id="session", marks=pytest.mark.thorough),
        pytest.param(SESSION, 19, 11_460, 3_013, id="session, each nineteenth question"),
        pytest.param(DOOR, 1, 144, 58, id="door"),
        pytest.param(TANK, 1, 3_600, 815, id="tank"),
        pytest.param(LEASE, 1, 108, 28, id="lease"),
    ],
)
def test_g8_the_compiled_table_is_what_transitions_says(
    machine: Machine, every: int, asked: int, moved: int
) -> None:
    found = list(answers(machine, every))
    assert [where for _, where in found if where is not None] == []
    assert (len(found), sum(moves for moves, _ in found)) == (asked, moved)


@pytest.mark.parametrize(
    ("sign", "instead", "machine"),
    [
        ("≤", "<", SESSION),
        ("=", "!=", LEASE),
        ("≠", "==", LEASE),
        ("<", "<=", TANK),
        (">", ">=", TANK),
        ("≥", ">", TANK),
        ("+", "-", TANK),
        ("-", "+", TANK),
    ],
)
def test_g8_a_fault_planted_in_the_compiler_is_found(
    sign: str, instead: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(notation.PYTHON.signs, sign, instead)

    assert any(where is not None for _, where in answers(machine))


def test_g8_every_verb_of_the_session_moves_from_somewhere() -> None:
    authority = Terse(SESSION, checked=True)
    idle = {verb.name for verb in SESSION.verbs}
    for configuration, verb, arguments in questions(SESSION):
        if verb in idle and answer(authority, configuration, verb, arguments) is not None:
            idle.remove(verb)
    assert idle == set()


def test_the_reference_refuses_an_unknown_verb_of_the_machine() -> None:
    with pytest.raises(KeyError):
        Reference(DOOR).step(Configuration("open", (False, None)), "paint", ())


def test_updates_read_the_values_from_before_the_move() -> None:
    before = Configuration("filling", (1, 3, None))
    for move in (Authority(TANK).replay, Reference(TANK).step):
        assert move(before, "swap", ()) == Configuration("filling", (3, 1, None))


def test_a_remembered_phase_is_returned_to_and_none_leads_nowhere() -> None:
    authority = Authority(DOOR)
    held = authority.fire(Configuration("open", (False, None)), "hold")
    assert held == Configuration("held", (False, "open"))
    assert authority.fire(held, "release") == Configuration("open", (False, None))
    with pytest.raises(IllegalTransition):
        authority.fire(Configuration("held", (False, None)), "release")


def test_an_engine_runs_at_the_actual_bound_and_a_proof_at_the_checked_one() -> None:
    queue = Var("waiting")
    room = Bound("room", actual=3, checked=1)
    machine = Machine(
        name="queue",
        phases=("live", "over"),
        initial="live",
        final=("over",),
        variables=(Count("waiting", room),),
        rows=(
            row("join", "live", guard=queue < room, updates={"waiting": queue + 1}),
            row("end", "live", "over"),
        ),
    )
    two_wait = Configuration("live", (2,))
    assert answer(Authority(machine), two_wait, "join", ()) == Configuration("live", (3,))
    assert answer(Authority(machine, checked=True), two_wait, "join", ()) is None
    assert Reference(machine).step(two_wait, "join", ()) == Configuration("live", (3,))
    assert Reference(machine, checked=True).step(two_wait, "join", ()) is None


def test_a_restricted_verb_needs_the_token_of_this_very_authority() -> None:
    authority, other = Authority(DOOR), Authority(DOOR)
    with pytest.raises(AuthorityRequired, match=r"^seal needs the authority's token$"):
        authority.fire(authority.initial, "seal")
    for forged in (Token(), other.token):
        with pytest.raises(AuthorityRequired):
            authority.fire(authority.initial, "seal", token=forged)
    sealed = authority.fire(authority.initial, "seal", token=authority.token)
    assert authority.value(sealed, "locked") is True


def test_an_unknown_verb_is_refused_like_an_illegal_one() -> None:
    with pytest.raises(IllegalTransition, match="cannot dance door: it is closed; allowed: hold"):
        Authority(DOOR).fire(Authority(DOOR).initial, "dance")


def test_an_unknown_variable_has_no_value() -> None:
    with pytest.raises(KeyError):
        LIFECYCLE.value(LIFECYCLE.initial, "colour")


def test_g5_a_refusal_names_the_phase_what_was_unmet_and_what_is_allowed() -> None:
    authority = Authority(TANK)
    before = Configuration("draining", (3, 0, "red"))

    with pytest.raises(IllegalTransition) as caught:
        authority.fire(before, "drain", (0,), "north")

    assert str(caught.value) == (
        "cannot drain tank 'north': it is draining (that needs given litres > 0 and "
        "level > given litres or given litres ≥ level; level is 3); allowed: drain"
    )
    assert caught.value.data == {
        "machine": "tank",
        "subject": "tank 'north'",
        "verb": "drain",
        "phase": "draining",
        "allowed": ["drain"],
        "because": "that needs given litres > 0 and level > given litres or "
        "given litres ≥ level; level is 3",
    }


def test_g5_what_is_allowed_is_what_some_arguments_let_through() -> None:
    authority = Authority(DOOR)
    for phase, values in itertools.product(DOOR.phases, DOOR.valuations()):
        configuration = Configuration(phase, values)
        possible = tuple(
            verb.name
            for verb in DOOR.verbs
            if any(
                answer(authority, configuration, verb.name, arguments) is not None
                for arguments in itertools.product(*verb.argument_domains())
            )
        )
        assert authority.allowed(configuration) == possible


def test_g5_what_is_allowed_counts_the_run_that_is_there_though_no_checker_knows_its_id() -> None:
    running = Configuration("running", ("run-9f2c", "idle", False, 0, 0, 0))
    assert "complete_run" in LIFECYCLE.allowed(running)


def test_g5_what_is_allowed_counts_ids_and_counts_that_no_checker_explores() -> None:
    limit, most = Bound("limit", actual=5_000, checked=1), Bound("most", actual=9_000, checked=2)
    owner, spent, by, amount = Var("owner"), Var("spent"), Arg("by"), Arg("amount")
    account = Machine(
        name="account",
        phases=("open", "used", "shut"),
        initial="open",
        final=("shut",),
        variables=(Identity("owner", ("ann", "bob")), Count("spent", most)),
        verbs=(
            Verb("use", (Identity("by", ("ann", "bob")), Count("amount", most))),
            Verb("overdraw", (Count("amount", most),)),
            Verb("settle", (Count("amount", most),)),
            Verb("shut", (Identity("by", ("ann", "bob")),)),
            Verb("take_over", (Identity("by", ("ann", "bob")),)),
        ),
        rows=(
            row("use", "open", "used", updates={"owner": by, "spent": amount}),
            row("overdraw", "used", guard=spent + amount > limit),
            row("settle", "used", guard=(spent + amount).equals(limit)),
            row("shut", "used", "shut", guard=by.equals(owner)),
            row("take_over", "used", guard=by.differs(owner), updates={"owner": by}),
        ),
    )
    authority = Authority(account)

    used = authority.fire(authority.initial, "use", ("zoe", 4_321))
    assert authority.allowed(used) == ("overdraw", "settle", "shut", "take_over")
    assert authority.fire(used, "settle", (679,)) == used
    assert authority.fire(used, "overdraw", (680,)) == used
    assert authority.fire(used, "shut", ("zoe",)).phase == "shut"

    spent_all = authority.fire(authority.initial, "use", ("ann", 9_000))
    assert authority.allowed(spent_all) == ("overdraw", "shut", "take_over")


def _paying() -> Machine:
    most = Bound("most", actual=50, checked=2)
    paid = (Identity("by"), Count("amount", most), Choice("way", ("cash", "card")), Flag("late"))
    return Machine(
        name="till",
        phases=("open", "shut"),
        initial="open",
        final=("shut",),
        variables=(Identity("payer"), Count("taken", most)),
        verbs=(
            Verb("pay", paid),
            Verb("refund", (Count("amount", most),)),
            Verb("void", (Identity("by"),), restricted=True),
        ),
        rows=(
            row("pay", "open", updates={"payer": Arg("by"), "taken": Arg("amount")}),
            row("refund", "open", guard=Arg("amount") <= Var("taken"), updates={"taken": 0}),
            row("void", "open", updates={"payer": Arg("by")}),
            row("close", "open", "shut"),
        ),
    )


@pytest.mark.parametrize(
    ("verb", "arguments", "problem"),
    [
        ("pay", ("ann", 51, "cash", False), "amount cannot be 51"),
        ("pay", ("ann", -1, "cash", False), "amount cannot be -1"),
        ("pay", ("ann", True, "cash", False), "amount cannot be True"),
        ("pay", ("ann", 1.0, "cash", False), "amount cannot be 1.0"),
        ("pay", ("", 1, "cash", False), "by cannot be ''"),
        ("pay", (None, 1, "cash", False), "by cannot be None"),
        ("pay", ("ann", 1, "gold", False), "way cannot be 'gold'"),
        ("pay", ("ann", 1, ["cash"], False), "way cannot be ['cash']"),
        ("pay", ("ann", 1, "cash", 0), "late cannot be 0"),
        ("pay", ("ann",), "it takes by, amount, way, late, and is given 1"),
        ("pay", (), "it takes by, amount, way, late, and is given 0"),
        ("refund", (), "it takes amount, and is given 0"),
        ("refund", ("1",), "amount cannot be '1'"),
        ("refund", (1, 1), "it takes amount, and is given 2"),
        ("refund", "1", "its arguments are a tuple, and not '1'"),
        ("close", (1,), "it takes no arguments, and is given 1"),
        ("void", (7,), "by cannot be 7"),
    ],
)
def test_what_a_verb_cannot_be_given_is_an_illegal_move(
    verb: str, arguments: Any, problem: str
) -> None:
    authority = Authority(_paying())
    for _ in range(2):  # before the verb was ever fired, and after
        with pytest.raises(IllegalTransition) as caught:
            authority.fire(authority.initial, verb, arguments, token=authority.token)
        assert caught.value.data["because"] == problem
        assert caught.value.data["allowed"] == sorted(authority.allowed(authority.initial))
        authority.fire(authority.initial, "pay", ("ann", 50, "card", True))
        authority.fire(authority.initial, "refund", (0,))
    if isinstance(arguments, tuple):
        judged = validate_trace(authority, [(verb, arguments)])
        assert judged.illegal is not None
        assert judged.illegal.because == problem


def test_what_a_verb_can_be_given_is_fired_however_it_is_said() -> None:
    class Way(enum.StrEnum):
        CASH = "cash"

    authority = Authority(_paying())
    after = Configuration("open", ("zoë", 50))
    arguments: list[Any] = ["zoë", 50, Way.CASH, True]
    for given in (tuple(arguments), arguments, ("zoë", 50, "cash", True)):
        assert authority.fire(authority.initial, "pay", given) == after  # type: ignore[arg-type]
    with pytest.raises(AuthorityRequired):
        authority.fire(authority.initial, "void", (7,))


def test_what_the_checker_explores_is_all_that_a_proof_may_fire() -> None:
    authority = Authority(_paying(), checked=True)
    authority.fire(authority.initial, "pay", ("ann", 2, "cash", False))
    with pytest.raises(IllegalTransition, match="amount cannot be 3"):
        authority.fire(authority.initial, "pay", ("ann", 3, "cash", False))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [((), "it takes amount, and is given 0"), (("1",), "amount cannot be '1'")],
)
def test_a_recorded_move_that_cannot_be_decided_is_an_illegal_one(
    arguments: tuple[Value, ...], problem: str
) -> None:
    authority = Authority(_paying())
    with pytest.raises(IllegalTransition, match=problem):
        authority.replay(authority.initial, "refund", arguments)
    with pytest.raises(TypeError):  # the arguments are right, the configuration is not
        authority.replay(Configuration("open", ("ann", "1")), "refund", (1,))


def test_the_quick_question_and_the_one_in_words_agree() -> None:
    values: tuple[Any, ...] = (None, False, True, -1, 0, 1, 2, 3, 1.0, "", "a", "cash", b"a")
    most = Bound("most", actual=2, checked=1)
    for variable in (Flag("x"), Count("x", most), Choice("x", ("cash", "a")), Identity("x")):
        for checked in (False, True):
            quick = arguments_test((variable,), checked=checked)
            for value in values:
                in_words = arguments_problem((variable,), (value,), checked=checked)
                assert quick((value,)) is (in_words is None)
            assert not quick(())
            assert not quick((values[5], values[5]))
