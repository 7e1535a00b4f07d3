"""How a command ends: its answer, its error and its exit code.

Invariants: no traceback reaches a user unless PERDURE_DEBUG asks for it; with ``--json`` a failure
is one document on stdout too, but for a command line that cannot be read, which prints its usage on
stderr alone; a reader that has gone is no error worth a word.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any, Final

import typer

from perdure.cli.output import CommandAnswer
from perdure.errors import InvalidArgument, PerdureError

FAILED: Final = 1
MISUSED: Final = 2
NOTHING_COMPARED: Final = 3
INTERRUPTED: Final = 130
NO_READER: Final = 141

DEBUG: Final = "PERDURE_DEBUG"

_GIVEN: Final = frozenset(
    ("url", "db", "head", "offset", "limit", "after", "session_id", "new_session_id")
)
"""Parameters that the user typed, so that a malformed one is misuse and no finding."""


@contextlib.contextmanager
def answer_command(*, as_json: bool) -> Iterator[CommandAnswer]:
    """Give a command its answer to fill, and end the command as its outcome says."""
    answer = CommandAnswer(as_json=as_json)
    told = False
    try:
        try:
            yield answer
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place to tell it
            answer.exit_code = _tell(answer, error)
            told = not as_json  # a document is only told once stdout is flushed
            sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        answer.exit_code = NO_READER
    except OSError as error:
        _abandon_stdout()
        if not told:
            answer.problem(f"the answer cannot be written: {error.strerror}")
        answer.exit_code = FAILED
    raise typer.Exit(answer.exit_code)


def _tell(answer: CommandAnswer, error: BaseException) -> int:
    """Print the error, in one line or one document; return the exit code."""
    code, message, data = _described(error)
    if answer.as_json:
        answer.document({"error": {"code": code, "message": message, "data": data}})
    else:
        answer.problem(f"{message} [{code}]")
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error)
    if code == InvalidArgument.code and data.get("parameter") in _GIVEN:
        return MISUSED
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED


def _described(error: BaseException) -> tuple[str, str, dict[str, Any]]:
    match error:
        case PerdureError():
            return error.code, str(error), error.data
        case KeyboardInterrupt():
            return "INTERRUPTED", "interrupted; the turns recorded so far are kept", {}
        case OSError(strerror=str(reason)):
            what = reason if error.filename is None else f"{error.filename}: {reason}"
            return "SYSTEM_ERROR", what, {"errno": error.errno, "file": error.filename}
        case _:
            what = f"unexpected {type(error).__name__}: {error}"
            please = f"this is a bug, please report it ({DEBUG}=1 shows where)"
            return "INTERNAL_ERROR", f"{what}; {please}", {}


def tell_unwritten(error: OSError) -> int:
    """Print that help or usage could not be written; return the exit code."""
    _abandon_stdout()
    sys.stderr.write(f"perdure: this cannot be written: {error.strerror}\n")
    return FAILED


def _abandon_stdout() -> None:
    """Discard buffered output, so that leaving the process does not try to write it again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
