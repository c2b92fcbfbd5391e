"""Line charts as plain SVG, written by hand: panels side by side, the vertical axis logarithmic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH, HEIGHT = 280, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 34, 44
COLOURS = ("#1b6ca8", "#c2561a", "#3d8c40")


class Panel(NamedTuple):
    """One chart: `series` maps a name to a value above 0 for each of `xs`."""

    title: str
    x_label: str
    xs: Sequence[float]
    series: Mapping[str, Sequence[float]]


def _powers(values: Iterable[float]) -> tuple[int, int]:
    found = list(values)
    low, high = math.floor(math.log10(min(found))), math.ceil(math.log10(max(found)))
    return low, max(high, low + 1)


def _text(x: float, y: float, words: str, anchor: str = "middle", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(words)}</text>'


def _panel(panel: Panel, powers: tuple[int, int], left: float) -> list[str]:
    low, high = powers
    span = max(panel.xs) - min(panel.xs) or 1

    def x(value: float) -> float:
        return left + LEFT + (value - min(panel.xs)) / span * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    lines = [_text(left + LEFT, 18, panel.title, "start", ' font-weight="bold"')]
    for power in range(low, high + 1):
        height = y(10.0**power)
        lines.append(f'<path d="M{x(min(panel.xs)):.1f} {height:.1f}H{x(max(panel.xs)):.1f}" stroke="#ddd"/>')
        lines.append(_text(left + LEFT - 6, height + 4, f"{10.0**power:g}", "end"))
    last = -math.inf
    for value in panel.xs:
        if x(value) - last > 22:
            lines.append(_text(x(value), HEIGHT - BOTTOM + 16, f"{value:g}"))
            last = x(value)
    lines.append(_text(left + (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, panel.x_label))
    for (name, values), colour in zip(panel.series.items(), COLOURS, strict=False):
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(panel.xs, values, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"><title>')
        lines.append(f"{escape(name)}</title></polyline>")
    return lines


def chart(panels: Sequence[Panel], y_label: str) -> str:
    """The SVG of the panels with one common vertical axis and one legend, that of the first panel's series."""
    powers = _powers(value for panel in panels for values in panel.series.values() for value in values)
    width, height = WIDTH * len(panels) + 10, HEIGHT + 26
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for place, panel in enumerate(panels):
        lines += _panel(panel, powers, place * WIDTH)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    lines.append(_text(12, middle, y_label, extra=f' transform="rotate(-90 12 {middle})"'))
    for place, (name, colour) in enumerate(zip(panels[0].series, COLOURS, strict=False)):
        left = LEFT + place * WIDTH
        lines.append(f'<path d="M{left} {HEIGHT + 12}h18" stroke="{colour}" stroke-width="2"/>')
        lines.append(_text(left + 24, HEIGHT + 16, name, "start"))
    return "\n".join([*lines, "</svg>", ""])
