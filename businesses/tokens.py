"""API tokens: shown once, stored as digests, expiring."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction
from knox.crypto import hash_token
from knox.models import get_token_model

from businesses.models import User


class PasswordChangedError(Exception):
    """Somebody changed it since it was checked, or renewed its hash."""


def issue(user: User) -> tuple[str, datetime]:
    """A new token of `user` and when it expires; their expired ones are removed.

    A change of the password waits for this token and revokes it too (`businesses.triggers`), or comes before it.

    Raises:
        PasswordChangedError: it is another one than when `user` was read.
    """
    tokens = get_token_model().objects
    with transaction.atomic():
        same = User.objects.select_for_update(no_key=True).filter(pk=user.pk, password=user.password)
        if not same.values_list("pk").first():
            raise PasswordChangedError
        tokens.filter(user=user, expiry__lte=datetime.now(UTC)).delete()
        row, token = tokens.create(user)
    return token, row.expiry


def revoke(token: str) -> None:
    """Make this token worthless."""
    get_token_model().objects.filter(digest=hash_token(token)).delete()


def revoke_all(user: int) -> None:
    """Make all tokens of this user worthless."""
    get_token_model().objects.filter(user=user).delete()
