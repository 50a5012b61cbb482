"""django-ninja with the same models and querysets as the DRF peer."""

from __future__ import annotations

import base64
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Q
from django.urls import path
from ninja import Field, NinjaAPI, Schema
from ninja.security import HttpBearer

from bench.peers import access
from bench.peers.shop.models import Order, user_of


class TokenAuth(HttpBearer):
    openapi_scheme = "token"

    def authenticate(self, request, token):
        return user_of(token)


class CompanyOut(Schema):
    id: int
    name: str


class OfficeOut(CompanyOut):
    city: str


class AddressOut(Schema):
    id: int
    street: str
    city: str
    postcode: str
    country: str
    active: bool


class ShipToOut(Schema):
    street: str = Field(alias="ship_street")
    city: str = Field(alias="ship_city")
    postcode: str = Field(alias="ship_postcode")
    country: str = Field(alias="ship_country")


class LineOut(Schema):
    position: int
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    total: Decimal


class OrderOut(Schema):
    id: int
    number: str
    status: str
    allowed_transitions: list[str]
    currency: str
    total: Decimal
    date: date
    placed_at: datetime
    updated_at: datetime
    version: int = Field(alias="revision")
    company: CompanyOut
    office: OfficeOut
    placed_by: CompanyOut
    address: AddressOut | None = Field(alias="placed_by.address")
    ship_to: ShipToOut
    lines: list[LineOut]

    @staticmethod
    def resolve_allowed_transitions(order, context):
        user = context["request"].auth
        return access.allowed(user.pk, user.grants, order.status, order.company_id, order.office_id, order.placed_by_id)

    @staticmethod
    def resolve_ship_to(order):
        return order


class Page(Schema):
    next: str | None
    previous: str | None
    results: list[OrderOut]


api = NinjaAPI(auth=TokenAuth(), docs_url=None, openapi_url=None)


@api.get("/orders", response=Page)
def list_orders(request, limit: int = 50, cursor: str = ""):
    orders = Order.objects.visible_to(request.auth).with_relations()
    if cursor:
        at, key = base64.urlsafe_b64decode(cursor).decode().split("|")
        moment = datetime.fromisoformat(at)
        orders = orders.filter(Q(placed_at__lt=moment) | Q(placed_at=moment, id__lt=key))
    rows = list(orders.order_by("-placed_at", "-id")[: limit + 1])
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        after = base64.urlsafe_b64encode(f"{last.placed_at.isoformat()}|{last.pk}".encode()).decode()
        following = request.build_absolute_uri(f"{request.path}?cursor={after}&limit={limit}")
    return {"next": following, "previous": None, "results": rows[:limit]}


urlpatterns = [path("api/", api.urls)]
