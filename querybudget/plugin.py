"""The pytest plugin: budgets are held in every test, with no code in the tests.

The test process measures (with pytest-xdist each worker does), the process that the user started
writes the ledger and prints the report.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from querybudget.changes import Changes
    from querybudget.growth import QueryGrowth
    from querybudget.report import Report
    from querybudget.run import Exemption, Run
    from querybudget.verdict import Violation

MARKER = (
    "query_budget(queries, endpoint='*', reason=''): in this test the endpoints that match the pattern have this "
    "budget instead of the ledger's; None is no limit. The test has no say in what the ledger is updated to."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("querybudget", "query budgets")
    group.addoption(
        "--query-budgets",
        choices=("check", "update", "off"),
        help="check: hold every request to its budget (the default where a ledger exists); update: write the ledger",
    )
    group.addoption("--query-budgets-raise", action="store_true", help="let an update raise budgets")
    group.addoption(
        "--query-budgets-complete",
        action="store_true",
        help="fail the run unless all tests ran and each route and entry of the ledger has one with two rows",
    )
    group.addoption("--query-budgets-ledger", metavar="FILE", help="the ledger, in place of the one in pyproject.toml")
    for form, what in (("html", "one page with everything in it"), ("json", "the form of report.schema.json")):
        group.addoption(f"--query-budgets-{form}", metavar="FILE", help=f"write a report of all endpoints: {what}")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    mode = config.getoption("--query-budgets")
    if mode == "off" or config.option.collectonly:
        return
    from querybudget.errors import UsageError
    from querybudget.ledger import Ledger
    from querybudget.options import read_options

    try:
        options = read_options(config.rootpath, config.getoption("--query-budgets-ledger"))
        if mode is None and not options.ledger.exists():
            return
        if mode == "check" and not options.ledger.exists():
            raise UsageError(f"no {_relative(options.ledger, config)}: write it with pytest --query-budgets=update")
        ledger = Ledger(options.ledger)
    except UsageError as error:
        raise pytest.UsageError(f"query budgets: {error}") from None
    from querybudget.run import Run

    run = Run(ledger, options, mode or "check", detailed=any(_reports(config)))
    config.pluginmanager.register(BudgetPlugin(config, run), "querybudget-run")


def _reports(config: pytest.Config) -> tuple[str | None, str | None]:
    """The files that were asked for: HTML, JSON."""
    return config.getoption("--query-budgets-html"), config.getoption("--query-budgets-json")


def _relative(path: Path, config: pytest.Config) -> Path:
    return path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path


class BudgetPlugin:
    """The hooks of one process of a run; registered only where budgets are on."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self.config = config
        self.run = run
        self.report: Report | None = None
        self.missing = ""
        self.not_held = ""
        self.deselected = 0
        self.worker_lost = False

    @property
    def is_worker(self) -> bool:
        return hasattr(self.config, "workerinput")

    def pytest_report_header(self) -> str:
        ledger = self.run.ledger
        return (
            f"query budgets: {self.run.mode}, {_relative(ledger.path, self.config)} ({len(ledger.budgets)} endpoints)"
        )

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.deselected += len(items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        from django.apps import apps

        if not apps.ready:
            raise pytest.UsageError("query budgets: Django is not set up; install pytest-django or call django.setup()")
        self.not_held = self.run.options.not_held()
        if self.not_held:
            if self.run.mode == "update":
                raise pytest.UsageError(f"query budgets: nothing is updated: {self.not_held}")
            return (yield)
        self.run.start()
        try:
            return (yield)
        finally:
            self.run.stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.run.begin(item.nodeid, _exemptions(item))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            result = yield
        except BaseException:
            self._attach(item)
            raise
        if getattr(item, "_excinfo", None):  # unittest keeps its failures to itself until the report is made
            self._attach(item)
        elif violations := self._end(item):
            pytest.fail("\n\n".join(map(self._message, violations)), pytrace=False)
        return result

    def _attach(self, item: pytest.Item) -> None:
        """A test that failed by itself keeps its own failure; budgets are a section below it."""
        for violation in self._end(item):
            item.add_report_section("call", "query budget", self._message(violation))

    def _end(self, item: pytest.Item) -> list[Violation]:
        """What the test broke; what it did goes into its properties, which --junitxml writes."""
        violations = self.run.end()
        for endpoint, (queries, budget) in sorted(self.run.counts.items()):
            item.user_properties.append((f"queries {endpoint}", queries))
            if budget is not None:
                item.user_properties.append((f"budget {endpoint}", budget))
        return violations

    def _message(self, violation: Violation) -> str:
        """In colour where the terminal has it; a worker of xdist knows of none."""
        from querybudget.message import coloured

        writer = None if self.is_worker else self.config.get_terminal_writer()
        return coloured(violation.message) if writer and writer.hasmarkup else violation.message

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """xdist: a worker has finished, or died and reports nothing."""
        from querybudget.tally import Tally
        from querybudget.verdict import Violation

        data = getattr(node, "workeroutput", {}).get("querybudget")
        if data is None:
            self.worker_lost = True
            return
        self.run.tally.merge(Tally.from_json(data["tally"]))
        self.not_held = data["not_held"]
        late, broken = ([Violation(**one) for one in data[name]] for name in ("late", "broken"))
        self.run.late.update({violation.endpoint: violation for violation in late})
        self.run.broken += broken
        self.deselected = max(self.deselected, data["deselected"])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        late, broken = list(self.run.late.values()), self.run.broken
        if self.is_worker:
            self.config.workeroutput["querybudget"] = {  # type: ignore[attr-defined]
                "not_held": self.not_held,
                "tally": self.run.tally.as_json(),
                "late": [violation.as_json() for violation in late],
                "broken": [violation.as_json() for violation in broken],
                "deselected": self.deselected,
            }
            return
        if self.not_held:
            self.missing = self.not_held if self.config.getoption("--query-budgets-complete") else ""
            if exitstatus == pytest.ExitCode.OK and self.missing:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return
        from querybudget.report import Report

        partial = self._partial(exitstatus)
        # A partial run judges no route, and one that broke early may not even be able to load the URLconf.
        routes = set() if partial else self.run.routes()
        changes = self._update(partial) if self.run.mode == "update" else None
        messages = [violation.message for violation in late]
        self.report = Report(self.run.ledger, self.run.tally, routes, partial, changes, messages, [*broken, *late])
        self._write(self.report)
        if self.config.getoption("--query-budgets-complete"):
            self.missing = self.report.missing()
        if exitstatus == pytest.ExitCode.OK and (late or self.missing or (changes and changes.refused)):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write(self, report: Report) -> None:
        """The files that were asked for, by the process that the user started."""
        html, as_json = _reports(self.config)
        if not (html or as_json):
            return
        from querybudget.pages import page

        document = report.document()
        here = self.config.invocation_params.dir
        if html:
            (here / html).write_text(page(document), "utf-8")
        if as_json:
            (here / as_json).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def _update(self, partial: str | None) -> Changes:
        from querybudget.changes import update

        may_raise = self.config.getoption("--query-budgets-raise")
        routes = set() if partial else self.run.entries()
        changes = update(self.run.ledger, self.run.tally, complete=partial is None, may_raise=may_raise, routes=routes)
        self.run.ledger.save()
        return changes

    def _partial(self, exitstatus: int) -> str | None:
        """Why this run does not show what all tests do, or None."""
        if exitstatus != pytest.ExitCode.OK:
            return "the run did not pass"
        if self.worker_lost:
            return "a worker died"
        if self.deselected or self.config.getoption("lf", False):
            return "tests were deselected"
        if self.config.getoption("ignore", None) or self.config.getoption("ignore_glob", None):
            return "files were ignored"
        if self.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            return None
        here = self.config.invocation_params.dir
        given = {(here / argument).resolve() for argument in self.config.args}
        wanted = {(self.config.rootpath / path).resolve() for path in self.config.getini("testpaths")}
        root = self.config.rootpath.resolve()
        whole = root in given or (wanted and given >= wanted)
        return None if whole else "only some files ran"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        from querybudget.report import rendered

        report = self.report
        if report is None:
            if self.not_held:
                terminalreporter.section("query budgets")
                terminalreporter.write_line(f"Nothing was held: {self.not_held}.", red=bool(self.missing))
            return
        colour = terminalreporter.hasmarkup
        width = terminalreporter._tw.fullwidth if terminalreporter.isatty else None
        terminalreporter.section("query budgets")
        if report.tally.endpoints and terminalreporter.verbosity >= 0:
            terminalreporter.write_line(rendered(report.table(), colour=colour, width=width))
        for heading, entries in report.lists():
            terminalreporter.write_line(f"{heading}:", bold=True)
            for entry in entries:
                terminalreporter.write_line(f"  {entry}")
        if report.partial:
            terminalreporter.write_line(
                f"Partial ({report.partial}): nothing was lowered, deleted or called untouched."
            )
        if os.environ.get("GITHUB_ACTIONS") == "true":
            from querybudget.annotations import commands

            for line in commands(report.violations, [self.config.rootpath]):
                terminalreporter.write_line(line)
        if self.missing:
            terminalreporter.write_line(f"Not complete (--query-budgets-complete): {self.missing}.", red=True)


def _exemptions(item: pytest.Item) -> tuple[Exemption, ...]:
    from querybudget.run import Exemption

    def exemption(queries: int | None, endpoint: str = "*", reason: str = "") -> Exemption:
        return Exemption(queries, endpoint)

    try:
        return tuple(exemption(*mark.args, **mark.kwargs) for mark in item.iter_markers("query_budget"))
    except TypeError as error:
        pytest.fail(f"@pytest.mark.query_budget(queries, endpoint='*', reason=''): {error}", pytrace=False)


@pytest.fixture
def query_growth() -> QueryGrowth:
    """`query_growth(make, call, sizes=(2, 8))`: fail if `call` makes more queries after `make(8)`."""
    from querybudget.growth import query_growth

    return query_growth
