"""manage.py collectstatic"""

from __future__ import annotations

from django.contrib.staticfiles.management.commands import collectstatic
from django.core.management.base import CommandParser

from querybudget.progress import Progress, progress


class Command(collectstatic.Command):
    """Django's, which hashes and compresses for half a minute without a word."""

    shown: Progress

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.epilog = "Example: manage.py collectstatic --noinput"

    def collect(self) -> dict[str, list[str]]:
        with progress("static files", quiet=self.verbosity != 1) as self.shown:
            return super().collect()

    def log(self, msg: str, level: int = 2) -> None:
        self.shown.advance()
        super().log(msg, level)
