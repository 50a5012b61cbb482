"""The endpoints of orders and products. They parse, call a service or a plan, and answer."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api import idempotency, keyset
from api.openapi import problems
from api.pagecache import Freshness, answer, validated
from api.seam import accelerable
from api.selection import Selection, apply, from_request
from api.shaping import plan_for
from businesses.models import Role
from businesses.replica import database_for
from businesses.revisions import writers
from businesses.scope import Scope
from businesses.views import ScopedViewSet
from orders import export, services
from orders.export import Objects
from orders.filters import OrderFilter, ProductFilter
from orders.models import Order, OrderEvent, Product
from orders.serializers import (
    OrderCreateSerializer,
    OrderEditSerializer,
    OrderEventSerializer,
    OrderSerializer,
    ProductSerializer,
    SummarySerializer,
    TransitionSerializer,
)
from orders.states import Status
from orders.summary import GROUPS, summarise

BY_ID = {"id": keyset.Order(("id",)), "-id": keyset.Order(("id",), descending=True)}
CHANGES = keyset.Order(("revision", "id"))
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    OpenApiParameter.HEADER,
    description="Makes the request safe to repeat: the same key and content place one order.",
)
GROUP_BY = OpenApiParameter("group_by", OpenApiTypes.STR, required=True, enum=list(GROUPS))


class OrderViewSet(ScopedViewSet):
    """The orders of the companies and offices that you may see."""

    steady = True
    queryset = Order.objects.none()
    serializer_class = OrderSerializer
    filterset_class = OrderFilter
    orderings = {
        "-placed_at": keyset.Order(("placed_at", "id"), descending=True),
        "placed_at": keyset.Order(("placed_at", "id")),
        "-number": keyset.Order(("number", "id"), descending=True),
        "number": keyset.Order(("number", "id")),
    }

    def visible(self) -> QuerySet[Order]:
        return Order.objects.filter(self.scope.grants.within(company="company", office="office"))

    def database(self) -> str:
        """What lists, exports and summaries are made of: a replica's rows where one has caught up."""
        return database_for(self.scope)

    def order(self, request: Request) -> keyset.Order:
        if "since_version" not in request.query_params:
            if "search" in request.query_params and "ordering" not in request.query_params:
                return self.orderings["-number"]  # by time, a prefix of old numbers would walk past all newer orders
            return super().order(request)
        if "ordering" in request.query_params:
            raise ValidationError({"ordering": ["Changes come in their own order; leave it out with since_version."]})
        return CHANGES

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        orders: QuerySet[Any] = super().filter_queryset(queryset)
        if "since_version" in self.request.query_params:
            orders = orders.filter(company=self.the_company())
        return orders

    def the_company(self) -> int:
        """The one company whose versions are counted from. Raises ValidationError unless there is exactly one."""
        named = {int(company) for company in self.request.query_params.getlist("company")}
        visible = self.scope.grants.companies
        companies = visible & named if named else visible
        if len(companies) != 1:
            raise ValidationError({"since_version": ["Versions count for each company: name one with `company`."]})
        (company,) = companies
        return company

    @extend_schema(
        request=OrderCreateSerializer,
        responses={201: OrderSerializer} | problems(403, 422),
        parameters=[IDEMPOTENCY_KEY],
    )
    def create(self, request: Request) -> HttpResponse:
        """Place an order. Prices and names come from the catalogue."""
        self.check_selection(request)
        services.check_may_place(self.scope)  # before a body is looked at
        serializer = OrderCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        payload = serializer.validated_data
        key, digest = idempotency.key_of(request), idempotency.digest(payload)
        companies = self.scope.grants.companies_for(Role.BUYER, payload["office"])
        with writers.entered(min(companies) if len(companies) == 1 else f"user {self.scope.user}"):
            placed = services.place(scope=self.scope, key=key, digest=digest, **payload)
        headers = {"Location": request.build_absolute_uri(f"{request.path}/{placed.order.pk}")}
        if placed.replayed:
            headers["Idempotent-Replayed"] = "true"
        return self.written(placed.order, status.HTTP_201_CREATED, **headers)

    @extend_schema(request=OrderEditSerializer, responses={200: OrderSerializer} | problems(403, 409))
    def partial_update(self, request: Request, id: int) -> HttpResponse:
        """Change the lines of a placed order, or where it goes."""
        order = self.to_change(request, id)
        serializer = OrderEditSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with writers.entered(order.company_id):
            services.edit(scope=self.scope, order=order, **serializer.validated_data)
        return self.written(order)

    @extend_schema(request=TransitionSerializer, responses={200: OrderSerializer} | problems(403, 409))
    def transition(self, request: Request, id: int) -> HttpResponse:
        """Approve, fulfil or cancel an order."""
        order = self.to_change(request, id)
        serializer = TransitionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        step = serializer.validated_data
        with writers.entered(order.company_id):
            services.move(scope=self.scope, order=order, to=Status(step["to"]), version=step["version"])
        return self.written(order)

    def to_change(self, request: Request, key: int) -> Order:
        """The order with this key, which the user may change; checked before a body is looked at."""
        self.check_selection(request)
        order = self.visible().filter(pk=key).only("company", "office", "placed_by").first()
        if order is None:
            raise NotFound("There is no such order, or not for you.")
        self.check_object_permissions(request, order)
        services.check_may_change(self.scope, order)
        return order

    @extend_schema(responses={200: SummarySerializer}, parameters=[GROUP_BY], filters=True)
    @validated
    def summary(self, request: Request) -> HttpResponseBase:
        """Counts and totals of the matching orders, for each group and currency."""
        return answer(self, request, self.summarised)

    def summarised(self, request: Request) -> HttpResponse:
        self.check_parameters(request, {"group_by", "format"})
        group_by = request.query_params.get("group_by", "")
        if group_by not in GROUPS:
            raise ValidationError({"group_by": [f"Must be one of {', '.join(GROUPS)}."]})
        rows = summarise(self.filter_queryset(self.get_queryset()).using(self.database()), group_by)
        return Response(SummarySerializer({"group_by": group_by, "results": rows}).data)


