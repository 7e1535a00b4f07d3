"""The machines that perdure itself runs on, by the name they are checked and printed under.

Four by themselves, and two compositions: several sessions, and a session with all it works with.
"""

from typing import Final

from engine.machines.admission import ADMISSION
from engine.machines.declaration import Machine
from engine.machines.gate import GATE
from engine.machines.inputs import INPUT
from engine.machines.live import LIVE, SESSIONS
from engine.machines.model import Model
from engine.machines.session import SESSION

BUILT_IN: Final[dict[str, Machine | Model]] = {
    "session": SESSION,
    "input": INPUT,
    "admission": ADMISSION,
    "gate": GATE,
    "sessions": SESSIONS,
    "live": LIVE,
}
