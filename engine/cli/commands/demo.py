"""The demo: bundled transcripts through the whole lifecycle, then every promise checked.

Invariants: it uses the engine as anyone else does; digests are recomputed with the standard library
alone; run again on the same database it appends nothing.
"""

import asyncio
import hashlib
import json
from importlib import resources
from typing import Any, Final

import msgspec

from perdure.cli.commands.audit import print_report
from perdure.cli.importer.record import record
from perdure.cli.importer.transcripts import Transcript, read_line
from perdure.cli.options import DEFAULT_URL, AsJson, Database
from perdure.cli.outcome import FAILED, answer_command
from perdure.cli.output import CommandAnswer
from perdure.cli.render import session_document
from perdure.projections import AuditReport, SessionView
from perdure.runtime import Engine
from perdure.values import Receipt

_LABELS: Final = {"source": "demo"}

_LEFT_LIVE: Final = "demo-weekly-numbers"
_LEFT_RETIRED: Final = "demo-cena-sevilla"


class _DemoSession(msgspec.Struct, frozen=True, kw_only=True):
    """One session after its way through the lifecycle, with the digests recomputed for it."""

    view: SessionView
    appended: int
    receipts: list[Receipt]
    recomputed: list[str]

    def digests_agree(self) -> bool:
        """Whether every receipt carries the digest that was recomputed."""
        return [one.conversation_digest for one in self.receipts] == self.recomputed


def demo(*, db: Database = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show the main job: record bundled transcripts, prove every receipt, audit the log."""
    with answer_command(as_json=as_json) as answer:
        sessions, report = asyncio.run(_demonstrate(db))
        if not (report.ok and all(one.digests_agree() for one in sessions)):
            answer.exit_code = FAILED
        if as_json:
            answer.document(_document(sessions, report))
        else:
            _print(answer, db, sessions, report)


async def _demonstrate(url: str) -> tuple[list[_DemoSession], AuditReport]:
    async with Engine.open(url) as engine:
        sessions = await asyncio.gather(*(_drive(engine, one) for one in _bundled()))
        return sessions, await engine.audit()


def _bundled() -> list[Transcript]:
    text = resources.files(__package__).joinpath("transcripts.jsonl").read_bytes()
    return [found for line in text.splitlines() if (found := read_line(line)) is not None]


async def _drive(engine: Engine, transcript: Transcript) -> _DemoSession:
    """Take one session as far through the lifecycle as it goes here."""
    name = transcript.session_id
    recorded = await record(engine, transcript, labels=_LABELS)
    view = await engine.read(name)
    before = view.version - recorded.events
    if name == _LEFT_LIVE:
        await engine.checkpoint(name)
    elif name == _LEFT_RETIRED:
        await engine.retire(name, reason="no more tables")
        await engine.checkpoint(name)
    elif view.phase != "archived":
        await engine.checkpoint(name)
        await engine.retire(name, reason="done")
        await engine.archive(name, reason="done")
    view = await engine.read(name)
    receipts = await engine.receipts(name)
    messages = [message for turn in transcript.turns for message in turn.messages]
    return _DemoSession(
        view=view,
        appended=view.version - before,
        receipts=receipts,
        recomputed=[_digest(messages[: one.message_count]) for one in receipts],
    )


def _digest(messages: list[dict[str, Any]]) -> str:
    """Return the conversation digest as anyone can compute it, with json and hashlib."""
    text = json.dumps(messages, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _document(sessions: list[_DemoSession], report: AuditReport) -> dict[str, Any]:
    return {
        "ok": report.ok and all(one.digests_agree() for one in sessions),
        "appended": sum(one.appended for one in sessions),
        "sessions": [
            session_document(one.view)
            | {"receipts": one.receipts, "digests_agree": one.digests_agree()}
            for one in sessions
        ],
        "audit": report,
    }


def _print(
    answer: CommandAnswer, url: str, sessions: list[_DemoSession], report: AuditReport
) -> None:
    appended = sum(one.appended for one in sessions)
    answer.line(f"{len(sessions)} transcripts, through the lifecycle, into {url}")
    answer.line(
        f"{appended} events appended"
        if appended
        else "nothing was appended: all of it was recorded before"
    )
    answer.line()
    answer.table(
        ("session_id", "phase", "version", "turns", "messages"),
        [
            (
                one.view.id,
                one.view.phase,
                one.view.version,
                len(one.receipts),
                one.view.message_count,
            )
            for one in sessions
        ],
    )
    answer.line()
    rows = [
        (one.view.id, turn, receipt.message_count, receipt.conversation_digest, _verdict(same=same))
        for one in sessions
        for turn, (receipt, same) in enumerate(_compared(one), 1)
    ]
    answer.table(("session_id", "turn", "messages", "conversation_digest", "recomputed"), rows)
    answer.line()
    agreeing = sum(same for one in sessions for _, same in _compared(one))
    answer.line(
        f"{agreeing} of {len(rows)} digests are what json and hashlib alone make of the transcripts"
    )
    print_report(answer, report)


def _compared(session: _DemoSession) -> list[tuple[Receipt, bool]]:
    return [
        (receipt, receipt.conversation_digest == digest)
        for receipt, digest in zip(session.receipts, session.recomputed, strict=True)
    ]


def _verdict(*, same: bool) -> str:
    return "same" if same else "DIFFERENT"
