"""The admin of people and places."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model
from django.http import HttpRequest

from businesses.models import Address, Company, Membership, Office, User


class LargeTableAdmin(admin.ModelAdmin):
    """No second count of the whole table for "n results (m total)"."""

    show_full_result_count = False
    list_per_page = 50


@admin.register(User)
class PersonAdmin(LargeTableAdmin, UserAdmin):
    search_fields = ["username__startswith", "email__startswith", "last_name__startswith"]


@admin.register(Company)
class CompanyAdmin(LargeTableAdmin):
    list_display = ["name", "slug", "revision"]
    search_fields = ["name__istartswith", "slug__startswith"]
    ordering = ["name", "id"]
    readonly_fields = ["revision"]


@admin.register(Office)
class OfficeAdmin(LargeTableAdmin):
    list_display = ["name", "city", "country", "company"]
    list_select_related = ["company"]
    search_fields = ["name__istartswith", "city__istartswith"]
    ordering = ["name", "id"]
    autocomplete_fields = ["company"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["company"] if obj else []  # its orders and members are of that company


@admin.register(Membership)
class MembershipAdmin(LargeTableAdmin):
    list_display = ["user", "company", "office", "role"]
    list_select_related = ["user", "company", "office"]
    list_filter = ["role"]
    search_fields = ["user__username__startswith", "company__name__istartswith"]
    autocomplete_fields = ["user", "company", "office"]


@admin.register(Address)
class AddressAdmin(LargeTableAdmin):
    list_display = ["user", "street", "city", "country", "active"]
    list_select_related = ["user"]
    search_fields = ["user__username__startswith", "city__istartswith"]
    autocomplete_fields = ["user"]
