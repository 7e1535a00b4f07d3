"""Decision: one lifecycle move, asked of the table compiled from the declared machine.

Beside it the same move by `transitions`, which interprets the declaration and is the reference that
the table is proved equal to; a move that is refused; and the two functions of a whole turn,
`decide` and `evolve`.

Invariants: every verb of the machine is measured, in every phase that a session can reach and in
which it is allowed.
"""

import contextlib
import itertools
import timeit
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from bench.report import Budget, Report, Table, median, p99, ratio
from bench.setup import Setup
from bench.workload import TURN
from perdure.aggregates import RecordTurn, Register, decide, encode_messages, evolve, initial_state
from perdure.errors import IllegalTransition
from perdure.machines import LIFECYCLE, SESSION, Configuration, Count, Verb
from perdure.machines.reference import Reference

NAME: Final = "decision"
TITLE: Final = "Decision: one lifecycle move"

BUDGET_SECONDS: Final = 2e-6
NOW: Final = "2030-01-01T00:00:00.000000Z"
MOST: Final = 2
"""How far inputs and boundaries are counted in the search for configurations."""

NOTE: Final = (
    "Each verb is asked in every phase in which a session can reach it and it is allowed, and the "
    "slowest is shown. The budget is for a move that is allowed. A refusal takes longer, "
    "since its error lists the allowed verbs and the guard that failed; it has no budget."
)


class Move(NamedTuple):
    """A verb with its arguments, and a configuration in which it is asked."""

    configuration: Configuration
    verb: str
    arguments: tuple[Any, ...]

    def fire(self) -> Configuration:
        """Return the configuration after it. Raises IllegalTransition."""
        return LIFECYCLE.fire(self.configuration, self.verb, self.arguments, token=LIFECYCLE.token)


def measure(setup: Setup) -> Report:
    """Run the item."""
    rounds, number = setup.sized(9, 3), setup.sized(10_000, 500)
    reference = Reference(SESSION)
    moves = _moves()
    refused = _refused()
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in moves}
    theirs: dict[tuple[str, str], list[float]] = {key: [] for key in moves}
    refusals: dict[str, list[float]] = {name: [] for name in refused}
    whole, turns = _turn(), list[float]()
    for _ in range(rounds):
        for key, move in moves.items():
            taken[key].append(_timed(_firing(move), number))
            theirs[key].append(_timed(_referring(reference, move), max(1, number // 200)))
        for name, move in refused.items():
            refusals[name].append(_timed(_refusing(move), max(1, number // 50)))
        turns.append(_timed(whole, number // 10))
    shown = [
        max((key for key in moves if key[0] == verb.name), key=lambda key: median(taken[key]))
        for verb in SESSION.verbs
    ]
    slowest = max(shown, key=lambda key: median(taken[key]))
    longest = median(taken[slowest])
    rows = [
        [
            f"{verb}, {phase}",
            ratio(median(theirs[verb, phase]), median(taken[verb, phase])),
            _both(taken[verb, phase]),
            _both(theirs[verb, phase]),
        ]
        for verb, phase in shown
    ]
    rows += [[name, "-", _both(found), "-"] for name, found in refusals.items()]
    rows.append(["a whole turn: `decide`, then `evolve`", "-", _both(turns), "-"])
    return Report(
        tables=[
            Table(
                "One move, median / p99 of the rounds",
                ["", "`transitions` / the table", "the table", "`transitions`"],
                rows,
            )
        ],
        budgets=[
            Budget(
                f"one allowed lifecycle decision, the slowest of {len(SESSION.verbs)} verbs in the "
                f"phases that allow them ({slowest[0]}, {slowest[1]})",
                "at most 2 µs",
                f"{longest * 1e6:.2f} µs",
                longest <= BUDGET_SECONDS,
            )
        ],
        notes=[NOTE],
        figures={
            **{verb: median(taken[verb, phase]) for verb, phase in shown},
            "refusals": {name: median(found) for name, found in refusals.items()},
        },
    )


def _moves() -> dict[tuple[str, str], Move]:
    """Return a move of each verb in each phase that it is allowed in, by verb and phase.

    They are found by exploring the states of a session, with one run and few inputs.
    """
    found: dict[tuple[str, str], Move] = {}
    seen, waiting = {LIFECYCLE.initial}, [LIFECYCLE.initial]
    for configuration in waiting:
        for verb in SESSION.verbs:
            for arguments in _arguments(verb):
                move = Move(configuration, verb.name, arguments)
                with contextlib.suppress(IllegalTransition):
                    after = move.fire()
                    found.setdefault((verb.name, configuration.phase), move)
                    counts = [LIFECYCLE.value(after, name) for name in ("queued", "sequence")]
                    if after not in seen and max(counts) <= MOST:
                        seen.add(after)
                        waiting.append(after)
    if missing := {verb.name for verb in SESSION.verbs} - {verb for verb, _ in found}:
        raise RuntimeError(f"no session comes to {', '.join(sorted(missing))}")
    return found


def _arguments(verb: Verb) -> Iterator[tuple[Any, ...]]:
    """Yield the arguments that the verb may be given."""
    return itertools.product(
        *((0, 1) if isinstance(one, Count) else ("run",) for one in verb.arguments)
    )


def _refused() -> dict[str, Move]:
    """Return moves that are refused: one by the phase, one by the condition of its row."""
    moves = _moves()
    archived = moves["archive", "retired"].fire()
    running = moves["complete_run", "running"].configuration
    return {
        "refused: retire, archived": Move(archived, "retire", ()),
        "refused: complete_run of another run": Move(running, "complete_run", ("another",)),
    }


def _timed(call: Callable[[], Any], number: int) -> float:
    return timeit.timeit(call, number=number) / number


def _both(taken: Sequence[float]) -> str:
    """Return median and p99, exact enough for times below a microsecond."""
    return f"{median(taken) * 1e6:.2f} µs / {p99(taken) * 1e6:.2f} µs"


def _firing(move: Move) -> Callable[[], Any]:
    fire, (configuration, verb, arguments) = LIFECYCLE.fire, move
    if SESSION.verb(verb).restricted:
        return lambda: fire(configuration, verb, arguments, token=LIFECYCLE.token)
    return lambda: fire(configuration, verb, arguments)


def _referring(reference: Reference, move: Move) -> Callable[[], Any]:
    return lambda: reference.step(*move)


def _refusing(move: Move) -> Callable[[], Any]:
    def refused() -> None:
        try:
            move.fire()
        except IllegalTransition:
            return
        raise RuntimeError(f"{move.verb} was not refused")

    return refused


def _turn() -> Callable[[], Any]:
    state = initial_state("session")
    for event in decide(state, Register(now=NOW)):
        state = evolve(state, event)
    command = RecordTurn(now=NOW, run_id="run", messages=encode_messages(TURN))

    def turn() -> None:
        (event,) = decide(state, command)
        evolve(state, event)

    return turn
