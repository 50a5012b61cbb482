"""The life of an order: placed → approved → fulfilled; placed or approved → cancelled."""

from __future__ import annotations

from django.db import models

from businesses.models import Role


class Status(models.TextChoices):
    PLACED = "placed"
    APPROVED = "approved"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


# Each step, and the least role that may take it.
TRANSITIONS: dict[Status, dict[Status, Role]] = {
    Status.PLACED: {Status.APPROVED: Role.APPROVER, Status.CANCELLED: Role.BUYER},
    Status.APPROVED: {Status.FULFILLED: Role.APPROVER, Status.CANCELLED: Role.APPROVER},
    Status.FULFILLED: {},
    Status.CANCELLED: {},
}
