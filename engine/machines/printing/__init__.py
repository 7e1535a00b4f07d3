"""Print a declared machine, or several together, in the languages that others read."""

from perdure.machines.printing.contract import contract
from perdure.machines.printing.mermaid import mermaid
from perdure.machines.printing.promela import promela
from perdure.machines.printing.svg import svg
from perdure.machines.printing.tla import module_name, tla
from perdure.machines.printing.tlc import tla_config

__all__ = [
    "contract",
    "mermaid",
    "module_name",
    "promela",
    "svg",
    "tla",
    "tla_config",
]
