"""History: the newest 50 messages of a long session, against those of a short one.

perdure is asked twice: where the session is live, and in a process that has only just opened the
file and never folded it. There, how many messages there are is what `history` itself says.
"""

from typing import Final

from bench.coordinator import PATIENCE, Contest, Failed, settle, working
from bench.report import Budget, Report, Table, absent_rows, both, label, median, ratio, seconds
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
LIVE: Final = "perdure, full, live"
COLD: Final = "perdure, full, in a fresh process"
NOTE: Final = (
    "A live session's message count is in memory. A fresh process is started for each page: its "
    "clock starts when the file is open, and it asks `history` twice, for the count and for the "
    "page, without folding the session. The others are asked in the process that recorded."
)
TIME_NOTE: Final = (
    f"A contender has {GROW_SECONDS} s to record each session; perdure and the contenders written "
    f"in this project have {PATIENCE} times as long. One that did not reach the last turn is "
    "absent."
)
CACHED_NOTE: Final = (
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
        cold: dict[str, list[float]] = {str(short): [], str(long): []}
        for _ in range(setup.sized(25, 3)):
            for turns in (short, long):
                settle()
                with working(
                    setup, "perdure-full", setup.folder / f"{NAME}-perdure-full.db"
                ) as one:
                    one.ask("open")
                    cold[str(turns)].append(
                        one.ask("cold_page", session=session_id(str(turns)), count=MESSAGES)
                    )
        names, absent = contest.names(), dict(contest.absent)
    ours = taken["perdure-full"]
    shown = {LIVE: ours, COLD: cold}
    shown |= {label(name): taken[name] for name in CONTENDERS[1:] if name in names}
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
                        name,
                        ratio(median(found[str(long)]), median(ours[str(long)])),
                        ratio(median(found[str(long)]), median(found[str(short)])),
                        both(found[str(short)]),
                        both(found[str(long)]),
                    ]
                    for name, found in shown.items()
                ]
                + absent_rows(absent, 5),
            )
        ],
        budgets=[
            Budget(
                f"a history page of a session of {long:,} turns / of one of {short}, {which}",
                "at most 3x",
                ratio(median(found[str(long)]), median(found[str(short)])),
                median(found[str(long)]) <= 3 * median(found[str(short)]),
                because=(
                    f"The page of {short} turns takes {seconds(median(found[str(short)]))}, that "
                    f"of {long:,} {seconds(median(found[str(long)]))}."
                ),
            )
            for which, found in (("live", ours), ("in a fresh process", cold))
        ],
        notes=[NOTE, TIME_NOTE, *([CACHED_NOTE] if "eventsourcing-cached" in names else [])],
        figures={
            name: {turns: median(values) for turns, values in found.items()}
            for name, found in shown.items()
        },
    )
