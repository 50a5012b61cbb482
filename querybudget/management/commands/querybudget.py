"""`manage.py querybudget fix "GET /api/orders"`: what the advice would do, measured; `audit`: all that is wrong;
`stale`: where the ledger and the routes have parted; `token`: what captures one request of a running server."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import Resolver404, resolve

from querybudget.advice import Change
from querybudget.audits import audited
from querybudget.configuration import configured
from querybudget.endpoints import all_endpoints, endpoint_of
from querybudget.errors import UsageError
from querybudget.ladder import Ladder, climb
from querybudget.message import listing
from querybudget.options import Options
from querybudget.pages import page
from querybudget.progress import progress
from querybudget.proof import cost_of, dear_field, steps
from querybudget.replay import Answer, replay
from querybudget.stale import stale
from querybudget.tokens import HEADER, issued, seconds_of

UNUSABLE = 2
"""Exit code for a request that can't be made."""

UNPROVEN = 1
"""Exit code when there are findings, for `fix` those that are left, or when nothing can be proven."""


class Command(BaseCommand):
    help = (
        "Audit requests, measure what the advised eager loads do to one, compare the ledger with the routes, or let a "
        "server capture one request."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = "Example: manage.py querybudget fix 'GET /api/orders' --as demo"
        commands = parser.add_subparsers(dest="command", required=True)

        def command(name: str, does: str, example: str) -> ArgumentParser:
            epilog = f"Example: manage.py querybudget {name} {example}".rstrip()
            return commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", epilog=epilog)

        fix = command("fix", "make a request with the advice applied, a step at a time", "'GET /api/orders' --as demo")
        fix.add_argument("endpoint", help='method and path: "GET /api/orders"')
        fix.add_argument("--query", default="", help='query string: "status=placed&limit=20"')
        fix.add_argument(
            "--without", action="append", default=[], metavar="FIELD", help='leave a field out: "placed_by.offices"'
        )

        audit = command(
            "audit", "all findings of requests, with plans and with what nobody reads", "--as demo --html audit.html"
        )
        audit.add_argument(
            "endpoints",
            nargs="*",
            metavar="ENDPOINT",
            help="as for fix; without any, each GET route without a parameter that the options do not ignore",
        )
        audit.add_argument("--query", default="", help="query string for every request")
        audit.add_argument("--json", action="store_true", help="one document on standard output; report.schema.json")
        audit.add_argument("--html", type=Path, metavar="FILE", help="write one page with everything in it")

        for asking in (fix, audit):
            asking.add_argument(
                "--as", dest="user", metavar="USER", help="user name or primary key; no login is needed"
            )
            asking.add_argument(
                "--header", action="append", default=[], help='"Authorization: Token 3f…"; may be given several times'
            )

        command("stale", "where ledger and routes have parted; for a pre-commit hook", "")

        token = command("token", f"a token for the header {HEADER}", "--expires 1h")
        token.add_argument(
            "--expires", default="15m", metavar="DURATION", help="90s, 15m (the default) or 2h; at most 24h"
        )

    def handle(self, *arguments: Any, **options: Any) -> None:
        run = {"fix": self._fix, "audit": self._audit, "token": self._token, "stale": self._stale}[options["command"]]
        try:
            run(options)
        except UsageError as error:
            raise CommandError(str(error), returncode=UNUSABLE) from None

    def _token(self, options: dict[str, Any]) -> None:
        self._write(issued(seconds_of(options["expires"])))

    def _stale(self, options: dict[str, Any]) -> None:
        budgets, ledger = configured()
        parted = list(stale(ledger, budgets))
        for line in parted:
            self._write(line)
        if parted:
            raise SystemExit(UNPROVEN)

    def _audit(self, options: dict[str, Any]) -> None:
        budgets, ledger = configured()
        requests = {endpoint: _request(endpoint, options) for endpoint in options["endpoints"] or _readable(budgets)}
        with progress("requests", len(requests)) as shown:
            report = audited(requests, shown.advance)
        if options["json"] or options["html"]:
            document = report.document({name: _booked(request, budgets) for name, request in requests.items()}, ledger)
        if options["html"]:
            _written(options["html"], page(document))
        if options["json"]:
            self._write(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            for line in report.lines():
                self._write(line)
        if options["endpoints"] and any(answer.is_error for answer in report.answers.values()):
            raise SystemExit(UNUSABLE)
        if report.has_findings:
            raise SystemExit(UNPROVEN)

    def _fix(self, options: dict[str, Any]) -> None:
        request = _request(options["endpoint"], options)
        without: list[str] = options["without"]
        with progress("requests made") as shown:

            def made(changes: Sequence[Change] = (), without: Sequence[str] = ()) -> Answer:
                shown.advance()
                return replay(request, changes, without)

            whole = made()
            if whole.is_error:
                hint = (
                    "try --as, --header or --query"
                    if settings.ALLOWED_HOSTS or settings.DEBUG
                    else "ALLOWED_HOSTS is empty"
                )
                raise CommandError(f"{options['endpoint']} answered {whole.status}: {hint}", returncode=UNUSABLE)
            ladder = climb(lambda changes: made(changes, without))
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


def _request(endpoint: str, options: dict[str, Any]) -> HttpRequest:
    method, _, path = endpoint.partition(" ")
    if not path.startswith("/") or not method.isupper():
        raise CommandError(
            f'an endpoint is a method and a path, "GET /api/orders", not {endpoint!r}', returncode=UNUSABLE
        )
    try:
        resolve(path)
    except Resolver404:
        raise CommandError(f"no route for {path}", returncode=UNUSABLE) from None
    headers = {"Host": _host(), "Cache-Control": "no-cache"} | dict(map(_header, options["header"]))
    request = RequestFactory().generic(method, path, secure=True, QUERY_STRING=options["query"], headers=headers)
    if options["user"] is not None:
        found = _user(options["user"])
        request._force_auth_user = found  # type: ignore[attr-defined] # DRF's name for whom a test logs in
        request._cached_user = found  # type: ignore[attr-defined] # Django's, of its middleware
    return request


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not (name.strip() and colon):
        raise CommandError(f'a header is like "Accept: text/csv", not {line!r}', returncode=UNUSABLE)
    return name.strip(), value.strip()


def _readable(options: Options) -> list[str]:
    """The routes that need no parameter to be asked with GET, without those that the options ignore."""
    asked = (f"GET {path}" for method, _, path in (name.partition(" ") for name in all_endpoints()) if method in "GET*")
    return list(dict.fromkeys(name for name in asked if "{" not in name and options.booked_as(name)))


def _booked(request: HttpRequest, options: Options) -> str:
    """The ledger's name for it; an ignored endpoint's own."""
    name = endpoint_of(request)
    booked = options.booked_as(name)
    return options.variant_of(booked, request, None) if booked else name


def _written(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=UNUSABLE) from None


def _host() -> str:
    """A host that this site answers to."""
    allowed = (host.removeprefix(".") for host in settings.ALLOWED_HOSTS)
    return next((host for host in allowed if "*" not in host), "localhost")


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
