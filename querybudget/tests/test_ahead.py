"""What a server answers ahead of Django is counted as if Django had."""

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import resolve

from querybudget.middleware import QueryBudgetMiddleware, request_measured
from querybudget.tests.site import ask, broken, loop, once, timing
from querybudget.traffic import traffic

pytestmark = pytest.mark.usefixtures("unhooked")


class Kind:
    line = None


class Answer:
    def __init__(self):
        self.kind, self.headers, self.body = Kind, {}, b"body"


@pytest.fixture
def ahead(measured, monkeypatch):
    """`ahead(serve)`: what becomes of a request to /looping, and the middleware that counts it."""
    monkeypatch.setattr(Kind, "line", None)
    middleware = QueryBudgetMiddleware(loop)

    def as_django(answer, environ):
        request = RequestFactory().get("/looping")
        request.resolver_match = resolve("/looping")
        return request, HttpResponse(answer.body)

    def ask(serve, environ=None):
        return middleware.ahead(lambda known, environ: known(environ), as_django)(
            serve, {} if environ is None else environ
        )

    ask.middleware = middleware
    return ask


def serve(environ):
    User.objects.count()
    return Answer()


def test_what_is_answered_ahead_is_counted_alike(ahead, measured):
    for _ in range(3):
        assert ahead(serve).headers["Server-Timing"].endswith('desc="1 query"')
    assert measured == [("GET /looping", 1)] * 3


@pytest.mark.parametrize("told", [True, False])
def test_what_is_over_budget_ahead_is_warned_of_each_time(ahead, measured, caplog, told):
    receivers = request_measured.receivers
    if not told:
        request_measured.receivers = []

    def dear(environ):
        User.objects.count()
        return serve(environ)

    try:
        for _ in range(3):
            ahead(dear)
    finally:
        request_measured.receivers = receivers
    assert caplog.messages == ["GET /looping: 2 queries, budget 1 (query-budgets.toml:2)"] * 3


def test_without_anybody_who_is_told_budgets_are_held_and_requests_noted(ahead, measured, caplog, monkeypatch):
    monkeypatch.setattr(request_measured, "receivers", [])
    known, cheap = (traffic.seen(f"GET /looping{variant}") for variant in ("", " [cheap]"))
    before, cheap_before = known.requests, cheap.requests
    for _ in range(2):
        ask(ahead.middleware)
        ask(ahead.middleware, "?cheap=1")
        with pytest.raises(RuntimeError):
            ask(QueryBudgetMiddleware(broken))
        ahead(serve)
    assert caplog.messages == ["GET /looping: 3 queries, budget 1 (query-budgets.toml:2)"] * 2
    assert (known.requests, cheap.requests) == (before + 6, cheap_before + 2)
    assert known.worst >= 3
    assert measured == []


def test_what_was_asked_ahead_in_vain_counts_for_the_request(ahead, measured):
    request = RequestFactory().get("/looping")
    request.resolver_match = resolve("/looping")

    def decline(environ):
        User.objects.count()

    assert ahead(decline, request.META) is None
    assert measured == []
    assert timing(ahead.middleware(request)) == '"4 queries"'
    assert measured == [("GET /looping", 4)]
    assert timing(ahead.middleware(request)) == '"3 queries"'


def test_what_is_answered_ahead_is_booked_anew_for_each_kind_of_answer_only(ahead, measured, monkeypatch):
    for _ in range(2):
        ahead(serve)
    line = Kind.line
    assert line.endpoint == "GET /looping"
    monkeypatch.setattr(request_measured, "receivers", [])
    monkeypatch.setattr(ahead.middleware.lines, "of", None)
    ahead(serve)
    assert Kind.line is line


@pytest.mark.parametrize("seconds", ["0.00004", "0.0023", "0.7"])
@pytest.mark.parametrize("answer_to", [lambda ahead: ahead(serve), lambda ahead: ask(QueryBudgetMiddleware(once))])
def test_the_header_tells_milliseconds(ahead, measured, monkeypatch, answer_to, seconds):
    times = iter([10.0, 10.0 + float(seconds)])
    monkeypatch.setattr("querybudget.hooks.perf_counter", lambda: next(times, 20.0))
    said = answer_to(ahead).headers["Server-Timing"]
    assert abs(float(said.partition("dur=")[2].partition(";")[0]) - float(seconds) * 1000) < 0.11


def test_a_failure_ahead_is_passed_on(ahead, measured):
    with pytest.raises(RuntimeError):
        ahead(broken)
    assert ahead(serve).headers["Server-Timing"].endswith('desc="1 query"')


@pytest.mark.django_db(transaction=True)
def test_a_thread_that_outlives_its_request_counts_for_none_that_is_answered_ahead_later(ahead, measured):
    go, threads = threading.Event(), []

    def work():
        go.wait()
        User.objects.count()
        connection.close()

    def view(request):
        threads.append(threading.Thread(target=work))
        threads[0].start()
        return HttpResponse()

    def wait(environ):
        go.set()
        threads[0].join()
        return serve(environ)

    environ = {}
    for begun in (environ, {}):  # ahead, and then by Django; by Django alone
        go.clear()
        ahead(lambda environ: None, environ)
        request = RequestFactory().get("/looping")
        request.META |= begun
        QueryBudgetMiddleware(view)(request)
        assert ahead(wait).headers["Server-Timing"].endswith('desc="1 query"')
        threads.clear()
