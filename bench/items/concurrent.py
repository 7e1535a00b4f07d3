"""Concurrent: 64 and 512 sessions at once, each a turn at a time, against one alone."""

from typing import Final

from bench.coordinator import Contest
from bench.report import (
    DURABILITY_NOTE,
    Budget,
    Report,
    Table,
    absent_rows,
    both_rates,
    durability,
    label,
    median,
    ratio,
)
from bench.setup import Setup

NAME: Final = "concurrent"
TITLE: Final = "Concurrent: many sessions at once"

FAST: Final = (
    "perdure-full",
    "perdure-normal",
    "perdure-slow-disk",
    "raw-full",
    "raw-normal",
    "raw-slow-disk",
)
CONTENDERS: Final = (
    *FAST,
    "full-snapshots",
    "openai-agents",
    "langgraph-sync",
    "langgraph-async",
    "eventsourcing",
    "eventsourcing-cached",
    "dbos",
    "dbos-wal",
)
NOTE: Final = (
    "A raw commit of many rows has a row of every session, in perdure's table: the speed of a "
    "group commit into that table when nothing but SQLite takes time. Contenders that block are "
    "called for one session after another, since SQLite has one writer at a time, and threads "
    "would wait for each other."
)
LENGTHS: Final = (
    "Sessions are new. One alone gets {alone} turns, each of 64 gets {many} and each of 512 "
    "{fewer}; of DBOS, which would take minutes, {slow}, {few} and {fewest}. Where a turn costs "
    "more the longer its session is, as of the naive design, LangGraph and eventsourcing, one "
    "alone is therefore slower than many for its length alone: their `/ one alone` is not what "
    "many gain, and only the columns of one number of sessions compare contenders. Begun are the "
    "sessions before the clock starts; a connection that a contender opens when a session first "
    "writes (of OpenAI Agents, for each session and thread) is opened within it. One alone records "
    "into a file that many sessions wrote to before, and a copying of the write-ahead log falls "
    "where it falls; so it is another figure than the latency under Append. The medians are "
    "of {rounds} rounds, of {slow_rounds} for all but perdure and the raw rows; so few that "
    "the 99th percentile is the slowest."
)
INDEX: Final = (
    "That is the limit of this table and not of the machine: it has a unique index by session id, "
    "which is text, and version, and many sessions write to as many places of it. Rows with an "
    "integer for the session, or without the index, were measured apart at a third to seven tenths "
    "of that; perdure has the index because it finds a session's events by it, and because it is "
    "what keeps two writers from recording the same version."
)
MANY: Final = (64, 512)
TURNS: Final = {1: 300, 64: 60, 512: 12}
SLOW_TURNS: Final = {1: 60, 64: 4, 512: 1}
SLOW: Final = ("dbos", "dbos-wal")
SLOW_ROUNDS: Final = 2


