"""The admin of people and places. What company pages show is saved with those companies' revisions bumped."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from businesses import revisions
from businesses.models import Address, Company, Membership, Office, User


class RevisedAdmin(admin.ModelAdmin):
    """Bumps the companies that show a row before it is written, and those that show it afterwards.

    The admin's views run in a transaction, so the bumps lock until everything is written.
    """

    show_full_result_count = False
    list_per_page = 50

    def save_model(self, request: HttpRequest, obj: Model, form: ModelForm[Any], change: bool) -> None:
        before = revisions.showing([obj]) if change else set()
        bumped = revisions.bump(before)
        if isinstance(obj, Company):  # was read before the bump, and would take it back
            obj.revision = bumped.get(obj.pk, obj.revision)
        super().save_model(request, obj, form, change)
        revisions.bump(revisions.showing([obj]) - before)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        revisions.bump(revisions.showing([obj]))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        revisions.bump(revisions.showing(queryset))
        super().delete_queryset(request, queryset)


@admin.register(User)
class PersonAdmin(RevisedAdmin, UserAdmin):
    search_fields = ["username__startswith", "email__startswith", "last_name__startswith"]


@admin.register(Company)
class CompanyAdmin(RevisedAdmin):
    list_display = ["name", "slug", "revision"]
    search_fields = ["name__istartswith", "slug__startswith"]
    ordering = ["name", "id"]
    readonly_fields = ["revision"]


@admin.register(Office)
class OfficeAdmin(RevisedAdmin):
    list_display = ["name", "city", "country", "company"]
    list_select_related = ["company"]
    search_fields = ["name__istartswith", "city__istartswith"]
    ordering = ["name", "id"]
    autocomplete_fields = ["company"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["company"] if obj else []  # its orders and members are of that company


@admin.register(Membership)
class MembershipAdmin(RevisedAdmin):
    list_display = ["user", "company", "office", "role"]
    list_select_related = ["user", "company", "office"]
    list_filter = ["role"]
    search_fields = ["user__username__startswith", "company__name__istartswith"]
    autocomplete_fields = ["user", "company", "office"]


@admin.register(Address)
class AddressAdmin(RevisedAdmin):
    list_display = ["user", "street", "city", "country", "active"]
    list_select_related = ["user"]
    search_fields = ["user__username__startswith", "city__istartswith"]
    autocomplete_fields = ["user"]
