"""`manage.py check --deploy` says which answers PostgreSQL does not write, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import Info, register
from django.db import connection
from rest_framework import serializers

from api.compiled import compiled_for
from api.routes import views
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


def reasons(serializer_class: type[serializers.ModelSerializer[Any]]) -> Iterator[str]:
    """Why the serializer renders itself, as it is or with one of its parts expanded."""
    expansions = expandable(object_of(serializer_class()))
    for expand in [(), *((name,) for name in expansions)]:
        compiled = compiled_for(serializer_class, Selection(expand=expand))
        if isinstance(compiled, str):
            asked = f" with expand={expand[0]}" if expand else ""
            yield f"{serializer_class.__name__}{asked}, as {compiled}"
