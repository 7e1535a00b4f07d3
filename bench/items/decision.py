"""Decision: one lifecycle move, asked of the table compiled from the declared machine.

Beside it the same move by `transitions`, which interprets the declaration and is the reference that
the table is proved equal to, and what a whole turn asks: `decide`, then `evolve`.
"""

import timeit
from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.report import Budget, Report, Table, median, p99, ratio
from bench.setup import Setup
from bench.workload import TURN
from engine.aggregates import RecordTurn, Register, decide, encode_messages, evolve, initial_state
from engine.machines import LIFECYCLE, SESSION
from engine.machines.reference import Reference

NAME: Final = "decision"
TITLE: Final = "Decision: one lifecycle move"

BUDGET_SECONDS: Final = 2e-6
NOW: Final = "2030-01-01T00:00:00.000000Z"
MOVES: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
    ("register", ()),
    ("begin_run", ("run", 0)),
    ("apply_boundary", ("run", 0)),
    ("complete_run", ("run",)),
    ("retire", ()),
    ("archive", ()),
)


def measure(setup: Setup) -> Report:
    """Run the item."""
    rounds, number = setup.sized(15, 3), setup.sized(20_000, 1_000)
    reference = Reference(SESSION)
    moves: dict[str, Callable[[], Any]] = {}
    referred: dict[str, Callable[[], Any]] = {}
    configuration = LIFECYCLE.initial
    for verb, arguments in MOVES:
        moves[verb] = _firing(LIFECYCLE.fire, configuration, verb, arguments)
        referred[verb] = _firing(reference.step, configuration, verb, arguments)
        configuration = LIFECYCLE.fire(configuration, verb, arguments)
    whole = _turn()
    taken: dict[str, list[float]] = {verb: [] for verb in moves}
    theirs: dict[str, list[float]] = {verb: [] for verb in moves}
    turns: list[float] = []
    for _ in range(rounds):
        for verb, call in moves.items():
            taken[verb].append(timeit.timeit(call, number=number) / number)
            few = max(1, number // 100)
            theirs[verb].append(timeit.timeit(referred[verb], number=few) / few)
        turns.append(timeit.timeit(whole, number=number // 10) / (number // 10))
    slowest = max(median(found) for found in taken.values())
    rows = [
        [
            verb,
            ratio(median(theirs[verb]), median(found)),
            _both(found),
            _both(theirs[verb]),
        ]
        for verb, found in taken.items()
    ]
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
                "one lifecycle decision, the slowest verb of a session's life",
                "at most 2 µs",
                f"{slowest * 1e6:.2f} µs",
                slowest <= BUDGET_SECONDS,
            )
        ],
        figures={verb: median(found) for verb, found in taken.items()},
    )


def _both(taken: Sequence[float]) -> str:
    """Return median and p99, exact enough for what takes less than a microsecond."""
    return f"{median(taken) * 1e6:.2f} µs / {p99(taken) * 1e6:.2f} µs"


def _firing(
    fire: Callable[..., Any], configuration: Any, verb: str, arguments: tuple[Any, ...]
) -> Callable[[], Any]:
    return lambda: fire(configuration, verb, arguments)


def _turn() -> Callable[[], Any]:
    state = initial_state("session")
    for event in decide(state, Register(now=NOW)):
        state = evolve(state, event)
    command = RecordTurn(now=NOW, run_id="run", messages=encode_messages(TURN))

    def turn() -> None:
        (event,) = decide(state, command)
        evolve(state, event)

    return turn
