"""Writes to what company pages show of their people."""

from __future__ import annotations

from copy import copy
from typing import Any

from api import retrying
from businesses.models import Address, User


@retrying.atomic
def save_address(*, user: User, address: Address, values: dict[str, Any]) -> Address:
    """Create or edit an address of `user`. Making one active makes the one that was so inactive."""
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)  # the user's other requests wait here
    address = copy(address)  # which stays as it was given, should this be tried once more
    if address.pk:
        address.refresh_from_db()  # it was read before the lock; saved as it was then, it would undo what came between
    address.user = user
    for name, value in values.items():
        setattr(address, name, value)
    if address.active:
        Address.objects.filter(user=user, active=True).exclude(pk=address.pk).update(active=False)
    address.save()
    return address
