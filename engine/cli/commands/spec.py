"""The spec command: print what machines, the log format and its digests promise, or compare.

Invariants: comparing writes nothing; writing removes nothing; the exit code of a comparison is 0
only if every file is as it should be.
"""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.cli.machine_names import find_machine
from perdure.cli.options import AsJson
from perdure.cli.outcome import FAILED, answer_command
from perdure.cli.output import CommandAnswer
from perdure.contracts import documents, drift, folder_of, machine_documents, write
from perdure.machines import BUILT_IN
from perdure.machines import check as explore

_LEFT_OVER: Final = "left over"

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MACHINE",
        help=f"{', '.join(BUILT_IN)}, or module:NAME of your own; without any, everything.",
        show_default=False,
    ),
]


def spec(
    names: Names = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; name each file that differs.")
    ] = False,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the files are.", file_okay=False)
    ] = Path("specs"),
    as_json: AsJson = False,
) -> None:
    """Write specs/ (contracts, TLA+ and diagrams; schemas and test vectors), or compare."""
    machines = {name: find_machine(name) for name in names or ()}
    folders: dict[str, str] = {}
    for name, model in machines.items():
        other = folders.setdefault(folder_of(name, model), name)
        if other != name:
            raise typer.BadParameter(
                f"{other} and {name} would be written to the same folder: give them other names",
                param_hint="MACHINE",
            )
    with answer_command(as_json=as_json) as answer:
        reports = {name: explore(model) for name, model in machines.items()}
        files = (
            {
                f"machines/{folder_of(name, model)}/{file}": text
                for name, model in machines.items()
                for file, text in machine_documents(name, model, reports[name]).items()
            }
            if machines
            else documents()
        )
        before = drift(folder, files, whole=not machines)
        if check:
            answer.exit_code = FAILED if before else 0
        else:
            write(folder, files)
        broken = [name for name, report in reports.items() if not report.ok]
        held = {"holds": not broken} if machines else {}
        answer_with(answer, folder, len(files), before, checked=check, **held)
        for name in broken:
            answer.problem(f"{name} does not hold: `perdure check {name}` shows why")


def answer_with(
    answer: CommandAnswer,
    folder: Path,
    count: int,
    before: dict[str, str],
    *,
    checked: bool,
    **held: bool,
) -> None:
    """Name the files that differ, or were written; files that are left over stay, and are named.

    ``held`` goes into the document: whether all that the named machines promise holds.
    """
    if answer.as_json:
        document: dict[str, Any] = {
            "folder": str(folder),
            "ok": not before if checked else True,
            **held,
            "files": count,
            "drift" if checked else "changed": [
                {"path": path, "problem": problem} for path, problem in before.items()
            ],
        }
        answer.document(document)
        return
    for path, problem in before.items():
        if checked or problem == _LEFT_OVER:
            answer.line(f"{folder / path}: {problem}")
    changed = sum(problem != _LEFT_OVER for problem in before.values())
    if not checked:
        answer.line(f"{count} files in {folder}, of which {changed} changed")
    elif before:
        answer.line(f"{len(before)} of {count} files differ; `perdure spec` writes them")
    else:
        answer.line(f"{count} files in {folder} are as they should be")
