"""What is faster here: a token is resolved by a statement that is planned once, a user's name is written by SQL.

What the user's memberships are is told only to a process that doesn't know it: they have a revision, which
the query compares. So 1,000 memberships cost what one does, and a change of theirs holds from the next request on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from hmac import compare_digest
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Case, Expression, F, Field, OuterRef, Subquery, TextField, Value, When
from django.db.models.functions import Coalesce, JSONArray, NullIf
from django.db.models.lookups import Exact
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed

from api.expressions import AmongNumbers, numbers
from api.models import Revision
from api.seam import accelerates
from businesses.authentication import (
    MEMBERSHIP_COLUMNS,
    USER_COLUMNS,
    WRONG,
    ScopeAuthentication,
    identify,
    lasting,
    resolve,
    token_in,
)
from businesses.models import Company, Membership, User
from businesses.rights import held, standing
from businesses.scope import Grants, Scope, granted
from businesses.views import ScopedViewSet
from fast.early import identified_by
from fast.guards import honoured
from fast.memo import Memo, memoised
from fast.spelling import Formula, InSql, Joined, text
from fast.statements import ANY, Conditions, Row, Slot, Statement
from fast.walk import spelt_as

IDENTITY = "businesses.identity"  # the key of a WSGI environment under which it stays
MOST_KNOWN = 256  # tokens
GRANT_BYTES = 200  # of a membership, with what is found out of it
ROOM = 4_000_000  # bytes
BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))  # what str.strip() takes off


def name_or_username(column: Callable[[str], F]) -> Expression:
    full = Formula(column("first_name"), column("last_name"), Value(BLANKS), template="btrim({} || ' ' || {}, {})")
    return text(Coalesce(NullIf(full, Value("")), column("username")))


spelt_as[User.name.fget] = InSql(name_or_username)  # type: ignore[attr-defined]  # a property, decorated


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
known: Memo[Known] = Memo(MOST_KNOWN, ROOM)


@accelerates(identify)
def identified(environ: dict[str, Any]) -> tuple[User, Scope] | None:
    found = found_in(environ)
    return None if found is None else (user_in(found), found.scope)


def scope_in(environ: dict[str, Any]) -> Scope | None:
    found = found_in(environ)
    return None if found is None else found.scope


identified_by[ScopeAuthentication] = scope_in
honoured.add(ScopedViewSet.auth_of)


def found_in(environ: dict[str, Any]) -> Found | None:
    """Asks the database once a request, whoever wants to know and however it ends."""
    if IDENTITY not in environ:
        try:
            token = token_in(environ)
            environ[IDENTITY] = None if token is None else find(token)
        except Exception as error:
            environ[IDENTITY] = error
    found: Found | Exception | None = environ[IDENTITY]
    if isinstance(found, Exception):
        raise found
    return found


@accelerates(resolve)
def resolved(token: str) -> tuple[User, Scope]:
    found = find(token)
    return user_in(found), found.scope


def user_in(found: Found) -> User:
    return User.from_db(DEFAULT_DB_ALIAS, USER_COLUMNS, found.user)


def find(token: str) -> Found:
    """Whose `token` is. Raises AuthenticationFailed as `resolve` does.

    Inside a transaction nothing counts as known, and nothing is remembered: it may be rolled back, and its revision
    given to something else.
    """
    digest, remembers = hash_token(token), not connection.in_atomic_block
    before = (known.get(None, digest) if remembers else None) or NOTHING
    key = token[: CONSTANTS.TOKEN_KEY_LENGTH]
    asked = tokens().rows(
        DEFAULT_DB_ALIAS, ANY, key=key, user=before.user, revision=before.revision, companies=before.companies
    )
    rows = [row for row in asked if compare_digest(digest, row[0])]
    if not rows:
        raise AuthenticationFailed(WRONG)
    _, revision, memberships, companies, catalogue, *user = rows[0]
    if memberships is None:
        return whose(before.grants, companies, catalogue, digest, *user)
    read = json.loads(f"[{memberships}]")
    revisions = {company: at for company, _, _, at in read}
    now = Known(user[0], revision, granted(read), numbers(revisions))
    if remembers:
        known.keep(None, digest, now, size_of_grants(now, now.grants))
    return whose(now.grants, json.dumps([*revisions.items()])[1:-1], catalogue, digest, *user)


def size_of_grants(found: Any, grants: Grants, *_: Any) -> int:
    return GRANT_BYTES * (len(grants.all) + 10)


@memoised(ROOM, most=128, size=size_of_grants)
def whose(grants: Grants, companies: str, catalogue: int | None, token: str, *user: Any) -> Found:
    """The same object for the same state, with what its scope has found out of itself."""
    mine = dict(zip(USER_COLUMNS, user, strict=True))
    revisions = dict(json.loads(f"[{companies}]"))
    return Found(user, Scope(mine["id"], grants, revisions, mine["revision"], catalogue or 0, token))


@lru_cache(maxsize=1)
def tokens() -> Statement:
    """Of the tokens that start alike and are of use still: whose, and the state of what that user may see.

    Columns: the digest; the revision of the user's memberships; they themselves, or null if `revision` is theirs
    and `user` whose they are; the revisions of `companies`; the catalogue's; USER_COLUMNS.
    """
    key = Value(Slot("key"))
    alike = get_token_model().objects.filter(Conditions(), lasting(), token_key=key, user__is_active=True)
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


@accelerates(standing)
def stands(user: int, token: str, company: int, office: int) -> list[str | None]:
    slots = {"user": user, "token": token, "company": company, "office": office}
    return [role for (role,) in roles(session=not token).rows(DEFAULT_DB_ALIAS, ANY, **slots)]


@lru_cache
def roles(*, session: bool) -> Statement:
    user, token, company, office = (Value(Slot(name)) for name in ("user", "token", "company", "office"))
    return Statement.of(held(user, None if session else token, company, office).filter(Conditions()))


def raised(name: Expression) -> Subquery:
    """The revision of this name. (As an IntegerField it would be converted to the integer that it is.)"""
    return Subquery(Revision.objects.filter(name=name).values("value"), output_field=Field())
