"""The life of an order: placed → approved → fulfilled; placed or approved → cancelled."""

from __future__ import annotations

from django.db import models

from businesses.models import Role
from businesses.scope import Scope


class Status(models.TextChoices):
    PLACED = "placed"
    APPROVED = "approved"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


STEPS = [choice for choice in Status.choices if choice[0] != Status.PLACED]

# Each step and the least role that may take it; a buyer's rights end at their own orders.
TRANSITIONS: dict[Status, dict[Status, Role]] = {
    Status.PLACED: {Status.APPROVED: Role.APPROVER, Status.CANCELLED: Role.BUYER},
    Status.APPROVED: {Status.FULFILLED: Role.APPROVER, Status.CANCELLED: Role.APPROVER},
    Status.FULFILLED: {},
    Status.CANCELLED: {},
}


def may(scope: Scope, role: Role, *, company: int, office: int, placed_by: int) -> bool:
    """Whether this user may do to this order what needs `role`."""
    own = placed_by == scope.user
    return scope.allows(role if own or role != Role.BUYER else Role.APPROVER, company, office)


def allowed(scope: Scope, status: Status, *, company: int, office: int, placed_by: int) -> list[Status]:
    """The steps that this user may take from `status`."""
    steps = TRANSITIONS[status].items()
    return [to for to, role in steps if may(scope, role, company=company, office=office, placed_by=placed_by)]
