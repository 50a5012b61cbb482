"""Who may order: users, their companies and offices, and where their orders go."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth.hashers import acheck_password, check_password
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q

from api.models import Revision
from api.shaping import needs
from businesses.fields import ActiveAddress


class User(AbstractUser):
    """A person with a login. What they may see and do is in their memberships.

    `revision` counts the changes of the name and the addresses, which the user's own pages show. A change of the
    password revokes all tokens (`businesses.triggers`).
    """

    active_address = ActiveAddress()
    revision = models.PositiveBigIntegerField(default=0, editable=False)

    @property
    @needs("first_name", "last_name", "username")
    def name(self) -> str:
        """The full name, or the username of somebody who gave none."""
        return self.get_full_name() or self.username

    def check_password(self, raw_password: str | None) -> bool:
        return check_password(raw_password, self.password, self.rehash)

    async def acheck_password(self, raw_password: str | None) -> bool:
        return await acheck_password(raw_password, self.password, sync_to_async(self.rehash))

    @transaction.atomic
    def rehash(self, raw_password: str) -> None:
        """Keep the same password by today's hasher, as Django does at a login. That is no change: tokens stay.

        Unlike Django it does not undo a change that came in between.
        """
        before = self.password
        self.set_password(raw_password)
        self._password = None
        mark = Revision.objects.create(name=f"{Revision.REHASH}{self.pk}")
        User.objects.filter(pk=self.pk, password=before).update(password=self.password)
        mark.delete()


class Company(models.Model):
    """A client. `revision` counts the transactions that changed anything its pages show.

    It is bumped first in each of them, under the row's lock, so revisions become visible in the
    order of their numbers; see `businesses.revisions`.
    """

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=60, unique=True)
    revision = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name_plural = "companies"
        indexes = [
            models.Index(fields=["name", "id"], name="company_by_name"),  # GET /api/companies
        ]

    def __str__(self) -> str:
        return self.name


class Office(models.Model):
    """A place of a company that orders for itself."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="offices")
    name = models.CharField(max_length=200)
    street = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100)
    postcode = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2)

    class Meta:
        constraints = [
            # What the composite foreign keys of orders and memberships point at.
            models.UniqueConstraint(fields=["id", "company"], name="office_of_company"),
        ]
        indexes = [
            models.Index(fields=["company", "name", "id"], name="office_by_name"),  # GET /api/offices
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; each may do all that the ones before it may."""

    VIEWER = "viewer"
    BUYER = "buyer"
    APPROVER = "approver"
    OWNER = "owner"


class Membership(models.Model):
    """A user's role in a company, in one office or (office null) in all of them."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="memberships")
    office = models.ForeignKey(Office, on_delete=models.PROTECT, null=True, blank=True, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)

    class Meta:
        ordering = ["pk"]
        constraints = [
            # Two constraints, as NULLS NOT DISTINCT needs PostgreSQL 15 and SQLite has none.
            models.UniqueConstraint(fields=["user", "company", "office"], name="one_membership_per_office"),
            models.UniqueConstraint(
                fields=["user", "company"], condition=Q(office=None), name="one_membership_for_all_offices"
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.user_id} of {self.company_id}"

    def clean(self) -> None:
        if self.office and self.office.company_id != self.company_id:
            raise ValidationError({"office": "This office is of another company."})


class Address(models.Model):
    """Where a user's orders go. At most one is active; an order keeps a copy of it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="addresses")
    street = models.CharField(max_length=200)
    city = models.CharField(max_length=100)
    postcode = models.CharField(max_length=20)
    country = models.CharField(max_length=2)
    active = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(active=True), name="one_active_address"),
        ]

    def __str__(self) -> str:
        return f"{self.street}, {self.postcode} {self.city}"
