"""What a request may see and do: its user's memberships, resolved by one query with the token.

Everything else starts from a `Scope`: querysets are cut to its grants, services ask them for roles, and its
revisions say whether a cached answer is still right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import F, Q, Value
from django.utils.functional import cached_property

from api.expressions import AmongNumbers, numbers
from businesses.models import Role

RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.BUYER, Role.APPROVER, Role.OWNER))}
AUDIENCE_LONGEST = 200  # characters that it is left readable up to


class Grant(NamedTuple):
    """A role in one office, or (office None) in every office of a company."""

    company: int
    office: int | None
    role: Role


@dataclass(frozen=True, eq=False)
class Grants:
    """All that a user has. What is found out of them stays, for as long as the memberships do."""

    all: tuple[Grant, ...]

    @cached_property
    def roles(self) -> dict[tuple[int, int | None], Role]:
        """By company and office; a membership is unique in both."""
        return {(grant.company, grant.office): grant.role for grant in self.all}

    @cached_property
    def companies(self) -> frozenset[int]:
        """Companies of which at least one office is visible."""
        return frozenset(grant.company for grant in self.all)

    @cached_property
    def whole(self) -> frozenset[int]:
        """Companies of which every office is visible."""
        return frozenset(grant.company for grant in self.all if grant.office is None)

    @cached_property
    def highest(self) -> Role | None:
        """The highest role held anywhere."""
        return highest(grant.role for grant in self.all)

    def companies_for(self, role: Role, office: int) -> set[int]:
        """Companies whose office this has to be for the user to hold `role`, or a higher one, there."""
        return {company for company in self.companies if reaches(self.role(company, office), role)}

    def within(self, company: str, office: str) -> Q:
        """The condition on rows that belong to a visible company and office, by these two columns.

        Single offices are asked for with their companies, by whose index rows are in their order.
        """
        partly = self.companies - self.whole
        condition = Q()
        if self.whole:
            condition |= among(company, self.whole)
        if partly:
            offices = {grant.office for grant in self.all if grant.office and grant.company in partly}
            condition |= among(company, partly) & among(office, offices)
        return condition or Q(pk__in=[])

    def role(self, company: int, office: int | None) -> Role | None:
        """The highest role held at this office, or in all of the company (None); None for a stranger."""
        return highest(role for role in map(self.roles.get, ((company, None), (company, office))) if role)

    @cached_property
    def words(self) -> str:
        """Equal for equal grants, whoever has them."""
        written = " ".join(sorted(f"{company}/{office or '*'}/{role}" for company, office, role in self.all))
        return written if len(written) <= AUDIENCE_LONGEST else hashlib.sha256(written.encode()).hexdigest()

    @cached_property
    def personal(self) -> bool:
        """A buyer's own orders are special to them."""
        return Role.BUYER in self.roles.values()


@dataclass(frozen=True)
class Scope:
    """A user's grants, and the revisions of what they may see: each company, themselves, the catalogue.

    `token` is the digest of the one that it came with; empty for a session.
    """

    user: int
    grants: Grants
    revisions: dict[int, int]
    own_revision: int = 0
    catalogue_revision: int = 0
    token: str = field(default="", repr=False)

    @cached_property
    def audience(self) -> str:
        """Who is shown the same as this user: whoever has the same grants, unless they are a buyer's."""
        return f"{self.grants.words} user {self.user}" if self.grants.personal else self.grants.words

    @cached_property
    def stamp(self) -> str:
        """The state of every company that this user may see something of."""
        return " ".join(f"{company}:{revision}" for company, revision in sorted(self.revisions.items()))


def among(column: str, keys: Set[int]) -> Q:
    """One key is an equality, which an index answers in its order."""
    return Q(AmongNumbers(F(column), Value(numbers(sorted(keys))))) if len(keys) > 1 else Q(**{f"{column}__in": keys})


def highest(roles: Iterable[Role]) -> Role | None:
    return max(roles, key=RANK.__getitem__, default=None)


def reaches(held: Role | None, needed: Role) -> bool:
    """Whether `held` is `needed` or a higher role; nothing does for a stranger."""
    return held is not None and RANK[held] >= RANK[needed]


def scope_of(
    user: int,
    memberships: Iterable[tuple[int, int | None, str, int]],
    own_revision: int = 0,
    catalogue: int = 0,
    token: str = "",
) -> Scope:
    """Build a scope from rows of company, office, role and the company's revision."""
    rows = list(memberships)
    revisions = {company: revision for company, _, _, revision in rows}
    return Scope(user, granted(rows), revisions, own_revision, catalogue, token)


def granted(memberships: Iterable[tuple[int, int | None, str, int]]) -> Grants:
    return Grants(tuple(Grant(company, office, Role(role)) for company, office, role, _ in memberships))
