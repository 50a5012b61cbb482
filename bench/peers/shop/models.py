"""The service's tables, as Django models of the peers. Nothing is migrated here."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.db.models import Prefetch, Q

from bench.peers import access


class Company(models.Model):
    name = models.CharField(max_length=200)
    revision = models.PositiveBigIntegerField()

    class Meta:
        managed = False
        db_table = "businesses_company"


class Office(models.Model):
    company = models.ForeignKey(Company, models.PROTECT)
    name = models.CharField(max_length=200)
    city = models.CharField(max_length=100)

    class Meta:
        managed = False
        db_table = "businesses_office"


class User(models.Model):
    username = models.CharField(max_length=150)
    first_name = models.CharField(max_length=150)
    last_name = models.CharField(max_length=150)
    is_active = models.BooleanField()
    is_authenticated = True

    class Meta:
        managed = False
        db_table = "businesses_user"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.username

    @property
    def address(self) -> Address | None:
        """The active one; needs `active_addresses` fetched along."""
        return next(iter(self.active_addresses), None)

    @property
    def grants(self) -> list[access.Grant]:
        return [(held.company_id, held.office_id, held.role) for held in self.memberships.all()]


class Membership(models.Model):
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    company = models.ForeignKey(Company, models.PROTECT)
    office = models.ForeignKey(Office, models.PROTECT, null=True)
    role = models.CharField(max_length=8)

    class Meta:
        managed = False
        db_table = "businesses_membership"


class Address(models.Model):
    user = models.ForeignKey(User, models.CASCADE, related_name="addresses")
    street = models.CharField(max_length=200)
    city = models.CharField(max_length=100)
    postcode = models.CharField(max_length=20)
    country = models.CharField(max_length=2)
    active = models.BooleanField()

    class Meta:
        managed = False
        db_table = "businesses_address"


class Product(models.Model):
    sku = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    active = models.BooleanField()

    class Meta:
        managed = False
        db_table = "orders_product"


class OrderQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> OrderQuerySet:
        companies, offices = access.visible(user.grants)
        return self.filter(Q(company__in=companies) | Q(office__in=offices) if offices else Q(company__in=companies))

    def with_relations(self) -> OrderQuerySet:
        """Everything an answer shows: four queries for any number of orders."""
        active = Prefetch("placed_by__addresses", Address.objects.filter(active=True), to_attr="active_addresses")
        return self.select_related("company", "office", "placed_by").prefetch_related("lines", active)


class Order(models.Model):
    company = models.ForeignKey(Company, models.PROTECT)
    office = models.ForeignKey(Office, models.PROTECT)
    placed_by = models.ForeignKey(User, models.PROTECT)
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=9)
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=20, decimal_places=2)
    placed_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    date = models.GeneratedField(
        expression=models.functions.TruncDate("placed_at"), output_field=models.DateField(), db_persist=True
    )
    revision = models.PositiveBigIntegerField()
    ship_street = models.CharField(max_length=200)
    ship_city = models.CharField(max_length=100)
    ship_postcode = models.CharField(max_length=20)
    ship_country = models.CharField(max_length=2)
    idempotency_key = models.CharField(max_length=255, null=True)
    request_digest = models.CharField(max_length=64)

    objects = OrderQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "orders_order"


class OrderLine(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    sku = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    total = models.DecimalField(max_digits=18, decimal_places=2)

    class Meta:
        managed = False
        db_table = "orders_orderline"
        ordering = ["order", "position"]


class OrderEvent(models.Model):
    order = models.ForeignKey(Order, models.PROTECT)
    actor = models.ForeignKey(User, models.PROTECT)
    kind = models.CharField(max_length=9)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "orders_orderevent"


class Token(models.Model):
    digest = models.CharField(max_length=128, primary_key=True)
    user = models.ForeignKey(User, models.CASCADE)
    expiry = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "knox_authtoken"


def user_of(token: str) -> User | None:
    """The user of a valid token with their memberships: two queries."""
    tokens = Token.objects.select_related("user").prefetch_related("user__memberships")
    found = tokens.filter(digest=access.digest_of(token), user__is_active=True).first()
    expired = found and found.expiry and found.expiry <= datetime.now(UTC)
    return found.user if found and not expired else None
