"""Declare a lifecycle once; run it, prove it and print it from that declaration."""

from engine.machines.authority import Authority, Configuration, Token
from engine.machines.declaration import (
    Choice,
    Count,
    Flag,
    Identity,
    Machine,
    Row,
    Variable,
    Verb,
    row,
)
from engine.machines.expressions import Arg, Bound, Const, Expression, Value, Var
from engine.machines.session import LIFECYCLE, SESSION

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
