"""History: the newest 50 messages of a long session, against those of a short one."""

from typing import Final

from bench.coordinator import Contest, Failed
from bench.report import Budget, Report, Table, absent_rows, both, label, median, ratio
from bench.setup import Setup
from bench.workload import session_id

NAME: Final = "history"
TITLE: Final = "History: the last 50 messages"

CONTENDERS: Final = (
    "perdure-full",
    "full-snapshots",
    "openai-agents",
    "langgraph-sync",
    "eventsourcing",
    "eventsourcing-cached",
    "dbos-wal",
)
MESSAGES: Final = 50
GROW_SECONDS: Final = 20
NOTE: Final = (
    "Cached aggregates hold every message of every session in memory, so they read nothing at all."
)


def measure(setup: Setup) -> Report:
    """Run the item."""
    short, long = 100, setup.sized(10_000, 300)
    with Contest(setup, NAME, CONTENDERS) as contest:
        for worker in contest.round():
            with contest.attempt(worker):
                for turns in (short, long):
                    grown = worker.ask(
                        "grow",
                        session=session_id(str(turns)),
                        turns=turns,
                        seconds=worker.allowed(GROW_SECONDS),
                    )
                    if grown["turns"] < turns:
                        raise Failed(f"came to {grown['turns']:,} turns in {GROW_SECONDS} s")
        taken: dict[str, dict[str, list[float]]] = {
            name: {str(short): [], str(long): []} for name in contest.names()
        }
        for _ in range(setup.sized(8, 2)):
            for worker in contest.round():
                with contest.attempt(worker):
                    found = worker.ask(
                        "pages",
                        sessions=[session_id(str(short)), session_id(str(long))],
                        count=MESSAGES,
                        times=25,
                        seconds=0.5,
                    )
                    for turns in (short, long):
                        taken[worker.name][str(turns)] += found[session_id(str(turns))]
        names, absent = contest.names(), dict(contest.absent)
    ours = taken["perdure-full"]
    growth = median(ours[str(long)]) / median(ours[str(short)])
    return Report(
        tables=[
            Table(
                "A page, median / p99",
                [
                    "",
                    f"at {long:,} turns, of ours",
                    f"{long:,} / {short} turns",
                    f"of {short} turns",
                    f"of {long:,} turns",
                ],
                [
                    [
                        label(name),
                        ratio(median(taken[name][str(long)]), median(ours[str(long)])),
                        ratio(median(taken[name][str(long)]), median(taken[name][str(short)])),
                        both(taken[name][str(short)]),
                        both(taken[name][str(long)]),
                    ]
                    for name in CONTENDERS
                    if name in names
                ]
                + absent_rows(absent, 5),
            )
        ],
        budgets=[
            Budget(
                f"a history page of a session of {long:,} turns / of one of {short}",
                "at most 3x",
                f"{growth:.2f}x",
                growth <= 3,
            )
        ],
        notes=[NOTE] if "eventsourcing-cached" in names else [],
        figures={label(name): {n: median(v) for n, v in taken[name].items()} for name in names},
    )
