"""What an order is made from. Other columns than those of an order are deferred."""

from __future__ import annotations

from collections.abc import Collection

from api.seam import accelerable
from businesses.models import Address
from orders.models import Product

# In the order of the models' fields, which is how Model.from_db takes values.
PRODUCT_COLUMNS = ("sku", "name", "unit_price", "currency")
ADDRESS_COLUMNS = ("street", "city", "postcode", "country")


@accelerable
def on_sale(skus: Collection[str]) -> dict[str, Product]:
    """The active ones of these products, by sku."""
    found = Product.objects.filter(active=True, sku__in=skus).only(*PRODUCT_COLUMNS)
    return {product.sku: product for product in found}


@accelerable
def address_of(user: int, address: int | None) -> Address | None:
    """The user's address of this id, their active one without."""
    which = {"active": True} if address is None else {"pk": address}
    return Address.objects.filter(user=user, **which).only(*ADDRESS_COLUMNS).first()
