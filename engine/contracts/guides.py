"""The guides: a page for each folder, for readers who have never seen the code.

Invariants: lists are made from the code; the rest explains the format, and the tests compare the
vectors with it.
"""

from collections.abc import Mapping
from typing import Final, get_args

from perdure.aggregates.session.events import Landed
from perdure.contracts.events import event_types, own_fields, summary, tag_of_type
from perdure.contracts.machines import folder_of
from perdure.machines import BUILT_IN, Machine, Report
from perdure.machines.printing import module_name

_MADE: Final = "<!-- Made by `perdure spec`. Do not edit; make again. -->\n\n"

_WHOLE: Final = """\
# Contracts

The rules of perdure, in forms that need neither its code nor Python. `perdure spec` makes every
file here from the code; `perdure spec --check` compares, and names each file that differs.

| folder | holds | for |
| --- | --- | --- |
| [machines/](machines/) | each lifecycle: a contract to read, TLA+ with configurations for TLC, diagrams | engineers who check the rules, or build on them |
| [events/](events/) | JSON Schema of every event, of receipts and of snapshots | readers and writers of logs in other languages |
| [vectors/](vectors/) | inputs with the digests and links that they must give | auditors with an implementation of their own |
"""  # noqa: E501 - a table has a line for each row

_MACHINES: Final = """\
# Machines

Each folder is one declared machine, or several together. All of its files are printed from the one
declaration that the engine runs by, so they cannot disagree with it.

| file | is |
| --- | --- |
| `contract.md` | the rules, to be read: phases, variables, verbs, rows, properties, counts |
| `NAME.tla` | the same in TLA+ |
| `ci.cfg` | a configuration for TLC, with the bounds that the counts below were found with |
| `deep.cfg` | one with larger bounds and more ids, for a longer run; every row can fire in it |
| `diagram.mmd`, `diagram.svg` | the phases and the verbs between them; for several machines, their joint steps |

## The machines

The counts come from perdure's own exhaustive checker. TLC must find as many distinct states with
`ci.cfg`. It counts a finished model's standing still as a step, so it generates one more for each
finished state.

"""  # noqa: E501 - a table has a line for each row

_TOOLS: Final = """
## How to check them

With [TLC](https://github.com/tlaplus/tlaplus), in a machine's folder:

    java -cp tla2tools.jar tlc2.TLC -config ci.cfg NAME.tla

What TLC cannot say: that something stays possible (`AG EF`). The module defines the goal and refers
to the checker: `perdure check MACHINE`. A *sometimes* is printed as an invariant whose violation
is the witness; the configurations name them in a comment.

A step that changes nothing is, to TLA+, one that may happen at any time, and no property of steps
can see it. So where a property is about such steps, the module says it of states as well, with
`ENABLED`.

For SPIN, and for machines of your own, see `docs/specs.md` in the source.
"""

_EVENTS: Final = """\
# Events

JSON Schema (2020-12) of the events in a log. An event is one UTF-8 JSON object. It repeats the
session's id and its own version, so that a row moved elsewhere contradicts itself, and ends with
its link, which [../vectors/](../vectors/) explains. `v` is the schema version. Events only grow: a
new field has a default, a new meaning is a new event; so take no notice of fields that you do not
know.

Every event has `tag`, `v`, `session_id`, `version`, `at` and `link`. Its other fields, in the order
in which they stand:

"""

_OTHERS: Final = """
| file | holds |
| --- | --- |
| [receipt](receipt.schema.json) | The proof that a boundary landed, in the event that it landed with. |
| [snapshot](snapshot.schema.json) | Folded state, kept so that a long session opens fast. It is no part of the log: it can be dropped and made again. |
"""  # noqa: E501 - a table has a line for each row

_VECTORS: Final = """\
# Vectors

Inputs with the results that they must give. All hashes are SHA-256, written as 64 lower-case hex
digits. All text is UTF-8.

## Messages

A message is a JSON object. It is recorded once, as it came: compact (no space between tokens), keys
in the order given, only `"`, `\\\\` and the characters U+0000 to U+001F escaped (the short escapes
where JSON has them), and numbers in the shortest form that reads back as the same number. A
recorded message is never written again: **hash the recorded bytes, and do not parse and write them
first**.

## digests.json: the conversation digest

The digest of a conversation is the hash of all its recorded messages as one JSON array: `[`, the
messages joined by `,`, then `]`. The empty conversation is `[]`. It can be computed as messages
come in: keep a running hash of `[m1,m2`, and to read the digest, copy it and add `]`.

Not every recorded message is part of the conversation: those of LANDED are, in the order of the
log; the others wait. The conversation of a fork begins with the first `origin_messages` of its
origin's.

For each vector: `conversation_digest = hex(SHA-256(hashed))`. As JSON has escapes of its own,
`hashed` is the text *after* this file was parsed.

## links.json: the chain of links

An event is stored as its *body*, a JSON object, with one last member more: its link.

    stored = body without its last "}"  +  ,"link":"  +  link  +  "}

So the body is found without parsing: cut 75 bytes from the end, and add `}`.

    genesis = hex(SHA-256(session id))
    link    = hex(SHA-256(link of the event before, as 64 ASCII characters  +  body))

The link before the first event is the genesis link. The last event's link is the session's *head*:
who kept it elsewhere can tell later whether the tail was cut off. The file holds one session's
events as they are stored, in order; every link in it follows from the session's id.

A snapshot is sealed in the same way, with the link of the event at its version as the link before.

## canonical-digests.json: a digest that does not depend on key order

To compare conversations between systems that write JSON differently, parse the array of messages
and write it in the form of [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785): keys ordered by
their UTF-16 code units, numbers as ECMAScript writes them, nothing escaped that need not be. Hash
that. An integer beyond 2^53 has no such form, and neither has the conversation then.

For each vector: `canonical` is `recorded` parsed and written so, and
`canonical_digest = hex(SHA-256(canonical))`.
"""


def whole() -> str:
    """Return the guide to all of it."""
    return _MADE + _WHOLE


def machines(reports: Mapping[str, Report]) -> str:
    """Return the guide to the machines, with the counts of states and transitions."""
    rows = [
        "| folder | is | distinct states | transitions | steps to the farthest |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, model in BUILT_IN.items():
        folder, found = folder_of(name, model), reports[name]
        kind = "one machine" if isinstance(model, Machine) else "several machines together"
        rows.append(
            f"| [{folder}]({folder}/contract.md) | {kind}, `{module_name(model)}.tla` "
            f"| {found.states:,} | {found.transitions:,} | {found.depth:,} |"
        )
    return _MADE + _MACHINES + "\n".join(rows) + "\n" + _TOOLS


def events() -> str:
    """Return the guide to the log format."""
    rows = ["| event | fields | meaning |", "| --- | --- | --- |"]
    rows += [
        f"| [{tag}]({tag}.schema.json) | {', '.join(own_fields(event))} | {summary(event)} |"
        for event in event_types()
        for tag in (tag_of_type(event),)
    ]
    return _MADE + _EVENTS + "\n".join(rows) + "\n" + _OTHERS


def vectors() -> str:
    """Return the guide to the vectors."""
    landed = ", ".join(f"`{tag_of_type(event)}`" for event in get_args(Landed))
    return _MADE + _VECTORS.replace("LANDED", landed)
