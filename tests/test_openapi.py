"""The OpenAPI document is checked in, complete and true: answers to generated requests are held against it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation

from businesses import tokens
from config.wsgi import application
from tests import factories

pytest_plugins = ["schemathesis.pytest.plugin"]  # makes tests of a schema's operations
CHECKED_IN = Path(__file__).parent.parent / "docs" / "openapi.yaml"
METHODS = {"get", "post", "put", "patch", "delete"}
UNDOCUMENTED = {"/api/schema", "/api/docs"}  # the document itself and its reader


def generated() -> str:
    """What `make openapi` would write."""
    text = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=text)
    return text.getvalue()


def test_the_document_is_checked_in_as_the_code_generates_it() -> None:
    assert CHECKED_IN.read_text() == generated(), "the API changed: review it with `make openapi` and git diff"


def routes() -> Iterator[tuple[str, str]]:
    """Every path and method below /api that the URLconf serves."""

    def walk(patterns: list[URLPattern | URLResolver], above: str) -> Iterator[tuple[str, Any]]:
        for pattern in patterns:
            path = above + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, path)
            else:
                yield path, pattern.callback

    for path, view in walk(get_resolver().url_patterns, "/"):
        if path.startswith("/api/") and path not in UNDOCUMENTED:
            for method in METHODS & set(getattr(view, "actions", None) or dir(view.view_class)):
                yield re.sub(r"<\w+:(\w+)>", r"{\1}", path), method


def test_every_route_and_method_is_in_the_document() -> None:
    document = yaml.safe_load(CHECKED_IN.read_text())
    described = {(path, method) for path, item in document["paths"].items() for method in item if method in METHODS}
    assert set(routes()) == described


def test_the_schema_is_served_to_anybody() -> None:
    response = Client().get("/api/schema")
    assert yaml.safe_load(response.content) == yaml.safe_load(CHECKED_IN.read_text())


class Sources(HTMLParser):
    """The addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_documentation_page_loads_nothing_from_another_host() -> None:
    page = Client().get("/api/docs")
    assert page.status_code == 200
    sources = Sources()
    sources.feed(page.content.decode())
    assert len(sources.found) >= 3
    assert [source for source in sources.found if not source.startswith(("/static/", "/api/docs"))] == []
    assert re.findall(r"https?://[^\s\"'<]+", page.content.decode()) == []


# --- Generated requests

CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"deterministic": True, "with-security-parameters": False, "database": "none"},
        # All checks but one: a request of the right form may still name an office that there is not.
        "checks": {"positive_data_acceptance": {"enabled": False}},
        "phases": {"examples": {"enabled": False}, "stateful": {"enabled": False}},
    }
)
schema = schemathesis.openapi.from_path(CHECKED_IN, config=CONFIG)
schema.app = application


@dataclass(frozen=True, slots=True)
class World:
    """What generated requests find: rows whose ids and names they could not guess."""

    headers: dict[str, str]
    ids: dict[str, int]
    office: int
    sku: str
    version: int


@pytest.fixture
def world(db: None, settings: Any) -> Iterator[World]:
    settings.THROTTLES = dict.fromkeys(settings.THROTTLES, (10**9, 60))
    office = factories.office()
    owner = factories.member(office.company)
    order, product = factories.order(office, owner), factories.product()
    ids = {
        "orders": order.pk,
        "products": product.pk,
        "companies": office.company_id,
        "offices": office.pk,
        "addresses": owner.addresses.get().pk,
    }
    for signal in (request_started, request_finished):  # they would close the connection of the test's transaction
        signal.disconnect(close_old_connections)
    headers = {"Authorization": f"Token {tokens.issue(owner)[0]}", "Accept-Encoding": "identity"}
    yield World(headers, ids, office.pk, product.sku, order.revision)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


WITH_LINES = ("POST /api/orders", "PATCH /api/orders/{id}")


def make_real(case: Any, world: World) -> None:
    """Put what exists in place of random ids and names, in the parts of the request that are meant to be valid."""
    if case.path_parameters and not case.meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters["id"] = world.ids[case.path.split("/")[2]]
    if isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY):
        existing = {"office": world.office, "address": world.ids["addresses"], "version": world.version}
        case.body |= {name: value for name, value in existing.items() if name in case.body}
        if case.operation.label in WITH_LINES:  # elsewhere the name may come up as an extra one, with any value
            for line in case.body.get("lines", ()):
                line["sku"] = world.sku


@schema.parametrize()
@hypothesis_settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_generated_requests_get_documented_answers(case: Any, world: World) -> None:
    make_real(case, world)
    case.call_and_validate(headers=world.headers)
