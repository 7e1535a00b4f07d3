"""Subscribe: from a turn's commit to its delivery, in the process that wrote it and in another.

When the commit was is not told; it lies between the moment the recording call was made and the one
it returned. The budget is asked of the first, which is more than the latency; the second is less.
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
    rows, delays, returned = [], {}, {}
    for where in ("in process", "across processes"):
        recorded, heard = _run(setup, where, length)
        after_call = [heard[event] - began for event, (began, _) in recorded.items()]
        after_return = [max(0.0, heard[event] - ended) for event, (_, ended) in recorded.items()]
        calls = [ended - began for began, ended in recorded.values()]
        span = max(ended for _, ended in recorded.values()) - min(
            began for began, _ in recorded.values()
        )
        delays[where], returned[where] = after_call, after_return
        rows.append(
            [
                where,
                f"{p99(after_call) / BUDGET_SECONDS:.2f}x",
                both(after_call),
                both(after_return),
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
                    "from the call on, commit and all",
                    "from its return on",
                    "the call itself",
                    "events a second",
                ],
                rows,
            )
        ],
        budgets=[
            Budget(
                f"commit to delivery in process, p99 at {RATE:,} events a second, with the commit "
                "itself",
                "below 5 ms",
                seconds(slowest),
                slowest < BUDGET_SECONDS,
                because=(
                    f"From the call's return on it is {seconds(p99(returned['in process']))}; what "
                    "is more is the call's own, a sync above all."
                ),
            )
        ],
        notes=[
            (
                "The commit lies within the call. A delivery that comes before the call returns "
                "counts as 0 from its return."
            )
        ],
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
