"""Subscribe: from a turn's commit to its delivery, in the process that wrote it and in another.

The clock for "commit" is the moment the recording call returned; the delivery may well come first,
because both are told at once. From the moment the call was made is the upper bound.
"""

from typing import Any, Final

from bench.coordinator import working
from bench.report import Budget, Report, Table, both, p99, seconds
from bench.setup import Setup

NAME: Final = "subscribe"
TITLE: Final = "Subscribe: from commit to delivery"

RATE: Final = 1000
SESSIONS: Final = 32
BUDGET_SECONDS: Final = 0.005


def measure(setup: Setup) -> Report:
    """Run the item."""
    length = setup.sized(5, 1)
    rows, delays = [], {}
    for where in ("in process", "across processes"):
        recorded, heard = _run(setup, where, length)
        after_call = [heard[event] - began for event, (began, _) in recorded.items()]
        after_commit = [max(0.0, heard[event] - ended) for event, (_, ended) in recorded.items()]
        calls = [ended - began for began, ended in recorded.values()]
        span = max(ended for _, ended in recorded.values()) - min(
            began for began, _ in recorded.values()
        )
        delays[where] = after_commit
        rows.append(
            [
                where,
                f"{p99(after_commit) / BUDGET_SECONDS:.2f}x",
                both(after_commit),
                both(after_call),
                both(calls),
                f"{len(recorded) / span:,.0f}",
            ]
        )
    slowest = p99(delays["in process"])
    return Report(
        tables=[
            Table(
                f"{RATE:,} events a second over {SESSIONS} sessions, at full, median / p99",
                [
                    "",
                    "p99 of the budget of 5 ms",
                    "from commit",
                    "from call",
                    "the call itself",
                    "events a second",
                ],
                rows,
            )
        ],
        budgets=[
            Budget(
                f"commit to delivery in process, p99 at {RATE:,} events a second",
                "below 5 ms",
                seconds(slowest),
                slowest < BUDGET_SECONDS,
            )
        ],
        notes=["A delivery that comes before the recording call returns counts as 0."],
        figures={where: p99(values) for where, values in delays.items()},
    )


def _run(setup: Setup, where: str, length: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Record at the rate and listen; return when each event was recorded and when delivered."""
    path = setup.folder / f"subscribe-{where.replace(' ', '-')}.db"
    work: dict[str, Any] = {"rate": RATE, "seconds": length, "sessions": SESSIONS}
    with working(setup, "perdure-full", path) as writer:
        writer.ask("open")
        if where == "in process":
            found = writer.ask("paced_and_heard", **work)
            return found["recorded"], found["heard"]
        with working(setup, "perdure-full", path) as listener:
            listener.ask("open")
            listener.send("heard", turns=RATE * length)
            recorded = writer.ask("paced", **work)
            return recorded, listener.answer()
