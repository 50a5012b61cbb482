"""What is faster here: the steps of an order said in SQL, statements that are planned once, exports that SQL writes."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing
from functools import lru_cache, partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Expression, F, FilteredRelation, Q, Value
from rest_framework.request import Request

from api import keyset
from api.expressions import numbers
from api.seam import accelerates
from api.selection import Selection
from businesses.fast import GRANT_BYTES
from businesses.models import Address, Role
from businesses.rights import held as held_at
from businesses.scope import Grants, Scope
from fast import inserts, pages
from fast.compiled import Apart
from fast.gaps import LeakError
from fast.guards import overridden, own_of_rows
from fast.memo import memoised
from fast.spelling import Formula, InSql, spelt
from fast.statements import ANY, Conditions, Slot, Statement
from fast.walk import spelt_as
from orders import export
from orders.models import Order, OrderEvent, OrderLine, Product
from orders.selectors import ADDRESS_COLUMNS, PRODUCT_COLUMNS, address_of, on_sale, standing_and_address
from orders.serializers import OrderSerializer
from orders.services import insert
from orders.states import Status, steps
from orders.views import OrderExportViewSet, OrderViewSet

# --- The steps that a user may take: what a role allows is asked of `steps` and looked up by each row

STEPS_BY_ROLE = json.dumps(
    {
        role: {
            status: {own: spelt(steps(status, Role(role), own=own == "true")) for own in ("true", "false")}
            for status in Status.values
        }
        for role in Role.values
    }
)


def looked_up(column: Callable[[str], F]) -> Expression:
    place = column("company_id"), column("office_id")
    return Formula(
        Value(STEPS_BY_ROLE),
        Value(Slot("roles")),
        *place,
        Value(Slot("roles")),
        place[0],
        column("status"),
        column("placed_by_id"),
        Value(Slot("user")),
        template="coalesce({}::jsonb -> coalesce({}::jsonb ->> concat({}, '/', {}), {}::jsonb ->> concat({}, '/*')) "
        "-> {} ->> ({} = {})::text, '[]')",
    )


def held(context: Mapping[str, Any]) -> dict[str, Any]:
    """The user, and their role in each visible office."""
    scope: Scope = context["request"].auth
    return {"roles": in_json(scope.grants), "user": scope.user}


@memoised(most=128, size=lambda found, grants: len(found) + GRANT_BYTES * len(grants.all))
def in_json(grants: Grants) -> str:
    roles = visible_roles(grants)
    return json.dumps({f"{company}/{office or '*'}": role for (company, office), role in roles.items()})


def visible_roles(grants: Grants) -> dict[tuple[int, int | None], Role]:
    """The highest role in each visible office, in few words: office None is any that is not named."""
    held: dict[int, dict[int | None, Role]] = defaultdict(dict)
    for company, office, role in grants.all:
        held[company][office] = grants.role(company, office) or role
    found: dict[tuple[int, int | None], Role] = {}
    for company, roles in held.items():
        usual = roles.get(None) or Counter(roles.values()).most_common(1)[0][0]
        found[company, None] = usual
        found |= {(company, office): role for office, role in roles.items() if role != usual}
    return found


spelt_as[OrderSerializer.get_allowed_transitions] = InSql(looked_up, held)

# --- Lists of several companies

IN_ORDER = keyset.FREE | {"ordering", "search", "date_after", "date_before", "placed_after", "placed_before"}
MOST_APART = 100  # companies


def apart(view: OrderViewSet, request: Request) -> Apart | None:
    """By each company, unless a filter has an index of its own. Few may see so many that a page is a long list."""
    grants = view.scope.grants
    alone = set(request.query_params) <= IN_ORDER and grants.whole == grants.companies
    return Apart("company", numbers(sorted(grants.whole))) if alone and 1 < len(grants.whole) <= MOST_APART else None


pages.looked_for_apart[OrderViewSet] = apart

# --- What an order is made from, and the order


@accelerates(on_sale)
def products_on_sale(skus: Collection[str]) -> dict[str, Product]:
    slots = {f"sku{at}": sku for at, sku in enumerate(skus)}
    rows = products(len(skus)).rows(DEFAULT_DB_ALIAS, ANY, **slots)
    return {row[0]: Product.from_db(DEFAULT_DB_ALIAS, PRODUCT_COLUMNS, row) for row in rows}


@lru_cache(maxsize=256)  # an order has at most 200 lines
def products(number: int) -> Statement:
    skus = [Value(Slot(f"sku{at}")) for at in range(number)]
    return Statement.of(Product.objects.filter(Conditions(), active=True, sku__in=skus).values_list(*PRODUCT_COLUMNS))


@accelerates(address_of)
def own_address(user: int, address: int | None) -> Address | None:
    rows = addresses(named=address is not None).rows(DEFAULT_DB_ALIAS, ANY, user=user, address=address)
    return Address.from_db(DEFAULT_DB_ALIAS, ADDRESS_COLUMNS, rows[0]) if rows else None


@lru_cache
def addresses(*, named: bool) -> Statement:
    which = {"pk": Value(Slot("address"))} if named else {"active": True}
    own = Address.objects.filter(Conditions(), user=Value(Slot("user")), **which)
    return Statement.of(own.values_list(*ADDRESS_COLUMNS))


@accelerates(standing_and_address)
def found_together(
    scope: Scope, company: int, office: int, address: int | None
) -> tuple[list[str | None], Address | None]:
    slots = {"user": scope.user, "token": scope.token, "company": company, "office": office, "address": address}
    statement = rights_and_addresses(named=address is not None, session=not scope.token)
    rows = statement.rows(DEFAULT_DB_ALIAS, ANY, **slots)
    found = rows and rows[0][1] is not None
    return [row[0] for row in rows], Address.from_db(DEFAULT_DB_ALIAS, ADDRESS_COLUMNS, rows[0][2:]) if found else None


@lru_cache
def rights_and_addresses(*, named: bool, session: bool) -> Statement:
    user, token, company, office = (Value(Slot(name)) for name in ("user", "token", "company", "office"))
    which = Q(addresses__pk=Value(Slot("address"))) if named else Q(addresses__active=True)
    users = held_at(user, None if session else token, company, office).filter(Conditions())
    columns = [f"shipping__{name}" for name in ("pk", *ADDRESS_COLUMNS)]
    return Statement.of(
        users.alias(shipping=FilteredRelation("addresses", condition=which)).values_list("at__role", *columns)
    )


@accelerates(insert)
def inserted(order: Order, lines: list[OrderLine], event: OrderEvent) -> None:
    if not inserts.together(order, lines, [event]):
        return NotImplemented


# --- Exports


@accelerates(OrderExportViewSet.objects)
def objects(view: OrderExportViewSet, alias: str, selection: Selection, order: keyset.Order) -> export.Objects:
    own = overridden(type(view), ("rendered", "get_serializer"), OrderExportViewSet) or own_of_rows(
        view.get_serializer_class()
    )
    compiled = None if own else pages.compiled_of(view, view.request, selection)
    narrowing = pages.narrowing_of(view, view.request, compiled) if compiled else None
    if compiled is None or narrowing is None:
        return NotImplemented
    context = view.get_serializer_context()
    slices = compiled.all(alias, narrowing, compiled.given(context), order, export.SLICE)
    return written(slices, compiled.filler(context), partial(view.rendered, alias, selection, order))


def written(
    slices: Generator[list[str], None, None],
    fill: Callable[[list[str]], list[bytes]],
    rendered_after: Callable[[int], export.Objects],
) -> export.Objects:
    """Orders that the database has written, with their gaps filled.

    Where a gap turns out to be none, `rendered_after` has the rest of them, behind so many: one moment has one order.
    """
    sent = 0
    with closing(slices):
        for batch in slices:
            try:
                filled = fill(batch)
            except LeakError:
                break
            sent += len(batch)
            yield filled
        else:
            return
    with closing(rendered_after(sent)) as rest:
        yield from rest
