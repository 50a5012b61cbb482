"""What the document says of an operation follows from what its view declares, not from names and paths."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from api.openapi import problems
from api.problems import MEDIA_TYPE
from api.views import ApiView
from businesses.authentication import ScopeAuthentication
from businesses.views import AddressViewSet, CompanyViewSet, LoginView, MeViewSet, ScopedViewSet
from orders.models import Order, Product
from orders.serializers import ProductSerializer, SummarySerializer, TransitionSerializer
from orders.views import OrderExportViewSet, OrderViewSet

USUAL = {"400", "401", "406", "429", "503"}
WITH_BODY = USUAL | {"413", "415"}
SELECTION = {"fields", "expand"}
FILTERS = set(OrderViewSet.filterset_class.base_filters)
PAGES = {"limit", "cursor"}


def document(url: str, view: Any) -> Any:
    """The operations at a URL where `view` is served."""

    class Urls:
        urlpatterns = [path(url, view)]

    paths = SchemaGenerator(urlconf=Urls).get_schema(request=None, public=True)["paths"]
    (found,) = paths.values()
    return found


def statuses(operation: Any) -> set[str]:
    return set(operation["responses"])


def names(operation: Any) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}


class PurchaseViewSet(OrderViewSet):
    """The same by other names."""

    browse = OrderViewSet.list
    place = OrderViewSet.create
    change = OrderViewSet.partial_update
    advance = OrderViewSet.transition
    show = OrderViewSet.retrieve
    report = OrderViewSet.summary


class DumpViewSet(OrderExportViewSet):
    dump = OrderExportViewSet.export


class PlaceViewSet(AddressViewSet):
    add = AddressViewSet.create


@pytest.mark.parametrize(
    ("url", "view", "method", "wanted", "parameters"),
    [
        ("purchases", {"get": "browse"}, "get", USUAL | {"200"}, SELECTION | FILTERS | PAGES | {"ordering"}),
        ("purchases", {"post": "place"}, "post", WITH_BODY | {"201", "403", "422"}, SELECTION),
        ("shop/<int:id>", {"patch": "change"}, "patch", WITH_BODY | {"200", "403", "404", "409"}, SELECTION),
        ("shop/<int:id>/to", {"post": "advance"}, "post", WITH_BODY | {"200", "403", "404", "409"}, SELECTION),
        ("shop/<int:id>", {"get": "show"}, "get", USUAL | {"200", "404"}, SELECTION),
        ("figures", {"get": "report"}, "get", USUAL | {"200"}, FILTERS | {"group_by"}),
    ],
)
def test_another_name_and_another_path_change_nothing(
    url: str, view: dict[str, str], method: str, wanted: set[str], parameters: set[str]
) -> None:
    operation = document(url, PurchaseViewSet.as_view(view))[method]  # type: ignore[arg-type]
    assert statuses(operation) == wanted
    assert names(operation) == parameters


def test_a_list_of_another_name_has_pages() -> None:
    for operation, component in (
        (document("purchases", PurchaseViewSet.as_view({"get": "browse"}))["get"], "PaginatedOrderList"),
        (stock("stock", get="scarce")["get"], "PaginatedProductList"),
    ):
        (content,) = operation["responses"]["200"]["content"].values()
        assert content["schema"] == {"$ref": f"#/components/schemas/{component}"}


def test_nor_do_they_for_an_export_or_an_address() -> None:
    dump = document("dump", DumpViewSet.as_view({"get": "dump"}))["get"]
    assert names(dump) == SELECTION | FILTERS | {"ordering", "format"}
    assert statuses(dump) == USUAL | {"200"}
    add = document("places", PlaceViewSet.as_view({"post": "add"}))["post"]
    assert statuses(add) == WITH_BODY | {"201"}
    assert names(add) == {"fields"}


def test_a_path_promises_no_status() -> None:
    """These are of the words that other paths have, too."""
    add = document("orders/<int:order>/auth/orders", AddressViewSet.as_view({"post": "create"}))["post"]
    assert statuses(add) == WITH_BODY | {"201", "404"}


class StockViewSet(ScopedViewSet):
    """Actions of its own."""

    queryset = Product.objects.none()
    serializer_class = ProductSerializer
    orderings = {"id": OrderViewSet.orderings["number"]}

    @extend_schema(request=TransitionSerializer, responses={200: ProductSerializer} | problems(403, 409, 418))
    def refill(self, request: Any, id: int) -> Response:
        """Says what can go wrong."""
        return Response()

    @extend_schema(responses=ProductSerializer(many=True))
    def scarce(self, request: Any) -> Response:
        """A list, as drf-spectacular is told so."""
        return Response()

    @extend_schema(responses=SummarySerializer)
    def totals(self, request: Any) -> Response:
        """Answers something else."""
        return Response()

    @extend_schema(responses={200: ProductSerializer, 404: SummarySerializer})
    def mine(self, request: Any, id: int) -> Response:
        """Has a 404 of its own kind."""
        return Response()

    @extend_schema(responses={(200, "text/csv"): str} | problems(409))
    def table(self, request: Any) -> Response:
        return Response()

    def remove(self, request: Any, id: int) -> Response:
        """Answers nothing."""
        return Response()


def stock(url: str, **actions: str) -> Any:
    return document(url, StockViewSet.as_view(actions))  # type: ignore[arg-type]


def test_an_action_says_which_problems_it_has() -> None:
    operation = stock("stock/<int:id>", post="refill")["post"]
    assert statuses(operation) == WITH_BODY | {"200", "403", "404", "409", "418"}
    assert list(operation["responses"]) == sorted(operation["responses"])
    assert names(operation) == {"fields"}
    for status in statuses(operation) - {"200"}:
        response = operation["responses"][status]
        assert list(response["content"]) == [MEDIA_TYPE]
        assert response["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert response["description"]


def test_parameters_follow_from_the_answer() -> None:
    assert names(stock("stock", get="scarce")["get"]) == PAGES | {"fields", "ordering"}
    assert names(stock("stock", get="totals")["get"]) == set()
    assert names(stock("stock", get="table")["get"]) == set()
    assert names(stock("stock/<int:id>", delete="remove")["delete"]) == set()


def test_what_a_view_declares_is_left_as_it_is() -> None:
    operation = stock("stock/<int:id>", get="mine")["get"]
    assert operation["responses"]["404"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/Summary"}}
    }
    assert list(stock("stock", get="table")["get"]["responses"]["200"]["content"]) == ["text/csv"]


def made(**attributes: Any) -> Any:
    return type("AViewSet", (CompanyViewSet,), attributes).as_view({"get": "list"})  # type: ignore[attr-defined]


def test_statuses_follow_from_who_may_ask() -> None:
    def of(**attributes: Any) -> set[str]:
        return statuses(document("companies", made(**attributes))["get"]) - {"200", "400", "406", "503"}

    assert of() == {"401", "429"}
    assert of(authentication_classes=[], permission_classes=[AllowAny]) == {"429"}
    assert of(authentication_classes=[]) == {"403", "429"}
    assert of(authentication_classes=[SessionAuthentication]) == {"403", "429"}
    assert of(authentication_classes=[ScopeAuthentication, SessionAuthentication]) == {"401", "403", "429"}
    assert of(permission_classes=[IsAdminUser]) == {"401", "403", "429"}
    assert of(throttle_classes=[]) == {"401"}


def test_a_login_elsewhere_refuses_as_well() -> None:
    assert statuses(document("enter", LoginView.as_view())["post"]) == WITH_BODY | {"200"}
    assert names(document("myself", MeViewSet.as_view({"get": "retrieve"}))["get"]) == {"fields"}


class OrdinarySerializer(serializers.ModelSerializer[Order]):
    class Meta:
        model = Order
        fields = ["id"]


class OrdinaryViewSet(ModelViewSet[Order]):
    """As DRF's own documentation has it."""

    queryset = Order.objects.none()
    serializer_class = OrdinarySerializer


def test_an_ordinary_view_is_described_too() -> None:
    every = {"get": "list", "post": "create"}
    found = document("ordinary", OrdinaryViewSet.as_view(every))  # type: ignore[arg-type]
    assert names(found["get"]) == names(found["post"]) == set()
    assert statuses(found["post"]) == WITH_BODY | {"201"}


class NothingView(ApiView):
    authentication_classes = []
    permission_classes = []

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Any) -> Response:
        return Response()


def test_without_a_body_none_is_too_long() -> None:
    assert statuses(document("nothing", NothingView.as_view())["post"]) == {"204", "400", "406", "429", "503"}
