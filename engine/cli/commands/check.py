"""The check command: every state that a machine can reach, held against its properties.

Invariants: the exit code is 0 only if everything holds everywhere; a limit that was met is a
failure; an argument that names no machine is misuse, reported before anything is searched.
"""

import contextlib
import functools
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from perdure.cli.commands.audit import run_uninterrupted
from perdure.cli.machine_names import find_machine
from perdure.cli.options import AsJson
from perdure.cli.outcome import FAILED, answer_command
from perdure.cli.output import CommandAnswer, search_progress
from perdure.errors import InvalidArgument, Unsupported
from perdure.machines import BUILT_IN, Model, Report, check, graph_of
from perdure.machines.checker.check import MAX_STATES

_Found = tuple[Report, str]
"""A report, and why it was made without symmetry, if it was to be with it."""

_SUFFIXES: Final = (".dot", ".gv", ".json")


def _known(name: str | None) -> str | None:
    if name is not None:
        find_machine(name)
    return name


def _drawable(path: Path | None) -> Path | None:
    if path is not None and path.suffix not in _SUFFIXES:
        raise typer.BadParameter(f"{path} ends in none of {', '.join(_SUFFIXES)}")
    if path is not None and not _writable(path):
        raise typer.BadParameter(f"{path} cannot be written")
    return path


def _writable(path: Path) -> bool:
    """Whether there is a folder to write the file in, and leave to do it."""
    return (
        os.access(path, os.W_OK) and path.is_file()
        if path.exists()
        else (path.parent.is_dir() and os.access(path.parent, os.W_OK))
    )


def check_(
    machine: Annotated[
        str | None,
        typer.Argument(
            metavar="MACHINE",
            callback=_known,
            show_default=False,
            help=f"{', '.join(BUILT_IN)}, or module:NAME of your own; all, if none is named.",
        ),
    ] = None,
    *,
    instances: Annotated[
        int, typer.Option(min=1, metavar="N", help="So many of a machine side by side.")
    ] = 1,
    symmetry: Annotated[
        bool, typer.Option("--symmetry", help="Count interchangeable parts once.")
    ] = False,
    graph: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=_drawable, help="Write all that is reached: .dot or .json."
        ),
    ] = None,
    max_states: Annotated[
        int, typer.Option(min=1, metavar="N", help="Give up beyond so many states.")
    ] = MAX_STATES,
    jobs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Check so many machines at once.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Check machines exhaustively: the shortest way to break a property, or none."""
    names = list(BUILT_IN) if machine is None else [machine]
    if graph is not None and machine is None:
        raise typer.BadParameter("a graph is of one machine: name it", param_hint="MACHINE")
    if machine is None and instances > 1:
        raise typer.BadParameter("instances are of one machine: name it", param_hint="MACHINE")
    if machine is not None and instances > 1 and isinstance(find_machine(machine), Model):
        raise typer.BadParameter(
            f"{machine} is composed already; only a single machine has instances",
            param_hint="--instances",
        )
    with answer_command(as_json=as_json) as answer:
        one = functools.partial(
            _checked if machine is not None or not symmetry else _checked_as_can_be,
            instances=instances,
            symmetry=symmetry,
            max_states=max_states,
        )
        if jobs == 1 or len(names) == 1:
            found = [one(name, shown=True) for name in names]
        else:
            found = run_uninterrupted(lambda: _in_processes(one, names, jobs))
        reports = [report for report, _ in found]
        if not all(report.ok for report in reports):
            answer.exit_code = FAILED
        if as_json:
            answer.document(reports if machine is None else reports[0])
        else:
            for report in reports:
                answer.line(str(report))
        for name, (_, without) in zip(names, found, strict=True):
            if without:
                answer.problem(f"{name} was checked without symmetry: {without}")
        if symmetry and not any(report.reduced for report in reports):
            answer.problem(f"no parts of {', '.join(names)} are interchangeable: nothing is saved")
        if graph is not None:
            sys.stdout.flush()
            _write(answer, graph, names[0], instances)


def _checked(
    name: str, *, instances: int, symmetry: bool, max_states: int, shown: bool = False
) -> _Found:
    machine = find_machine(name)
    count = 1 if isinstance(machine, Model) else instances
    with search_progress(name) if shown else contextlib.nullcontext() as progress:
        report = check(
            machine, instances=count, symmetry=symmetry, max_states=max_states, progress=progress
        )
        return report, ""


def _checked_as_can_be(
    name: str, *, instances: int, symmetry: bool, max_states: int, shown: bool = False
) -> _Found:
    """Check one of all machines, without symmetry where that cannot be."""
    one = functools.partial(_checked, name, instances=instances, max_states=max_states, shown=shown)
    try:
        return one(symmetry=symmetry)
    except Unsupported as refusal:
        return one(symmetry=False)[0], str(refusal)


def _in_processes(one: Callable[[str], _Found], names: list[str], jobs: int) -> list[_Found]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        return list(pool.map(one, names))


def _write(answer: CommandAnswer, path: Path, name: str, instances: int) -> None:
    """Write the graph, or say why there is none."""
    try:
        graph = graph_of(find_machine(name), instances=instances)
        encoded = (
            msgspec.json.encode(graph) + b"\n" if path.suffix == ".json" else graph.dot().encode()
        )
        path.write_bytes(encoded)
    except InvalidArgument as error:
        answer.problem(f"{path} is not written: {error}")
        answer.exit_code = FAILED
    except OSError as error:
        answer.problem(f"{path} cannot be written: {error.strerror}")
        answer.exit_code = FAILED
