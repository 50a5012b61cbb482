"""The life of an order: placed → approved → fulfilled; placed or approved → cancelled."""

from __future__ import annotations

from functools import cache

from django.db import models

from businesses.models import Role
from businesses.scope import Scope, reaches


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


def allowed(scope: Scope, status: str, *, company: int, office: int, placed_by: int) -> list[str]:
    """The steps that this user may take from `status`."""
    return list(steps(status, scope.grants.role(company, office), own=placed_by == scope.user))


@cache
def steps(status: str, held: Role | None, *, own: bool) -> tuple[str, ...]:
    """Those that a role allows; a page asks for each of its orders."""
    return tuple(to.value for to, role in TRANSITIONS[Status(status)].items() if suffices(held, role, own=own))


def suffices(held: Role | None, needed: Role, *, own: bool) -> bool:
    return reaches(held, needed if own or needed != Role.BUYER else Role.APPROVER)
