"""`manage.py check` refuses lists that would lose rows, and filters that can't read what they compare."""

from __future__ import annotations

from typing import Any

from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model

from api.filters import misfit
from api.keyset import Order, columns_of
from api.routes import views
from api.views import ShapedViewSet

HINT_ORDER = "An order names columns of the view's own model, and its last one tells rows apart: the primary key."
HINT_FILTER = "Take the filter of api.filters for the column's kind, or RepeatedFilter, which finds it out."


@register("api")
def orders(app_configs: Any, **kwargs: Any) -> list[Error]:
    """api.E001: an ordering whose pages would lose rows."""
    return [
        Error(f"{view.__name__}.orderings[{name!r}]: {fault}", hint=HINT_ORDER, id="api.E001")
        for view in shaped_views()
        for name, order in view.orderings.items()
        if (fault := fault_of(view.serializer_class.Meta.model, order))  # pages are of what the serializer shows
    ]


@register("api")
def filters(app_configs: Any, **kwargs: Any) -> list[Error]:
    """api.E002: a filter that reads what its column can't hold: it would find nothing, or fail."""
    return [
        Error(f"{view.filterset_class.__name__}.{name} of {view.__name__}: {fault}", hint=HINT_FILTER, id="api.E002")
        for view in shaped_views()
        if view.filterset_class
        for name, declared in view.filterset_class.base_filters.items()
        if (fault := misfit(declared, view.serializer_class.Meta.model))
    ]


def fault_of(model: type[Model], order: Order) -> str:
    try:
        columns_of(model, order)
    except ImproperlyConfigured as fault:
        return str(fault)
    return ""


def shaped_views() -> list[type[ShapedViewSet]]:
    """Those that the URLconf serves, each once."""
    served = [view for _, view in views() if isinstance(view, type) and issubclass(view, ShapedViewSet)]
    return list(dict.fromkeys(served))
