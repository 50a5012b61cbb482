"""What an order is made from. Other columns than those of an order are deferred."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import Exists

from api.seam import accelerable
from businesses import rights
from businesses.models import Address, Membership
from businesses.scope import Scope
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


@accelerable
def standing_and_address(
    scope: Scope, company: int, office: int, address: int | None
) -> tuple[Iterable[str | None], Address | None]:
    """`rights.standing` and `address_of` of the user."""
    return rights.standing(scope.user, scope.token, company, office), address_of(scope.user, address)


def shown_address_of(company: int, user: int, address: int) -> Address | None:
    """The active address of a member of `company`, if it has this id.

    Somebody else than the user chooses by what they are shown, so an error tells them of no other addresses.
    """
    member = Membership.objects.filter(user=user, company=company)
    active = Address.objects.filter(Exists(member), user=user, active=True, pk=address)
    return active.only(*ADDRESS_COLUMNS).first()
