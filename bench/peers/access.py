"""What a member may do to an order, for peers: (company, office or None for all, role) are a user's grants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

Grant = tuple[int, int | None, str]

ROLES = ("viewer", "buyer", "approver", "owner")
STEPS = {
    "placed": {"approved": "approver", "cancelled": "buyer"},
    "approved": {"fulfilled": "approver", "cancelled": "approver"},
    "fulfilled": {},
    "cancelled": {},
}


def digest_of(token: str) -> str:
    """How the service stores tokens."""
    return hashlib.sha512(token.encode()).hexdigest()


def visible(grants: Iterable[Grant]) -> tuple[list[int], list[int]]:
    """Companies that are seen whole, and single offices."""
    grants = list(grants)
    return [company for company, office, _ in grants if office is None], [office for _, office, _ in grants if office]


def allowed(user: int, grants: Sequence[Grant], status: str, company: int, office: int, placed_by: int) -> list[str]:
    """The steps that the user may take from `status`; a buyer's rights end at their own orders."""
    held = [ROLES.index(role) for of, at, role in grants if of == company and at in (None, office)]
    rank = max(held, default=-1)
    return [
        to
        for to, role in STEPS[status].items()
        if rank >= ROLES.index("approver" if role == "buyer" and placed_by != user else role)
    ]
