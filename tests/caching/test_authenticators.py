"""Views may authenticate as DRF lets them: such a view is answered on the ordinary way, by the same rights."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
from django.db.models import QuerySet
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.test import APIClient

from api.pagecache import Freshness
from businesses.authentication import ScopeAuthentication, resolve
from businesses.models import Company, Membership, Role, User
from businesses.views import AddressViewSet, CompanyViewSet, LogoutView, MeViewSet
from orders.models import Order, Product
from orders.views import OrderViewSet, ProductViewSet
from querybudget.requests import unmeasured
from tests import factories

pytestmark = pytest.mark.usefixtures("store", "urls")


class WithoutAuth(BaseAuthentication):
    """Knows nothing of an environment."""

    def authenticate(self, request: Any) -> Any:
        return resolve(request.headers["Authorization"].split()[1])

    def authenticate_header(self, request: Any) -> str:
        return "Token"


class NoScope(WithoutAuth):
    """What it brings is its own."""

    def authenticate(self, request: Any) -> Any:
        user, _ = super().authenticate(request)
        return user, "something of its own"


class NoScopeEither(NoScope):
    """Derived once more."""


class Stricter(ScopeAuthentication):
    """Refuses whom its base lets in."""

    def authenticate(self, request: Any) -> Any:
        if "HTTP_X_SECRET" not in request.META:
            raise AuthenticationFailed("No secret.")
        return super().authenticate(request)


class Blocking(BasePermission):
    blocked: bool = False

    def has_permission(self, request: Any, view: Any) -> bool:
        return not self.blocked


class Urls:
    """Filled by each test."""

    urlpatterns: list[Any] = []


@pytest.fixture
def urls(settings: Any) -> None:
    settings.ROOT_URLCONF = Urls


def serve(view: type[Any], url: str = "orders", **actions: str) -> None:
    Urls.urlpatterns = [
        path(url, view.as_view(actions or {"get": "list"})),
        path("api/", include([path("auth/logout", LogoutView.as_view())])),
    ]


def made(base: type[Any], authenticators: list[Any], **attributes: Any) -> Any:
    return type("AView", (base,), {"steady": True, "authentication_classes": authenticators, **attributes})


@pytest.fixture
def order(owner: User, office: Any) -> Order:
    return factories.order(office, owner)


def answers(client: Any, url: str, times: int = 3) -> list[Any]:
    with unmeasured():
        return [client.get(url) for _ in range(times)]


ORDINARY = [
    [SessionAuthentication, ScopeAuthentication],
    [ScopeAuthentication, SessionAuthentication],
    [BasicAuthentication, SessionAuthentication, ScopeAuthentication],
    [WithoutAuth],
    [NoScope],
    [NoScope, WithoutAuth],
]


@pytest.mark.parametrize("authenticators", ORDINARY, ids=lambda each: "-".join(one.__name__ for one in each))
def test_a_token_is_answered_as_ever(client_of: Any, owner: User, order: Order, authenticators: list[Any]) -> None:
    serve(made(OrderViewSet, authenticators))
    found = answers(client_of(owner), "/orders")
    assert [response.status_code for response in found] == [200] * 3
    assert [row["id"] for row in found[2].json()["results"]] == [order.pk]


@pytest.mark.parametrize("authenticators", ORDINARY[:2])
def test_so_it_is_by_the_defaults(client_of: Any, owner: User, order: Order, authenticators: list[Any]) -> None:
    serve(made(CompanyViewSet, authenticators))
    assert {response.status_code for response in answers(client_of(owner), "/orders")} == {200}


def test_what_an_environment_tells_may_be_no_scope(client_of: Any, owner: User, order: Order) -> None:
    serve(made(OrderViewSet, [NoScopeEither]))
    found = answers(client_of(owner), "/orders")
    assert [[row["id"] for row in response.json()["results"]] for response in found] == [[order.pk]] * 3


@pytest.mark.parametrize(
    ("view", "actions"),
    [
        (OrderViewSet, {"get": "list"}),
        (ProductViewSet, {"get": "list"}),
        (CompanyViewSet, {"get": "list"}),
        (AddressViewSet, {"get": "list"}),
        (MeViewSet, {"get": "retrieve"}),
    ],
)
def test_who_has_a_session_sees_what_their_token_shows(
    client_of: Any, owner: User, order: Order, view: Any, actions: dict[str, str]
) -> None:
    factories.product()
    factories.order(factories.office(), owner)  # of another company
    serve(made(view, [SessionAuthentication, ScopeAuthentication]), **actions)
    browser = Client()
    browser.force_login(owner)
    by_session, by_token = answers(browser, "/orders")[-1], answers(client_of(owner), "/orders")[-1]
    assert (by_session.status_code, by_token.status_code) == (200, 200)
    assert by_session.content == by_token.content
    assert by_session.headers["ETag"] == by_token.headers["ETag"]


def test_what_a_session_shows_is_never_old(owner: User, order: Order) -> None:
    serve(made(OrderViewSet, [SessionAuthentication]))
    browser = Client()
    browser.force_login(owner)
    tag = answers(browser, "/orders")[-1].headers["ETag"]
    with unmeasured():
        assert browser.get("/orders", headers={"If-None-Match": tag}).status_code == 304
        factories.order(order.office, owner)
        changed = browser.get("/orders", headers={"If-None-Match": tag})
        assert (changed.status_code, len(changed.json()["results"])) == (200, 2)
        Membership.objects.all().delete()
        assert browser.get("/orders", headers={"If-None-Match": tag}).json()["results"] == []


def test_a_changed_catalogue_is_seen_by_a_session(owner: User) -> None:
    serve(made(ProductViewSet, [SessionAuthentication]))
    browser = Client()
    browser.force_login(owner)
    answers(browser, "/orders")
    factories.product()
    assert len(answers(browser, "/orders", 1)[0].json()["results"]) == Product.objects.count()


def test_a_write_by_a_session_has_the_rights_of_its_user(owner: User, order: Order) -> None:
    serve(made(OrderViewSet, [SessionAuthentication]), "orders/<int:id>/transitions", post="transition")
    approver, viewer = factories.member(order.company, Role.APPROVER), factories.member(order.company, Role.VIEWER)
    statuses = []
    for user in (viewer, approver):
        browser = Client()
        browser.force_login(user)
        with unmeasured():
            asked = {"to": "approved", "version": order.revision}
            answered = browser.post(f"/orders/{order.pk}/transitions", asked, content_type="application/json")
        statuses.append(answered.status_code)
    assert statuses == [403, 200]


@pytest.mark.parametrize("permissions", [[AllowAny], []])
@pytest.mark.parametrize("authenticators", [[], [ScopeAuthentication], [SessionAuthentication]])
@pytest.mark.parametrize(("view", "seen"), [(OrderViewSet, 0), (AddressViewSet, 0), (ProductViewSet, 1)])
def test_a_view_for_everybody_shows_the_anonymous_what_is_nobodys(
    order: Order, view: Any, seen: int, authenticators: list[Any], permissions: list[Any]
) -> None:
    factories.product()
    serve(made(view, authenticators, permission_classes=permissions))
    assert [len(response.json()["results"]) for response in answers(APIClient(), "/orders")] == [seen] * 3


@pytest.mark.parametrize("view", [OrderViewSet, ProductViewSet, AddressViewSet])
def test_without_authenticators_nobody_is_authenticated(client_of: Any, owner: User, view: Any) -> None:
    serve(made(view, []))
    assert {response.status_code for response in answers(client_of(owner), "/orders")} == {403}


class PublicViewSet(CompanyViewSet):
    """Its answers depend on nobody."""

    def visible(self) -> QuerySet[Company]:
        return Company.objects.all()

    @classmethod
    def freshness_for(cls, auth: Any) -> Freshness:
        return Freshness("everybody", str(sorted(Company.objects.values_list("pk", "revision"))))


def test_a_view_that_needs_no_scope_needs_none(office: Any) -> None:
    serve(made(PublicViewSet, [], permission_classes=[AllowAny]))
    assert [len(response.json()["results"]) for response in answers(APIClient(), "/orders")] == [1] * 3


# --- What is early must not be early past what a view says


def test_an_authenticator_that_refuses_is_asked_each_time(client_of: Any, owner: User, order: Order) -> None:
    serve(made(OrderViewSet, [Stricter]))
    client = client_of(owner)
    with unmeasured():
        assert client.get("/orders", headers={"X-Secret": "1"}).status_code == 200
        assert client.get("/orders").status_code == 401
        assert client.get("/orders", headers={"Cache-Control": "no-cache"}).status_code == 401


def by_method(view: Any) -> list[Any]:
    return [Stricter()]


def test_authenticators_of_a_method_are_asked_each_time(client_of: Any, owner: User, order: Order) -> None:
    serve(made(OrderViewSet, [ScopeAuthentication], get_authenticators=by_method))
    client = client_of(owner)
    with unmeasured():
        assert client.get("/orders", headers={"X-Secret": "1"}).status_code == 200
        assert client.get("/orders").status_code == 401


def blocking(view: Any) -> list[Any]:
    return [IsAuthenticated(), Blocking()]


def refusing(view: Any, request: Any) -> None:
    if Blocking.blocked:
        raise PermissionDenied


def refusing_first(view: Any, request: Any, *args: Any, **kwargs: Any) -> None:
    super(type(view), view).initial(request, *args, **kwargs)
    refusing(view, request)


@pytest.mark.parametrize(
    ("hook", "function"),
    [("get_permissions", blocking), ("check_permissions", refusing), ("initial", refusing_first)],
)
def test_what_a_view_checks_is_checked_each_time(
    client_of: Any, owner: User, order: Order, monkeypatch: pytest.MonkeyPatch, hook: str, function: Any
) -> None:
    serve(made(OrderViewSet, [ScopeAuthentication], **{hook: function}))
    client = client_of(owner)
    tag = answers(client, "/orders")[0].headers["ETag"]
    monkeypatch.setattr(Blocking, "blocked", True)
    assert answers(client, "/orders", 1)[0].status_code == 403
    with unmeasured():
        assert client.get("/orders", headers={"If-None-Match": tag}).status_code == 403


def refused(view: Any) -> Any:
    """As `login_required` and its like do."""

    @wraps(view)
    def ask(request: Any, *args: Any, **kwargs: Any) -> Any:
        return HttpResponse(status=418) if Blocking.blocked else view(request, *args, **kwargs)

    return ask


def test_a_decorated_view_is_asked_through_its_decorator(
    client_of: Any, owner: User, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    Urls.urlpatterns = [path("orders", refused(OrderViewSet.as_view({"get": "list"})))]
    client = client_of(owner)
    assert {response.status_code for response in answers(client, "/orders")} == {200}
    monkeypatch.setattr(Blocking, "blocked", True)
    assert answers(client, "/orders", 1)[0].status_code == 418


def test_who_is_logged_out_without_a_token_is_told_so(owner: User) -> None:
    Urls.urlpatterns = [path("logout", made(LogoutView, [SessionAuthentication]).as_view())]
    browser = Client()
    browser.force_login(owner)
    with unmeasured():
        answered = browser.post("/logout")
    assert (answered.status_code, answered.json()["code"]) == (403, "authentication_failed")
