"""SVG: a machine's diagram, drawn here, so that printing needs no program and no network.

Invariants: the picture is a function of the declaration, in whole pixels; lines cross, but never
run on top of each other, because every edge has ports on the boxes and a lane beside them that are
its own; it reads on a light page and on a dark one.

The phases stand in a column, the initial one first. What leads down runs on the right, what leads
up on the left; an edge's verbs stand where it leaves.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from perdure.errors import Unsupported
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Model
from perdure.machines.printing.mermaid import edges_of

_LETTER: Final = 7  # width of a letter of the verbs' font, rounded up
_LINE: Final = 14
_LABEL_LETTERS: Final = 30
_PORT: Final = 14
_LANE: Final = 14
_PAD: Final = 8
_GAP: Final = 22
_MARGIN: Final = 16
_DOT: Final = 6
_HEAD: Final = 7
_NAME_LETTER: Final = 9
_NAME_HEIGHT: Final = 26

_LEGEND: Final = (
    "Phases from top to bottom; a double border is an end. "
    "Verbs that leave the phase as it is are left out."
)
_STYLE: Final = """
    .page { fill: #ffffff }
    .box { fill: #f6f8fa; stroke: #59636e; stroke-width: 1.2 }
    .line { fill: none; stroke: #59636e; stroke-width: 1.2 }
    .head { fill: #59636e }
    .name { fill: #1f2328; font: 600 14px system-ui, sans-serif; text-anchor: middle }
    .verb { fill: #0550ae; font: 11px ui-monospace, Menlo, Consolas, monospace }
    .left { text-anchor: end }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 }
      .box { fill: #161b22; stroke: #8b949e }
      .line { stroke: #8b949e }
      .head { fill: #8b949e }
      .name { fill: #e6edf3 }
      .verb { fill: #79c0ff }
    }"""


class _Edge(msgspec.Struct):
    """An edge, and where it was put."""

    source: int
    target: int
    label: list[str]
    leaves: int = 0
    arrives: int = 0
    lane: int = 0

    @property
    def span(self) -> int:
        return abs(self.target - self.source)


def svg(machine: Machine | Model) -> str:
    """Return the diagram of the machine: its phases, and the verbs that lead between them.

    Raises Unsupported for a composition, which `mermaid` draws.
    """
    if not isinstance(machine, Machine):
        raise Unsupported(f"only a machine by itself is drawn as SVG, and {machine.name} is none")
    others = (phase for phase in machine.phases if phase != machine.initial)
    places = {phase: place for place, phase in enumerate((machine.initial, *others))}
    edges = [
        _Edge(places[source], places[target], _wrapped(verbs))
        for (source, target), verbs in edges_of(machine).items()
    ]
    down = [edge for edge in edges if edge.target > edge.source]
    up = [edge for edge in edges if edge.target < edge.source]
    tops, heights = _columns(len(machine.phases), down, up)
    for side in (down, up):
        _lanes(side)
    left, right = _reach(up), _reach(down)
    box = max(len(phase) for phase in machine.phases) * _NAME_LETTER + 4 * _PAD
    width = left + box + right + 2 * _MARGIN
    height = tops[-1] + heights[-1] + _MARGIN
    x = _MARGIN + left
    drawn = [
        *(_drawn_edge(edge, x + box, 1, _label_width(down)) for edge in down),
        *(_drawn_edge(edge, x, -1, _label_width(up)) for edge in up),
        *(
            _drawn_phase(phase, (x, tops[place]), (box, heights[place]), machine)
            for phase, place in places.items()
        ),
        _drawn_start(x + box // 2, tops[0]),
    ]
    name = _escaped(machine.name)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{name}">',
            f"  <title>{name}</title>",
            f"  <desc>{_LEGEND}</desc>",
            f"  <style>{_STYLE}\n  </style>",
            f'  <rect class="page" width="{width}" height="{height}"/>',
            *drawn,
            "</svg>",
            "",
        )
    )


def _wrapped(verbs: Iterable[str]) -> list[str]:
    """Return the verbs as lines of a label."""
    lines: list[str] = []
    for verb in verbs:
        if lines and len(lines[-1]) + len(verb) + 2 <= _LABEL_LETTERS:
            lines[-1] += f", {verb}"
        else:
            lines.append(verb)
    return [f"{line}," for line in lines[:-1]] + lines[-1:]


def _columns(count: int, down: list[_Edge], up: list[_Edge]) -> tuple[list[int], list[int]]:
    """Give every edge its two ports; return each box's top and height.

    Of the edges that leave a box downwards, the one that goes farthest leaves first, and the one
    that comes from nearest arrives first, so that edges of one box do not cross.
    """
    tops, heights = [], []
    y = _MARGIN + 4 * _DOT
    for place in range(count):
        ends = []
        for side, downwards in ((down, True), (up, False)):
            out = sorted((e for e in side if e.source == place), key=lambda e: e.span)
            into = sorted((e for e in side if e.target == place), key=lambda e: e.span)
            ports = [(e, False) for e in into] + [(e, True) for e in reversed(out)]
            if not downwards:
                ports = [(e, True) for e in out] + [(e, False) for e in reversed(into)]
            ends.append(_ports(ports, y + _PAD))
        tops.append(y)
        heights.append(max(*ends, y + _NAME_HEIGHT) + _PAD - y)
        y += heights[-1] + _GAP
    return tops, heights


def _ports(ports: list[tuple[_Edge, bool]], y: int) -> int:
    """Place the edges' ends below each other; return where the last one is."""
    for edge, leaves in ports:
        if leaves:
            y += _LINE * len(edge.label)
            edge.leaves = y
            y += _PORT // 2
        else:
            edge.arrives = y + _PORT // 2
            y += _PORT
    return y


def _lanes(edges: list[_Edge]) -> None:
    """Give every edge a lane in which no other runs beside it, the short ones nearest."""
    taken: list[list[tuple[int, int]]] = []
    for edge in sorted(edges, key=lambda e: (abs(e.arrives - e.leaves), e.leaves)):
        low, high = sorted((edge.leaves, edge.arrives))
        for lane in range(len(edges)):
            if lane == len(taken):
                taken.append([])
            if all(high + _PAD < one or other + _PAD < low for one, other in taken[lane]):
                taken[lane].append((low, high))
                edge.lane = lane
                break


def _label_width(edges: list[_Edge]) -> int:
    return max((len(line) for edge in edges for line in edge.label), default=0) * _LETTER + 2 * _PAD


def _reach(edges: list[_Edge]) -> int:
    """Return how far the edges of a side go from the boxes."""
    if not edges:
        return 0
    return _label_width(edges) + (max(edge.lane for edge in edges) + 1) * _LANE


def _drawn_edge(edge: _Edge, x: int, direction: int, labels: int) -> str:
    lane = x + direction * (labels + edge.lane * _LANE)
    tip = x + direction * _HEAD
    side = ' class="verb left"' if direction < 0 else ' class="verb"'
    first = edge.leaves - 4 - _LINE * (len(edge.label) - 1)
    texts = "".join(
        f'<text{side} x="{x + direction * _PAD}" y="{first + _LINE * row}">{_escaped(line)}</text>'
        for row, line in enumerate(edge.label)
    )
    return (
        f'  <path class="line" d="M{x} {edge.leaves}H{lane}V{edge.arrives}H{tip}"/>'
        f'<path class="head" d="M{x} {edge.arrives}l{direction * _HEAD} -4v8z"/>{texts}'
    )


def _drawn_phase(
    phase: str, corner: tuple[int, int], size: tuple[int, int], machine: Machine
) -> str:
    (x, y), (width, height) = corner, size
    boxes = [f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>']
    if phase in machine.final:
        boxes.append(
            f'<rect class="box" x="{x + 3}" y="{y + 3}" width="{width - 6}" '
            f'height="{height - 6}" rx="4"/>'
        )
    middle = f'x="{x + width // 2}" y="{y + height // 2 + 5}"'
    return f'  {"".join(boxes)}<text class="name" {middle}>{_escaped(phase)}</text>'


def _drawn_start(x: int, y: int) -> str:
    dot = y - 4 * _DOT + _DOT
    return (
        f'  <circle class="head" cx="{x}" cy="{dot}" r="{_DOT}"/>'
        f'<path class="line" d="M{x} {dot}V{y - _HEAD}"/>'
        f'<path class="head" d="M{x} {y}l-4 -{_HEAD}h8z"/>'
    )


def _escaped(text: str) -> str:
    return text.translate({ord(sign): f"&#{ord(sign)};" for sign in "<>&\"'"})
