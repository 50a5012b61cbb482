"""API tokens: shown once, stored as digests, expiring."""

from __future__ import annotations

from datetime import UTC, datetime

from knox.crypto import hash_token
from knox.models import get_token_model

from businesses.models import User


def issue(user: User) -> tuple[str, datetime]:
    """A new token of `user` and when it expires; their expired ones are removed."""
    tokens = get_token_model().objects
    tokens.filter(user=user, expiry__lte=datetime.now(UTC)).delete()
    row, token = tokens.create(user)
    return token, row.expiry


def revoke(token: str) -> None:
    """Make this token worthless."""
    get_token_model().objects.filter(digest=hash_token(token)).delete()
