"""A worker: a process with one contender, asked over pipes, a JSON line for each request.

Invariants: it imports its contender before it says that it is ready; the contender's output goes
to stderr, so that stdout has answers only; a failure is an answer, too.

    python -m bench.worker CONTENDER FILE
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.contenders import load, preload
from bench.operations import perform


async def serve(name: str, path: Path) -> None:
    """Answer requests until they end."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(document: Any) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    try:
        preload(name)
        contender = load(name, path)
    except Exception as error:  # noqa: BLE001 - the table names any error
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    answer({"answer": "ready"})
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            answer({"answer": await perform(contender, json.loads(line))})
        except Exception as error:  # noqa: BLE001 - the same
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