class OrderExportViewSet(OrderViewSet):
    """Every matching order as a stream."""

    steady = True
    lane = "stream"
    renderer_classes = [export.NDJSONRenderer, export.CSVRenderer]
    pagination_class = None  # type: ignore[assignment]
    keeps_pages = False

    @extend_schema(filters=True)
    @validated
    def export(self, request: Request) -> HttpResponseBase:
        return export.begun(answer(self, request, self.exported))

    def exported(self, request: Request) -> StreamingHttpResponse:
        self.check_parameters(request, {"ordering", "fields", "expand", "format"})
        selection, order = from_request(request), self.order(request)
        renderer = request.accepted_renderer
        encoding = (
            export.ndjson if renderer.format == "ndjson" else export.csv_of(self.get_serializer_class(), selection)
        )
        alias = self.database()
        objects = self.objects(alias, selection, order)
        return StreamingHttpResponse(
            export.stream(alias, objects, encoding),
            content_type=f"{renderer.media_type}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="orders.{renderer.format}"'},
        )

    @accelerable
    def objects(self, alias: str, selection: Selection, order: keyset.Order) -> Objects:
        """The orders as JSON, in slices."""
        return self.rendered(alias, selection, order)

    def rendered(self, alias: str, selection: Selection, order: keyset.Order, after: int = 0) -> Objects:
        """Those behind the first `after`, by their serializer."""
        plan = plan_for(self.get_serializer_class(), selection, order.columns)
        orders = plan.shape(self.filter_queryset(self.get_queryset()).using(alias)).order_by(*order.terms(Order))
        serializer: Any = self.get_serializer(many=True)
        apply(selection, serializer)
        return export.rendered(orders[after:], serializer.to_representation)


class OrderEventViewSet(ScopedViewSet):
    """What happened to an order, oldest first."""

    steady = True
    queryset = OrderEvent.objects.none()
    serializer_class = OrderEventSerializer
    orderings = BY_ID
    keeps_pages = False

    def visible(self) -> QuerySet[OrderEvent]:
        visible = self.scope.grants.within(company="company", office="office")
        return OrderEvent.objects.filter(order__in=Order.objects.filter(visible, pk=self.kwargs["id"]))

    def listed(self, request: Request) -> HttpResponse:
        response = super().listed(request)
        pagination: Any = self.paginator
        if not pagination.page.rows and "cursor" not in request.query_params:
            raise NotFound("There is no such order, or not for you.")  # one that exists was at least placed
        return response


class ProductViewSet(ScopedViewSet):
    """The catalogue. Inactive products can't be ordered any more."""

    steady = True
    queryset = Product.objects.none()
    serializer_class = ProductSerializer
    filterset_class = ProductFilter
    orderings = {"sku": keyset.Order(("sku", "id")), "-sku": keyset.Order(("sku", "id"), descending=True)}

    def visible(self) -> QuerySet[Product]:
        return Product.objects.all()

    @classmethod
    def freshness_for(cls, auth: Scope) -> Freshness:
        return Freshness("everybody", str(auth.catalogue_revision))
