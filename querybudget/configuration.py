"""What a running project is held to: the options and the ledger of `settings.QUERY_BUDGETS_FOLDER`."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from querybudget.ledger import Ledger
from querybudget.options import Options, read_options


def configured() -> tuple[Options, Ledger]:
    """Read both; the folder is the working directory by default. Budgets that are not held here are not there.

    `settings.QUERY_BUDGETS_LEDGER` names another ledger in it, for a project that runs in more than one way.

    Raises:
        UsageError: pyproject.toml or the ledger can't be read.
    """
    folder, other = (getattr(settings, f"QUERY_BUDGETS_{name}", None) for name in ("FOLDER", "LEDGER"))
    options = read_options(Path(folder or "."), other)
    ledger = Ledger(options.ledger)
    if options.not_held():
        ledger.budgets.clear()
    return options, ledger
