"""The application: which commands there are, and their examples.

Invariants: every command has an example in its help; help is plain text.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple

import typer

from perdure import __version__
from perdure.cli.commands import audit, backup, check, demo, import_, read, spec, work
from perdure.cli.outcome import tell_unwritten


class _Command(NamedTuple):
    run: Callable[..., None]
    examples: tuple[str, ...]


_COMMANDS: Final = {
    "demo": _Command(demo.demo, ("perdure demo", "perdure demo --db memory: --json | jq .ok")),
    "import": _Command(
        import_.import_,
        (
            "perdure import transcripts.jsonl --archive",
            "zcat transcripts.jsonl.gz | perdure import -",
        ),
    ),
    "ls": _Command(
        read.ls,
        (
            "perdure ls --phase archived",
            "perdure ls --label team=support --json | jq -r '.[].session_id'",
        ),
    ),
    "show": _Command(read.show, ("perdure show trip-1", "perdure show trip-1 --json | jq .usage")),
    "history": _Command(
        read.history,
        (
            "perdure history trip-1 --offset 20 --limit 10",
            "perdure history trip-1 --json | jq -c '.messages[]'",
        ),
    ),
    "log": _Command(
        read.log, ("perdure log trip-1 | jq -r .tag", "perdure log trip-1 > trip-1.events.jsonl")
    ),
    "receipts": _Command(
        read.receipts, ("perdure receipts trip-1", "perdure receipts trip-1 --json")
    ),
    "inputs": _Command(
        work.inputs, ("perdure inputs trip-1", "perdure inputs trip-1 --json | jq -r '.[].state'")
    ),
    "calls": _Command(work.calls, ("perdure calls trip-1", "perdure calls trip-1 --json")),
    "fork": _Command(
        work.fork, ("perdure fork trip-1", "perdure fork trip-1 --at-message 4 --id trip-1b")
    ),
    "audit": _Command(
        audit.audit,
        (
            "perdure audit --jobs 4",
            "perdure audit --head heads.json",
            "perdure audit trip-1 trip-2 --json",
        ),
    ),
    "head": _Command(
        read.head, ("perdure head", "perdure head --json > heads.json   # keep it elsewhere")
    ),
    "backup": _Command(
        backup.backup,
        (
            "perdure backup tonight.db",
            "perdure backup /mnt/elsewhere/sessions.db --db sqlite:////var/lib/app/sessions.db",
        ),
    ),
    "restore": _Command(backup.restore, ("perdure restore tonight.db --db sqlite:///sessions.db",)),
    "check": _Command(
        check.check_,
        (
            "perdure check session --instances 2",
            "perdure check session --graph session.dot",
            "perdure check approvals:APPROVAL --json",
        ),
    ),
    "spec": _Command(
        spec.spec,
        ("perdure spec --check", "perdure spec mycode.approvals:APPROVAL --folder contracts"),
    ),
}


def application() -> typer.Typer:
    """Return the command line, ready to be called."""
    app = typer.Typer(
        name="perdure",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=_epilog(("perdure demo", "perdure COMMAND --help")),
    )
    app.callback()(_perdure)
    for name, command in _COMMANDS.items():
        app.command(name, epilog=_epilog(command.examples))(command.run)
    return app


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    try:
        application()(prog_name="perdure")
    except OSError as error:  # printing help; a command reports its own
        sys.exit(tell_unwritten(error))


def _print_version(given: Any) -> None:
    if given:
        typer.echo(f"perdure {__version__}")
        raise typer.Exit


def _perdure(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Sessions of AI agents: one durable commit and one verifiable receipt per turn."""


def _epilog(examples: tuple[str, ...]) -> str:
    """Return the examples as an epilog that help does not wrap."""
    return "\n".join(("\b", "Examples:", *(f"  {example}" for example in examples)))
