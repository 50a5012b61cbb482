"""Fields that ordinary serializers are made of: each is written by PostgreSQL, or costs itself and no other."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import CharField
from rest_framework import serializers
from rest_framework.test import APIRequestFactory, force_authenticate

from api.seam import ordinary
from api.selection import Selection
from api.shaping import needs
from businesses import authentication, tokens
from fast.compiled import Compiled, compiled_for
from tests import factories
from tests.newcomer.conftest import company, project, where
from tests.newcomer.models import Project, Task
from tests.newcomer.views import TaskViewSet

__all__ = ["company", "project", "where"]  # fixtures
Serializer = type[serializers.ModelSerializer[Any]]


def of(*names: str, **declared: Any) -> Serializer:
    """A serializer of tasks, or of `model`, with these fields as DRF makes them and with those that are declared."""
    model = declared.pop("model", Task)
    meta = type("Meta", (), {"model": model, "fields": ["id", *names, *(n for n in declared if n[:4] != "get_")]})
    return type("TaskSerializer", (serializers.ModelSerializer,), {"Meta": meta, **declared})


def method(read: Callable[[Any], Any], *paths: str) -> dict[str, Any]:
    return {"shown": serializers.SerializerMethodField(), "get_shown": needs(*paths)(lambda self, task: read(task))}


class PaddedField(serializers.Field):  # type: ignore[type-arg]
    def to_representation(self, value: Any) -> str:
        return f"<{value}>"


SERIALIZERS = {
    "foreign key": of("project"),
    "nullable foreign key": of("assignee"),
    "foreign key as text": of(
        project=serializers.PrimaryKeyRelatedField(read_only=True, pk_field=serializers.CharField())
    ),
    "slug": of(project=serializers.SlugRelatedField("name", read_only=True)),
    "slug of a slug": of(project=serializers.SlugRelatedField("company__slug", read_only=True)),
    "slug behind a dotted source": of(
        owner=serializers.SlugRelatedField("slug", source="project.company", read_only=True)
    ),
    "nullable slug": of(assignee=serializers.SlugRelatedField("username", read_only=True)),
    "slug that is a date": of(assignee=serializers.SlugRelatedField("date_joined", read_only=True)),
    "nullable foreign key as text": of(
        assignee=serializers.PrimaryKeyRelatedField(read_only=True, pk_field=serializers.CharField())
    ),
    "a field of one's own behind a dotted source": of(owner=PaddedField(source="project.name", read_only=True)),
    "no format": of(due=serializers.DateField(format=None), starts_at=serializers.DateTimeField(format=None)),
    "float": of("effort"),
    "uuid": of("code"),
    "uuid as hex": of(code=serializers.UUIDField(format="hex")),
    "decimal as a number": of(cost=serializers.DecimalField(10, 2, coerce_to_string=False)),
    "moment with a format": of(starts_at=serializers.DateTimeField(format="%d.%m.%Y %H:%M:%S.%f %Z")),
    "date with a format": of(due=serializers.DateField(format="%d.%m.%Y")),
    "a field of one's own": of(title=PaddedField(), cost=PaddedField(), starts_at=PaddedField(), code=PaddedField()),
    "method on a decimal": of(**method(lambda task: task.cost * 3, "cost")),
    "method on a moment": of(**method(lambda task: task.starts_at.year, "starts_at")),
    "method on a date": of(**method(lambda task: task.due and task.due.isoformat(), "due")),
    "method on a uuid": of(**method(lambda task: task.code.hex, "code")),
    "method on a float": of(**method(lambda task: task.effort / 3, "effort")),
    "method that shows the key too": of(**method(lambda task: f"{task.pk} {task.title}", "title")),
    "method over a relation": of(**method(lambda task: task.project.name.upper(), "project.name")),
    "method over two": of(
        **method(lambda task: task.project.company.name.upper(), "project.company.name", "project.name")
    ),
    "method over one that may be missing": of(**method(lambda t: t.assignee and t.assignee.email, "assignee.email")),
    "method over a property": of(**method(lambda t: t.assignee and t.assignee.name, "assignee.name")),
}


@pytest.fixture
def tasks(project: Project) -> list[Task]:
    user = factories.user(username="grace", email="g@example.com", date_joined=datetime(2025, 1, 2, 3, 4, 5, 6, UTC))
    moments = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, 23, 59, 59, 999999, UTC)]
    odd = [
        {"title": "plain", "effort": 1.0, "cost": Decimal("12.30"), "starts_at": moments[0], "due": date(2026, 2, 3)},
        {"title": 'a "quoted"\\\n\x7f\u2028', "effort": 1e17, "cost": Decimal("-0.01"), "starts_at": moments[1]},
        {"title": "", "effort": 1 / 3, "cost": Decimal("99999999.99"), "starts_at": moments[0], "assignee": user},
    ]
    return [Task.objects.create(project=project, code=uuid.UUID(int=n), **values) for n, values in enumerate(odd)]


@pytest.fixture
def body(project: Project, tasks: list[Task], where: str) -> Callable[..., bytes]:
    """`body(serializer, by_database)`: the list, or a detail, as one of both ways writes it."""
    token = tokens.issue(factories.member(project.company))[0]

    def written(serializer: Serializer, by_database: bool, task: Task | None = None) -> bytes:
        view = type("TaskViewSet", (TaskViewSet,), {"serializer_class": serializer})
        request = APIRequestFactory().get("/")
        user, scope = authentication.resolve(token)
        force_authenticate(request, user, scope)
        kwargs = {"project": project.pk} | ({"id": task.pk} if task else {})
        with nullcontext() if by_database else ordinary():
            response = view.as_view({"get": "retrieve" if task else "list"})(request, **kwargs)
        if not getattr(response, "is_rendered", True):
            response.render()
        assert response.status_code == 200, response.content
        content: bytes = response.content
        return content

    return written


@pytest.mark.parametrize("name", SERIALIZERS)
def test_both_ways_write_the_same(name: str, body: Callable[..., bytes], tasks: list[Task]) -> None:
    serializer = SERIALIZERS[name]
    compiled = compiled_for(serializer, Selection())
    assert isinstance(compiled, Compiled), compiled
    assert body(serializer, True) == body(serializer, False)
    for task in tasks:
        assert body(serializer, True, task) == body(serializer, False, task)


def test_a_column_that_django_converts_is_converted(
    body: Callable[..., bytes], tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column's `from_db_value` is Python: it costs its field, and is not passed over."""
    title: CharField[str, str] = Task._meta.get_field("title")  # type: ignore[assignment]
    shout = lambda value, expression, connection: value.upper()  # noqa: E731
    monkeypatch.setattr(title, "from_db_value", shout, raising=False)
    for serializer in (of("title", "starts_at"), of(**method(lambda task: task.title * 2, "title"))):
        compiled_for.cache_clear()
        assert b"PLAIN" in body(serializer, True)
        assert body(serializer, True) == body(serializer, False)
    compiled_for.cache_clear()


class OwnSlug(serializers.SlugRelatedField):  # type: ignore[type-arg]
    def get_attribute(self, instance: Any) -> Any:
        return Project(name="another")


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (serializers.StringRelatedField(), "StringRelatedField has no spelling in SQL"),
        (OwnSlug("name", read_only=True), "OwnSlug reads in a way of its own"),
        (
            serializers.CharField(source="project.name", default="none", read_only=True),
            "CharField reads in a way of its own",
        ),
    ],
)
def test_a_field_that_only_its_serializer_can_show_is_named(field: Any, reason: str) -> None:
    assert compiled_for(of(project=field), Selection()) == f"TaskSerializer.project: {reason}"
