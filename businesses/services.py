"""Writes to what company pages show of their people."""

from __future__ import annotations

from copy import copy
from typing import Any

from rest_framework.exceptions import NotFound

from api import retrying
from businesses import rights
from businesses.models import Address, User


@retrying.atomic
def save_address(*, user: User, address: Address, values: dict[str, Any], token: str = "") -> Address:
    """Create or edit an address of `user`. Making one active makes the one that was so inactive.

    `token` is the digest of the one that the request came with; it is asked for again under the user's lock.

    Raises:
        AuthenticationFailed: while the request waited, the token became worthless, or the user inactive.
        NotFound: the address was deleted meanwhile.
    """
    User.objects.select_for_update(no_key=True).only("pk").filter(pk=user.pk).first()  # their other requests wait here
    rights.check(user.pk, token)
    address = copy(address)  # which stays as it was given, should this be tried once more
    if address.pk:
        try:
            address.refresh_from_db()  # it was read before the lock; saved as it was, it would undo what came between
        except Address.DoesNotExist:
            raise NotFound("There is no such address, or not for you.") from None
    address.user = user
    for name, value in values.items():
        setattr(address, name, value)
    if address.active:
        Address.objects.filter(user=user, active=True).exclude(pk=address.pk).update(active=False)
    address.save()
    return address
