"""A machine's folder: its contract, its TLA+ with configurations, its diagrams.

Invariants: every file names its kind, its source and the command that prints it again; the counts
are those of a check made now.
"""

import re
from typing import Final

from perdure.machines import Machine, Model, Report
from perdure.machines.printing import (
    contract,
    mermaid,
    module_name,
    svg,
    tla,
    tla_config,
)

AGAIN: Final = "perdure spec"
_TLC: Final = "\\*"  # begins a comment


def folder_of(name: str, model: Machine | Model) -> str:
    """Return the name of a machine's folder: a built-in's own, or one from a user's name."""
    return re.sub(r"\W+", "-", model.name if ":" in name else name).strip("-") or "machine"


def machine_documents(name: str, model: Machine | Model, report: Report) -> dict[str, str]:
    """Return the text of every file of the machine's folder, by its name in it.

    ``name`` is the command's name for the machine: that of a built-in, or ``module:NAME``.
    """
    module = module_name(model)
    files = {
        "contract.md": _page(name, module, model, report),
        f"{module}.tla": _tla(name, module, model),
        "ci.cfg": _told(name, _TLC, "A bounded configuration for TLC") + tla_config(model),
        "deep.cfg": _told(name, _TLC, "A larger configuration for TLC, for a longer run")
        + tla_config(model, deep=True),
        "diagram.mmd": _told(name, "%%", "A diagram, in Mermaid") + mermaid(model),
    }
    if isinstance(model, Machine):
        files["diagram.svg"] = f"<!-- {_provenance(name, 'A diagram')} -->\n{svg(model)}"
    return files


def _provenance(name: str, what: str) -> str:
    again = AGAIN if ":" not in name else f"{AGAIN} {name}"
    source = f"the declared machine {name}"
    return f"{what}, printed from {source} by `{again}`. Do not edit; print again."


def _told(name: str, comment: str, what: str) -> str:
    return f"{comment} {_provenance(name, what)}\n"


def _tla(name: str, module: str, model: Machine | Model) -> str:
    """Return the module; what stands before it is no part of it for a TLA+ parser."""
    return (
        f"{_provenance(name, 'A TLA+ module')}\n"
        f"Check it: java -cp tla2tools.jar tlc2.TLC -config ci.cfg {module}.tla\n"
        "TLC must report the distinct states that contract.md pins. deep.cfg is the larger run.\n\n"
        f"{tla(model)}"
    )


def _page(name: str, module: str, model: Machine | Model, report: Report) -> str:
    drawn = "[diagram.svg](diagram.svg), " if isinstance(model, Machine) else ""
    return (
        f"<!-- {_provenance(name, 'A contract')} -->\n\n"
        f"{contract(model, report)}\n"
        "## Beside this page\n\n"
        f"Printed from the same declaration: {drawn}[diagram.mmd](diagram.mmd) (Mermaid), "
        f"[{module}.tla]({module}.tla) (TLA+), [ci.cfg](ci.cfg) (TLC with the checked bounds) and "
        "[deep.cfg](deep.cfg) (TLC with larger ones).\n"
    )
