"""How large the built-in machines are, pinned: a change of them is meant, or a fault."""

from typing import Final

COUNTS: Final = {
    "session": (234, 4_273, 8),
    "input": (65, 89, 9),
    "admission": (13, 31, 5),
    "gate": (3, 8, 1),
    "sessions": (54_756, 1_999_297, 16),
    "live": (13_806, 260_887, 23),
}
"""For each machine its distinct states, its transitions and its depth."""
