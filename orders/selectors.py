"""What an order is made from, read by statements whose text is made once."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Value

from api.statements import ANY, Conditions, Slot, Statement
from businesses.models import Address
from orders.models import Product

# In the order of the models' fields, which is how Model.from_db takes values.
PRODUCT_COLUMNS = ("sku", "name", "unit_price", "currency")
ADDRESS_COLUMNS = ("street", "city", "postcode", "country")


def on_sale(skus: Collection[str]) -> dict[str, Product]:
    """The active ones of these products, by sku; other columns than those of an order are deferred."""
    slots = {f"sku{at}": sku for at, sku in enumerate(skus)}
    rows = products(len(skus)).rows(DEFAULT_DB_ALIAS, ANY, **slots)
    return {row[0]: Product.from_db(DEFAULT_DB_ALIAS, PRODUCT_COLUMNS, row) for row in rows}


def address_of(user: int, address: int | None) -> Address | None:
    """The user's address of this id, their active one without; columns as in `on_sale`."""
    rows = addresses(named=address is not None).rows(DEFAULT_DB_ALIAS, ANY, user=user, address=address)
    return Address.from_db(DEFAULT_DB_ALIAS, ADDRESS_COLUMNS, rows[0]) if rows else None


@lru_cache(maxsize=256)  # an order has at most 200 lines
def products(number: int) -> Statement:
    skus = [Value(Slot(f"sku{at}")) for at in range(number)]
    return Statement.of(Product.objects.filter(Conditions(), active=True, sku__in=skus).values_list(*PRODUCT_COLUMNS))


@lru_cache
def addresses(*, named: bool) -> Statement:
    which = {"pk": Value(Slot("address"))} if named else {"active": True}
    own = Address.objects.filter(Conditions(), user=Value(Slot("user")), **which)
    return Statement.of(own.values_list(*ADDRESS_COLUMNS))
