"""The kind of run that a seed is, and the verbs that suit the state of a session.

Invariants: a shape follows from its seed alone.
"""

import random
from typing import Final, NamedTuple

from .logs import SessionLog
from .subscribers import BUFFERS

STEPS: Final = 60
RUNNING: Final = (
    "interrupt",
    "interrupt_as_the_machine",
    "cancel_after_boundary",
    "ingest",
    "ingest",
    "stop",
    "recover",
    "destroy",
    "retire",
    "append_context",
    "record_turn",
    "cancel_a_caller",
    "",
    "",
)
THE_MACHINE_S: Final = (
    "interrupt",
    "interrupt",
    "interrupt_as_the_machine",
    "cancel_after_boundary",
    "give_back",
    "",
)
THEMES: Final = {
    "": (),
    "the machine": (
        "take_control",
        "interrupt",
        "cancel_after_boundary",
        "interrupt_as_the_machine",
        "interrupt_with_a_forged_token",
        "release_the_adapter",
    ),
    "groups": ("join_mob", "archive_mob", "membership"),
    "forks": ("fork", "fork_again"),
    "snapshots": ("checkpoint_committed", "checkpoint", "discard_live"),
}
"""Verbs that a run asks for more often than others do, because only several of them matter."""
FAVOUR: Final = 6


class Shape(NamedTuple):
    """What kind of run a seed is."""

    steps: int
    sessions: int
    sites: int
    on_file: bool
    shuffled: bool
    crashes: float
    failing: float
    knows_the_dead: bool
    hurry: float
    checkpoints: bool
    subscribers: int
    buffered: int
    theme: str


def shape_of(seed: int, steps: int | None = None) -> Shape:
    """Return what kind of run a seed is: one in forty is large, one in eight on a real file."""
    chance = random.Random(f"shape {seed}")  # noqa: S311 - not for secrets
    large = seed % 40 == 7
    return Shape(
        steps=steps or (600 if large else chance.randint(STEPS // 2, STEPS * 2)),
        sessions=chance.randint(150, 300) if large else chance.choice((1, 2, 4, 10, 25)),
        sites=chance.choice((1, 2, 2, 3)),
        on_file=seed % 8 == 3,
        shuffled=chance.random() < 0.7,
        crashes=chance.choice((0.0, 0.03, 0.08, 0.15)),
        failing=chance.choice((0.0, 0.0, 0.0, 0.03)),
        knows_the_dead=chance.random() < 0.6,
        hurry=chance.choice((0.0, 0.02, 0.2)),
        checkpoints=chance.random() < 0.15,
        subscribers=chance.choice((0, 1, 1, 2, 4)),
        buffered=chance.choice(BUFFERS),
        theme=chance.choice(("", "", *THEMES)),
    )


def fitting(log: SessionLog, theme: str) -> tuple[str, ...]:
    """Return verbs that suit the state of the session, which chance alone seldom meets."""
    if theme == "groups":
        return ("archive_mob", "ingest", "apply_turn", "") if log.mobs else ("join_mob", "ingest")
    if log.current is not None:
        return THE_MACHINE_S if log.runs[log.current].machine_owned else RUNNING
    if log.calls:
        return (
            "stage_tool_results",
            "stage_tool_results",
            "abandon_call",
            "apply_turn",
            "record_turn",
            "stage_context",
            "append_context",
            "ingest",
            "",
        )
    if log.inputs:
        return ("abandon_input", "supersede_input", "coalesce_inputs", "apply_turn", "drain", "")
    if theme == "the machine":
        return ("take_control", "apply_turn", "apply_turn", "")
    group = ("leave_mob", "archive_mob") if log.mobs else ("",)
    if log.phase == "attached":
        return ("apply_turn", "apply_turn", "take_control", "detach", *group)
    return ("apply_turn", *group)
