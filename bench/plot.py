"""The picture: latency and bytes of a turn over the length of a session, drawn as SVG.

Invariants: no colour is the background's, so that it reads in light and dark; both axes of value
are logarithmic, because the designs differ by three powers of ten.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

WIDTH: Final = 860
PANEL_HEIGHT: Final = 330
LEFT: Final = 74
RIGHT: Final = 250
TOP: Final = 44
BOTTOM: Final = 46

COLOURS: Final = {
    "perdure, full": "#1f8fff",
    "raw sqlite3 rows": "#8a8f98",
    "whole session each turn (naive)": "#e0533d",
    "OpenAI Agents SQLiteSession": "#2fa36b",
    "LangGraph SqliteSaver": "#d98a1f",
    "LangGraph AsyncSqliteSaver": "#b4a11b",
    "eventsourcing": "#a55fd6",
    "eventsourcing, cached aggregates": "#d65fa8",
    "DBOS": "#5b7f95",
    "DBOS, file put into WAL": "#3fb0b8",
}
STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#3d444d}"
    ".title{font-weight:600;font-size:14px}.grid{stroke:#8a8f98;stroke-opacity:.3}"
    "@media(prefers-color-scheme:dark){text{fill:#c9d1d9}}"
)


class _Panel(NamedTuple):
    title: str
    unit: Mapping[float, str]
    series: dict[str, list[tuple[float, float]]]


def draw(figures: Mapping[str, Any]) -> str:
    """Return the picture of the append item's figures."""
    every, bucket = figures["every turn"], figures["bucket"]
    latency: dict[str, list[tuple[float, float]]] = {}
    for name in COLOURS:
        found = figures["latency"].get(name, {})
        points = [(_place(figures, name, at), value * 1e6) for at, value in found.items()]
        if name == "perdure, full" and len(every.get(name, ())) > 2:
            points = [
                (bucket * (place + 0.5), value * 1e6) for place, value in enumerate(every[name])
            ]
        latency[name] = sorted(points)
    written = {
        name: sorted((_place(figures, name, at), value) for at, value in found.items() if value)
        for name, found in figures["written"].items()
        if name in COLOURS
    }
    panels = (
        _Panel("Latency of a turn, median", _MICROSECONDS, latency),
        _Panel("Bytes written to storage by a turn", _BYTES, written),
    )
    height = PANEL_HEIGHT * len(panels)
    body = "".join(_panel(panel, n * PANEL_HEIGHT) for n, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>Cost of a turn over the length of a session</title><style>{STYLE}</style>"
        f"{body}</svg>\n"
    )


def _place(figures: Mapping[str, Any], name: str, point: str) -> float:
    """Return how many turns a contender's session had at a point, which it may not have reached."""
    reached = figures["reached"]
    turns, ours = (reached.get(one, {}).get(point, 0) for one in (name, "perdure, full"))
    return float(turns) if turns < ours else max(float(point), 25.0)


_MICROSECONDS: Final = {
    10.0: "10 µs",
    100.0: "100 µs",
    1e3: "1 ms",
    1e4: "10 ms",
    1e5: "100 ms",
    1e6: "1 s",
    1e7: "10 s",
}
_BYTES: Final = {
    1e3: "1 kB",
    1e4: "10 kB",
    1e5: "100 kB",
    1e6: "1 MB",
    1e7: "10 MB",
    1e8: "100 MB",
    1e9: "1 GB",
}


def _panel(panel: _Panel, top: float) -> str:
    drawn = {name: points for name, points in panel.series.items() if points}
    values = [value for points in drawn.values() for _, value in points]
    longest = max(at for points in drawn.values() for at, _ in points)
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values)))
    bottom, right = top + PANEL_HEIGHT - BOTTOM, WIDTH - RIGHT

    def x(at: float) -> float:
        return LEFT + at / longest * (right - LEFT)

    def y(value: float) -> float:
        span = math.log10(high / low)
        return bottom - math.log10(value / low) / span * (bottom - top - TOP)

    parts = [f'<text class="title" x="{LEFT}" y="{top + 26:.0f}">{panel.title}</text>']
    for value, name in panel.unit.items():
        if low <= value <= high:
            parts.append(_line(LEFT, y(value), right, y(value)))
            parts.append(_text(LEFT - 8, y(value) + 4, name, "end"))
    for step in range(5):
        at = longest * step / 4
        parts.append(_text(x(at), bottom + 18, f"{round(at, -2):,.0f}", "middle"))
    parts.append(_text((LEFT + right) / 2, bottom + 36, "turns in the session", "middle"))
    ends = _spread({name: y(points[-1][1]) for name, points in drawn.items()}, top + TOP, bottom)
    for name, points in drawn.items():
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
        width = 3 if name.startswith("perdure") else 1.6
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}"'
            f' stroke-width="{width}" stroke-linejoin="round"/>'
        )
        end = x(points[-1][0])
        parts.append(
            f'<path d="M{end + 3:.1f} {y(points[-1][1]):.1f}L{right + 10} {ends[name]:.1f}"'
            f' stroke="{COLOURS[name]}" stroke-opacity=".6" stroke-dasharray="2 3" fill="none"/>'
        )
        parts.append(
            f'<text x="{right + 14}" y="{ends[name] + 4:.1f}"'
            f' style="fill:{COLOURS[name]}">{name}</text>'
        )
    return "".join(parts)


def _spread(wanted: dict[str, float], top: float, bottom: float) -> dict[str, float]:
    """Move labels apart, so that each has a line of its own."""
    placed: dict[str, float] = {}
    last = top - 16.0
    for name, at in sorted(wanted.items(), key=lambda one: one[1]):
        last = placed[name] = max(at, last + 16)
    limit = bottom
    for name in sorted(placed, key=placed.__getitem__, reverse=True):
        limit = placed[name] = min(placed[name], limit)
        limit -= 16
    return placed


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="grid" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'
