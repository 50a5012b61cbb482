"""`manage.py check --deploy` says which answers PostgreSQL does not write, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import Info, register
from django.db import connection
from rest_framework import serializers

from api.compiled import compiled_for
from api.guards import objections, other_middleware
from api.routes import callbacks, views
from api.selection import Selection, expandable, object_of
from api.views import ShapedViewSet

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


def reasons(serializer_class: type[serializers.ModelSerializer[Any]]) -> Iterator[str]:
    """Why the serializer renders itself, as it is or with one of its parts expanded."""
    expansions = expandable(object_of(serializer_class()))
    for expand in [(), *((name,) for name in expansions)]:
        compiled = compiled_for(serializer_class, Selection(expand=expand))
        if isinstance(compiled, str):
            asked = f" with expand={expand[0]}" if expand else ""
            yield f"{serializer_class.__name__}{asked}, as {compiled}"
