"""For `INSTALLED_APPS`: brings `manage.py querybudget`. The package has no models."""

from django.apps import AppConfig


class QueryBudgetConfig(AppConfig):
    name = "querybudget"
