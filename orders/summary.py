"""Counts and totals of orders, computed in the database by one query."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncMonth

from orders.models import Order

# What a row is grouped by, and how its first entry is made of the columns.
GROUPS: dict[str, tuple[str, ...]] = {
    "office": ("office__id", "office__name", "office__city"),
    "company": ("company__id", "company__name"),
    "status": ("status",),
    "month": ("month",),
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


def group(group_by: str, row: dict[str, Any]) -> Any:
    if group_by == "month":
        return f"{row['month']:%Y-%m}"
    if group_by == "status":
        return row["status"]
    return {name.removeprefix(f"{group_by}__"): row[name] for name in GROUPS[group_by]}
