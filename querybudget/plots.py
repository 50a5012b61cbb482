"""Queries against the size of the answer, as the geometry of an SVG drawing."""

from __future__ import annotations

from dataclasses import dataclass, field

from querybudget.documents import Growth


@dataclass(frozen=True, slots=True)
class Frame:
    """The drawing's size and the margins around its axes, in SVG user units."""

    width: int
    height: int
    left: int = 2
    right: int = 2
    top: int = 2
    bottom: int = 2


LARGE = Frame(360, 180, left=40, right=16, top=14, bottom=36)
SMALL = Frame(96, 28)


@dataclass(frozen=True, slots=True)
class Dot:
    """A request. `says`: for the tooltip."""

    x: str
    y: str
    says: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Coordinates as text, so that no locale touches them. `budget`, `slope`: None where there is none."""

    frame: Frame
    by: str
    x_end: str
    y_end: str
    x_max: int
    y_max: int
    x_zero: str
    y_zero: str
    says: str
    dots: list[Dot] = field(default_factory=list)
    slope: tuple[str, str, str, str] | None = None
    budget: str | None = None
    budget_is: int | None = None


def plot(growth: Growth, budget: int | None, frame: Frame) -> Plot | None:
    """The drawing of an endpoint's requests; None if there is but one, of which no growth is known."""
    points = growth["points"]
    if len(points) < 2 and not growth["line"]:
        return None
    x_max = max(max(point["size"] for point in points), 1)
    y_max = max([1, *(point["queries"] for point in points), *([budget] if budget is not None else [])])
    right, floor = frame.width - frame.right, frame.height - frame.bottom

    def x(size: float) -> str:
        return f"{frame.left + size / x_max * (right - frame.left):.1f}"

    def y(queries: float) -> str:
        return f"{floor - queries / y_max * (floor - frame.top):.1f}"

    line = growth["line"]
    return Plot(
        frame,
        growth["by"],
        x_end=x(x_max),
        y_end=y(y_max),
        x_max=x_max,
        y_max=y_max,
        x_zero=x(0),
        y_zero=y(0),
        says=_said(growth, budget),
        dots=[
            Dot(x(point["size"]), y(point["queries"]), _request(point["queries"], point["size"], growth["by"]))
            for point in sorted(points, key=lambda point: (point["size"], point["queries"]))
        ],
        slope=(x(line[0][0]), y(line[0][1]), x(line[1][0]), y(line[1][1])) if line else None,
        budget=None if budget is None else y(budget),
        budget_is=budget,
    )


def _said(growth: Growth, budget: int | None) -> str:
    """The drawing in words, for who does not see it."""
    points = sorted(growth["points"], key=lambda point: (point["size"], point["queries"]))
    ends = [points[0], points[-1]] if len(points) > 1 else points
    seen = ", ".join(_request(point["queries"], point["size"], growth["by"]) for point in ends)
    slope = f"; {growth['slope']:+.1f} queries for each row" if growth["slope"] else ""
    return f"{seen}{slope}" + ("" if budget is None else f"; budget {budget}")


def _request(queries: int, size: int, by: str) -> str:
    unit = by[:-1] if size == 1 else by
    return f"{queries:,} {'query' if queries == 1 else 'queries'} at {size:,} {unit}"
