"""The one relation that is more than a foreign key: a user's active address."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.expressions import Col
from django.db.models.fields.related import ForeignObject
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.db.models.lookups import Exact
from django.db.models.sql.where import WhereNode


class OptionalDescriptor(ForwardManyToOneDescriptor):
    """Loads the related row where it was not fetched along; without one the value is None."""

    def get_object(self, instance: models.Model) -> Any:
        return self.get_queryset(instance=instance).filter(self.field.get_reverse_related_filter(instance)).first()


class ActiveAddress(ForeignObject):
    """A virtual to-one relation from a user to the address of theirs that is active, or None.

    It has no column: the join is `user.id = address.user_id AND address.active`. A partial unique
    constraint on `Address` keeps it to one row, so `select_related("placed_by__active_address")`
    takes the place of a prefetch and its query.
    """

    requires_unique_target = False
    forward_related_accessor_class = OptionalDescriptor

    def __init__(self, to: Any = "businesses.Address", **kwargs: Any) -> None:
        super().__init__(
            to,
            on_delete=models.DO_NOTHING,
            from_fields=["id"],
            to_fields=["user"],
            related_name="+",
            null=True,
            editable=False,
        )

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, _, _ = super().deconstruct()
        return name, path, [], {}

    def get_extra_restriction(self, alias: str, related_alias: str) -> WhereNode:
        active: Any = self.remote_field.model._meta.get_field("active")
        restriction: Any = Exact(Col(alias, active), True)
        return WhereNode([restriction])

    def get_extra_descriptor_filter(self, instance: models.Model) -> dict[str, Any]:
        return {"active": True}
