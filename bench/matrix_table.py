"""The matrix of `bench.matrix`: what each tool said, held against the corpus's labels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.matrix import CORPUS, ROOT, TOOLS, Tool
from querybudget.tests.corpus.labels import LABELS, Label, line_of

MARKS = "15LFP"
"""Found with one row, with five; the line; the fix; the fix proven."""


@dataclass(slots=True)
class Total:
    """What a tool found.

    `marks`: of all problems. `claimed`: found with five rows of the `problems` that the tool's documentation
    claims. `tried`: those with a fix that can be tried out. `false`: the clean views that it accused.
    """

    marks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MARKS, 0))
    claimed: int = 0
    problems: int = 0
    tried: int = 0
    false: list[str] = field(default_factory=list)


def table(seen: Mapping[str, Any], missing: Mapping[str, str]) -> int:
    """Print the matrix; 1 if querybudget missed something or accused a clean view."""
    texts = _texts()
    proven = {
        case: set(answer["proven"]) for case, answer in seen["querybudget"]["cases"].items() if "proven" in answer
    }
    repeated = {case: answer["lines"] for case, answer in seen["querybudget"]["cases"].items() if "lines" in answer}
    totals = {name: Total() for name in seen}
    width = max(len(_title(label)) for label in LABELS) + 2
    print(" " * width + "".join(f"{TOOLS[name].package:<21}" for name in seen))
    for label in LABELS:
        case = f"loop/{label.case}"
        places = {*texts.get(label.line, ()), *map(_short, repeated[case])}
        cells = []
        for name in seen:
            marks = _marks(name, label, seen[name]["cases"][case], places)
            if name == "querybudget":
                marks["P"] = _is_proven(label, proven[case])
            cells.append(_cell(TOOLS[name], label, marks))
            _count(totals[name], TOOLS[name], label, marks)
        print(f"{_title(label):<{width}}" + "".join(f"{cell:<21}" for cell in cells).rstrip())
    for name, answer in seen.items():
        totals[name].false = _false(answer["cases"])
    _print_totals(seen, totals, missing)
    mine = totals["querybudget"]
    return bool(mine.false or mine.marks["P"] < mine.tried or any(mine.marks[mark] < len(LABELS) for mark in "15LF"))


def _title(label: Label) -> str:
    several = sum(other.case == label.case for other in LABELS) > 1
    what = label.relation or ("write" if label.kind == "write_n_plus_one" else "read")
    return label.case.replace("_", " ") + (f", {what}" if several else "")


def _texts() -> dict[str, set[str]]:
    """The places of each line of the corpus, by what a label calls it."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in [*CORPUS.glob("*.py"), *CORPUS.rglob("*.html")]:
        for number in range(1, len(file.read_text("utf-8").splitlines()) + 1):
            found[line_of(str(file), number)].add(_short(f"{file}:{number}"))
    return found


def _short(place: str) -> str:
    return place.removeprefix(str(ROOT) + "/")


def _marks(name: str, label: Label, answers: Mapping[str, Any], places: set[str]) -> dict[str, bool]:
    mine = {rows: [one for one in _reports(answers[rows]) if _accuses(name, one, label, places)] for rows in ("1", "5")}
    best = mine["5"] or mine["1"]
    return {
        "1": bool(mine["1"]),
        "5": bool(mine["5"]),
        "L": any(_short(one["place"]) in places for one in best),
        "F": any(_names_fix(one["text"], label.advice) for one in best),
        "P": False,
        "T": any(one["tried"] for one in best),
    }


def _reports(answer: Any) -> list[dict[str, str]]:
    return [] if isinstance(answer, dict) else answer


def _accuses(name: str, report: Mapping[str, str], label: Label, places: set[str]) -> bool:
    text = report["text"]
    if "unnecessary eager load" in text:
        return False
    if name == "querybudget" and not text.startswith(label.kind):
        return False
    if sum(other.case == label.case for other in LABELS) == 1:
        return True
    if label.relation:
        model, _, attribute = label.relation.partition(".")
        named = re.search(rf"{model}\.{attribute}\b|field: {attribute}\b|\.{attribute}: \d+ queries", text)
        return bool(named)
    return _short(report["place"]) in places


