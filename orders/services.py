"""Every write to orders: place, edit, move on. Each is one transaction under the company's lock.

Whoever may not write is refused before, where that can be known, and locks nothing. Under the lock rights are asked for
again (`businesses.rights`), and an answer is the one that a request gets which begins only now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypedDict

from django.db import IntegrityError
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError

from api import retrying
from api.exceptions import Conflict, Unprocessable
from api.seam import accelerable
from businesses import revisions, rights
from businesses.models import Address, Office, Role
from businesses.scope import Scope, reaches
from orders.models import Order, OrderEvent, OrderLine
from orders.selectors import address_of, on_sale, shown_address_of, standing_and_address
from orders.states import TRANSITIONS, Status, suffices


class LineInput(TypedDict):
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Placed:
    """The order of a request, and whether an earlier request with the same key had placed it."""

    order: Order
    replayed: bool


def place(
    *,
    scope: Scope,
    office: int,
    lines: Sequence[LineInput],
    address: int | None = None,
    key: str | None = None,
    digest: str = "",
) -> Placed:
    """Place an order; with an idempotency key, exactly once for each key of a user.

    The key is a column of the order, so it commits with it: of concurrent requests one inserts, the
    others fail on the unique constraint and find its order.

    Raises:
        ValidationError: names an unknown office, address or sku, or lines of several currencies.
        PermissionDenied: the user may see this office, but not order for it.
        Unprocessable: the key was used with other content.
        NotFound: the key's order is not visible to the user any more.
        AuthenticationFailed: while the request waited, the token became worthless.
    """
    try:
        return Placed(_place(scope, office, lines, address, key, digest), replayed=False)
    except (IntegrityError, ValidationError):
        first = key and Order.objects.filter(placed_by=scope.user, idempotency_key=key).first()
        if not first:
            raise
        if first.request_digest != digest:
            raise Unprocessable("This Idempotency-Key was used with other content.", "idempotency_key_reused") from None
        check_visible(rights.role_now(scope, company=first.company_id, office=first.office_id))
        return Placed(first, replayed=True)


@retrying.atomic
def _place(
    scope: Scope, office: int, lines: Sequence[LineInput], address: int | None, key: str | None, digest: str
) -> Order:
    company, revision, goes_to = locked_company(scope, office, address)
    rows, currency = priced(lines)
    now = datetime.now(UTC)
    order = Order(
        company_id=company,
        office_id=office,
        placed_by_id=scope.user,
        number=f"{now.year}-{revision:08d}",
        currency=currency,
        total=sum(row.total for row in rows),
        placed_at=now,
        updated_at=now,
        revision=revision,
        idempotency_key=key,
        request_digest=digest,
        **ship_to(goes_to, address),
    )
    insert(order, rows, OrderEvent(order=order, actor_id=scope.user, kind=OrderEvent.Kind.PLACED, at=now))
    return order


@accelerable
def insert(order: Order, lines: list[OrderLine], event: OrderEvent) -> None:
    """Insert an order, which gets its key, with its lines and its first event."""
    order.save(force_insert=True)
    write_lines(order, lines)
    event.order = order  # whose key it takes over
    event.save(force_insert=True)


def locked_company(scope: Scope, office: int, address: int | None) -> tuple[int, int, Address | None]:
    """The company of an office that this user may order for, locked, and the revision that the order will have.

    And the user's address of this id, or their active one, as it is now.

    Raises:
        ValidationError, PermissionDenied, AuthenticationFailed: as for `place`.
    """
    bumped = revisions.bump_of(office, scope.grants.companies_for(Role.BUYER, office))
    if bumped:
        roles, goes_to = standing_and_address(scope, bumped[0], office, address)
        held = rights.role_of(roles)
        if reaches(held, Role.BUYER):
            return *bumped, goes_to
        visible = held is not None
    else:
        visible = Office.objects.filter(scope.grants.within(company="company", office="pk"), pk=office).exists()
    if visible:
        raise PermissionDenied("Ordering for this office needs the role of a buyer.")
    raise ValidationError({"office": ["There is no such office, or not for you."]})


@retrying.atomic
def edit(
    *,
    scope: Scope,
    order: Order,
    version: int,
    lines: Sequence[LineInput] | None = None,
    address: int | None = None,
) -> None:
    """Replace the lines of a placed order, at today's prices, or where it goes.

    Raises:
        PermissionDenied: neither the user's own order nor an approver's business.
        Conflict: the order has moved on from `version`, or is no longer just placed.
        ValidationError, NotFound, AuthenticationFailed: as for `place`.
    """
    own = order.placed_by_id == scope.user
    check_may_change(scope, order)
    changes: dict[str, Any] = {}
    revision, _ = locked(scope, order)
    current = at_version(order, version)
    if current.status != Status.PLACED:
        raise Conflict(f"An order that is {current.status} can't be edited.", "not_editable")
    rows: list[OrderLine] = []
    if lines is not None:
        rows, currency = priced(lines)
        changes |= {"currency": currency, "total": sum(row.total for row in rows)}
    if address is not None:
        theirs = address_of if own else partial(shown_address_of, order.company_id)
        changes |= ship_to(theirs(order.placed_by_id, address), address)
    write(current, revision, scope.user, OrderEvent.Kind.EDITED, {"fields": edited(lines, address)}, **changes)
    if rows:
        OrderLine.objects.filter(order=order).delete()
        write_lines(order, rows)


def edited(lines: object, address: object) -> list[str]:
    return [name for name, value in (("lines", lines), ("address", address)) if value is not None]


@retrying.atomic
def move(*, scope: Scope, order: Order, to: Status, version: int) -> None:
    """Take an order one step on in its life.

    Raises:
        PermissionDenied: the step needs a higher role.
        Conflict: the order has moved on from `version`, or there is no such step from where it is.
        NotFound, AuthenticationFailed: as for `place`.
    """
    revision, held = locked(scope, order)
    current = at_version(order, version)
    role = TRANSITIONS[Status(current.status)].get(to)
    if role is None:
        raise Conflict(f"An order that is {current.status} can't become {to.value}.", "illegal_transition")
    if not suffices(held, role, own=order.placed_by_id == scope.user):
        raise PermissionDenied(f"Only an approver may let this order become {to.value}.")
    write(current, revision, scope.user, OrderEvent.Kind(to.value), {}, status=to)


def check_may_place(scope: Scope) -> None:
    """Raises PermissionDenied: the user may order for no office at all. Needs no query, and nothing of the order."""
    if not reaches(scope.grants.highest, Role.BUYER):
        raise PermissionDenied("Ordering needs the role of a buyer.")


def check_may_change(scope: Scope, order: Order) -> None:
    """Raises PermissionDenied: no step and no edit of this order is the user's. Needs no query."""
    check_role(scope.grants.role(order.company_id, order.office_id), own=order.placed_by_id == scope.user)


