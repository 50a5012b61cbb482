"""State that the conventions of the API need in the database."""

from __future__ import annotations

from django.db import models


class Revision(models.Model):
    """A count of the changes to something that is of no one company. Triggers raise it."""

    CATALOGUE = "catalogue"
    MEMBERSHIPS = "memberships of "  # and the user's id
    REHASH = "rehash of "  # likewise; there only within the transaction that does it

    name = models.CharField(primary_key=True, max_length=40)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.value}"
