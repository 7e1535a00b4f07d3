"""Handing the engine snapshots: right ones, old ones, and ones that no log led to.

Invariants: a kept snapshot is the fold of the log; any other is refused, and changes nothing.
"""

from types import SimpleNamespace
from typing import Any, Final

import msgspec

from perdure import Conflict
from perdure.projections.snapshots import encode_snapshot, load
from perdure.store import Mapper, MemoryDerived, links

from .calls import Call

_MAPPER: Final = Mapper()
_ALTERATIONS: Final[dict[str, Any]] = {
    "version": 1_000_000,
    "session_id": "somebody else",
    "conversation_digest": "0" * 64,
    "format": 1,
    "labels": {"of": "nobody"},
    "usage": {"input_tokens": 7, "output_tokens": 7},
    "runs": {},
    "keys": {},
    "inputs": {},
    "staged": [],
    "mobs": ["nobody's"],
}
"""A forger's values for a snapshot's fields, sealed again: the first four open no session, the
others would open one in which something is forgotten or invented."""


async def checkpoint_committed(call: Call) -> None:
    """Hand a snapshot over: of now, of long ago, of another session, or forged."""
    log, chance = call.log, call.chance
    right = log.version and call.often(0.6)
    if right:
        version = chance.choice((log.version, chance.randint(1, log.version)))
        snapshot = _folded(call, call.id, version)
        call.world.seen["a stale snapshot was handed over"] += version < log.version
    else:
        snapshot = _forged(call)
        call.refused_for_certain = True
        if log.version:
            call.certain = (Conflict,)
    call.world.say(f"snapshot {snapshot!r}")
    kept = call.world.durable.observed[1].snapshot(call.id)
    await call.engine.checkpoint_committed(call.id, snapshot)
    if right and kept is None and not call.world.failing:
        now = call.world.durable.observed[1].snapshot(call.id)
        call.must(now is None or now[0] >= version, "G6", f"a snapshot of {version} was lost")


def _folded(call: Call, session_id: str, version: int) -> bytes:
    """Return the snapshot that a session's log leads to at a version, from the log alone."""
    store: Any = SimpleNamespace(
        recorder=call.world.durable.observed[0], derived=MemoryDerived(), leases=None
    )
    folded, _ = load(store, _MAPPER, session_id, upto=version)
    assert folded is not None
    return encode_snapshot(folded.state, folded.head)


def _forged(call: Call) -> bytes:
    log, chance = call.log, call.chance
    others = [name for name, one in call.world.known.logs.items() if one.version and name != log.id]
    if not log.version or call.often(0.2):
        return bytes(chance.choice((b"", b"{}", b"[1]", b"\xff", b'{"version":0}', b"null")))
    if others and call.often(0.3):
        other = call.world.log(chance.choice(others))
        return _folded(call, other.id, other.version)
    snapshot = _folded(call, call.id, log.version)
    if call.often(0.5):  # one bit, wherever it is
        place = chance.randrange(len(snapshot))
        changed = bytes([snapshot[place] ^ 1 << chance.randrange(7)])
        return snapshot[:place] + changed + snapshot[place + 1 :]
    fields = msgspec.json.decode(snapshot, type=dict[str, msgspec.Raw])
    fields.pop("link")
    forged = {name: msgspec.json.encode(one) for name, one in _ALTERATIONS.items()}
    what = chance.choice([name for name, one in forged.items() if bytes(fields[name]) != one])
    call.world.seen[f"a snapshot's {what} was forged"] += 1
    fields[what] = msgspec.Raw(forged[what])
    sealed, _ = links.seal(log.link, msgspec.json.encode(fields))  # as any reader of the log can
    return sealed
