"""`manage.py querybudget fix "GET /api/orders"`: what the advice would do, measured; `audit`: all that is wrong."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import Resolver404, resolve

from querybudget.audits import audited
from querybudget.endpoints import all_endpoints
from querybudget.ladder import Ladder, climb
from querybudget.message import listing
from querybudget.proof import cost_of, dear_field, steps
from querybudget.replay import replay

UNUSABLE = 2
"""Exit code for a request that can't be made."""

UNPROVEN = 1
"""Exit code when there are findings, for `fix` those that are left, or when nothing can be proven."""


class Command(BaseCommand):
    help = (
        "Show what the advised eager loads do to a request, without touching the code or the data. "
        "Example: manage.py querybudget fix 'GET /api/orders' --as demo"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        fix = commands.add_parser("fix", help="make a request with the advice applied, a step at a time")
        fix.add_argument("endpoint", help='method and path: "GET /api/orders"')
        fix.add_argument("--as", dest="user", metavar="USER", help="user name or primary key")
        fix.add_argument("--query", default="", help='query string: "status=placed&limit=20"')
        fix.add_argument(
            "--without", action="append", default=[], metavar="FIELD", help='leave a field out: "placed_by.offices"'
        )

        audit = commands.add_parser("audit", help="all findings of requests, with plans and with what nobody reads")
        audit.add_argument(
            "endpoints",
            nargs="*",
            metavar="ENDPOINT",
            help="as for fix; without any, each GET route that has no parameter",
        )
        audit.add_argument("--as", dest="user", metavar="USER", help="user name or primary key")
        audit.add_argument("--query", default="", help="query string for every request")
        audit.add_argument("--json", action="store_true", help="one document on standard output; see audits.py")

    def handle(self, *arguments: Any, **options: Any) -> None:
        (self._fix if options["command"] == "fix" else self._audit)(options)

    def _audit(self, options: dict[str, Any]) -> None:
        requests = {
            endpoint: _request(endpoint, options["query"], options["user"])
            for endpoint in options["endpoints"] or _readable()
        }
        report = audited(requests)
        if options["json"]:
            self._write(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        else:
            for line in report.lines():
                self._write(line)
        if report.has_findings:
            raise SystemExit(UNPROVEN)

    def _fix(self, options: dict[str, Any]) -> None:
        request = _request(options["endpoint"], options["query"], options["user"])
        without: list[str] = options["without"]
        whole = replay(request)
        if whole.status >= 400:
            raise CommandError(f"{options['endpoint']} answered {whole.status}", returncode=UNUSABLE)
        ladder = climb(lambda changes: replay(request, changes, without))
        if without and ladder.start.body == whole.body:
            raise CommandError(f"the answer has no field {', '.join(without)}", returncode=UNUSABLE)
        self._write(f"{options['endpoint']}: {whole.count} queries, {_size(whole.body)}")
        if without:
            count, size = ladder.start.count, _size(ladder.start.body)
            self._write(f"without {', '.join(without)}: {whole.count} → {count} queries, {size}")
        self._write_ladder(ladder)
        cost = None if without else dear_field(whole)
        if cost:
            self._write(f"Dearest fields: {cost_of(cost)}; try --without {cost.path}")
        if ladder.doubt or ladder.unproven:
            raise SystemExit(UNPROVEN)

    def _write_ladder(self, ladder: Ladder) -> None:
        if ladder.doubt:
            self._write(f"Nothing can be proven: {ladder.doubt}.", self.style.WARNING)
            return
        before = ladder.start.count
        for rung in ladder.rungs:
            self._write(f"  {before} → {rung.count}  {rung.change.text}", self.style.SUCCESS)
            before = rung.count
        if ladder.rungs:
            self._write(f"{steps(ladder.counts)} queries: the smallest set found, same status and bytes (measured).")
        elif not ladder.unproven:
            self._write("Nothing to mend.", self.style.SUCCESS)
        if ladder.unproven:
            self._write("Not proven:", self.style.WARNING)
            for finding, reason in ladder.unproven:
                for line in listing([finding]):
                    self._write(line)
                self._write(f"     {reason}")

    def _write(self, line: str, style: Any = None) -> None:
        self.stdout.write(line, style)


def _request(endpoint: str, query: str, user: str | None) -> HttpRequest:
    method, _, path = endpoint.partition(" ")
    if not path.startswith("/") or not method.isupper():
        raise CommandError(
            f'an endpoint is a method and a path, "GET /api/orders", not {endpoint!r}', returncode=UNUSABLE
        )
    try:
        resolve(path)
    except Resolver404:
        raise CommandError(f"no route for {path}", returncode=UNUSABLE) from None
    request = RequestFactory().generic(method, path, QUERY_STRING=query, HTTP_CACHE_CONTROL="no-cache")
    if user is not None:
        found = _user(user)
        request._force_auth_user = found  # type: ignore[attr-defined] # DRF's name for whom a test logs in
        request._cached_user = found  # type: ignore[attr-defined] # Django's, of its middleware
    return request


def _readable() -> list[str]:
    """The GET routes that need no parameter to be asked."""
    return [name for name in all_endpoints() if name.startswith("GET ") and "{" not in name]


def _user(name: str) -> Any:
    model = get_user_model()
    for find in (model._default_manager.get_by_natural_key, lambda key: model._default_manager.get(pk=key)):  # type: ignore[attr-defined]
        try:
            return find(name)
        except (ObjectDoesNotExist, ValueError, ValidationError):
            continue
    raise CommandError(f"no user {name!r}, neither by name nor by primary key", returncode=UNUSABLE)


def _size(body: bytes) -> str:
    return f"{len(body):,} bytes"