def measure(setup: Setup) -> Report:
    """Run the item."""
    rounds = setup.sized(7, 2)
    with Contest(setup, NAME, CONTENDERS) as contest:
        rates: dict[str, dict[int, list[float]]] = {
            name: {sessions: [] for sessions in TURNS} for name in contest.names()
        }
        for number in range(rounds + 1):
            for worker in contest.round():
                if number > SLOW_ROUNDS and worker.name not in FAST:
                    continue
                with contest.attempt(worker):
                    turns = SLOW_TURNS if worker.name in SLOW or setup.quick else TURNS
                    for sessions, each in turns.items():
                        rate = worker.ask("together", sessions=sessions, turns_each=each)
                        if number:  # the first round warms up
                            rates[worker.name][sessions].append(rate)
        settings, absent = dict(contest.settings), dict(contest.absent)
    middle: dict[str, dict[int, float]] = {
        name: {sessions: median(found) for sessions, found in rates[name].items()}
        for name in CONTENDERS
        if name in settings
    }
    ours = middle["perdure-full"]
    table = Table(
        "Turns a second, median / p99 of the rounds",
        [
            "",
            "durability",
            *(f"{sessions} at once, of ours" for sessions in MANY),
            *(f"{sessions} / one alone" for sessions in MANY),
            "one alone",
            *(f"{sessions} at once" for sessions in MANY),
        ],
        [
            [
                label(name),
                durability(settings[name]),
                *(ratio(found[sessions], ours[sessions]) for sessions in MANY),
                *(ratio(found[sessions], found[1]) for sessions in MANY),
                *(both_rates(rates[name][sessions]) for sessions in TURNS),
            ]
            for name, found in middle.items()
        ],
    )
    table.rows += absent_rows(absent, len(table.columns))
    limit = middle["raw-full"]
    return Report(
        tables=[table],
        budgets=[
            _budget(64, 12, ours, limit),
            _budget(512, 25, ours, limit),
            *(_on_a_slow_disk(n, least, middle) for n, least in ((64, 12), (512, 25))),
            _alone_on_a_slow_disk(middle),
        ],
        notes=[
            DURABILITY_NOTE,
            NOTE,
            LENGTHS.format(
                alone=TURNS[1],
                many=TURNS[64],
                fewer=TURNS[512],
                slow=SLOW_TURNS[1],
                few=SLOW_TURNS[64],
                fewest=SLOW_TURNS[512],
                rounds=rounds,
                slow_rounds=min(rounds, SLOW_ROUNDS),
            ),
        ],
        figures={
            label(name): {str(n): rate for n, rate in one.items()} for name, one in middle.items()
        },
    )


def _budget(sessions: int, least: int, ours: dict[int, float], limit: dict[int, float]) -> Budget:
    """Return the budget's line, with the arithmetic of the limit of this machine and table."""
    factor = ours[sessions] / ours[1]
    alone, row = 1e6 / limit[1], 1e6 / limit[sessions]
    turn, together = 1e6 / ours[1], 1e6 / ours[sessions]
    return Budget(
        f"{sessions} sessions at once / one alone, at `full`",
        f"at least {least}x",
        f"{factor:.1f}x",
        factor >= least,
        because=(
            f"One turn alone takes {turn:.0f} µs, so that {least}x would be {turn / least:.1f} µs "
            f"for each of {sessions} turns; it takes {together:.1f} µs. In perdure's table a raw "
            f"row takes {alone:.0f} µs by itself and {row:.1f} µs in a commit of {sessions}, "
            f"{alone / row:.1f}x. {INDEX} What many gain is the sync that they share, so that the "
            "ratio is the disk's as much as perdure's: see the same where a sync takes longer."
        ),
    )


def _on_a_slow_disk(sessions: int, least: int, middle: dict[str, dict[int, float]]) -> Budget:
    """Return the budget's line for a disk whose syncs take as long as on ordinary disks."""
    found = middle.get("perdure-slow-disk", {1: 1.0, sessions: 0.0})
    factor = found[sessions] / found[1]
    return Budget(
        f"{sessions} sessions at once / one alone, at `full`, where a sync takes 2 ms more",
        f"at least {least}x",
        f"{factor:.1f}x",
        factor >= least,
        because=(
            f"One turn alone takes {1e3 / found[1]:.2f} ms, and each of {sessions} "
            f"{1e6 / max(found[sessions], 1e-9):.0f} µs."
        ),
    )


def _alone_on_a_slow_disk(middle: dict[str, dict[int, float]]) -> Budget:
    """Return the line of one turn beside one raw row, on such a disk."""
    turn, row = (1e3 / middle[name][1] for name in ("perdure-slow-disk", "raw-slow-disk"))
    return Budget(
        "one durable turn at `full` / a raw `sqlite3` commit of the same bytes, where a sync takes "
        "2 ms more",
        "at most 1.3x",
        ratio(turn, row),
        turn <= 1.3 * row,
        because=f"A raw commit takes {row:.2f} ms there, and a turn {turn:.2f} ms.",
    )
