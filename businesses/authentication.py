"""Token authentication that brings the user's whole scope with it, in one query.

What the user's memberships are is told only to a process that doesn't know it: they have a revision, which
the query compares. So 1,000 memberships cost what one does, and a change of theirs holds from the next request on.
"""

from __future__ import annotations

import json
from functools import lru_cache
from hmac import compare_digest
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Case, Expression, F, Field, OuterRef, Q, Subquery, TextField, Value, When
from django.db.models.functions import Coalesce, JSONArray, Now
from django.db.models.lookups import Exact
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS, knox_settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from api.memo import Memo
from api.models import Revision
from api.spelling import Formula, Joined
from api.statements import ANY, AmongNumbers, Conditions, Row, Slot, Statement, numbers
from businesses.models import Company, Membership, User
from businesses.scope import Grants, Scope, granted

# In the order of the model's fields, which is how Model.from_db takes values.
# Each more costs the driver a microsecond.
USER_COLUMNS = ("id", "username", "revision")
MEMBERSHIP_COLUMNS = ("company_id", "office_id", "role", "company__revision")
IDENTITY = "businesses.authentication"  # the key of a WSGI environment under which it stays
PREFIX = knox_settings.AUTH_HEADER_PREFIX.lower()
TOKEN_LONGEST = 200  # characters
MOST_KNOWN = 256  # tokens; 1,000 memberships take 150 KB of memory


class Found(NamedTuple):
    """Whose a token is."""

    user: Row  # USER_COLUMNS
    scope: Scope


class Known(NamedTuple):
    """The memberships of a token's user, at a revision of theirs, and their companies as a parameter of `tokens`."""

    user: int
    revision: int
    grants: Grants
    companies: str


NOTHING = Known(-1, -1, Grants(()), numbers(()))
known: Memo[Known] = Memo(MOST_KNOWN)


class ScopeAuthentication(BaseAuthentication):
    """`Authorization: Token …`. Sets `request.user` and, as `request.auth`, the user's `Scope`.

    The token is hashed before anything is looked up and digests are compared in constant time, so
    the answer's time tells nothing about tokens that exist. Expired tokens are refused here and
    removed at the user's next login: a read writes nothing.
    """

    def authenticate(self, request: Request) -> tuple[User, Scope] | None:
        found = self.found(request.META)
        return None if found is None else (user_in(found), found.scope)

    def auth(self, environ: dict[str, Any]) -> Scope | None:
        """What `request.auth` of this WSGI environment will be; None for the anonymous. Raises as `authenticate`."""
        found = self.found(environ)
        return None if found is None else found.scope

    def found(self, environ: dict[str, Any]) -> Found | None:
        """Asks the database once a request, whoever wants to know and however it ends."""
        if IDENTITY not in environ:
            try:
                environ[IDENTITY] = self.identify(environ)
            except Exception as error:
                environ[IDENTITY] = error
        found: Found | Exception | None = environ[IDENTITY]
        if isinstance(found, Exception):
            raise found
        return found

    def identify(self, environ: dict[str, Any]) -> Found | None:
        words = environ.get("HTTP_AUTHORIZATION", "").split()
        if not words or words[0].lower() != PREFIX:
            return None
        if len(words) != 2 or len(words[1]) > TOKEN_LONGEST or not (words[1].isascii() and words[1].isalnum()):
            raise AuthenticationFailed("The Authorization header must read: Token <token>.")
        return find(words[1])

    def authenticate_header(self, request: Request) -> str:
        prefix: str = knox_settings.AUTH_HEADER_PREFIX
        return prefix


def resolve(token: str) -> tuple[User, Scope]:
    """The user and scope of a token. Raises AuthenticationFailed for one that is wrong, expired or disabled."""
    found = find(token)
    return user_in(found), found.scope


def user_in(found: Found) -> User:
    return User.from_db(DEFAULT_DB_ALIAS, USER_COLUMNS, found.user)


