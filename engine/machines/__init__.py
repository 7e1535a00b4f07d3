"""Declare a lifecycle once; run it, prove it and print it from that declaration.

What runs a machine is loaded at once. What proves and prints it is loaded when it is first asked
for, because whoever embeds the engine asks for none of it, and should not wait for it on import.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from engine.machines.authority import Authority, Configuration, Token
from engine.machines.declaration import Machine
from engine.machines.expressions import Arg, Bound, Const, Expression, Next, Value, Var
from engine.machines.properties import (
    PHASE,
    Always,
    AlwaysPossible,
    LeadsTo,
    Property,
    Sometimes,
    implies,
    in_phase,
)
from engine.machines.session import LIFECYCLE, SESSION
from engine.machines.vocabulary import (
    Choice,
    Count,
    Flag,
    Identity,
    Row,
    Variable,
    Verb,
    row,
)

if TYPE_CHECKING:
    from engine.machines.builtin import BUILT_IN
    from engine.machines.checking import check
    from engine.machines.composition import (
        Synchronisation,
        at_most_one,
        compose,
        every,
        instances,
        some,
        within,
    )
    from engine.machines.graphs import Edge, Graph, Node, graph_of
    from engine.machines.model import Action, LeftOut, Model, Place, model_of
    from engine.machines.printing import contract, mermaid, promela, svg, tla, tla_config
    from engine.machines.reports import Moment, Report, Violation

__all__ = [
    "BUILT_IN",
    "LIFECYCLE",
    "PHASE",
    "SESSION",
    "Action",
    "Always",
    "AlwaysPossible",
    "Arg",
    "Authority",
    "Bound",
    "Choice",
    "Configuration",
    "Const",
    "Count",
    "Edge",
    "Expression",
    "Flag",
    "Graph",
    "Identity",
    "LeadsTo",
    "LeftOut",
    "Machine",
    "Model",
    "Moment",
    "Next",
    "Node",
    "Place",
    "Property",
    "Report",
    "Row",
    "Sometimes",
    "Synchronisation",
    "Token",
    "Value",
    "Var",
    "Variable",
    "Verb",
    "Violation",
    "at_most_one",
    "check",
    "compose",
    "contract",
    "every",
    "graph_of",
    "implies",
    "in_phase",
    "instances",
    "mermaid",
    "model_of",
    "promela",
    "row",
    "some",
    "svg",
    "tla",
    "tla_config",
    "within",
]

_LATER: Final = {
    "builtin": ("BUILT_IN",),
    "checking": ("check",),
    "composition": (
        "Synchronisation",
        "at_most_one",
        "compose",
        "every",
        "instances",
        "some",
        "within",
    ),
    "graphs": ("Edge", "Graph", "Node", "graph_of"),
    "model": ("Action", "LeftOut", "Model", "Place", "model_of"),
    "printing": ("contract", "mermaid", "promela", "svg", "tla", "tla_config"),
    "reports": ("Moment", "Report", "Violation"),
}
"""What is loaded when asked for, by the module that has it."""

_MODULES: Final = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return a name that is loaded when asked for. Raises AttributeError for any other."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found
