"""Budgets without pytest: `TEST_RUNNER = "querybudget.runner.BudgetDiscoverRunner"`."""

from __future__ import annotations

import unittest
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.test.runner import DiscoverRunner

from querybudget.changes import update
from querybudget.errors import UsageError
from querybudget.ledger import Ledger
from querybudget.options import read_options
from querybudget.report import Report, rendered
from querybudget.run import Run


class BudgetDiscoverRunner(DiscoverRunner):
    """Django's runner, with every request of every test held to its budget.

    The ledger and `[tool.querybudget]` are looked for in the current folder. Tests run in one
    process: what those of `--parallel` did is not known here.
    """

    def __init__(self, query_budgets: str | None = None, query_budgets_raise: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.may_raise = query_budgets_raise
        self.whole = not (options.get("tags") or options.get("exclude_tags") or options.get("test_name_patterns"))
        self.budgets = None if query_budgets == "off" else _run(query_budgets)
        if self.budgets and self.parallel > 1:
            raise CommandError("query budgets: not with --parallel; run pytest -n instead")

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--query-budgets", choices=("check", "update", "off"))
        parser.add_argument("--query-budgets-raise", action="store_true")

    def build_suite(self, test_labels: Any = None, **kwargs: Any) -> Any:
        self.whole = self.whole and not test_labels
        return super().build_suite(test_labels, **kwargs)

    def get_resultclass(self) -> Any:
        plain = super().get_resultclass() or unittest.TextTestResult
        return budget_result(plain, self.budgets) if self.budgets else plain

    def run_suite(self, suite: Any, **kwargs: Any) -> Any:
        if self.budgets and (reason := self.budgets.options.not_held()):
            if self.budgets.mode == "update":
                raise CommandError(f"query budgets: nothing is updated: {reason}", returncode=4)
            self.log(f"query budgets: nothing is held: {reason}")
            self.budgets = None
        if self.budgets is None:
            return super().run_suite(suite, **kwargs)
        self.budgets.start()
        try:
            result = super().run_suite(suite, **kwargs)
        finally:
            self.budgets.stop()
        self._report(self.budgets, passed=result.wasSuccessful())
        return result

    def _report(self, budgets: Run, *, passed: bool) -> None:
        partial = None if passed and self.whole else "some tests failed or did not run"
        routes = set() if partial else budgets.routes()
        changes = None
        if budgets.mode == "update":
            changes = update(
                budgets.ledger,
                budgets.tally,
                complete=partial is None,
                may_raise=self.may_raise,
                routes=set() if partial else budgets.entries(),
            )
            budgets.ledger.save()
        late = [violation.message for violation in budgets.late.values()]
        report = Report(budgets.ledger, budgets.tally, routes, partial, changes, late)
        self.log(rendered(report.table(), colour=False, width=None))
        for heading, entries in report.lists():
            self.log("\n  ".join([f"{heading}:", *entries]))


def _run(mode: str | None) -> Run | None:
    try:
        options = read_options(Path.cwd())
        if not options.ledger.exists() and mode is None:
            return None
        if not options.ledger.exists() and mode == "check":
            raise UsageError(f"no {options.ledger.name}: write it with manage.py test --query-budgets=update")
        return Run(Ledger(options.ledger), options, "update" if mode == "update" else "check")
    except UsageError as error:
        raise CommandError(f"query budgets: {error}", returncode=4) from None


def budget_result(plain: type[unittest.TestResult], budgets: Run) -> type[unittest.TestResult]:
    """`plain`, except that a test is a success only if its requests kept their budgets."""

    class BudgetResult(plain):  # type: ignore[misc, valid-type]
        def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
            budgets.begin(test.id())
            super().startTest(test)

        def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
            violations = budgets.end()
            if not violations:
                super().addSuccess(test)
                return
            failure = AssertionError("\n\n".join(violation.message for violation in violations))
            super().addFailure(test, (AssertionError, failure, None))

    return BudgetResult
