"""State that the conventions of the API need in the database."""

from __future__ import annotations

from django.db import models


class Revision(models.Model):
    """A count of the changes to rows that belong to no company. Triggers raise it; see `businesses.scope`."""

    CATALOGUE = "catalogue"

    name = models.CharField(primary_key=True, max_length=40)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.value}"
