"""`manage.py check --deploy` tells what is not accelerated, and why: views, fields, middleware, models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import Info, register
from django.db.models import JSONField
from rest_framework import serializers

from api.checks import shaped_views
from api.routes import callbacks
from api.selection import Selection, expandable, object_of
from api.shaping import attribute
from api.views import ShapedViewSet
from fast.compiled import Compiled, compiled_for
from fast.gaps import Gap
from fast.guards import listeners, objections, other_middleware, own_of_details, own_of_lists
from fast.walk import where

HINT_RENDERED = "It is right, and about ten times slower: docs/design.md."
HINT_UNKNOWN = "It is answered as by Django REST framework: docs/design.md."


@register("fast", deploy=True)  # elsewhere it would be in the way of every command's output
def rendered(app_configs: Any, **kwargs: Any) -> list[Info]:
    """fast.I001: lists, details and exports whose serializers render them, also where PostgreSQL could write."""
    found = {f"{view.__name__} is rendered by {each}" for view in shaped_views() for each in reasons(view)}
    return [Info(line, hint=HINT_RENDERED, id="fast.I001") for line in sorted(found)]


@register("fast", deploy=True)
def unknown(app_configs: Any, **kwargs: Any) -> list[Info]:
    """fast.I002: middleware and views that every request goes to, where others are answered from what is known."""
    found = [f"No URL becomes known, as each request goes to {name}." for name in other_middleware()]
    found += [f"No URL is answered in front of Django, as {name} is told of each request." for name in listeners()]
    for route, callback in callbacks():
        view = getattr(callback, "cls", None)
        if isinstance(view, type) and issubclass(view, ShapedViewSet) and "get" in getattr(callback, "actions", ()):
            found += [f"{route} does not become known, as {reason}." for reason in objections(callback)]
    return [Info(line, hint=HINT_UNKNOWN, id="fast.I002") for line in found]


@register("fast", deploy=True)
def filled_in(app_configs: Any, **kwargs: Any) -> list[Info]:
    """fast.I003: fields that Python fills in where PostgreSQL writes the rest: each costs itself."""
    answers = [compiled_for(view.serializer_class, each) for view in shaped_views() for each in selections(view)]
    gaps = [gap for compiled in answers if isinstance(compiled, Compiled) for gap in compiled.gaps]
    found = {where(gap.field) for gap in gaps if not shows_json(gap)}
    hint = "It may be said in SQL: fast.walk.spelt_as."
    return [Info(f"{field} is filled in by Python.", hint=hint, id="fast.I003") for field in sorted(found)]


def shows_json(gap: Gap) -> bool:
    """Whether it is a column of JSON, which the database has with other spaces, and in another order."""
    return gap.of_column and isinstance(attribute(gap.model, gap.columns[0].name), JSONField)


def selections(view: type[ShapedViewSet]) -> list[Selection]:
    """A view's answers: as they are, and with each of their parts expanded."""
    parts = expandable(object_of(view.serializer_class()))
    return [Selection(), *(Selection(expand=(name,)) for name in parts)]


def reasons(view: type[ShapedViewSet]) -> Iterator[str]:
    """Why its serializer renders itself, as it is or with one of its parts expanded."""
    serializer_class: type[serializers.ModelSerializer[Any]] = view.serializer_class
    for selection in selections(view):
        compiled = compiled_for(serializer_class, selection)
        if isinstance(compiled, str):
            asked = "".join(f" with expand={name}" for name in selection.expand)
            yield f"{serializer_class.__name__}{asked}, as {compiled}"
    own = own_of_details(view)
    if view.pagination_class is not None:  # as of exports
        own += own_of_lists(view, serializer_class)
    yield from (f"its own {name}" for name in dict.fromkeys(own))
