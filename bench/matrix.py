"""What querybudget and its peers find in the corpus: a row for each labelled problem, a total for each tool.

    python -m bench.matrix

Each tool runs in a process of its own, on its newest release from PyPI and in the way its
documentation shows: as Django's middleware, its report read from where it puts it. The peers are
installed into `.venv-peers-tools`; one that can't be installed or started has a line that says why.
Every case is a request, on data of one row and of five that are rolled back.

A report counts as found when it accuses the case of an N+1 (where a case has several problems: when it
names the relation, table, field or line of this one). A line counts when it is the label's, or the
application's innermost Python line at the time of one of the repeated queries. A fix counts when it names
what the label's advice is made of, in any wording; `select_related` and `prefetch_related` stand for
each other. A false finding is an N+1, duplicate or unneeded eager load in a clean view.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers-tools"
CORPUS = ROOT / "querybudget" / "tests" / "corpus"
ROWS = (1, 5)
DJANGO = ["django>=5.2,<5.3", "djangorestframework", "tomlkit", "rich"]


@dataclass(frozen=True, slots=True)
class Report:
    """One finding of a tool. `place`: "file:line" or "". `tried`: its fix is one that can be tried out."""

    text: str
    place: str = ""
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """`scope`: kinds of cases that its documentation claims, and whether one row is enough for it."""

    package: str
    app: str = ""
    middleware: str = ""
    scope: frozenset[str] = frozenset({"relation", "column", "lookup", "sql", "write", "serializer"})
    one_row: bool = False


TOOLS = {
    "querybudget": Tool("querybudget", one_row=True),
    "zeal": Tool("django-zeal", "zeal", "zeal.middleware.zeal_middleware", frozenset({"relation", "column", "lookup"})),
    "query_doctor": Tool("django-query-doctor", "query_doctor", "query_doctor.middleware.QueryDoctorMiddleware"),
    "nplusone": Tool(
        "nplusone", "nplusone.ext.django", "nplusone.ext.django.NPlusOneMiddleware", frozenset({"relation"}), True
    ),
    "drf_nplus": Tool("drf-nplus", "", "drf_nplus.QueryCountMiddleware", frozenset({"serializer"})),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="What querybudget and its peers find in the corpus.")
    parser.add_argument("--tool", choices=TOOLS, help="run one tool in this process (used by the script itself)")
    options = parser.parse_args()
    if options.tool:
        json.dump(observe(options.tool), sys.stdout)
        return 0
    from querybudget.progress import progress

    missing = install()
    seen = {}
    with progress("tools run", len(TOOLS)) as shown:
        for name in TOOLS:
            if name not in missing:
                seen[name], missing = _run(name, missing)
            shown.advance()
    os.environ["DJANGO_SETTINGS_MODULE"] = "querybudget.tests.settings"
    from bench.matrix_table import table

    return table({name: answer for name, answer in seen.items() if answer}, missing)


def install() -> dict[str, str]:
    """Install the tools that are missing; why one could not be."""
    from querybudget.progress import progress

    python, missing = PEERS / "bin" / "python", {}
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *DJANGO]
    with progress("tools installed", len(TOOLS)) as shown:
        for name, tool in TOOLS.items():
            packages = [tool.package] if tool.middleware else []
            done = subprocess.run([*pip, *packages], check=False, capture_output=True, text=True)
            if done.returncode:
                missing[name] = f"pip could not install it: {done.stderr.strip().splitlines()[-1]}"
            shown.advance()
    return missing


def _run(name: str, missing: dict[str, str]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    command = [PEERS / "bin" / "python", "-m", "bench.matrix", "--tool", name]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return None, {**missing, name: f"it does not run on this Django: {last}"}
    return json.loads(done.stdout), missing


def observe(name: str) -> dict[str, Any]:
    """The tool's version and its reports: `{"version", "cases": {"loop/foreign_key": {"1": [report, …], …}}}`."""
    tool = TOOLS[name]
    _configure(tool)
    from django.contrib.contenttypes.models import ContentType
    from django.test.utils import setup_databases, setup_test_environment

    from querybudget.growth import rolled_back
    from querybudget.tests import urls  # noqa: F401 - registers the cases
    from querybudget.tests.corpus.cases import CASES
    from querybudget.tests.corpus.client import requester
    from querybudget.tests.corpus.data import make

    setup_test_environment()
    setup_databases(verbosity=0, interactive=False)
    listen = LISTENERS[name]
    cases: dict[str, Any] = defaultdict(dict)
    for case in CASES:
        for rows in ROWS:
            with rolled_back():
                ContentType.objects.clear_cache()
                make(rows)
                request = requester(case)
                try:
                    with listen() as reports:
                        request()
                except Exception as error:
                    cases[f"{case.label}/{case.name}"][rows] = {"error": f"{type(error).__name__}: {error}"[:200]}
                    continue
            cases[f"{case.label}/{case.name}"][rows] = [asdict(report) for report in reports]
        if name == "querybudget" and case.label == "loop":
            cases[f"loop/{case.name}"]["lines"] = _repeated_lines(make, requester(case))
            cases[f"loop/{case.name}"]["proven"] = _proven(case, make)
    return {"version": _version(tool.package), "cases": cases}


