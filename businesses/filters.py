from __future__ import annotations

from django_filters import rest_framework as django_filters

from api.filters import RepeatedIdFilter


class CompanyFilter(django_filters.FilterSet):
    search = django_filters.CharFilter("name", "istartswith", max_length=200, help_text="Start of the name.")


class OfficeFilter(django_filters.FilterSet):
    company = RepeatedIdFilter("company")
    search = django_filters.CharFilter("name", "istartswith", max_length=200, help_text="Start of the name.")
