"""The story, run from its beginning on an empty SQLite in memory.

python -m querybudget.tests.article            prints it
python -m querybudget.tests.article --svg FILE draws the message of the failing test
"""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
from pathlib import Path

import django
from django.core.management import call_command

STEPS = (
    ["fix", "GET /article/orders"],
    ["fix", "GET /article/orders", "--without", "placed_by.offices"],
    ["fix", "GET /article/offices"],
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--svg", type=Path, metavar="FILE")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "querybudget.tests.settings"
    django.setup()
    from querybudget.message import coloured
    from querybudget.tests.article.data import make
    from querybudget.tests.article.story import message_of_a_failing_test

    for alias in ("default", "archive"):
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    make()
    message = message_of_a_failing_test()
    if options.svg:
        options.svg.write_text(drawing(coloured(message)), "utf-8")
        return
    in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print("$ pytest tests/test_orders.py", (coloured if in_colour else str)(message), sep="\n\n")  # noqa: T201
    for step in STEPS:
        print(f"\n$ python manage.py querybudget {shlex.join(step)}\n", flush=True)  # noqa: T201
        call_command("querybudget", *step)


def drawing(text: str) -> str:
    """An SVG of what a terminal would show, with no font or style from elsewhere."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=128, file=io.StringIO())
    console.print(Text.from_ansi(text), soft_wrap=False)
    svg = console.export_svg(title="pytest", unique_id="message")
    start, end = svg.index("@font-face"), svg.index(".message-matrix")
    return svg[:start] + svg[end:]


if __name__ == "__main__":
    main()
