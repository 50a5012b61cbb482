"""Counting in production: the header, the signal and the warning, for every kind of view and server."""

import logging

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.utils import CursorWrapper
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import resolve

from querybudget import UnseenQueriesError, hooks, watch
from querybudget.middleware import QueryBudgetMiddleware, request_measured
from querybudget.tests.site import ask, broken, loop, once, timing
from querybudget.traffic import traffic

pytestmark = pytest.mark.usefixtures("unhooked")


def test_a_request_is_counted(measured):
    assert timing(Client().get("/looping")) == '"3 queries"'
    assert measured == [("GET /looping", 3)]


def test_each_method_and_variant_of_a_route_has_its_own_name(measured):
    client = Client()
    for _ in range(2):
        client.get("/looping")
        client.post("/looping")
        client.get("/looping?cheap=1")
        client.get("/admin/looping")
    once = [("GET /looping", 3), ("POST /looping", 3), ("GET /looping [cheap]", 3), (None, 3)]
    assert measured == once * 2


def test_made_up_methods_are_not_remembered_for_ever(measured, monkeypatch):
    monkeypatch.setattr("querybudget.lines.MOST", 3)
    middleware = QueryBudgetMiddleware(lambda request: HttpResponse())
    for number in range(10):
        request = RequestFactory().generic(f"MADE{number}", "/looping")
        request.resolver_match = resolve("/looping")
        middleware(request)
    assert len(middleware.lines.known) <= 3
    assert measured == [(f"MADE{number} /looping", 0) for number in range(10)]


def test_a_database_that_can_not_be_seen_fails_the_first_request(measured, monkeypatch):
    monkeypatch.setattr(hooks, "check_sight", blind)
    with pytest.raises(UnseenQueriesError):
        Client().get("/looping")


def blind():
    raise UnseenQueriesError("blind")


def test_a_hook_that_a_view_replaces_fails_its_request(measured, monkeypatch):
    monkeypatch.setattr(CursorWrapper, "_execute", CursorWrapper._execute)  # restored at the end
    with pytest.raises(UnseenQueriesError, match="_execute was replaced"):
        Client().get("/patching")


