"""The command, run in this process or started in one of its own, and lines for it to import."""

import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

from typer.testing import CliRunner

from perdure.cli.application import application

TAKEN_OUT = ("PERDURE_DB", "COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE", "PYTHONUNBUFFERED")


class Ran(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


def perdure(*arguments: str, db: str | None = None, stdin: str | bytes = b"") -> Ran:
    """Run a command in this process."""
    chosen = () if db is None else ("--db", db)
    ran = CliRunner().invoke(
        application(), [*arguments, *chosen], input=stdin, env={"PERDURE_DB": None}
    )
    assert ran.exception is None or isinstance(ran.exception, SystemExit)
    return Ran(ran.exit_code, ran.stdout, ran.stderr)


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start the real command in a process of its own, its streams piped unless said otherwise."""
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    inherited = {name: value for name, value in os.environ.items() if name not in TAKEN_OUT}
    return subprocess.Popen(
        [*options.pop("under", ()), sys.executable, "-m", "perdure.cli", *arguments],
        env=inherited | options.pop("env", {}),
        **(streams | options),
    )


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"") -> Ran:
    """Wait for a started command."""
    out, err = process.communicate(stdin, timeout=60)
    return Ran(process.returncode, out.decode(), err.decode())


def line(session_id: str | None, *messages: Any, **others: Any) -> str:
    given_id = {} if session_id is None else {"id": session_id}
    return json.dumps({**given_id, "messages": messages, **others}, ensure_ascii=False) + "\n"


def import_(db: str, *lines: str | bytes, archive: bool = False) -> Ran:
    data = b"".join(one if isinstance(one, bytes) else one.encode() for one in lines)
    return perdure("import", "-", "--json", *["--archive"][: int(archive)], db=db, stdin=data)
