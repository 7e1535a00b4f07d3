"""Declare a lifecycle once; run it, prove it and print it from that declaration.

The modules that run a machine are loaded at once. Those that check and print it are loaded on first
use, so that a program that embeds the engine does not wait for them on import.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from perdure.machines.authority import Authority, Configuration, Token
from perdure.machines.builtin.session import LIFECYCLE, SESSION
from perdure.machines.language.expressions import Arg, Bound, Const, Expression, Next, Value, Var
from perdure.machines.language.machine import Machine
from perdure.machines.language.properties import (
    PHASE,
    Always,
    AlwaysPossible,
    LeadsTo,
    Property,
    Sometimes,
    implies,
    in_phase,
)
from perdure.machines.language.vocabulary import (
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
    from perdure.machines.builtin.catalog import BUILT_IN
    from perdure.machines.checker.check import check
    from perdure.machines.checker.graph import Edge, Graph, Node, graph_of
    from perdure.machines.checker.report import Moment, Report, Violation
    from perdure.machines.language.composition import (
        Synchronisation,
        at_most_one,
        compose,
        every,
        instances,
        some,
        within,
    )
    from perdure.machines.language.model import Action, LeftOut, Model, Place, model_of
    from perdure.machines.printing import contract, mermaid, promela, svg, tla, tla_config

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
    "builtin.catalog": ("BUILT_IN",),
    "checker.check": ("check",),
    "language.composition": (
        "Synchronisation",
        "at_most_one",
        "compose",
        "every",
        "instances",
        "some",
        "within",
    ),
    "checker.graph": ("Edge", "Graph", "Node", "graph_of"),
    "language.model": ("Action", "LeftOut", "Model", "Place", "model_of"),
    "printing": ("contract", "mermaid", "promela", "svg", "tla", "tla_config"),
    "checker.report": ("Moment", "Report", "Violation"),
}
"""The names that are loaded on first use, by the module that has them."""

_MODULES: Final = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return a name that is loaded when asked for. Raises AttributeError for any other."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found