def test_a_header_that_is_there_is_kept(measured, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.timed"]
    assert Client().get("/looping").headers["Server-Timing"].startswith("cache, db;dur=")


def timed(get_response):
    def middleware(request):
        response = get_response(request)
        response.headers["Server-Timing"] = "cache"
        return response

    return middleware


def test_a_stream_is_over_when_it_was_sent(measured):
    response = Client().get("/stream")
    assert (timing(response), measured) == ('"0 queries"', [])
    assert b"".join(response) == b"00"
    assert measured == [("GET /stream", 2)]


def test_a_stream_that_nobody_reads_is_over_when_it_is_closed(measured):
    Client().get("/stream").close()
    assert measured == [("GET /stream", 0)]


def test_a_listener_that_fails_breaks_nothing(measured):
    def fail(**named):
        raise RuntimeError("full disk")

    request_measured.connect(fail)
    assert Client().get("/looping").status_code == 200
    request_measured.disconnect(fail)


def test_a_request_takes_at_least_as_long_as_its_queries(measured):
    times = []

    def note(measurement, **named):
        times.append((measurement.seconds, measurement.watch.seconds))

    request_measured.connect(note)
    Client().get("/looping")
    request_measured.disconnect(note)
    assert times[0][0] > times[0][1] > 0


@pytest.mark.django_db(transaction=True)
def test_async_code_is_counted(measured):
    assert timing(async_to_sync(AsyncClient().get)("/async")) == '"1 query"'
    assert measured == [("GET /async", 1)]


def test_a_view_that_fails_is_counted(measured):
    assert Client(raise_request_exception=False).get("/broken").status_code == 500
    assert measured == [("GET /broken", 1)]


def test_over_budget_is_a_warning_that_names_endpoint_and_line(measured, caplog):
    caplog.set_level(logging.WARNING, "querybudget")
    Client().get("/looping")
    b"".join(Client().get("/stream"))
    assert caplog.messages == [
        "GET /looping: 3 queries, budget 1 (query-budgets.toml:2)",
        "GET /stream: 2 queries, budget 1 (query-budgets.toml:5)",
    ]


@pytest.mark.parametrize("url", ["/looping?cheap=1", "/tolerated", "/admin/looping"])
def test_variants_tolerated_shapes_and_what_is_ignored_give_no_warning(measured, caplog, url):
    caplog.set_level(logging.WARNING, "querybudget")
    Client().get(url)
    assert caplog.messages == []


def test_ignored_endpoints_are_measured_without_a_name(measured):
    Client().get("/admin/looping")
    assert measured == [(None, 3)]


def test_it_counts_inside_a_watch_too(measured):
    with watch() as seen:
        Client().get("/looping")
    assert (len(seen.counted), measured) == (3, [("GET /looping", 3)])


def test_a_ledger_that_cannot_be_read_stops_the_start(settings, site_folder):
    settings.QUERY_BUDGETS_FOLDER = site_folder
    (site_folder / "query-budgets.toml").write_text('["GET /"]\nqueries = "many"')
    with pytest.raises(ImproperlyConfigured, match=r"query-budgets.toml: .* must be a whole number"):
        QueryBudgetMiddleware(loop)


def test_without_a_ledger_it_counts(settings, tmp_path):
    settings.QUERY_BUDGETS_FOLDER = tmp_path
    assert QueryBudgetMiddleware(loop).ledger.budgets == {}


def test_what_is_remembered_of_a_request_goes_by_all_that_tells_variants_apart(measured):
    given = [("?cheap=1", 200, "miss"), ("", 200, "miss"), ("", 410, "miss"), ("", 200, "hit")]
    middleware = QueryBudgetMiddleware(lambda request: answer)
    for _ in range(2):
        for query, status, cache in given:
            answer = HttpResponse(status=status, headers={"Cache-Status": cache})
            ask(middleware, query)
    names = ["GET /looping [cheap]", "GET /looping", "GET /looping [gone]", "GET /looping [hit]"]
    assert measured == [(name, 0) for name in names * 2]
    assert len(middleware.lines.known) == 4
    ask(middleware, "?cheap=1&" + "a" * 200)
    assert len(middleware.lines.known) == 4
    assert measured[-1] == ("GET /looping [cheap]", 0)


# --- Where nobody wants to know more than numbers


@pytest.mark.usefixtures("unhooked")
def test_without_anybody_who_is_told_budgets_are_held_and_requests_noted(measured, caplog, monkeypatch):
    monkeypatch.setattr(request_measured, "receivers", [])
    known, cheap = (traffic.seen(f"GET /looping{variant}") for variant in ("", " [cheap]"))
    before, cheap_before, middleware = known.requests, cheap.requests, QueryBudgetMiddleware(loop)
    for _ in range(2):
        ask(middleware)
        ask(middleware, "?cheap=1")
        with pytest.raises(RuntimeError):
            ask(QueryBudgetMiddleware(broken))
    assert caplog.messages == ["GET /looping: 3 queries, budget 1 (query-budgets.toml:2)"] * 2
    assert (known.requests, cheap.requests) == (before + 4, cheap_before + 2)
    assert known.worst >= 3
    assert measured == []


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("seconds", ["0.00004", "0.0023", "0.7"])
def test_the_header_tells_milliseconds(measured, monkeypatch, seconds):
    times = iter([10.0, 10.0 + float(seconds)])
    monkeypatch.setattr("querybudget.hooks.perf_counter", lambda: next(times, 20.0))
    said = ask(QueryBudgetMiddleware(once)).headers["Server-Timing"]
    assert abs(float(said.partition("dur=")[2].partition(";")[0]) - float(seconds) * 1000) < 0.11
