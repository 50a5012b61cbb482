"""The sweep as an SVG: throughput, p95 and memory against threads, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from config.measuring import Measured

WIDTH, HEIGHT = 560, 160  # of one panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 40, 25  # around the curve in it
MB = 1024 * 1024


def svg(title: str, runs: Sequence[Measured], picked: int | None, predicted: int) -> str:
    """One picture; the picked number of threads, if one was, is marked in each panel."""
    panels = [
        ("requests a second", [run.throughput for run in runs]),
        ("p95, milliseconds", [run.p95 for run in runs]),
        ("resident memory, MB", [run.rss / MB for run in runs]),
    ]
    threads = [run.threads for run in runs]
    found = f"{picked} threads" if picked else "nothing passes"
    height = 40 + len(panels) * HEIGHT + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{escape(title)}: {found} (predicted {predicted})</text>',
    ]
    for number, (label, values) in enumerate(panels):
        parts += panel(label, threads, values, picked, 40 + number * HEIGHT)
    parts.append(f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{height - 6}" text-anchor="middle">threads</text>')
    return "\n".join([*parts, "</svg>", ""])


def panel(label: str, threads: Sequence[int], values: Sequence[float], picked: int | None, above: int) -> list[str]:
    """Curve, points with their values, and axes; the vertical axis begins at 0."""
    span, top = max(threads) - min(threads) or 1, max(values) or 1.0
    bottom = above + HEIGHT - BOTTOM

    def x(count: int) -> float:
        return LEFT + (count - min(threads)) / span * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return bottom - value / top * (HEIGHT - TOP - BOTTOM)

    points = [(x(count), y(value)) for count, value in zip(threads, values, strict=True)]
    parts = [
        f'<text x="{LEFT}" y="{above + 12}" font-weight="bold">{escape(label)}</text>',
        f'<path d="M{LEFT} {above + TOP}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="gray"/>',
        f'<text x="{LEFT - 6}" y="{bottom + 4}" text-anchor="end">0</text>',
        f'<polyline points="{" ".join(f"{across:.1f},{down:.1f}" for across, down in points)}"',
        ' fill="none" stroke="steelblue" stroke-width="2"/>',
    ]
    if picked:
        line = f"M{x(picked):.1f} {above + TOP}V{bottom}"
        parts.append(f'<path d="{line}" stroke="seagreen" stroke-dasharray="4 3"/>')
    for count, value, (across, down) in zip(threads, values, points, strict=True):
        color = "seagreen" if count == picked else "steelblue"
        parts += [
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="4" fill="{color}"/>',
            f'<text x="{across:.1f}" y="{down - 8:.1f}" text-anchor="middle">{value:.4g}</text>',
            f'<text x="{across:.1f}" y="{bottom + 15}" text-anchor="middle">{count}</text>',
        ]
    return parts
