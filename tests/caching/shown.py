"""Which columns the answers of the API show, and whether a change of each is seen by whoever holds an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, Field, ForeignObject, Model
from rest_framework import serializers

from api.routes import views
from api.selection import expandable, object_of
from api.shaping import Draft, Plan, Walk, attribute, back_key
from api.views import ShapedViewSet
from businesses import tokens
from businesses.authentication import resolve
from businesses.models import Membership, Role
from orders.models import OrderEvent
from tests import factories

Path = tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """A serializer's field reads `column` of the row that `path`, relations from the view's object, leads to."""

    serializer: type[serializers.BaseSerializer[Any]]
    field: str
    path: Path
    column: str


def shaped_views() -> dict[type[ShapedViewSet], str]:
    """Every view of the URLconf that has a freshness, and one of its routes."""
    found = {view: route for route, view in views() if isinstance(view, type) and issubclass(view, ShapedViewSet)}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def model_of(view: type[ShapedViewSet]) -> type[Model]:
    return view.serializer_class.Meta.model


# --- What is shown


def shown(
    serializer: serializers.BaseSerializer[Any], model: type[Model], path: Path = (), above: tuple[type, ...] = ()
) -> Iterator[Shown]:
    """All that the fields of `serializer` read, with those of everything nested in it or added by `?expand=`."""
    shape = object_of(serializer)
    for owner, field in all_fields(shape):
        if isinstance(field, serializers.BaseSerializer):
            steps = [] if field.source == "*" else field.source_attrs
            read = list(relations(model, steps))
            if type(object_of(field)) not in above:
                yield from shown(field, related(model, steps), (*path, *steps), (*above, type(shape)))
        else:
            draft = Draft(model)
            Walk(draft, "", model).field(owner, field)
            read = list(columns(draft.plan()))
        for below, column in read:
            yield Shown(type(shape), str(field.field_name), (*path, *below), column)


def all_fields(shape: serializers.Serializer[Any]) -> Iterator[tuple[serializers.Serializer[Any], Any]]:
    for field in shape.fields.values():
        if not field.write_only:
            yield shape, field
    for name, make in expandable(shape).items():
        expanded = type(shape)()
        expanded.fields[name] = make()
        yield expanded, expanded.fields[name]


def columns(plan: Plan) -> Iterator[tuple[Path, str]]:
    """What a plan fetches but keys, which never change, and what its joins go by."""
    for lookup in plan.columns:
        *path, name = lookup.split("__")
        yield tuple(path), name
    for lookup in plan.joins:
        yield from relations(plan.model, lookup.split("__"))
    for lookup, collection in plan.collections:
        yield from relations(plan.model, lookup.split("__"))
        for below, name in columns(collection):
            yield (*lookup.split("__"), *below), name


def related(model: type[Model], steps: Sequence[str]) -> type[Model]:
    for step in steps:
        relation: Any = attribute(model, step)
        model = relation.related_model
    return model


def relations(model: type[Model], steps: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """The columns that say which rows are related, along `steps` from a row of `model`."""
    path: Path = ()
    for step in steps:
        relation: Any = attribute(model, step)
        assert not relation.many_to_many, f"{model.__name__}.{step}: whose rows in between have to raise revisions too"
        if relation.concrete:
            yield path, step
        path = (*path, step)
        for name in back_key(relation):
            yield path, name
        if not relation.concrete and not relation.one_to_many:
            yield from ((path, name) for name in joined_by(relation))
        model = relation.related_model


def joined_by(relation: Any) -> list[str]:
    """The columns of the other side that a relation without one of this side goes by."""
    if not isinstance(relation, ForeignObject):
        return [relation.field.name]
    restriction: Any = relation.get_extra_descriptor_filter(None)  # type: ignore[arg-type]  # of any row
    return [*(field.name for field in relation.foreign_related_fields), *restriction]


# --- Whether its changes are seen


class World:
    """Somebody who sees one of everything. Who placed the order and who acted on it are no members."""

    def __init__(self) -> None:
        office, elsewhere = factories.office(), factories.office()
        viewer = factories.member(elsewhere, Role.VIEWER)
        Membership.objects.create(user=viewer, company=office.company, role=Role.OWNER)
        placer, actor = factories.user(), factories.user()
        factories.active_address(placer)
        order = factories.order(office, placer, lines=1)
        event = order.events.create(actor=actor, kind=OrderEvent.Kind.APPROVED, at=order.placed_at)
        rows = (order, event, office, office.company, factories.product(), viewer, viewer.addresses.get())
        self.rows: dict[type[Model], Model] = {type(row): row for row in rows}
        self.token = tokens.issue(viewer)[0]
        factories.order(office, placer, lines=0)  # and somebody without anything: to whom rows can be handed over
        factories.user()

    def unseen(self, view: type[ShapedViewSet]) -> list[str]:
        """What answers of `view` show and that can change without making them stale ones."""
        seen: dict[tuple[type[Model], Path, str], bool] = {}
        found = set()
        for read in shown(view.serializer_class(), model_of(view)):
            row = self.row(view, read.path)
            for field in written(type(row), read.column):
                key = type(row), read.path, field.name
                if key not in seen:
                    seen[key] = field.primary_key or self.sees(view, row, field)
                if not seen[key]:
                    what = f"{type(row).__name__}.{field.name}"
                    found.add(
                        f"{read.serializer.__name__}.{read.field} shows {what}, at {'.'.join(read.path) or 'top'}"
                    )
        return sorted(found)

    def row(self, view: type[ShapedViewSet], path: Path) -> Model:
        model = model_of(view)
        row: Any = model._base_manager.get(pk=self.rows[model].pk)
        for step in path:
            found = getattr(row, step)
            row = found.first() if hasattr(found, "first") else found
            assert row is not None, f"no row of the world is at {step} of {path}"
        return row

    def sees(self, view: type[ShapedViewSet], row: Model, field: Field[Any, Any]) -> bool:
        """Whether an update of this column alone changes the freshness of the view's answers. It is undone."""
        with transaction.atomic():
            before = view.freshness_for(resolve(self.token)[1])
            try:
                with transaction.atomic():
                    rows = type(row)._base_manager.filter(pk=row.pk)
                    assert rows.update(**{field.name: another(field, row)}) == 1
                    return view.freshness_for(resolve(self.token)[1]) != before
            except IntegrityError as refused:
                if "append-only" in str(refused):
                    return True
                raise
            finally:
                transaction.set_rollback(True)


def written(model: type[Model], column: str) -> list[Field[Any, Any]]:
    """The columns that one is written by: a generated one by those that it is made of."""
    field: Any = model._meta.get_field(column)
    if not field.generated:
        return [field]
    names = [getattr(part, "name", "") for part in field.expression.flatten()]  # those of F
    return [found for found in model._meta.local_concrete_fields if found.name in names]


def another(field: Any, row: Model) -> Any:
    """A value that the row doesn't have, and may."""
    value = getattr(row, field.attname)
    if field.is_relation:
        return field.related_model._base_manager.exclude(pk=value).order_by("-pk")[0]
    if field.choices:
        return next(choice for choice, _ in field.choices if choice != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return ("y" if value.startswith("x") else "x") + value[1:]
    if isinstance(value, dict):
        return {**value, "another": True}
    if isinstance(value, date):
        return value + timedelta(days=1)
    if value is None:
        return datetime(2026, 1, 1, tzinfo=UTC) if isinstance(field, DateTimeField) else 1
    return value + 1
