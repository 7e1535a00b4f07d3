"""List: the first page of a large store, of all sessions and filtered by phase and label."""

from typing import Any, Final

from bench.coordinator import working
from bench.report import Budget, Report, Table, both, median, ratio, seconds
from bench.setup import Setup

NAME: Final = "list"
TITLE: Final = "List: the first page of many sessions"

NOTE: Final = (
    "The catalog is derived from the log when a listing asks for it, and kept: the last row is "
    "what that costs for a store that was never listed."
)
BUDGET_SECONDS: Final = 0.02
LABELS: Final = [{"team": team, "tier": tier} for team in "abcde" for tier in ("free", "paid")]
FILTERS: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    "by phase": {"phase": "retired"},
    "by label": {"labels": {"team": "c"}},
    "by phase and two labels": {"phase": "retired", "labels": {"team": "a", "tier": "free"}},
}


def measure(setup: Setup) -> Report:
    """Run the item."""
    count = setup.sized(100_000, 2_000)
    path = setup.folder / "list.db"
    taken: dict[str, list[float]] = {name: [] for name in FILTERS}
    with working(setup, "perdure-normal", path) as worker:
        worker.ask("open")
        for start in range(0, count, 20_000):
            worker.ask(
                "register_many",
                start=start,
                count=min(20_000, count - start),
                labels=LABELS,
                retire=10,
            )
        (first,) = worker.ask("list_pages", count=1)
        for _ in range(setup.sized(10, 2)):
            for name, filters in FILTERS.items():
                taken[name] += worker.ask("list_pages", count=20, **filters)
    with working(setup, "perdure-normal", path) as worker:
        worker.ask("open")
        (opened,) = worker.ask("list_pages", count=1)
    slowest = max(median(values) for values in taken.values())
    all_of_them = median(taken["all"])
    return Report(
        tables=[
            Table(
                f"50 of {count:,} sessions, median / p99",
                ["", "of the page of all", "of the budget of 20 ms", "a page"],
                [
                    [
                        name,
                        ratio(median(values), all_of_them),
                        ratio(median(values), BUDGET_SECONDS),
                        both(values),
                    ]
                    for name, values in taken.items()
                ]
                + [
                    [name, ratio(value, all_of_them), ratio(value, BUDGET_SECONDS), seconds(value)]
                    for name, value in (
                        ("all, the first after opening", opened),
                        ("all, when the catalog has all sessions to catch up on, once", first),
                    )
                ],
            )
        ],
        budgets=[
            Budget(
                f"first page of {count:,} sessions, the slowest filter",
                "below 20 ms",
                seconds(slowest),
                slowest < BUDGET_SECONDS,
            )
        ],
        notes=[NOTE],
        figures={name: median(values) for name, values in taken.items()},
    )