def check_role(held: Role | None, *, own: bool) -> None:
    if not suffices(held, Role.BUYER, own=own):
        raise PermissionDenied("Changing this order needs to be its buyer or an approver.")


def locked(scope: Scope, order: Order) -> tuple[int, Role | None]:
    """Under the lock of the order's company the revision that a change will have, and the role that the user holds.

    Raises:
        NotFound, AuthenticationFailed: as for `place`.
        PermissionDenied: as `check_may_change` does.
    """
    revision = revisions.bump([order.company_id])[order.company_id]
    held = rights.role_now(scope, company=order.company_id, office=order.office_id)
    check_visible(held)
    check_role(held, own=order.placed_by_id == scope.user)
    return revision, held


def check_visible(held: Role | None) -> None:
    if held is None:
        raise NotFound("There is no such order, or not for you.")


def at_version(order: Order, version: int) -> Order:
    """The order as it is under the lock.

    Raises:
        Conflict: somebody changed it after `version` was read.
    """
    current = Order.objects.only("status", "revision").get(pk=order.pk)
    if current.revision != version:
        message = f"The order is at version {current.revision}, you sent {version}. Read it again."
        raise Conflict(message, "stale_version")
    return current


def write(
    current: Order, revision: int, actor: int, kind: OrderEvent.Kind, data: dict[str, Any], **changes: Any
) -> None:
    """Write changes and their event, guarded by the state that the decision was made on."""
    now = datetime.now(UTC)
    unchanged = Order.objects.filter(pk=current.pk, status=current.status, revision=current.revision)
    if not unchanged.update(**changes, revision=revision, updated_at=now):
        raise Conflict("The order was changed by somebody else. Read it again.", "stale_version")
    OrderEvent.objects.create(order_id=current.pk, actor_id=actor, kind=kind, data=data, at=now)


def priced(lines: Sequence[LineInput]) -> tuple[list[OrderLine], str]:
    """Unsaved lines at the catalogue's prices, and their currency.

    Raises:
        ValidationError: names each unknown or inactive sku, or says that currencies are mixed.
    """
    products = on_sale({line["sku"] for line in lines})
    unknown = {
        str(index): {"sku": [f"There is no product {line['sku']!r} to order."]}
        for index, line in enumerate(lines)
        if line["sku"] not in products
    }
    if unknown:
        raise ValidationError({"lines": unknown})
    currencies = {products[line["sku"]].currency for line in lines}
    if len(currencies) > 1:
        raise ValidationError({"lines": [f"One order, one currency; these are {', '.join(sorted(currencies))}."]})
    return [
        OrderLine(
            position=position,
            sku=line["sku"],
            name=products[line["sku"]].name,
            quantity=line["quantity"],
            unit_price=products[line["sku"]].unit_price,
            total=line["quantity"] * products[line["sku"]].unit_price,
        )
        for position, line in enumerate(lines, start=1)
    ], currencies.pop()


def write_lines(order: Order, rows: list[OrderLine]) -> None:
    for row in rows:
        row.order_id = order.pk
    OrderLine.objects.bulk_create(rows)


def ship_to(found: Address | None, named: int | None) -> dict[str, str]:
    """The order's copy of the address that was found: the one that was named, else the active one.

    Raises:
        ValidationError: there is none.
    """
    if found is None and named is None:
        raise ValidationError({"address": ["There is no active address. Make one active, or name one here."]})
    if found is None:
        raise ValidationError({"address": ["There is no such address of the user who orders."]})
    return {f"ship_{name}": getattr(found, name) for name in ("street", "city", "postcode", "country")}
