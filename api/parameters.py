"""Query parameters are checked, all of them: none is ignored."""

from __future__ import annotations

from collections.abc import Collection

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

LIMIT_DEFAULT, LIMIT_MOST = 50, 200
MOST_NAMED = 20  # wrong parameters in one answer; a query has room for many more


def check(request: Request, once: Collection[str], repeatable: Collection[str] = ()) -> None:
    """Raise ValidationError naming each parameter that is unknown, empty, or repeated without being repeatable."""
    problems: dict[str, list[str]] = {}
    for name, values in request.query_params.lists():
        if len(problems) == MOST_NAMED:
            break
        if name not in once and name not in repeatable:
            known = ", ".join(sorted({*once, *repeatable} - {"format"}))
            problems[name[:100]] = [f"Unknown parameter. Known are: {known or 'none'}."]
        elif len(values) > 1 and name not in repeatable:
            problems[name] = ["Give it once."]
        elif "" in values:
            problems[name] = ["Must not be empty."]
    if problems:
        raise ValidationError(problems)


def limit(request: Request) -> int:
    """Rows of a page: 50 unless `limit` says otherwise, 1 to 200."""
    given = request.query_params.get("limit", str(LIMIT_DEFAULT))
    if given.isascii() and given.isdecimal() and len(given) < 10 and 1 <= int(given) <= LIMIT_MOST:
        return int(given)
    raise ValidationError({"limit": [f"Must be a whole number from 1 to {LIMIT_MOST}."]})
