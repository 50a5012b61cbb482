"""What a request may see and do: its user's memberships, resolved by one query with the token.

Everything else starts from a `Scope`: querysets are cut to it, services ask it for roles, and its
revisions say whether a cached answer is still right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q
from django.utils.functional import cached_property

from businesses.models import Role

RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.BUYER, Role.APPROVER, Role.OWNER))}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in one office, or (office None) in every office of a company."""

    company: int
    office: int | None
    role: Role


@dataclass(frozen=True)
class Scope:
    """A user's grants, and the revisions of what they may see: each company, themselves, the catalogue."""

    user: int
    grants: tuple[Grant, ...]
    revisions: dict[int, int]
    own_revision: int = 0
    catalogue_revision: int = 0

    @cached_property
    def audience(self) -> str:
        """Who is shown the same as this user: whoever has the same grants. A buyer's own orders are special to them."""
        grants = sorted(f"{grant.company}/{grant.office or '*'}/{grant.role}" for grant in self.grants)
        personal = [f"user {self.user}"] if any(grant.role == Role.BUYER for grant in self.grants) else []
        return " ".join(grants + personal)

    @cached_property
    def stamp(self) -> str:
        """The state of every company that this user may see something of."""
        return " ".join(f"{company}:{revision}" for company, revision in sorted(self.revisions.items()))

    def companies(self) -> set[int]:
        """Companies of which at least one office is visible."""
        return {grant.company for grant in self.grants}

    def companies_for(self, role: Role, office: int) -> set[int]:
        """Companies whose office this has to be for the user to hold `role`, or a higher one, there."""
        return {grant.company for grant in self.grants if grant.office in (None, office) and reaches(grant.role, role)}

    def within(self, company: str, office: str) -> Q:
        """The condition on rows that belong to a visible company and office, by these two lookups."""
        whole = sorted({grant.company for grant in self.grants if grant.office is None})
        single = sorted({grant.office for grant in self.grants if grant.office and grant.company not in whole})
        condition = Q()
        if whole:
            condition |= Q(**{f"{company}__in": whole})
        if single:
            condition |= Q(**{f"{office}__in": single})
        return condition or Q(pk__in=[])

    def role(self, company: int, office: int | None) -> Role | None:
        """The highest role held at this office, or in all of the company (None); None for a stranger."""
        held = [role for role in map(self.roles.get, ((company, None), (company, office))) if role]
        return max(held, key=RANK.__getitem__, default=None)

    @cached_property
    def roles(self) -> dict[tuple[int, int | None], Role]:
        """By company and office; a membership is unique in both."""
        return {(grant.company, grant.office): grant.role for grant in self.grants}


def reaches(held: Role | None, needed: Role) -> bool:
    """Whether `held` is `needed` or a higher role; nothing does for a stranger."""
    return held is not None and RANK[held] >= RANK[needed]


def scope_of(
    user: int,
    rows: Iterable[tuple[int | None, int | None, str | None, int | None]],
    *,
    own_revision: int = 0,
    catalogue_revision: int = 0,
) -> Scope:
    """Build a scope from (company, office, role, company revision); a user without memberships has a row of None."""
    grants, revisions = [], {}
    for company, office, role, revision in rows:
        if company is not None and role is not None and revision is not None:
            grants.append(Grant(company, office, Role(role)))
            revisions[company] = revision
    return Scope(user, tuple(grants), revisions, own_revision, catalogue_revision)
