"""The life of an order: placed → approved → fulfilled; placed or approved → cancelled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from django.db import models
from django.db.models import Expression, F, Value

from api.spelling import Formula, InSql, spelt
from api.statements import Slot
from businesses.models import Role
from businesses.scope import Grants, Scope, reaches


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
    return suffices(scope.grants.role(company, office), role, own=placed_by == scope.user)


def allowed(scope: Scope, status: str, *, company: int, office: int, placed_by: int) -> list[str]:
    """The steps that this user may take from `status`."""
    return list(steps(status, scope.grants.role(company, office), own=placed_by == scope.user))


@cache
def steps(status: str, held: Role | None, *, own: bool) -> tuple[str, ...]:
    """Those that a role allows; a page asks for each of its orders."""
    return tuple(to.value for to, role in TRANSITIONS[Status(status)].items() if suffices(held, role, own=own))


def suffices(held: Role | None, needed: Role, *, own: bool) -> bool:
    return reaches(held, needed if own or needed != Role.BUYER else Role.APPROVER)


# --- The same in SQL: what a role allows is asked of `steps` and looked up by each row

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


@lru_cache(maxsize=128)
def in_json(grants: Grants) -> str:
    return json.dumps({f"{company}/{office or '*'}": role for (company, office), role in grants.visible_roles.items()})


IN_SQL = InSql(looked_up, held)
