"""The relations that are more than a foreign key: a user's active address, and what a company may see of its people."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import BooleanField, Func
from django.db.models.expressions import Col
from django.db.models.fields.related import ForeignObject
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.db.models.lookups import Exact
from django.db.models.sql.where import WhereNode


class OptionalDescriptor(ForwardManyToOneDescriptor):
    """Loads the related row where it was not fetched along; without one the value is None."""

    def get_object(self, instance: models.Model) -> Any:
        return self.get_queryset(instance=instance).filter(self.field.get_reverse_related_filter(instance)).first()


class VirtualRelation(ForeignObject):
    """A to-one relation without a column, or None: a join on `column = target`, and on a `condition` on the target."""

    requires_unique_target = False
    db_constraint = False  # SQLite's schema editor asks
    forward_related_accessor_class = OptionalDescriptor
    condition: ClassVar[dict[str, bool]] = {}

    def __init__(self, to: str, column: str, target: str) -> None:
        super().__init__(
            to,
            on_delete=models.DO_NOTHING,
            from_fields=[column],
            to_fields=[target],
            related_name="+",
            null=True,
            editable=False,
        )

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, _, _ = super().deconstruct()
        return name, path, [], {}

    def get_path_info(self, filtered_relation: Any = None) -> list[Any]:
        """Not direct: Django would read the target's key from this side, where it is also without a target."""
        return [info._replace(direct=False) for info in super().get_path_info(filtered_relation)]

    def get_extra_restriction(self, alias: str, related_alias: str) -> WhereNode:
        """`alias` is the target's, `related_alias` that of the row which the relation starts from."""
        target: Any = self.remote_field.model._meta
        conditions: list[Any] = [Exact(Col(alias, target.get_field(of)), value) for of, value in self.condition.items()]
        return WhereNode(conditions)

    def get_extra_descriptor_filter(self, instance: models.Model) -> dict[str, Any]:
        return dict(self.condition)


class ActiveAddress(VirtualRelation):
    """From a user to the address of theirs that is active, or None.

    The join is `user.id = address.user_id AND address.active`. A partial unique constraint on `Address` keeps it to
    one row, so `select_related("active_address")` takes the place of a prefetch and its query.
    """

    condition: ClassVar[dict[str, bool]] = {"active": True}

    def __init__(self, to: str = "businesses.Address", column: str = "id", **kwargs: Any) -> None:
        super().__init__(to, column, "user")


class IsMember(Func):
    """Whether the user of the first key is a member of the second one's company, in any role and for any office.

    Not by EXISTS: PostgreSQL may answer that by reading all memberships, which it takes for cheaper than to look for
    those of each order, as it forgets that a page has few of them.
    """

    template = (
        "((SELECT 1 FROM businesses_membership AS held "
        "WHERE (held.user_id, held.company_id) = (%(expressions)s) LIMIT 1) IS NOT NULL)"
    )
    output_field = BooleanField()
    conditional = True


class CompanyOf(Func):
    """The company of the row of `table` that has this key."""

    template = "(SELECT its.company_id FROM %(table)s AS its WHERE its.id = %(expressions)s)"


class OfMember(VirtualRelation):
    """A relation of a company's row to a person, or None once they have left: they hold no membership of the company.

    `person` names the row's foreign key to the user, `through` the one to the row that has the company, if another.
    """

    user: ClassVar[str] = "id"  # the target's column that is the person's key
    memberships: ClassVar[str] = "memberships"

    def __init__(self, person: str, through: str = "", *, to: str = "businesses.User", target: str = "id") -> None:
        self.person, self.through = person, through
        super().__init__(to, person, target)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, _, _ = super().deconstruct()
        return name, path, [self.person, *filter(None, [self.through])], {}

    def get_extra_restriction(self, alias: str, related_alias: str) -> WhereNode:
        own: Any = self.model._meta.get_field(self.through or "company")
        company: Any = Col(related_alias, own)
        if self.through:
            company = CompanyOf(company, table=own.related_model._meta.db_table)
        user: Any = self.remote_field.model._meta.get_field(self.user)
        is_member: Any = IsMember(Col(alias, user), company)
        return WhereNode([super().get_extra_restriction(alias, related_alias), is_member])

    def get_extra_descriptor_filter(self, instance: models.Model) -> dict[str, Any]:
        row: Any = getattr(instance, self.through) if self.through else instance
        return {**self.condition, f"{self.memberships}__company": row.company_id}


class AddressOfMember(OfMember):
    """The same to the active address of the person."""

    condition: ClassVar[dict[str, bool]] = {"active": True}
    user: ClassVar[str] = "user"
    memberships: ClassVar[str] = "user__memberships"

    def __init__(self, person: str, through: str = "") -> None:
        super().__init__(person, through, to="businesses.Address", target="user")
