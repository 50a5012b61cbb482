from __future__ import annotations

from django_filters import rest_framework as django_filters

from api.filters import RepeatedIdFilter, StartFilter


class CompanyFilter(django_filters.FilterSet):
    search = StartFilter("name", lookup_expr="istartswith", max_length=200, help_text="Start of the name.")


class OfficeFilter(django_filters.FilterSet):
    company = RepeatedIdFilter("company")
    search = StartFilter("name", lookup_expr="istartswith", max_length=200, help_text="Start of the name.")
