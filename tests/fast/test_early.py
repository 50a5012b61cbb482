"""A URL that is known is answered before DRF sets a request up; everything else goes its ordinary way."""

from __future__ import annotations

import gc
import gzip
from collections.abc import Callable
from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.views import APIView

from businesses import fast as authentication
from businesses.models import Membership, User
from config.wsgi import application
from fast import early
from orders.models import Order
from querybudget.requests import unmeasured
from tests import factories

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def order(owner: User, office: Any) -> Order:
    return factories.order(office, owner)


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that DRF has set up."""
    seen: list[str] = []
    original = APIView.initialize_request

    def counted(view: APIView, request: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(request.get_full_path())
        return original(view, request, *args, **kwargs)

    monkeypatch.setattr(APIView, "initialize_request", counted)
    return seen


URLS = ["/api/orders", "/api/orders/{key}", "/api/orders/summary?group_by=office", "/api/offices", "/api/products"]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["get", "head"])
def test_a_hit_and_a_304_are_early_and_alike(
    client_of: Any, owner: User, order: Order, set_up: list[str], url: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, url = client_of(owner), url.format(key=order.pk)
    first = client.get(url)
    set_up.clear()
    hit = getattr(client, method)(url)
    unchanged = getattr(client, method)(url, headers={"If-None-Match": first.headers["ETag"]})
    assert set_up == []
    assert (hit.status_code, unchanged.status_code) == (200, 304)
    for early_way in ("answer", "settle"):
        monkeypatch.setattr(early.Known, early_way, lambda known, request: None)
    later = getattr(client, method)(url)
    assert set_up == [url]
    assert later.content == hit.content
    assert headers(later) == headers(hit)


def headers(response: Any) -> dict[str, str]:
    """All that does not count or name the single request."""
    return {
        name: value.partition("; ttl")[0]
        for name, value in response.headers.items()
        if name not in ("X-Request-Id", "Server-Timing", "RateLimit")
    }


COMPUTED = [*URLS, "/api/orders/export", "/api/orders/{key}/events", "/api/companies", "/api/addresses", "/api/me"]


@pytest.mark.parametrize("url", COMPUTED)
def test_what_is_computed_is_alike_too(client_of: Any, owner: User, order: Order, set_up: list[str], url: str) -> None:
    client, url, anew = client_of(owner), url.format(key=order.pk), {"Cache-Control": "no-cache"}
    ordinary, known = client.get(url, headers=anew), client.get(url, headers=anew)
    assert set_up == [url]
    assert known.getvalue() == ordinary.getvalue()
    assert headers(known) == headers(ordinary)


@pytest.mark.parametrize("url", ["/api/orders", "/api/orders/export"])
def test_who_takes_it_compressed_gets_it_so(client_of: Any, owner: User, order: Order, url: str) -> None:
    client, compressed = client_of(owner), {"Accept-Encoding": "gzip"}
    plain = client.get(url)
    body = plain.getvalue()
    for _ in range(2):
        answered = client.get(url, headers=compressed)
        assert answered.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answered.getvalue()) == body
        assert answered.headers["ETag"] == f"W/{plain.headers['ETag']}"
        assert client.get(url, headers=compressed | {"If-None-Match": answered.headers["ETag"]}).status_code == 304


def test_what_goes_wrong_is_answered_on_the_ordinary_way(
    client_of: Any, owner: User, order: Order, set_up: list[str], settings: Any
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"user": (2, 3600)}
    client, anew = client_of(owner), {"Cache-Control": "no-cache"}
    answers = [client.get("/api/orders", headers=anew) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers] == [
        '"user";r=1', '"user";r=0', '"user";r=0', '"user";r=0',
    ]  # fmt: skip
    assert set_up == ["/api/orders"] * 3


def test_what_is_gone_is_looked_for_once(
    client_of: Any, owner: User, order: Order, set_up: list[str], queries: Any
) -> None:
    client, url = client_of(owner), f"/api/orders/{order.pk}"
    assert client.get(url).status_code == 200
    Membership.objects.filter(user=owner).update(company=factories.company())
    set_up.clear()
    answered, asked = queries(lambda: client.get(url))
    assert (answered.status_code, answered.json()["code"], asked) == (404, "not_found", 2)
    assert set_up == [url]


@pytest.mark.parametrize("status", [400, 404, 406])
def test_only_what_was_answered_becomes_known(client_of: Any, owner: User, status: int) -> None:
    url = {400: "/api/orders?bogus=1", 404: "/api/orders/999999", 406: "/api/orders"}[status]
    headers = {"Accept": "image/png"} if status == 406 else {}
    assert client_of(owner).get(url, headers=headers).status_code == status
    assert not early.known._values


def test_another_host_of_a_proxy_has_another_answer(client_of: Any, owner: User, order: Order, settings: Any) -> None:
    settings.USE_X_FORWARDED_HOST, settings.ALLOWED_HOSTS = True, ["*"]
    factories.order(order.office, owner)
    client = client_of(owner)
    for host in ("one.example", "other.example") * 2:
        answered = client.get("/api/orders?limit=1", headers={"X-Forwarded-Host": host})
        assert f"http://{host}/" in answered.json()["next"]


def revoked(client: Any, owner: User) -> None:
    client.post("/api/auth/logout")


def expelled(client: Any, owner: User) -> None:
    Membership.objects.filter(user=owner).delete()


def disabled(client: Any, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)


@pytest.mark.parametrize(("happens", "status"), [(revoked, 401), (expelled, 200), (disabled, 401)])
def test_rights_are_asked_for_each_time(
    client_of: Any, owner: User, order: Order, happens: Callable[[Any, User], None], status: int
) -> None:
    client = client_of(owner)
    tag = client.get("/api/orders").headers["ETag"]
    assert client.get("/api/orders", headers={"If-None-Match": tag}).status_code == 304
    happens(client, owner)
    answered = client.get("/api/orders", headers={"If-None-Match": tag})
    assert answered.status_code == status
    assert str(order.number).encode() not in answered.content


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Token wrong"}, {"Authorization": "Basic eDp5"}])
def test_a_stranger_gets_no_page(client_of: Any, owner: User, order: Order, headers: dict[str, str]) -> None:
    client = client_of(owner)
    tag = client.get("/api/orders").headers["ETag"]
    client.credentials()
    assert client.get("/api/orders", headers=headers | {"If-None-Match": tag}).status_code == 401


def test_a_token_is_resolved_once_a_request(
    client_of: Any, owner: User, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []
    find = authentication.find

    def counted(token: str) -> Any:
        tokens.append(token)
        return find(token)

    monkeypatch.setattr(authentication, "find", counted)
    client = client_of(owner)
    client.get("/api/orders")
    for header in ({}, {"Cache-Control": "no-cache"}, {"Authorization": "Token " + "a" * 64}):
        tokens.clear()
        client.get("/api/orders", headers=header)
        assert len(tokens) == 1


@pytest.mark.query_budget(3, "GET /api/orders", reason="other forms than dense JSON are rendered by the serializer")
def test_another_media_type_has_another_answer(client_of: Any, owner: User, order: Order) -> None:
    client = client_of(owner)
    for _ in range(2):
        assert client.get("/api/orders").content.startswith(b'{"next":null')
        indented = client.get("/api/orders", headers={"Accept": "application/json; indent=1"})
        assert indented.content.startswith(b'{\n "next": null')
        assert client.get("/api/orders", headers={"Accept": "image/png"}).status_code == 406
        assert client.get("/api/orders?format=bogus").status_code == 400


@pytest.mark.parametrize("headers", [{}, {"HTTP_CACHE_CONTROL": "no-cache"}, {"HTTP_IF_NONE_MATCH": "tag"}])
def test_nothing_of_a_request_is_left_to_the_garbage_collector(
    client_of: Any, owner: User, order: Order, headers: dict[str, Any]
) -> None:
    """A page that waits for it is 200 KB each time: 32 clients took 109 MB so, and take 86 (make bench)."""
    answered = client_of(owner).get("/api/orders")
    token = answered.wsgi_request.META["HTTP_AUTHORIZATION"]
    headers = {name: answered.headers["ETag"] if value == "tag" else value for name, value in headers.items()}

    def serve() -> None:
        request: Any = RequestFactory().get("/api/orders", **headers, HTTP_AUTHORIZATION=token)
        start: Any = lambda *_: None  # noqa: E731
        body: Any = application(request.environ, start)
        b"".join(body)
        getattr(body, "close", list)()

    with unmeasured():
        serve()
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                serve()
            assert gc.collect() == 0
        finally:
            gc.enable()
