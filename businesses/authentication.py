"""Token authentication that brings the user's whole scope with it, in one query."""

from __future__ import annotations

from functools import lru_cache
from hmac import compare_digest
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Field, Q, Subquery, Value
from django.db.models.functions import Now
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS, knox_settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from api.models import Revision
from api.statements import ANY, Conditions, Row, Slot, Statement
from businesses.models import User
from businesses.scope import Scope, scope_of

# In the order of the model's fields, which is how Model.from_db takes values.
# Each more costs the driver a microsecond.
USER_COLUMNS = ("id", "username", "revision")
MEMBERSHIP_COLUMNS = ("company_id", "office_id", "role", "company__revision")
USER = slice(2, 2 + len(USER_COLUMNS))  # where they are in a row of `tokens`
IDENTITY = "businesses.authentication"  # the key of a WSGI environment under which it stays
PREFIX = knox_settings.AUTH_HEADER_PREFIX.lower()
TOKEN_LONGEST = 200  # characters


class ScopeAuthentication(BaseAuthentication):
    """`Authorization: Token …`. Sets `request.user` and, as `request.auth`, the user's `Scope`.

    The token is hashed before anything is looked up and digests are compared in constant time, so
    the answer's time tells nothing about tokens that exist. Expired tokens are refused here and
    removed at the user's next login: a read writes nothing.
    """

    def authenticate(self, request: Request) -> tuple[User, Scope] | None:
        rows = self.rows(request.META)
        return None if rows is None else (user_in(rows), scope_in(rows))

    def auth(self, environ: dict[str, Any]) -> Scope | None:
        """What `request.auth` of this WSGI environment will be; None for the anonymous. Raises as `authenticate`."""
        rows = self.rows(environ)
        return None if rows is None else scope_in(rows)

    def rows(self, environ: dict[str, Any]) -> tuple[Row, ...] | None:
        """Asks the database once a request, whoever wants to know and however it ends."""
        if IDENTITY not in environ:
            try:
                environ[IDENTITY] = self.identify(environ)
            except Exception as error:
                environ[IDENTITY] = error
        found: tuple[Row, ...] | Exception | None = environ[IDENTITY]
        if isinstance(found, Exception):
            raise found
        return found

    def identify(self, environ: dict[str, Any]) -> tuple[Row, ...] | None:
        words = environ.get("HTTP_AUTHORIZATION", "").split()
        if not words or words[0].lower() != PREFIX:
            return None
        if len(words) != 2 or len(words[1]) > TOKEN_LONGEST or not (words[1].isascii() and words[1].isalnum()):
            raise AuthenticationFailed("The Authorization header must read: Token <token>.")
        return rows_of(words[1])

    def authenticate_header(self, request: Request) -> str:
        prefix: str = knox_settings.AUTH_HEADER_PREFIX
        return prefix


def resolve(token: str) -> tuple[User, Scope]:
    """The user and scope of a token. Raises AuthenticationFailed for one that is wrong, expired or disabled."""
    rows = rows_of(token)
    return user_in(rows), scope_in(rows)


def rows_of(token: str) -> tuple[Row, ...]:
    """What `tokens` finds for it. Raises AuthenticationFailed as `resolve` does."""
    digest = hash_token(token)
    rows = tokens().rows(DEFAULT_DB_ALIAS, ANY, key=token[: CONSTANTS.TOKEN_KEY_LENGTH])
    found = tuple(row for row in rows if compare_digest(digest, row[0]))
    if not found:
        raise AuthenticationFailed("This token is not valid, or no longer.")
    return found


def user_in(rows: tuple[Row, ...]) -> User:
    return User.from_db(DEFAULT_DB_ALIAS, USER_COLUMNS, rows[0][USER])


@lru_cache(maxsize=128)
def scope_in(rows: tuple[Row, ...]) -> Scope:
    """The scope of `rows_of` a token: the same object for the same rows, with what it has found out of itself."""
    user = dict(zip(USER_COLUMNS, rows[0][USER], strict=True))
    memberships = [row[USER.stop :] for row in rows]
    return scope_of(user["id"], memberships, own_revision=user["revision"], catalogue_revision=rows[0][1] or 0)


@lru_cache(maxsize=1)
def tokens() -> Statement:
    """Digest, the catalogue's revision, user and memberships of the tokens that start alike and are of use still."""
    catalogue = Revision.objects.filter(name=Revision.CATALOGUE).values("value")
    lasting = Q(expiry=None) | Q(expiry__gt=Now())
    alike = get_token_model().objects.filter(Conditions(), lasting, token_key=Value(Slot("key")), user__is_active=True)
    columns = [f"user__{name}" for name in USER_COLUMNS]
    columns += [f"user__memberships__{name}" for name in MEMBERSHIP_COLUMNS]
    revision = Subquery(catalogue, output_field=Field())  # an IntegerField would convert what is an integer
    return Statement.of(alike.order_by().values_list("digest", revision, *columns))
