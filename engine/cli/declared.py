"""Declared machines as a command names them: a built-in, or ``module:NAME`` of a user's own.

Invariants: what names no machine is a usage error that says which there are.
"""

import importlib
import sys
from pathlib import Path

import typer

from engine.errors import InvalidMachine
from engine.machines import BUILT_IN, Machine, Model


def declared(name: str, *, option: str = "MACHINE") -> Machine | Model:
    """Return the machine or composition of this name.

    A module is looked for where Python looks, and in the working directory. Raises BadParameter,
    and InvalidMachine where the module declares a machine that is not well formed.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        known = ", ".join(BUILT_IN)
        raise typer.BadParameter(
            f"{name!r} is none of {known}, and not module:NAME", param_hint=option
        )
    found = _imported(module, option)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise typer.BadParameter(f"{module} has no {attribute!r}", param_hint=option)
        found = getattr(found, part)
    if not isinstance(found, Machine | Model):
        what = type(found).__name__
        raise typer.BadParameter(
            f"{name} is of the type {what}, not a Machine or a Model", param_hint=option
        )
    return found


def _imported(module: str, option: str) -> object:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except InvalidMachine:
        raise
    except Exception as error:
        raise typer.BadParameter(
            f"{module} cannot be imported: {type(error).__name__}: {error}", param_hint=option
        ) from error