def find(token: str) -> Found:
    """Whose `token` is. Raises AuthenticationFailed as `resolve` does.

    Inside a transaction nothing counts as known, and nothing is remembered: it may be rolled back, and its revision
    given to something else.
    """
    digest, lasting = hash_token(token), not connection.in_atomic_block
    before = (known.get(None, digest) if lasting else None) or NOTHING
    key = token[: CONSTANTS.TOKEN_KEY_LENGTH]
    asked = tokens().rows(
        DEFAULT_DB_ALIAS, ANY, key=key, user=before.user, revision=before.revision, companies=before.companies
    )
    rows = [row for row in asked if compare_digest(digest, row[0])]
    if not rows:
        raise AuthenticationFailed("This token is not valid, or no longer.")
    _, revision, memberships, companies, catalogue, *user = rows[0]
    if memberships is None:
        return whose(before.grants, companies, catalogue, *user)
    read = json.loads(f"[{memberships}]")
    revisions = {company: at for company, _, _, at in read}
    now = Known(user[0], revision, granted(read), numbers(revisions))
    if lasting:
        known.keep(None, digest, now)
    return whose(now.grants, json.dumps([*revisions.items()])[1:-1], catalogue, *user)


def scope_for(user: Any) -> Scope:
    """The scope of who came without a token: by a session, or as nobody in particular. Two queries."""
    known_user = isinstance(user, User)
    memberships = Membership.objects.filter(user=user.pk if known_user else 0)
    read = list(memberships.values_list(*MEMBERSHIP_COLUMNS))
    catalogue = Revision.objects.filter(name=Revision.CATALOGUE).values_list("value", flat=True).first()
    revisions = {company: revision for company, _, _, revision in read}
    mine = (user.pk, user.revision) if known_user else (0, 0)
    return Scope(mine[0], granted(read), revisions, mine[1], catalogue or 0)


@lru_cache(maxsize=128)
def whose(grants: Grants, companies: str, catalogue: int | None, *user: Any) -> Found:
    """The same object for the same state, with what its scope has found out of itself."""
    mine = dict(zip(USER_COLUMNS, user, strict=True))
    revisions = dict(json.loads(f"[{companies}]"))
    return Found(user, Scope(mine["id"], grants, revisions, mine["revision"], catalogue or 0))


@lru_cache(maxsize=1)
def tokens() -> Statement:
    """Of the tokens that start alike and are of use still: whose, and the state of what that user may see.

    Columns: the digest; the revision of the user's memberships; they themselves, or null if `revision` is theirs
    and `user` whose they are; the revisions of `companies`; the catalogue's; USER_COLUMNS.
    """
    lasting = Q(expiry=None) | Q(expiry__gt=Now())
    alike = get_token_model().objects.filter(Conditions(), lasting, token_key=Value(Slot("key")), user__is_active=True)
    name = Formula(Value(Revision.MEMBERSHIPS), OuterRef("user_id"), template="({} || {})")
    revision = Coalesce(raised(name), 0, output_field=Field())
    same = Exact(revision, Value(Slot("revision")))
    memberships = Membership.objects.filter(user=OuterRef("user")).order_by()
    held = Joined(memberships.values_list(JSONArray(*MEMBERSHIP_COLUMNS)))
    companies = Company.objects.filter(AmongNumbers(F("pk"), Value(Slot("companies")))).order_by()
    return Statement.of(
        alike.order_by().values_list(
            "digest",
            revision,
            Case(When(same, user=Value(Slot("user")), then=None), default=held, output_field=TextField()),
            Joined(companies.values_list(JSONArray("pk", "revision"))),
            raised(Value(Revision.CATALOGUE)),
            *(f"user__{name}" for name in USER_COLUMNS),
        )
    )


def raised(name: Expression) -> Subquery:
    """The revision of this name. (As an IntegerField it would be converted to the integer that it is.)"""
    return Subquery(Revision.objects.filter(name=name).values("value"), output_field=Field())
