"""Declare a lifecycle once; run it, prove it and print it from that declaration."""

from engine.machines.authority import Authority, Configuration, Token
from engine.machines.declaration import Machine
from engine.machines.expressions import Arg, Bound, Const, Expression, Value, Var
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
    "LIFECYCLE",
    "SESSION",
    "Arg",
    "Authority",
    "Bound",
    "Choice",
    "Configuration",
    "Const",
    "Count",
    "Expression",
    "Flag",
    "Identity",
    "Machine",
    "Row",
    "Token",
    "Value",
    "Var",
    "Variable",
    "Verb",
    "row",
]
