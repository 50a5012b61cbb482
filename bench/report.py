"""Where the figures go: the terminal, `docs/benchmarks.md` between its markers, `bench/results/latest.json`."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.goals import GOALS
from bench.plot import bars
from config.measuring import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True, slots=True)
class Table:
    """`bars` are drawn, where there are any."""

    title: str
    note: str
    head: list[str]
    rows: list[list[str]]
    bars: dict[str, float] = field(default_factory=dict)


def machine(database_url: str) -> str:
    """What the figures were measured on, and how busy it was with other things, in one line."""
    import psycopg2

    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        postgres = cursor.fetchone()[0].split()[0]
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory:.0f} GB, "
        f"CPython {platform.python_version()}, PostgreSQL {postgres}; clients, servers and database share the cores. "
        f"Load average before the start: {load:.1f}" + (", so busy with other work." if load > 0.5 else ".")
    )


def markdown(table: Table) -> str:
    return f"### {table.title}\n\n{table.note}\n\n{grid(table.head, table.rows)}\n"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, aligned for a terminal too; all columns but the first to the right."""
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = (
        "|"
        + "|".join("-" * (width + 2) if not column else "-" * (width + 1) + ":" for column, width in enumerate(widths))
        + "|"
    )
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def goals(ratios: dict[str, float]) -> Table:
    rows = [goal.row(ratios[name]) for name, goal in GOALS.items() if name in ratios]
    note = "Ratios within one run; throughput is ours divided by theirs."
    return Table("What must be reached", note, ["ours against", "measured", "must be", "reached"], rows)


def save(file: Path, found: dict[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def publish(name: str, intro: str, tables: Sequence[Table]) -> None:
    """Put tables and plots into the page, in place of what the same command wrote before."""
    parts = [f"{intro}\n"]
    for table in tables:
        parts.append(markdown(table))
        if table.bars:
            plot = PAGE.parent / f"bench-{table.title.lower().replace(' ', '-')}.svg"
            plot.write_text(bars(table.title, table.bars, "requests a second"))
            parts.append(f"![{table.title}: requests a second]({plot.name})\n")
    replace(PAGE, name, "\n".join(parts))


def replace(page: Path, name: str, text: str) -> None:
    """Raises ValueError where the page does not have the two markers of `name` once."""
    begin, end = f"<!-- {name}: written by the command, edits are lost -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in after:
        raise ValueError(f"{page.name} has no section between {begin.strip()!r} and {end!r}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")


def commit() -> str:
    """The revision that is measured; "+" says that files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
