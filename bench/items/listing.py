"""List: the first page of a large store, of all sessions and filtered by phase and label."""

import itertools
from collections.abc import Mapping
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
PAGE: Final = 50
RETIRED_EACH: Final = 11
"""Every eleventh session is retired: no divisor of the labels' thousand, so that each combination
of phase and labels is there."""

LABELS: Final = [
    {
        "team": "abcde"[n % 5],
        "tier": ("free", "paid")[n % 2],
        "region": ("us", "eu")[n % 5 > 1],
        **({"pilot": "yes"} if n == 999 else {}),
    }
    for n in range(1000)
]
"""What sessions are labelled, by turns: one in a thousand is a pilot, and never of team a, which is
never of region eu."""

FILTERS: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    "most: by phase": {"phase": "idle"},
    "most: by label": {"labels": {"region": "eu"}},
    "by phase": {"phase": "retired"},
    "by label": {"labels": {"team": "c"}},
    "by two labels": {"labels": {"team": "a", "tier": "free"}},
    "most by phase, and two labels": {"phase": "idle", "labels": {"team": "a", "tier": "free"}},
    "by phase and two labels": {"phase": "retired", "labels": {"team": "a", "tier": "free"}},
    "rare: by label": {"labels": {"pilot": "yes"}},
    "rare: by label and most by phase": {"phase": "idle", "labels": {"pilot": "yes"}},
    "rare: by label and phase": {"phase": "retired", "labels": {"pilot": "yes"}},
    "rare: by two labels, most by one": {"labels": {"pilot": "yes", "region": "eu"}},
    "none: by phase": {"phase": "archived"},
    "none: by label": {"labels": {"team": "z"}},
    "none: by two labels that many have": {"labels": {"team": "a", "region": "eu"}},
    "none: by phase and two labels that many have": {
        "phase": "idle",
        "labels": {"team": "a", "region": "eu"},
    },
    "none: by phase, a rare label and one that many have": {
        "phase": "idle",
        "labels": {"team": "a", "pilot": "yes"},
    },
}
BECAUSE: Final = (
    "There is an index by phase and one by each label, and none by several at once. For each label "
    "that is asked for, all sessions that have it are gathered into a set first, however few are "
    "wanted; then the sessions of the phase, or of the first label, are gone through in order "
    "until the page is full. Where no session has everything that is asked for, that is all of "
    "them. It is a choice of this catalog, and not a limit of the database."
)


def measure(setup: Setup) -> Report:
    """Run the item."""
    count = setup.sized(100_000, 2_000)
    path = setup.folder / "list.db"
    expected = {name: _matching(count, **filters) for name, filters in FILTERS.items()}
    taken: dict[str, list[float]] = {name: [] for name in FILTERS}
    with working(setup, "perdure-normal", path) as worker:
        worker.ask("open")
        for start in range(0, count, 20_000):
            worker.ask(
                "register_many",
                start=start,
                count=min(20_000, count - start),
                labels=LABELS,
                retire=RETIRED_EACH,
            )
        (first,) = worker.ask("list_pages", count=1, expected=PAGE)
        for _ in range(setup.sized(10, 2)):
            for name, filters in FILTERS.items():
                taken[name] += worker.ask(
                    "list_pages", count=10, expected=expected[name], **filters
                )
    with working(setup, "perdure-normal", path) as worker:
        worker.ask("open")
        (opened,) = worker.ask("list_pages", count=1, expected=PAGE)
    name, slowest = max(
        ((name, median(values)) for name, values in taken.items()), key=lambda one: one[1]
    )
    all_of_them = median(taken["all"])
    return Report(
        tables=[
            Table(
                f"50 of {count:,} sessions, median / p99",
                ["", "sessions", "of the page of all", "of the budget of 20 ms", "a page"],
                [
                    [
                        _called(name),
                        str(expected[name]),
                        ratio(median(values), all_of_them),
                        ratio(median(values), BUDGET_SECONDS),
                        both(values),
                    ]
                    for name, values in taken.items()
                ]
                + [
                    [
                        name,
                        str(PAGE),
                        ratio(value, all_of_them),
                        ratio(value, BUDGET_SECONDS),
                        seconds(value),
                    ]
                    for name, value in (
                        ("all, the first after opening", opened),
                        ("all, when the catalog has all sessions to catch up on, once", first),
                    )
                ],
            )
        ],
        budgets=[
            Budget(
                f"first page of {count:,} sessions, the slowest of {len(FILTERS)} filters "
                f"({_called(name)})",
                "below 20 ms",
                seconds(slowest),
                slowest < BUDGET_SECONDS,
                because=BECAUSE,
            )
        ],
        notes=[NOTE],
        figures={name: median(values) for name, values in taken.items()},
    )


def _matching(count: int, phase: str = "", labels: Mapping[str, str] | None = None) -> int:
    """Return how many sessions the first page must have."""
    wanted = (labels or {}).items()
    found = (
        n
        for n in range(count)
        if phase in ("", "idle" if n % RETIRED_EACH else "retired")
        and wanted <= LABELS[n % len(LABELS)].items()
    )
    return len(list(itertools.islice(found, PAGE)))


def _called(name: str) -> str:
    """Return a filter's name, with its values."""
    filters = FILTERS[name]
    asked = {**({"phase": filters["phase"]} if "phase" in filters else {})}
    asked |= filters.get("labels", {})
    return (
        f"{name} (`{', '.join(f'{key}={value}' for key, value in asked.items())}`)"
        if asked
        else name
    )
