"""Imports point down only, in no circle, and the pure layers know no clock, chance or database."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import perdure

PACKAGE = Path(perdure.__file__).parent  # of what is installed, source tree or wheel

LAYERS = {
    "perdure.errors": 0,
    "perdure.values": 1,
    "perdure.machines": 2,
    "perdure.aggregates": 3,
    "perdure.store": 4,
    "perdure.projections": 5,
    "perdure.runtime": 6,
    "perdure": 7,  # the package itself only re-exports
    "perdure.sync": 8,
    "perdure.contracts": 8,
    "perdure.testing": 8,
    "perdure.adapters": 9,
    "perdure.cli": 9,
}
NOT_YET = {"perdure.adapters"}
PURE = ("perdure.errors", "perdure.values", "perdure.machines", "perdure.aggregates")
IMPURE = {
    "time",
    "datetime",
    "random",
    "secrets",
    "uuid",
    "uuid_utils",
    "os",
    "asyncio",
    "threading",
    "sqlite3",
    "eventsourcing",
}
FOLDERS = ("engine", "projections")
"""Folders of the source tree, which an environment must never import by these names."""

ONLY_IN = {
    "transitions": ("machines/reference.py",),
    "numpy": ("machines/checker/visited_numpy.py", "machines/checker/search_numpy.py"),
    "eventsourcing": ("store/",),
}
"""Dependencies that only some places import."""

LONGEST_MODULE = 400


def layer_of(module: str) -> str | None:
    """Return the layer a dotted name lies in, None for what is not ours."""
    parts = module.split(".")
    if parts[0] != "perdure":
        return None
    return next(
        (name for n in (2, 1) if (name := ".".join(parts[:n])) in LAYERS and len(parts) >= n), None
    )


def name_of(path: str) -> str:
    """Return the dotted name of the module in a file of the package."""
    inner = path.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".")
    return f"perdure.{inner}".rstrip(".")


def texts(package: Path) -> dict[str, str]:
    """Return the source of every module of a package by its path, links followed."""
    found = {}
    for folder, _, names in os.walk(package, followlinks=True):
        for name in names:
            if name.endswith(".py"):
                path = Path(folder, name)
                found[path.relative_to(package).as_posix()] = path.read_text(encoding="utf-8")
    return dict(sorted(found.items()))


Imports = list[tuple[int, str]]


def imported(text: str, modules: set[str]) -> Iterator[tuple[int, str]]:
    """Yield every module that a file imports anywhere, also for types only, with its line.

    ``from package import module`` imports the module, and ``from package import name`` the package.
    """
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=0):
                for alias in names:
                    inner = f"{module}.{alias.name}"
                    yield node.lineno, inner if inner in modules or inner in LAYERS else str(module)
            case ast.ImportFrom():
                yield node.lineno, "."


TEXTS = texts(PACKAGE)
MODULES = {name_of(path) for path in TEXTS}
IMPORTS = {path: list(imported(text, MODULES)) for path, text in TEXTS.items()}


def problems(imports: dict[str, Imports]) -> list[str]:
    """Return everything that breaks the layering, a line each, given what each file imports."""
    found = [problem for path, some in imports.items() for problem in problems_of(path, some)]
    return found + circles({name_of(path): some for path, some in imports.items()})


def problems_of(path: str, imports: Imports) -> Iterator[str]:
    """Yield what is wrong with what one module imports."""
    module = name_of(path)
    if module != "perdure" and ".".join(module.split(".")[:2]) not in LAYERS:
        yield f"{path}: belongs to no layer"
        return
    layer = str(layer_of(module))
    for line, name in imports:
        below, where, top = layer_of(name), f"{path}:{line}", name.split(".")[0]
        if name == ".":
            yield f"{where}: imports relatively"
        elif top in FOLDERS:
            yield f"{where}: imports the folder {top}, which is perdure once it is installed"
        elif below is not None and below != layer and LAYERS[below] >= LAYERS[layer]:
            yield f"{where}: {layer} imports {name}"
        elif layer in PURE and top in IMPURE:
            yield f"{where}: {layer} is pure and imports {name}"
        elif top in ONLY_IN and not path.startswith(ONLY_IN[top]):
            yield f"{where}: imports {top}"


def circles(imports: dict[str, Imports]) -> list[str]:
    """Return every knot of modules that import each other, a line each.

    A package's ``__init__`` re-exports and is imported by the way; whoever imports the package by
    name imports it for what it re-exports, so that counts like any other import.
    """
    edges = {
        name: {other for _, other in some if other in imports and other != name}
        for name, some in imports.items()
    }
    reached = {name: reachable(name, edges) for name in edges}
    knots = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in edges
        if name in reached[name]
    }
    return [f"{knot[0]}: imports in a circle {' '.join(knot)}" for knot in sorted(knots)]


def reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    """Return every module that can be reached by one import or more."""
    found: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += edges[name]
    return found


def overlong(sources: dict[str, str]) -> list[str]:
    return [path for path, text in sources.items() if len(text.splitlines()) > LONGEST_MODULE]


def test_imports_point_down_only_in_no_circle_and_the_pure_layers_are_pure() -> None:
    assert problems(IMPORTS) == []


def test_every_layer_was_looked_at() -> None:
    looked_at = {layer_of(name_of(path)) for path in TEXTS}
    assert looked_at == set(LAYERS) - NOT_YET


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("machines/builtin/session.py", "import perdure.store", "imports perdure.store"),
        ("aggregates/session/events.py", "from perdure import store", "imports perdure.store"),
        ("store/links.py", "import perdure.runtime.core", "imports perdure.runtime.core"),
        ("projections/catalog.py", "from perdure import runtime", "imports perdure.runtime"),
        ("runtime/settings.py", "import perdure.sync", "imports perdure.sync"),
        ("sync/parts.py", "import perdure.testing", "imports perdure.testing"),
        ("adapters/some.py", "import perdure.cli.output", "imports perdure.cli.output"),
        ("machines/authority.py", "import time", "is pure and imports time"),
        ("aggregates/session/state.py", "from os import path", "is pure and imports os"),
        (
            "aggregates/session/commands.py",
            "def f() -> None:\n    import random",
            "is pure and imports random",
        ),
        ("values.py", "import eventsourcing.persistence", "is pure and imports eventso"),
        ("machines/authority.py", "import transitions", "imports transitions"),
        ("machines/checker/search.py", "import numpy as np", "imports numpy"),
        (
            "runtime/settings.py",
            "from eventsourcing.persistence import StoredEvent",
            "imports eventsourcing",
        ),
        ("projections/rows.py", "import eventsourcing", "imports eventsourcing"),
        ("aggregates/session/state.py", "from . import events", "imports relatively"),
        ("values.py", "import engine.errors", "imports the folder engine"),
        ("cli/output.py", "from projections import catalog", "imports the folder projections"),
        ("helpers.py", "import json", "belongs to no layer"),
        (
            "aggregates/session/events.py",
            "if False:\n    from perdure.aggregates.session.state import Session",
            "imports in a circle perdure.aggregates.session",
        ),
    ],
)
def test_a_planted_violation_is_found(path: str, line: str, complaint: str) -> None:
    planted = [*imported(f"{TEXTS.get(path, '')}\n{line}\n", MODULES)]
    found = set(problems({**IMPORTS, path: planted})) - set(problems(IMPORTS))
    assert [problem for problem in found if complaint in problem], found


def test_no_module_is_longer_than_can_be_read_in_one_sitting() -> None:
    assert overlong(TEXTS) == []


def test_an_overlong_module_is_found() -> None:
    longer = TEXTS["values.py"] + "\n" * LONGEST_MODULE
    assert overlong({**TEXTS, "values.py": longer}) == ["values.py"]


def loaded(statement: str) -> set[str]:
    """Return every module that a fresh Python has loaded after a statement."""
    script = f"import sys; {statement}; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_engine_loads_nothing_that_only_tests_or_the_command_line_need() -> None:
    top = {name for name in loaded("import perdure") if "." not in name}
    assert {"perdure", "msgspec", "eventsourcing"} <= top
    assert not top & {"typer", "rich", "transitions", "hypothesis", "pytest", "rfc8785", "numpy"}


def test_importing_the_engine_loads_nothing_that_proves_or_prints_machines() -> None:
    machines = {name for name in loaded("import perdure") if name.startswith("perdure.machines.")}
    assert machines
    assert not [name for name in machines if ".checker" in name or ".printing" in name]
    assert not machines & {
        f"perdure.machines.{name}"
        for name in ("language.model", "language.composition", "builtin.catalog", "reference")
    }


def test_importing_the_engine_does_not_load_the_audit() -> None:
    modules = loaded("import perdure")
    assert "perdure.projections.catalog" in modules
    audit = {name for name in modules if name.startswith("perdure.projections.audit")}
    assert audit == {"perdure.projections.audit", "perdure.projections.audit.findings"}


@pytest.mark.parametrize("package", ["perdure.machines", "perdure.projections"])
def test_every_public_name_is_there_when_it_is_asked_for(package: str) -> None:
    script = (
        f"import {package} as package\n"
        "for name in package.__all__: getattr(package, name)\n"
        "try: package.nothing\n"
        "except AttributeError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == f"module '{package}' has no attribute 'nothing'\n"
