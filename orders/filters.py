"""The filters of the order list, its export and its summary."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from django.db.models import QuerySet
from django_filters import rest_framework as django_filters

from api.filters import (
    BooleanFilter,
    DateFilter,
    InstantFilter,
    RepeatedChoiceFilter,
    RepeatedIdFilter,
    StartFilter,
    VersionFilter,
)
from orders.models import Order, Product
from orders.states import Status


class OrderFilter(django_filters.FilterSet):
    status = RepeatedChoiceFilter("status", choices=Status.choices)
    company = RepeatedIdFilter("company")
    office = RepeatedIdFilter("office")
    placed_by = RepeatedIdFilter("placed_by", help_text="Ids of users.")
    # An order's date is the UTC day of its placing, so both bounds are answered by the same indexes.
    date_after = DateFilter(method="from_day", help_text="This day or later.")
    date_before = DateFilter(method="to_day", help_text="This day or earlier.")
    placed_after = InstantFilter("placed_at", "gte", help_text="This moment or later.")
    placed_before = InstantFilter("placed_at", "lte", help_text="This moment or earlier.")
    since_version = VersionFilter(
        "revision",
        "gt",
        help_text="Orders of one company that changed after this version, in the order of their changes.",
    )
    search = StartFilter(
        "number", max_length=20, help_text="Start of the number; ordered by number unless `ordering` says otherwise."
    )

    def from_day(self, orders: QuerySet[Order], name: str, day: date) -> QuerySet[Order]:
        return orders.filter(placed_at__gte=datetime.combine(day, time.min, UTC))

    def to_day(self, orders: QuerySet[Order], name: str, day: date) -> QuerySet[Order]:
        return orders.filter(placed_at__lte=datetime.combine(day, time.max, UTC))


class ProductFilter(django_filters.FilterSet):
    active = BooleanFilter("active")
    search = StartFilter("sku", max_length=40, help_text="Start of the SKU.")

    class Meta:
        model = Product
        fields: list[str] = []
