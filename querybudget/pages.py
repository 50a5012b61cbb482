"""HTML of a `Document`: one file with everything in it, which loads nothing and works without JavaScript.

Django's template engine is used apart from the project's `TEMPLATES`, so that neither its loaders nor
its locale have a say. The page forbids itself every script and style but its own, by their hashes.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from django.template import Context, Engine
from django.utils.html import escape
from django.utils.safestring import mark_safe

from querybudget.documents import Document, Endpoint, Statement
from querybudget.message import short
from querybudget.plots import LARGE, SMALL, plot

FOLDER = Path(__file__).parent / "templates"

MOST_CALLS = 50
"""Calls of one statement that a page lists; JSON has them all."""

KINDS = {
    "n_plus_one": "N+1",
    "write_n_plus_one": "N+1 writes",
    "duplicate": "duplicate",
    "unused_eager_load": "unused eager load",
    "over_fetch": "over-fetch",
    "missing_index": "missing index",
}
TITLES = {
    "audit": "Query audit",
    "tests": "Query budgets of a test run",
    "request": "Queries of one request",
    "traffic": "Query reports",
}


def page(
    document: Document,
    *,
    captured: Sequence[dict[str, Any]] | None = None,
    back: str = "",
    process: str = "",
    note: str = "",
) -> str:
    """The document as a page. `captured`: requests to list above the endpoints; `back`: a URL to lead up to.

    `process`: whose traffic it is; `note`: why no budget is held.
    """
    endpoints = [_endpoint(one, number) for number, one in enumerate(document["endpoints"], 1)]
    single = endpoints[0] if document["kind"] == "request" else None
    return (
        _engine()
        .get_template("report.html")
        .render(
            Context(
                {
                    "kind": document["kind"],
                    "title": TITLES[document["kind"]],
                    "made": document["made"],
                    "day": document["made"].replace("T", " ").replace("Z", " UTC"),
                    "figures": _figures(document, endpoints, note),
                    "endpoints": [one for one in endpoints if one["requests"] != 0],
                    "unasked": [one for one in endpoints if one["requests"] == 0],
                    "note": note,
                    "single": single,
                    "findings": [_finding(found) for found in document["findings"]],
                    "violations": document["violations"],
                    "captured": None if captured is None else [_captured(one) for one in captured],
                    "back": back,
                    "process": process,
                    "has": {
                        name: any(one[name] is not None for one in document["endpoints"])
                        for name in ("rows", "seconds", "tests", "requests")
                    },
                    "css": _asset("report.css"),
                    "js": _asset("report.js"),
                    "policy": policy(),
                },
                use_l10n=False,
                use_tz=False,
            )
        )
    )


@cache
def policy() -> str:
    """The Content-Security-Policy under which a page works and nothing else does."""
    return (
        f"default-src 'none'; style-src {_hash('report.css')}; script-src {_hash('report.js')}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(name: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()}'"


@cache
def _asset(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(FOLDER)])


def _figures(document: Document, endpoints: Sequence[dict[str, Any]], note: str) -> list[dict[str, Any]]:
    """What stands in large type at the top."""
    if document["kind"] == "request":
        [one] = document["endpoints"]
        figures = [
            ("queries", one["queries"], endpoints[0]["verdict"] == "over"),
            ("budget", "–" if one["budget"] is None else one["budget"], False),
            ("findings", len(one["findings"]), bool(one["findings"])),
            ("in the database", _milliseconds(one["seconds"]), False),
            ("status", one["status"], False),
            ("body", _bytes(one["bytes"]), False),
        ]
    elif note:
        figures = [("endpoints", len(endpoints), False)]
    else:
        over = sum(one["verdict"] == "over" for one in endpoints)
        figures = [
            ("endpoints", len(endpoints), False),
            ("over budget", over, over > 0),
            ("without a budget", sum(one["verdict"] == "none" for one in endpoints), False),
        ]
        if document["kind"] != "traffic":
            found = len(document["findings"]) + sum(len(one["findings"]) for one in document["endpoints"])
            figures.append(("findings", found, found > 0))
    return [{"name": name, "value": value, "bad": bad} for name, value, bad in figures if value is not None]


def _endpoint(one: Endpoint, number: int) -> dict[str, Any]:
    queries, budget, growth = one["queries"], one["budget"], one["growth"]
    verdict = ""
    if queries is not None:
        verdict = "none" if budget is None else "over" if queries > budget else "ok"
    return {
        **one,
        "id": f"endpoint-{number}",
        "name": _breakable(one["endpoint"]),
        "verdict": verdict,
        "bar": _bar(queries, budget),
        "milliseconds": _milliseconds(one["seconds"]),
        "size": _bytes(one["bytes"]),
        "slope": f"{growth['slope']:+.1f}/row" if growth and growth["slope"] else "",
        "plot": plot(growth, budget, LARGE) if growth else None,
        "spark": plot(growth, budget, SMALL) if growth else None,
        "findings": [_finding(found) for found in one["findings"]],
        "fields": [{**cost, "percent": f"{cost['share']:.0%}"} for cost in one["fields"]],
        "statements": [_statement(statement) for statement in one["statements"]],
        "has_detail": bool(one["statements"] or one["findings"]),
    }


def _bar(queries: int | None, budget: int | None) -> dict[str, str] | None:
    """Widths on a track of 100."""
    if queries is None or budget is None:
        return None
    most = max(queries, budget, 1)
    within = min(queries, budget)
    return {
        "within": f"{within / most * 100:.1f}",
        "beyond": f"{(queries - within) / most * 100:.1f}",
        "budget": f"{budget / most * 100:.1f}",
    }


def _finding(finding: dict[str, Any]) -> dict[str, Any]:
    sql = short(finding["shape"]) if finding["kind"] in ("n_plus_one", "duplicate") and finding["shape"] else ""
    return {**finding, "kind_name": KINDS[finding["kind"]], "sql": sql}


def _breakable(name: str) -> str:
    """A name that may be wrapped after its slashes and underscores, as HTML."""
    return mark_safe(re.sub(r"([/_])", r"\1<wbr>", escape(name)))  # noqa: S308 - escaped right here


def _statement(statement: Statement) -> dict[str, Any]:
    calls = statement["calls"]
    return {
        **statement,
        "short": short(statement["shape"]),
        "sql": _lines(statement["shape"]),
        "milliseconds": _milliseconds(statement["seconds"]),
        "calls": [{**call, "milliseconds": _milliseconds(call["seconds"])} for call in calls[:MOST_CALLS]],
        "left_out": max(0, len(calls) - MOST_CALLS),
        "has_parameters": any(call["parameters"] is not None for call in calls),
    }


_CLAUSE = re.compile(
    r" (?=(?:FROM|WHERE|GROUP BY|HAVING|ORDER BY|LIMIT|VALUES|SET|RETURNING"
    r"|(?:INNER|LEFT OUTER|LEFT|RIGHT|CROSS) JOIN)\b)"
)


def _lines(shape: str) -> str:
    """SQL with each clause on a line of its own, but those inside parentheses."""

    def between(match: re.Match[str]) -> str:
        before = shape[: match.start()]
        return "\n" if before.count("(") == before.count(")") else " "

    return _CLAUSE.sub(between, shape)


def _captured(one: dict[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "name": _breakable(one["endpoint"]),
        "milliseconds": _milliseconds(one["seconds"]),
        "day": one["made"][:10],
        "time": one["made"][11:19],
    }


def _milliseconds(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    milliseconds = seconds * 1000
    return f"{milliseconds:,.{0 if milliseconds >= 100 else 1 if milliseconds >= 1 else 2}f} ms"


def _bytes(size: int | None) -> str | None:
    if size is None:
        return None
    return f"{size:,} B" if size < 10_000 else f"{size / 1000:,.0f} kB"