def _configure(tool: Tool) -> None:
    import django
    from django.conf import settings

    base = importlib.import_module("querybudget.tests.settings")
    values = {name: getattr(base, name) for name in dir(base) if name.isupper()}
    values["INSTALLED_APPS"] = [*values["INSTALLED_APPS"], *filter(None, [tool.app])]
    values["MIDDLEWARE"] = [*filter(None, [tool.middleware]), *values["MIDDLEWARE"]]
    reports = Path(tempfile.mkdtemp()) / "report.json"
    values |= {"ZEAL_RAISE": False, "QUERY_DOCTOR": {"REPORTERS": ["json"], "JSON_REPORT_PATH": str(reports)}}
    values |= {"NPLUSONE_LOGGER": logging.getLogger("nplusone"), "NPLUSONE_LOG_LEVEL": logging.WARNING}
    settings.configure(**values)
    django.setup()


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "this tree"


@contextlib.contextmanager
def _querybudget() -> Iterator[list[Report]]:
    from querybudget import watch

    reports: list[Report] = []
    with watch() as seen:
        yield reports
    for finding in seen.findings:
        said = f"{finding.kind} {finding.relation} {finding.label} {finding.path} {finding.what}: {finding.advice}"
        reports.append(Report(said, finding.location, finding.change is not None))


@contextlib.contextmanager
def _zeal() -> Iterator[list[Report]]:
    reports: list[Report] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield reports
    for message in dict.fromkeys(str(one.message) for one in caught):
        if "N+1" in message:
            place = re.search(r" at (\S+:\d+) in ", message)
            reports.append(Report(message, place[1] if place else ""))


@contextlib.contextmanager
def _query_doctor() -> Iterator[list[Report]]:
    from django.conf import settings

    file = Path(settings.QUERY_DOCTOR["JSON_REPORT_PATH"])
    file.unlink(missing_ok=True)
    reports: list[Report] = []
    yield reports
    told = json.loads(file.read_text("utf-8")) if file.exists() else {}
    for one in told.get("prescriptions", ()):
        kind, where = one["issue_type"], one["location"]
        if kind in ("n_plus_one", "duplicate_query", "write_n_plus_one", "serializer_method_field"):
            place = f"{where['file']}:{where['line']}" if where else ""
            reports.append(Report(f"{kind} {one['description']}: {one['fix_suggestion']}", place))


def _logged(logger: str, read: Callable[[str], list[Report]]) -> Any:
    """A listener to what a tool logs."""

    @contextlib.contextmanager
    def listen() -> Iterator[list[Report]]:
        reports: list[Report] = []
        handler = logging.Handler()
        handler.emit = lambda record: reports.extend(read(record.getMessage()))  # type: ignore[method-assign]
        logging.getLogger(logger).addHandler(handler)
        try:
            yield reports
        finally:
            logging.getLogger(logger).removeHandler(handler)

    return listen


def _drf_lines(message: str) -> list[Report]:
    """Of its log only the lines that accuse a field: the header counts every repetition."""
    return [
        Report(line.strip()) for line in message.splitlines() if "possible N+1" in line and "queries in" not in line
    ]


LISTENERS: dict[str, Any] = {
    "querybudget": _querybudget,
    "zeal": _zeal,
    "query_doctor": _query_doctor,
    "nplusone": _logged("nplusone", lambda message: [Report(message)]),
    "drf_nplus": _logged("drf_nplus", _drf_lines),
}


def _repeated_lines(make: Any, request: Any) -> list[str]:
    """The innermost Python lines of the application at which at least as many queries were made as there are rows."""
    from django.contrib.contenttypes.models import ContentType
    from django.db import connections

    from querybudget.growth import rolled_back

    lines: Counter[str] = Counter()

    def note(execute: Any, *arguments: Any) -> Any:
        frames = [one for one in traceback.extract_stack() if one.filename.startswith(str(CORPUS))]
        lines.update(f"{one.filename}:{one.lineno}" for one in frames[-1:] if not one.filename.endswith("client.py"))
        return execute(*arguments)

    with rolled_back(), contextlib.ExitStack() as stack:
        ContentType.objects.clear_cache()
        make(max(ROWS))
        for alias in connections:
            stack.enter_context(connections[alias].execute_wrapper(note))
        request()
    return [line for line, count in lines.items() if count >= max(ROWS)]


def _proven(case: Any, make: Any) -> list[str]:
    """The advice that `fix` has proven for the case."""
    from django.test import RequestFactory

    from querybudget.growth import rolled_back
    from querybudget.ladder import climb
    from querybudget.replay import replay

    if case.method != "get":
        return []
    with rolled_back():
        make(max(ROWS))
        request = RequestFactory().get(case.path)
        ladder = climb(lambda changes: replay(request, changes))
    return [rung.change.text for rung in ladder.rungs] if not ladder.doubt else []


if __name__ == "__main__":
    sys.exit(main())
