"""Writes to what company pages show of their people."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from businesses import revisions
from businesses.models import Address, User


@transaction.atomic
def save_address(*, user: User, address: Address, values: dict[str, Any]) -> Address:
    """Create or edit an address of `user`. Making one active makes the one that was so inactive."""
    revisions.bump(revisions.showing([user]))
    User.objects.select_for_update().only("pk").get(pk=user.pk)  # the user's other requests wait here
    if address.pk:
        address.refresh_from_db()  # what another request has changed since it was looked up stays
    address.user = user
    for name, value in values.items():
        setattr(address, name, value)
    if address.active:
        Address.objects.filter(user=user, active=True).exclude(pk=address.pk).update(active=False)
    address.save()
    return address