_TOKEN = re.compile(r"(?:select_related|prefetch_related)\(['\"]([\w]+)['\"]\)")


def _names_fix(text: str, advice: str) -> bool:
    """Whether a text names what the advice is made of."""
    if lookup := _TOKEN.match(advice.lstrip(".")):
        return lookup[1] in _TOKEN.findall(text)
    plain = text.replace("'", '"')
    if advice.startswith(("Prefetch(", ".annotate(")):
        start = advice.split(",")[0] if advice.startswith("Prefetch(") else ".annotate("
        return start in plain
    if advice.startswith(".only("):
        return "only(" in plain or "defer(" in plain
    words = ["bulk_create", "bulk_update", ".update(", ".delete()", "__in", "refresh_from_db", ".all()["]
    wanted = next((word for word in words if word in advice), None)
    return wanted in plain if wanted else advice in plain or "IN (" in plain or "in_bulk" in plain


def _is_proven(label: Label, proven: set[str]) -> bool:
    """The label's own advice, or one that loads further along the same relations."""
    start = label.advice.removesuffix('")')
    return any(one == label.advice or one.startswith(f"{start}__") for one in proven)


def scope_of(label: Label) -> set[str]:
    """What kinds of case a tool must know to find this one: any of them will do."""
    scopes = {"serializer"} if label.line.startswith("serializers.py") and label.kind == "n_plus_one" else set()
    if label.kind == "write_n_plus_one":
        return {"write"}
    if label.advice.startswith(".only("):
        return {*scopes, "column"}
    if label.relation:
        return {*scopes, "relation"}
    return {*scopes, "sql" if "GROUP BY" in label.advice else "lookup"}


def _cell(tool: Tool, label: Label, marks: Mapping[str, bool]) -> str:
    claimed = tool.scope & scope_of(label)
    signs = ""
    for mark in MARKS:
        out = not claimed or (mark == "1" and not tool.one_row) or (mark == "P" and not marks["T"])
        signs += mark if marks[mark] else "·" if out else "-"
    return signs


def _count(total: Total, tool: Tool, label: Label, marks: Mapping[str, bool]) -> None:
    claimed = bool(tool.scope & scope_of(label))
    total.problems += claimed
    total.claimed += claimed and marks["5"]
    total.tried += marks["T"]
    for mark in MARKS:
        total.marks[mark] += marks[mark]


def _false(cases: Mapping[str, Any]) -> list[str]:
    """The clean views that a tool accused, each once."""
    clean = {case: answer for case, answer in cases.items() if not case.startswith("loop/")}
    return [case for case, answer in clean.items() if any(_reports(answer[rows]) for rows in ("1", "5"))]


def _print_totals(seen: Mapping[str, Any], totals: Mapping[str, Total], missing: Mapping[str, str]) -> None:
    clean = sum(not case.startswith("loop/") for case in seen["querybudget"]["cases"])
    print("\n1 found with one row, 5 with five, L the line, F the fix, P the fix proven by making the request again;")
    print("- not, · not claimed by the tool's documentation, or no fix that can be tried out\n")
    heads = ["tool", "version", "one row", "five rows", "line", "fix", "proven", "claimed", "clean views accused"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for name, total in totals.items():
        found = [f"{total.marks[mark]}/{len(LABELS)}" for mark in "15LF"]
        proven = f"{total.marks['P']}/{total.tried}" if total.tried else "–"
        rest = [proven, f"{total.claimed}/{total.problems}", f"{len(total.false)}/{clean}"]
        print("| " + " | ".join([TOOLS[name].package, seen[name]["version"], *found, *rest]) + " |")
    for name, reason in missing.items():
        print(f"| {TOOLS[name].package} | {reason} |")
    for name, total in totals.items():
        if total.false:
            print(f"\n{TOOLS[name].package} accuses: {', '.join(total.false)}")
    for name, one in seen.items():
        if broken := [case for case, rows in one["cases"].items() if _broken(rows)]:
            print(f"\n{TOOLS[name].package} raises in: {', '.join(broken)}")


def _broken(answers: Mapping[str, Any]) -> bool:
    return any(isinstance(answers.get(rows), dict) for rows in ("1", "5"))
