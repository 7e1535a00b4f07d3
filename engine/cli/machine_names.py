"""The machine that a command's argument names: a built-in one, or one of a user's module.

Invariants: an argument that names no machine is misuse, and so is any error that the user's module
raises while it is imported; only an interruption goes through.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import typer

from perdure.errors import PerdureError
from perdure.machines import BUILT_IN, Machine, Model


def find_machine(name: str) -> Machine | Model:
    """Return the machine of that name. Raises typer.BadParameter."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    if "" not in sys.path:
        sys.path.insert(0, "")
    module, colon, attribute = name.partition(":")
    if not colon:
        raise typer.BadParameter(
            f"there is no machine {name!r}; there are {', '.join(BUILT_IN)}, and module:NAME"
            f"{_meant(name)}"
        )
    found = _import(module)
    try:
        value = getattr(found, attribute)
    except AttributeError as error:
        has = ", ".join(_machines_of(found)) or "no machine at all"
        raise typer.BadParameter(f"{module} has no {attribute!r}; it has {has}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may compute its attributes when asked
        what = f"{type(error).__name__}: {error}"
        raise typer.BadParameter(f"{name} cannot be had: {what}") from error
    if not isinstance(value, Machine | Model):
        raise typer.BadParameter(f"{name} is no machine: its type is {type(value).__name__}")
    return value


def _import(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except PerdureError as error:
        raise typer.BadParameter(f"{module} cannot be imported: {error}") from error
    except BaseException as error:
        what = f"{type(error).__name__}: {error}"
        raise typer.BadParameter(f"{module!r} cannot be imported: {what}") from error


def _machines_of(module: ModuleType) -> list[str]:
    """Return the names of the module's machines, without the built-in ones it imports."""
    known = {id(one) for one in BUILT_IN.values()}
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, Machine | Model) and id(value) not in known
    ]


def _meant(name: str) -> str:
    """Return a suggestion for the name of a module, or of a machine behind a dot."""
    module, _, attribute = name.rpartition(".")
    if _is_here(name):
        found = _machines_of(_import(name))
        return f"; did you mean {' or '.join(f'{name}:{one}' for one in found) or name + ':NAME'}?"
    return f"; did you mean {module}:{attribute}?" if module else ""


def _is_here(name: str) -> bool:
    """Whether a module of that name lies below the working directory."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    path = Path(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
