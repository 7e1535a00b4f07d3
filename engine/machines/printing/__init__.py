"""Print a declared machine, or several together, in the languages that others read."""

from engine.machines.printing.contract import contract
from engine.machines.printing.mermaid import mermaid
from engine.machines.printing.promela import promela
from engine.machines.printing.svg import svg
from engine.machines.printing.tla import module_name, tla
from engine.machines.printing.tlc import tla_config

__all__ = [
    "contract",
    "mermaid",
    "module_name",
    "promela",
    "svg",
    "tla",
    "tla_config",
]
