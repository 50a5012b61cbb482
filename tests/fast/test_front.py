"""What is answered in front of Django is what Django would answer: same headers, rights, counts and log."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.handlers.base import BaseHandler
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import RequestFactory
from knox.models import get_token_model

from api.views import ShapedViewSet
from businesses import fast as authentication
from businesses import tokens
from businesses.models import Membership, User
from config.wsgi import application
from fast import early
from orders.models import Order
from querybudget.middleware import WANTED, request_measured
from querybudget.requests import unmeasured
from querybudget.traffic import traffic
from tests import factories

pytestmark = pytest.mark.usefixtures("store")

URLS = ["/api/orders", "/api/orders/{key}", "/api/orders/summary?group_by=office", "/api/offices", "/api/products"]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Server:
    """The WSGI application, asked as a server asks it, and the requests of which that came to Django."""

    def __init__(self, user: User) -> None:
        self.token = f"Token {tokens.issue(user)[0]}"
        self.came: list[str] = []

    def get(self, url: str, method: str = "GET", **headers: str) -> Answer:
        given: Any = {"HTTP_AUTHORIZATION": self.token} | headers
        environ = RequestFactory().generic(method, url, **given).environ
        answered: Any = Answer(0, {}, b"")

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            answered.status, answered.headers = int(status[:3]), dict(headers)

        with unmeasured():
            body: Any = application(environ, start)
            answered.body = b"".join(body)
            getattr(body, "close", list)()
        return answered


@pytest.fixture
def order(owner: User, office: Any) -> Order:
    return factories.order(office, owner)


@pytest.fixture
def server(owner: User, order: Order, monkeypatch: pytest.MonkeyPatch) -> Server:
    server, get_response = Server(owner), BaseHandler.get_response

    def noted(handler: BaseHandler, request: Any) -> Any:
        server.came.append(request.get_full_path())
        return get_response(handler, request)

    monkeypatch.setattr(BaseHandler, "get_response", noted)
    return server


def same(headers: dict[str, str]) -> dict[str, str]:
    """All that does not count or name the single request."""
    apart = ("X-Request-Id", "Server-Timing", "RateLimit")
    return {name: value.partition("; ttl")[0] for name, value in headers.items() if name not in apart}


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_hit_and_a_304_never_come_to_django(
    server: Server, order: Order, url: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = url.format(key=order.pk)
    tag = server.get(url).headers["ETag"]
    server.came.clear()
    hit, unchanged = server.get(url, method), server.get(url, method, HTTP_IF_NONE_MATCH=tag)
    assert (hit.status, unchanged.status, unchanged.body, server.came) == (200, 304, b"", [])
    for who in (application, early.Known):
        monkeypatch.setattr(who, "settle", lambda known, environ: None)
    from_django = server.get(url)
    assert server.came == [url]
    assert (hit.body, same(hit.headers)) == (from_django.body, same(from_django.headers))
    kept = {"ETag", "Cache-Control", "Cache-Status", "Vary", "X-Request-Id", "Server-Timing"}  # RFC 9110, 15.4.5
    assert unchanged.headers.keys() == kept
    assert {name: hit.headers[name] for name in ("ETag", "Cache-Control", "Vary")}.items() <= unchanged.headers.items()


def revoked(user: User) -> None:
    get_token_model().objects.filter(user=user).delete()


def expired(user: User) -> None:
    get_token_model().objects.filter(user=user).update(expiry="2020-01-01T00:00:00Z")


def disabled(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def expelled(user: User) -> None:
    Membership.objects.filter(user=user).delete()


@pytest.mark.parametrize(("happens", "status"), [(revoked, 401), (expired, 401), (disabled, 401), (expelled, 200)])
@pytest.mark.parametrize("has_a_copy", [True, False])
def test_rights_are_asked_for_each_time(
    server: Server, owner: User, order: Order, happens: Callable[[User], None], status: int, has_a_copy: bool
) -> None:
    tag = server.get("/api/orders").headers["ETag"]
    headers = {"HTTP_IF_NONE_MATCH": tag} if has_a_copy else {}
    assert server.get("/api/orders", **headers).status == (304 if has_a_copy else 200)
    happens(owner)
    answered = server.get("/api/orders", **headers)
    assert answered.status == status
    assert str(order.number).encode() not in answered.body


@pytest.mark.parametrize("header", ["", "Token wrong", "Token " + "a" * 64, "Token", "Basic eDp5"])
def test_a_stranger_gets_no_page(server: Server, header: str) -> None:
    tag = server.get("/api/orders").headers["ETag"]
    answered = server.get("/api/orders", HTTP_AUTHORIZATION=header, HTTP_IF_NONE_MATCH=tag)
    assert (answered.status, json.loads(answered.body)["status"]) == (401, 401)


def test_a_write_is_seen_at_once(server: Server, owner: User, office: Any) -> None:
    tag = server.get("/api/orders").headers["ETag"]
    server.get("/api/orders")
    newer = factories.order(office, owner)
    answered = server.get("/api/orders", HTTP_IF_NONE_MATCH=tag)
    assert answered.status == 200
    assert json.loads(answered.body)["results"][0]["number"] == newer.number


@pytest.mark.parametrize(
    ("headers", "queries"), [({}, 1), ({"HTTP_IF_NONE_MATCH": "*"}, 1), ({"HTTP_CACHE_CONTROL": "no-cache"}, 2)]
)
def test_queries_are_counted_wherever_the_answer_comes_from(
    server: Server, headers: dict[str, str], queries: int
) -> None:
    for _ in range(3):
        server.get("/api/orders")
    traffic.clear()
    answered = server.get("/api/orders", **headers)
    assert f'desc="{queries} quer' in answered.headers["Server-Timing"]
    (seen,) = traffic.served().values()
    assert (seen.requests, seen.worst) == (1, queries)


def test_each_variant_has_its_own_count(server: Server) -> None:
    tag = server.get("/api/orders").headers["ETag"]
    traffic.clear()
    for _ in range(2):
        server.get("/api/orders")
        server.get("/api/orders", HTTP_IF_NONE_MATCH=tag)
    counts = {name: seen.requests for name, seen in traffic.served().items()}
    assert counts == {"GET /api/orders [hit]": 2, "GET /api/orders [304]": 2}


def test_a_hit_over_its_budget_is_told_of(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        server.get("/api/orders")
    (line,) = {found.page.line for found in early.known._values.values() if found.page.line}
    monkeypatch.setattr(line, "limit", 0)
    with caplog.at_level("WARNING", "querybudget"):
        server.get("/api/orders")
        monkeypatch.setattr(request_measured, "receivers", [])
        server.get("/api/orders")
    told = [message for message in caplog.messages if message.startswith("GET /api/orders [hit]: 1 queries, budget 0")]
    assert len(told) == 2


def test_a_thread_that_outlives_its_request_counts_for_no_later_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, threads = threading.Event(), []
    count, settle = ShapedViewSet.count, early.Known.settle

    def work() -> None:
        go.wait(20)
        User.objects.count()
        connection.close()

    def starting(view: ShapedViewSet, request: Any) -> None:
        count(view, request)
        threads.append(threading.Thread(target=work))
        threads[-1].start()

    def waiting(known: early.Known, environ: dict[str, Any]) -> Any:
        go.set()
        for thread in threads:
            thread.join()
        return settle(known, environ)

    server.get("/api/orders")
    monkeypatch.setattr(ShapedViewSet, "count", starting)
    server.get("/api/orders", HTTP_CACHE_CONTROL="no-cache")  # begun here, and computed by Django
    monkeypatch.setattr(early.Known, "settle", waiting)
    server.came.clear()
    answered = server.get("/api/orders")
    assert (len(threads), server.came) == (1, [])
    assert 'desc="1 query"' in answered.headers["Server-Timing"]


def test_the_log_has_a_line_of_each(server: Server, owner: User, caplog: pytest.LogCaptureFixture) -> None:
    tag = server.get("/api/orders").headers["ETag"]
    caplog.set_level("INFO", "access")
    caplog.clear()
    server.get("/api/orders", HTTP_X_REQUEST_ID="id-of-a-router")
    server.get("/api/orders", HTTP_IF_NONE_MATCH=tag)
    lines: list[Any] = [line for line in caplog.records if line.name == "access"]
    assert [(line.status, line.route, line.queries, line.user) for line in lines] == [
        (200, "/api/orders", 1, owner.pk),
        (304, "/api/orders", 1, owner.pk),
    ]
    assert lines[0].id == "id-of-a-router"
    assert all(line.cache.startswith("orders; hit") and line.milliseconds > 0 for line in lines)


@pytest.fixture
def nobody_is_told() -> Iterator[None]:
    """Without an access log, as where it is switched off."""
    receivers, request_measured.receivers = request_measured.receivers, []
    yield
    request_measured.receivers = receivers


@pytest.mark.usefixtures("nobody_is_told")
@pytest.mark.parametrize("given", ["", "id-of-a-router", "no id"])
def test_an_answer_has_the_id_of_its_request(server: Server, given: str) -> None:
    headers = {"HTTP_X_REQUEST_ID": given} if given else {}
    ids = [server.get("/api/orders", **headers).headers["X-Request-Id"] for _ in range(3)]
    assert set(ids) == {given} if given == "id-of-a-router" else len({*ids, given}) == 4


def test_who_takes_it_compressed_gets_it_so(server: Server) -> None:
    plain = server.get("/api/orders")
    server.came.clear()
    for _ in range(2):
        answered = server.get("/api/orders", HTTP_ACCEPT_ENCODING="gzip")
        assert answered.headers["Content-Length"] == str(len(answered.body))
        assert gzip.decompress(answered.body) == plain.body
        assert answered.headers["ETag"] == f"W/{plain.headers['ETag']}"
    tag = answered.headers["ETag"]
    assert server.get("/api/orders", HTTP_ACCEPT_ENCODING="gzip", HTTP_IF_NONE_MATCH=tag).status == 304
    assert server.came == []


def test_a_database_that_fails_is_asked_once_and_answered_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.get("/api/orders")
    asked: list[str] = []

    def fail(token: str) -> Any:
        asked.append(token)
        raise OperationalError("gone")

    monkeypatch.setattr(authentication, "find", fail)
    answered = server.get("/api/orders")
    assert (answered.status, json.loads(answered.body)["status"], len(asked)) == (503, 503, 1)


def test_a_connection_that_the_server_closed_is_opened_anew(server: Server) -> None:
    tag = server.get("/api/orders").headers["ETag"]
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            number = cursor.fetchone()[0]
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [number])
        other.close()
        server.came.clear()
        assert server.get("/api/orders", HTTP_IF_NONE_MATCH=tag).status == 304
        assert server.came == []


def test_a_connection_that_is_not_to_be_kept_is_not(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    connection.close()
    for _ in range(3):
        server.get("/api/orders")
        assert connection.connection is None


def test_what_waited_too_long_is_shed(server: Server, settings: Any) -> None:
    server.get("/api/orders")
    settings.BEHIND_ROUTER = True
    since = int((time.time() - settings.SHED_AFTER - 1) * 1000)
    assert server.get("/api/orders", HTTP_X_REQUEST_START=str(since)).status == 503


def test_who_wants_a_report_gets_it_from_django(server: Server) -> None:
    server.get("/api/orders")
    server.came.clear()
    server.get("/api/orders", **{WANTED: "token"})
    assert server.came == ["/api/orders"]


@pytest.mark.parametrize("spoil", ["header", "cookie", "status", "tag", None])
def test_only_an_answer_that_says_all_is_learnt(server: Server, spoil: str | None) -> None:
    server.get("/api/orders")
    (known,) = early.known._values.values()
    response = HttpResponse(headers={"ETag": '"a"', "Vary": "Accept", "X-Frame-Options": "DENY"})
    if spoil == "header":
        response.headers["X-Of-This-One"] = "1"
    elif spoil == "cookie":
        response.set_cookie("of", "one")
    elif spoil == "status":
        response.status_code = 201
    elif spoil == "tag":
        del response.headers["ETag"]
    learnt = known.answered(response)
    assert (learnt is None) == (spoil is not None)
    if learnt:
        assert learnt.headers == {"Vary": "Accept", "X-Frame-Options": "DENY"}
        assert learnt.headers_304 == {"Vary": "Accept"}


def test_no_token_is_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            server.get("/api/orders")
    assert server.token.split()[1] not in caplog.text
