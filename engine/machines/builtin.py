"""The machines that perdure itself runs on, by the name they are checked and printed under."""

from typing import Final

from engine.machines.admission import ADMISSION
from engine.machines.declaration import Machine
from engine.machines.gate import GATE
from engine.machines.inputs import INPUT
from engine.machines.model import Model
from engine.machines.session import SESSION

BUILT_IN: Final[dict[str, Machine | Model]] = {
    "session": SESSION,
    "input": INPUT,
    "admission": ADMISSION,
    "gate": GATE,
}
