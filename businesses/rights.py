"""What a user may do, asked again under the lock that their write holds.

A request learns its rights with its token, and then waits for the lock: an hour of another's transaction, for all that
it knows. So a write asks once more when it has the lock, by one query, which sees what was committed meanwhile (READ
COMMITTED: each statement sees the commits before it). A change of memberships raises the revision of their company and
so waits for the same lock (`orders.triggers`): it comes before the write, which then fails, or after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, FilteredRelation, OuterRef, Q, QuerySet
from knox.models import get_token_model
from rest_framework.exceptions import AuthenticationFailed

from api.seam import accelerable
from businesses.authentication import WRONG, lasting
from businesses.models import Role, User
from businesses.scope import Scope, highest


def role_now(scope: Scope, *, company: int, office: int) -> Role | None:
    """The highest role that is held at this office; None for somebody who is no member any more.

    Raises:
        AuthenticationFailed: the token was revoked or has expired, or the user is not active.
    """
    return role_of(standing(scope.user, scope.token, company, office))


def role_of(found: Iterable[str | None]) -> Role | None:
    """The highest one of what `standing` gives. Raises AuthenticationFailed as `role_now` does."""
    roles = list(found)
    if not roles:
        raise AuthenticationFailed(WRONG)
    return highest(Role(role) for role in roles if role)


def check(user: int, token: str) -> None:
    """Raises AuthenticationFailed as `role_now` does. `token` is a digest, empty for a session."""
    role_of(standing(user, token, 0, 0))


@accelerable
def standing(user: int, token: str, company: int, office: int) -> Iterable[str | None]:
    """The roles at this office, or None without one; nothing where the API refuses the user or the token."""
    return held(user, token, company, office)


def held(user: Any, token: Any, company: Any, office: Any) -> QuerySet[User, str | None]:
    """Of an active user with this token, if there is one, the roles at an office, or None: `at__role`."""
    there = Q(memberships__company=company) & (Q(memberships__office=None) | Q(memberships__office=office))
    users = User.objects.filter(pk=user, is_active=True).alias(at=FilteredRelation("memberships", condition=there))
    if token:
        users = users.filter(Exists(get_token_model().objects.filter(lasting(), user=OuterRef("pk"), digest=token)))
    return users.order_by().values_list("at__role", flat=True)
