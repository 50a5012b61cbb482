"""Bars and curves as SVG, without a library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from config.plot import HEIGHT, RIGHT, WIDTH, panel

NAMES, BAR = 200, 26  # pixels: of the names' column, and of a bar with its gap


def bars(title: str, values: Mapping[str, float], unit: str) -> str:
    """One bar a value, the first one ours."""
    height, most = 40 + BAR * len(values) + 10, max(values.values())
    parts = []
    for number, (name, value) in enumerate(values.items()):
        top = 40 + BAR * number
        length = value / most * (WIDTH - NAMES - RIGHT - 40)  # 40 for the figure behind the longest
        color = "steelblue" if number else "seagreen"
        parts += [
            f'<text x="{NAMES - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{NAMES}" y="{top}" width="{length:.1f}" height="{BAR - 8}" fill="{color}"/>',
            f'<text x="{NAMES + length + 6:.1f}" y="{top + 14}">{value:,.0f}</text>',
        ]
    return framed(f"{title}, {unit}", height, parts)


def curves(unit: str, sizes: Sequence[int], values: Mapping[str, Sequence[float]]) -> str:
    """A panel for each name, against powers of ten."""
    parts = []
    for number, (name, curve) in enumerate(values.items()):
        powers = [round(math.log10(size)) for size in sizes]
        parts += panel(name, powers, curve, None, 40 + number * HEIGHT)
    return framed(f"{unit}, against orders (10 to the power of)", 40 + len(values) * HEIGHT + 10, parts)


def framed(heading: str, height: int, parts: Sequence[str]) -> str:
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f"<title>{escape(heading)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="10" y="22" font-size="14">{escape(heading)}</text>',
    ]
    return "\n".join([*head, *parts, "</svg>", ""])
