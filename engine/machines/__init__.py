"""Declare a lifecycle once; run it, prove it and print it from that declaration."""

from engine.machines.authority import Authority, Configuration, Token
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
from engine.machines.declaration import Machine
from engine.machines.expressions import Arg, Bound, Const, Expression, Next, Value, Var
from engine.machines.graphs import Edge, Graph, Node, graph_of
from engine.machines.model import Action, Model, Place, model_of
from engine.machines.printing import contract, mermaid, promela, svg, tla, tla_config
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
from engine.machines.reports import Moment, Report, Violation
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
