"""Token authentication that brings the user's whole scope with it, in one query."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hmac import compare_digest
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q, Subquery
from django.db.models.functions import Now
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS, knox_settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from api.models import Revision
from api.seam import accelerable
from businesses.models import Membership, User
from businesses.scope import Scope, scope_of

USER_COLUMNS = ("id", "username", "revision")  # in the order of the model's fields, which is how from_db takes values
MEMBERSHIP_COLUMNS = ("company_id", "office_id", "role", "company__revision")
PREFIX = knox_settings.AUTH_HEADER_PREFIX.lower()
TOKEN_LONGEST = 200  # characters
WRONG = "This token is not valid, or no longer."


class ScopeAuthentication(BaseAuthentication):
    """`Authorization: Token …`. Sets `request.user` and, as `request.auth`, the user's `Scope`.

    The token is hashed before anything is looked up and digests are compared in constant time, so
    the answer's time tells nothing about tokens that exist. Expired tokens are refused here and
    removed at the user's next login: a read writes nothing.
    """

    def authenticate(self, request: Request) -> tuple[User, Scope] | None:
        return identify(request.META)

    def authenticate_header(self, request: Request) -> str:
        prefix: str = knox_settings.AUTH_HEADER_PREFIX
        return prefix


@accelerable
def identify(environ: dict[str, Any]) -> tuple[User, Scope] | None:
    """The user and scope of a request, by its WSGI environment; None without a token. Raises as `resolve`."""
    token = token_in(environ)
    return None if token is None else resolve(token)


def token_in(environ: Mapping[str, Any]) -> str | None:
    words = environ.get("HTTP_AUTHORIZATION", "").split()
    if not words or words[0].lower() != PREFIX:
        return None
    if len(words) != 2 or len(words[1]) > TOKEN_LONGEST or not (words[1].isascii() and words[1].isalnum()):
        raise AuthenticationFailed("The Authorization header must read: Token <token>.")
    return str(words[1])


@accelerable
def resolve(token: str) -> tuple[User, Scope]:
    """The user and scope of a token. Raises AuthenticationFailed for one that is wrong, expired or disabled."""
    digest = hash_token(token)
    asked = tokens().filter(token_key=token[: CONSTANTS.TOKEN_KEY_LENGTH])
    rows = [row[1:] for row in asked if compare_digest(digest, row[0])]
    if not rows:
        raise AuthenticationFailed(WRONG)
    catalogue, *values = rows[0][: 1 + len(USER_COLUMNS)]
    user = User.from_db(DEFAULT_DB_ALIAS, USER_COLUMNS, values)
    memberships = [row[1 + len(USER_COLUMNS) :] for row in rows]
    held = [each for each in memberships if each[0] is not None]
    return user, scope_of(user.pk, held, user.revision, catalogue or 0, digest)


@cache
def tokens() -> Any:
    """Those that are of use, a row for each membership of their user. Made once: that takes longer than to run it."""
    usable = get_token_model().objects.filter(lasting(), user__is_active=True).order_by()
    columns = [f"user__{name}" for name in (*USER_COLUMNS, *(f"memberships__{name}" for name in MEMBERSHIP_COLUMNS))]
    return usable.values_list("digest", Subquery(catalogue_revision()), *columns)


def lasting() -> Q:
    """The condition on tokens that have not expired."""
    return Q(expiry=None) | Q(expiry__gt=Now())


def scope_for(user: Any) -> Scope:
    """The scope of who came without a token: by a session, or as nobody in particular. Two queries."""
    mine = (user.pk, user.revision) if isinstance(user, User) else (0, 0)
    held = Membership.objects.filter(user=mine[0]).values_list(*MEMBERSHIP_COLUMNS)
    return scope_of(mine[0], held, mine[1], catalogue_revision().first() or 0)


def catalogue_revision() -> Any:
    return Revision.objects.filter(name=Revision.CATALOGUE).values_list("value", flat=True)
