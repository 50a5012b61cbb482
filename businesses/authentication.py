"""Token authentication that brings the user's whole scope with it, in one query."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hmac import compare_digest
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Subquery, Value
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS, knox_settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from api.models import Revision
from api.requests import inner
from api.statements import ANY, Conditions, Row, Slot, Statement
from businesses.models import User
from businesses.scope import Scope, scope_of

# In the order of the model's fields, which is how Model.from_db takes values.
USER_COLUMNS = ("id", "is_superuser", "username", "first_name", "last_name", "is_staff", "is_active", "revision")
MEMBERSHIP_COLUMNS = ("company_id", "office_id", "role", "company__revision")
USER = slice(3, 3 + len(USER_COLUMNS))  # where they are in a row of `tokens`
ACTIVE = USER.start + USER_COLUMNS.index("is_active")
TOKEN_LONGEST = 200  # characters


class ScopeAuthentication(BaseAuthentication):
    """`Authorization: Token …`. Sets `request.user` and, as `request.auth`, the user's `Scope`.

    The token is hashed before anything is looked up and digests are compared in constant time, so
    the answer's time tells nothing about tokens that exist. Expired tokens are refused here and
    removed at the user's next login: a read writes nothing.
    """

    def authenticate(self, request: Request) -> tuple[User, Scope] | None:
        """Asks the database once a request, whoever wants to know and however it ends."""
        asked: Any = inner(request)
        if not hasattr(asked, "identity"):
            try:
                asked.identity = self.identify(request)
            except Exception as error:
                asked.identity = error
        if isinstance(asked.identity, Exception):
            raise asked.identity
        identity: tuple[User, Scope] | None = asked.identity
        return identity

    def identify(self, request: Request) -> tuple[User, Scope] | None:
        words = request.META.get("HTTP_AUTHORIZATION", "").split()  # `request.headers` parses all
        if not words or words[0].lower() != self.authenticate_header(request).lower():
            return None
        if len(words) != 2 or len(words[1]) > TOKEN_LONGEST or not (words[1].isascii() and words[1].isalnum()):
            raise AuthenticationFailed("The Authorization header must read: Token <token>.")
        return resolve(words[1])

    def authenticate_header(self, request: Request) -> str:
        prefix: str = knox_settings.AUTH_HEADER_PREFIX
        return prefix


def resolve(token: str) -> tuple[User, Scope]:
    """The user and scope of a token. Raises AuthenticationFailed for one that is wrong, expired or disabled."""
    rows = rows_of(token)
    return User.from_db(DEFAULT_DB_ALIAS, USER_COLUMNS, rows[0][USER]), scope_in(rows)


def rows_of(token: str) -> tuple[Row, ...]:
    """What `tokens` finds for it. Raises AuthenticationFailed as `resolve` does."""
    digest = hash_token(token)
    rows = tokens().rows(DEFAULT_DB_ALIAS, ANY, key=token[: CONSTANTS.TOKEN_KEY_LENGTH])
    found = tuple(row for row in rows if compare_digest(digest, row[0]))
    if not found or (found[0][1] and found[0][1] <= datetime.now(UTC)) or not found[0][ACTIVE]:
        raise AuthenticationFailed("This token is not valid, or no longer.")
    return found


@lru_cache(maxsize=128)
def scope_in(rows: tuple[Row, ...]) -> Scope:
    """The scope of `rows_of` a token: the same object for the same rows, with what it has found out of itself."""
    user = dict(zip(USER_COLUMNS, rows[0][USER], strict=True))
    memberships = [row[USER.stop :] for row in rows]
    return scope_of(user["id"], memberships, own_revision=user["revision"], catalogue_revision=rows[0][2] or 0)


@lru_cache(maxsize=1)
def tokens() -> Statement:
    """Digest, expiry, the catalogue's revision, user and memberships of the tokens that start alike."""
    catalogue = Revision.objects.filter(name=Revision.CATALOGUE).values("value")
    alike = get_token_model().objects.filter(Conditions(), token_key=Value(Slot("key"))).order_by()
    columns = [f"user__{name}" for name in USER_COLUMNS]
    columns += [f"user__memberships__{name}" for name in MEMBERSHIP_COLUMNS]
    return Statement.of(alike.values_list("digest", "expiry", Subquery(catalogue), *columns))
