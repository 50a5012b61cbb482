"""Counts and totals of orders, computed in the database by one query."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models import CharField, Count, DecimalField, F, Field, Func, IntegerField, QuerySet, Sum, Value
from django.db.models.functions import TruncMonth

from api import compiled
from api.statements import Conditions, Statement
from orders.models import Order
from orders.serializers import SummaryRowSerializer

# What a row is grouped by, and how its first entry is made of the columns.
GROUPS: dict[str, tuple[str, ...]] = {
    "office": ("office__id", "office__name", "office__city"),
    "company": ("company__id", "company__name"),
    "status": ("status",),
    "month": ("month",),
}
COMPUTED: dict[str, Field[Any, Any]] = {
    "orders": IntegerField(),
    "total": DecimalField(max_digits=30, decimal_places=2),
    "month": CharField(),
}


def summarise(orders: QuerySet[Order], group_by: str) -> list[dict[str, Any]]:
    """One row a group and currency: the group, `currency`, `orders` (a count) and `total`."""
    columns = GROUPS[group_by]
    if group_by == "month":
        orders = orders.annotate(month=TruncMonth("date"))
    rows = orders.order_by().values(*columns, "currency").annotate(orders=Count("pk"), total=Sum("total"))
    return [
        {group_by: group(group_by, row), "currency": row["currency"], "orders": row["orders"], "total": row["total"]}
        for row in rows.order_by(*columns, "currency")
    ]


@cache
def statement(group_by: str) -> Statement:
    """The same as rows of one text, which is what `SummaryRowSerializer` makes of a group."""
    columns = GROUPS[group_by]
    orders: Any = Order.objects.filter(Conditions())
    if group_by == "month":
        orders = orders.annotate(month=Func(F("date"), Value("YYYY-MM"), function="to_char", output_field=CharField()))
    orders = orders.order_by().values(*columns, "currency").annotate(orders=Count("pk"), total=Sum("total"))
    fields = SummaryRowSerializer().fields
    shown = {name: field for name, field in fields.items() if name == group_by or name not in GROUPS}
    row = compiled.row(Order, shown, {field.name: field for field in Order._meta.concrete_fields} | COMPUTED)
    return Statement.of(orders.order_by(*columns, "currency").values_list(row))


def group(group_by: str, row: dict[str, Any]) -> Any:
    if group_by == "month":
        return f"{row['month']:%Y-%m}"
    if group_by == "status":
        return row["status"]
    return {name.removeprefix(f"{group_by}__"): row[name] for name in GROUPS[group_by]}
