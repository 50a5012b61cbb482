"""`manage.py check` refuses lists that would lose rows; with `--deploy` it names what only serializers can render."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import Error, Info, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import Model
from rest_framework import serializers

from api.compiled import compiled_for
from api.filters import misfit
from api.guards import objections, other_middleware
from api.keyset import Order, columns_of
from api.routes import callbacks, views
from api.selection import Selection, expandable, object_of
from api.views import ShapedViewSet

HINT_ORDER = "An order names columns of the view's own model, and its last one tells rows apart: the primary key."
HINT_FILTER = "Take the filter of api.filters for the column's kind, or RepeatedFilter, which finds it out."
HINT = "They are right, and about ten times slower: docs/design.md."


@register("api", deploy=True)  # elsewhere it would be in the way of every command's output
def uncompiled(app_configs: Any, **kwargs: Any) -> list[Info]:
    """api.I001: lists, details and exports whose serializers render them."""
    if connection.vendor != "postgresql":
        return [Info(f"On {connection.display_name} serializers render every answer.", hint=HINT, id="api.I001")]
    found = {
        f"{route} is rendered by {reason}"
        for route, view in views()
        if isinstance(view, type) and issubclass(view, ShapedViewSet)
        for reason in reasons(view.serializer_class)
    }
    return [Info(line, hint=HINT, id="api.I001") for line in sorted(found)]


@register("api", deploy=True)
def unknown(app_configs: Any, **kwargs: Any) -> list[Info]:
    """api.I002: middleware and views that every request goes to, where others are answered from what is known."""
    found = [f"No URL becomes known, as each request goes to {name}." for name in other_middleware()]
    for route, callback in callbacks():
        view = getattr(callback, "cls", None)
        if isinstance(view, type) and issubclass(view, ShapedViewSet) and "get" in getattr(callback, "actions", ()):
            found += [f"{route} does not become known, as {reason}." for reason in objections(callback, ShapedViewSet)]
    return [
        Info(line, hint="It is answered as by Django REST framework: docs/design.md.", id="api.I002") for line in found
    ]


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


def reasons(serializer_class: type[serializers.ModelSerializer[Any]]) -> Iterator[str]:
    """Why the serializer renders itself, as it is or with one of its parts expanded."""
    expansions = expandable(object_of(serializer_class()))
    for expand in [(), *((name,) for name in expansions)]:
        compiled = compiled_for(serializer_class, Selection(expand=expand))
        if isinstance(compiled, str):
            asked = f" with expand={expand[0]}" if expand else ""
            yield f"{serializer_class.__name__}{asked}, as {compiled}"
