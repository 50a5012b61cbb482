import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import include, path, re_path
from django.views import View
from django.views.generic import RedirectView, TemplateView
from rest_framework import routers, viewsets
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.urlpatterns import format_suffix_patterns
from rest_framework.views import APIView

from querybudget import requests
from querybudget.endpoints import all_endpoints, endpoint_of, is_among, template


def page(request, **kwargs):
    return HttpResponse("ok")


class Things(viewsets.ViewSet):
    def list(self, request, **kwargs):
        return Response([])

    def retrieve(self, request, **kwargs):
        return Response({})

    def create(self, request, **kwargs):
        return Response({})


class Named(APIView):
    def get(self, request, **kwargs):
        return Response({})


class Unrouted(View):
    def get(self, request):
        return HttpResponse()


class Asynchronous(View):
    async def get(self, request):
        return HttpResponse()


router = routers.DefaultRouter()
router.register("things", Things, basename="thing")
path_router = routers.SimpleRouter(trailing_slash=False, use_regex_path=False)
path_router.register("items", Things, basename="item")

urlpatterns = [
    path("", page),
    path("orders/<int:pk>/lines/<slug>", page),
    re_path(r"^years/(?P<year>[0-9]{4})/(\d+)/$", page),
    path("api/", include(router.urls)),
    path("v2/", include(path_router.urls)),
    path("nested/", include([re_path(r"^(?P<pk>\w+)/(?:page-(?P<number>\d+)/)?$", page)])),
    *format_suffix_patterns([path("named", Named.as_view())]),
    path("export/<format>", page),
    path("template/", TemplateView.as_view(template_name="x.html")),
    path("asynchronous", Asynchronous.as_view()),
    path("old", RedirectView.as_view(url="/named", http_method_names=["get", "head"])),
    path("older", RedirectView.as_view(url="/named")),
]


@pytest.fixture(autouse=True)
def urlconf():
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def names():
    """The endpoints of the requests that finish."""
    seen = []

    def listener(measurement):
        seen.append(measurement.endpoint)

    requests.start(listener)
    yield seen
    requests.stop(listener)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/", "GET /"),
        ("/orders/7/lines/blue", "GET /orders/{pk}/lines/{slug}"),
        ("/years/2024/12/", "GET /years/{year}/{}/"),
        ("/api/things/", "GET /api/things/"),
        ("/api/things.json", "GET /api/things/"),
        ("/api/things/7/", "GET /api/things/{pk}/"),
        ("/api/things/7.json", "GET /api/things/{pk}/"),
        ("/v2/items", "GET /v2/items"),
        ("/v2/items/7", "GET /v2/items/{pk}"),
        ("/nested/a/", "GET /nested/{pk}/"),
        ("/nested/a/page-2/", "GET /nested/{pk}/"),
        ("/named", "GET /named"),
        ("/named.json", "GET /named"),
        ("/export/csv", "GET /export/{format}"),
        ("/nowhere", "GET (no route)"),
        ("/asynchronous", "GET /asynchronous"),
    ],
)
def test_names(url, name, names):
    Client().get(url)
    assert names == [name]


def test_methods_are_told_apart_and_head_is_get(names):
    client = Client()
    client.head("/orders/7/lines/blue")
    client.post("/orders/7/lines/blue")
    client.options("/named")
    assert names == ["GET /orders/{pk}/lines/{slug}", "POST /orders/{pk}/lines/{slug}", "OPTIONS /named"]


def test_a_request_that_a_middleware_answered_is_named_by_its_path():
    assert endpoint_of(RequestFactory().get("/orders/7/lines/x")) == "GET /orders/{pk}/lines/{slug}"


def test_a_view_without_a_handler_is_named_by_its_path_its_route_or_its_class(names):
    Named.as_view()(APIRequestFactory().get("/named"))
    Named.as_view()(APIRequestFactory().get("/"))
    Things.as_view({"get": "retrieve"})(APIRequestFactory().get("/api/things/3/"), pk=3)
    Things.as_view({"post": "create"})(APIRequestFactory().post("/"))
    Unrouted.as_view()(RequestFactory().get("/"))
    requests_left = list(requests.unfinished)
    for measurement in requests_left:  # DRF's responses that nobody rendered
        measurement.finish()
    assert sorted(names) == sorted(
        [
            "GET /named",
            "GET /named",
            "GET /api/things/{pk}/",
            "POST /api/things/",
            f"GET {__name__}.Unrouted",
        ]
    )


def test_an_asynchronous_view_without_a_handler(names):
    async_to_sync(Asynchronous.as_view())(RequestFactory().get("/asynchronous"))
    assert names == ["GET /asynchronous"]


def test_all_endpoints_of_the_urlconf():
    assert sorted(all_endpoints()) == [
        "* /",
        "* /export/{format}",
        "* /nested/{pk}/",
        "* /orders/{pk}/lines/{slug}",
        "* /years/{year}/{}/",
        "DELETE /older",
        "GET /api/",
        "GET /api/things/",
        "GET /api/things/{pk}/",
        "GET /asynchronous",
        "GET /named",
        "GET /old",
        "GET /older",
        "GET /template/",
        "GET /v2/items",
        "GET /v2/items/{pk}",
        "PATCH /older",
        "POST /api/things/",
        "POST /older",
        "POST /v2/items",
        "PUT /older",
    ]


def test_a_function_serves_every_method_of_its_path():
    assert is_among("POST /", {"* /"})
    assert is_among("GET /named", {"GET /named"})
    assert not is_among("POST /named", {"GET /named"})


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (r"^a/(?P<x>(?:b|c)\))/\Z", "/a/{x}/"),
        (r"^a/[^/]+/b$", "/a/{}/b"),
        (r"^a/(?!x)b/?$", "/a/b"),
        (r"^files/(?P<path>.*)$", "/files/{path}"),
        (r"^(?:a|b)/\d{2,4}/x\.csv$", "/{}/{}/x.csv"),
        ("reports.csv", "/reports.csv"),
    ],
)
def test_templates_of_awkward_routes(route, expected):
    assert template(route) == expected
