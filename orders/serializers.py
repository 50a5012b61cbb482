"""Orders, their lines and events as clients see and send them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.filters import MOST_ID
from api.serializers import BoundedListField, StrictSerializer
from api.shaping import needs
from businesses.serializers import (
    AddressSerializer,
    CompanyBriefSerializer,
    CompanySerializer,
    OfficeBriefSerializer,
    OfficeSerializer,
    PersonBriefSerializer,
    PersonSerializer,
)
from orders import states
from orders.models import Order, OrderEvent, OrderLine, Product
from orders.states import STEPS, Status

MOST_LINES = 200
MOST_PIECES = 100_000


class ProductSerializer(serializers.ModelSerializer[Product]):
    class Meta:
        model = Product
        fields = ["id", "sku", "name", "unit_price", "currency", "active"]


class OrderLineSerializer(serializers.ModelSerializer[OrderLine]):
    # Declared, as a model's integer brings the bounds of the database at hand into the OpenAPI document.
    position = serializers.IntegerField(read_only=True)
    quantity = serializers.IntegerField(read_only=True)

    class Meta:
        model = OrderLine
        fields = ["position", "sku", "name", "quantity", "unit_price", "total"]


class OrderEventSerializer(serializers.ModelSerializer[OrderEvent]):
    actor = PersonBriefSerializer(read_only=True)
    data = serializers.DictField(read_only=True)  # type: ignore[assignment]  # the field hides Serializer.data

    class Meta:
        model = OrderEvent
        fields = ["id", "kind", "actor", "data", "at"]
        expandable = {"actor": lambda: PersonSerializer(read_only=True)}


class ShipToSerializer(serializers.ModelSerializer[Order]):
    """Where the order goes: a copy of the address made when it was placed."""

    street = serializers.CharField(source="ship_street", read_only=True)
    city = serializers.CharField(source="ship_city", read_only=True)
    postcode = serializers.CharField(source="ship_postcode", read_only=True)
    country = serializers.CharField(source="ship_country", read_only=True)

    class Meta:
        model = Order
        fields = ["street", "city", "postcode", "country"]


class OrderSerializer(serializers.ModelSerializer[Order]):
    allowed_transitions = serializers.SerializerMethodField(help_text="The steps that you may take from here.")
    version = serializers.IntegerField(source="revision", read_only=True, help_text="Send it back with a change.")
    company = CompanyBriefSerializer(read_only=True)
    office = OfficeBriefSerializer(read_only=True)
    placed_by = PersonBriefSerializer(read_only=True)
    address = AddressSerializer(
        source="placed_by.active_address",
        read_only=True,
        allow_null=True,
        help_text="The placing user's active address as it is now.",
    )
    ship_to = ShipToSerializer(source="*", read_only=True)
    lines = OrderLineSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields = [
            "id",
            "number",
            "status",
            "allowed_transitions",
            "currency",
            "total",
            "date",
            "placed_at",
            "updated_at",
            "version",
            "company",
            "office",
            "placed_by",
            "address",
            "ship_to",
            "lines",
        ]
        expandable = {
            "company": lambda: CompanySerializer(read_only=True),
            "office": lambda: OfficeSerializer(read_only=True),
            "placed_by": lambda: PersonSerializer(read_only=True),
            "events": lambda: OrderEventSerializer(many=True, read_only=True),
        }

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(Status.choices)))
    @needs("status", "company", "office", "placed_by")
    def get_allowed_transitions(self, order: Order) -> list[str]:
        place = {"company": order.company_id, "office": order.office_id, "placed_by": order.placed_by_id}
        return states.allowed(self.context["request"].auth, order.status, **place)


# --- What clients send


class LineInputSerializer(StrictSerializer):
    sku = serializers.CharField(max_length=40)
    quantity = serializers.IntegerField(min_value=1, max_value=MOST_PIECES)


class LinesField(BoundedListField):
    child = LineInputSerializer()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=MOST_LINES, **kwargs)


class IdField(serializers.IntegerField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MOST_ID, **kwargs)


class OrderCreateSerializer(StrictSerializer):
    office = IdField(help_text="The office that orders.")
    address = IdField(required=False, help_text="One of your addresses; without it, the active one.")
    lines = LinesField()


class VersionedSerializer(StrictSerializer):
    version = serializers.IntegerField(min_value=0, max_value=MOST_ID, help_text="The version that you read.")


class OrderEditSerializer(VersionedSerializer):
    address = IdField(required=False, help_text="An address of the user who placed the order.")
    lines = LinesField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & {"address", "lines"}:
            raise serializers.ValidationError("Nothing to change: send `lines` or `address`.")
        return attrs


class TransitionSerializer(VersionedSerializer):
    to = serializers.ChoiceField(STEPS)


# --- Summary


class SummaryRowSerializer(serializers.Serializer[Any]):
    office = OfficeBriefSerializer(required=False)
    company = CompanyBriefSerializer(required=False)
    status = serializers.ChoiceField(Status.choices, required=False)
    month = serializers.RegexField(r"^\d{4}-\d{2}$", required=False)
    currency = serializers.CharField()
    orders = serializers.IntegerField()
    total = serializers.DecimalField(max_digits=30, decimal_places=2)


class SummarySerializer(serializers.Serializer[Any]):
    group_by = serializers.ChoiceField(["office", "company", "status", "month"])
    results = SummaryRowSerializer(many=True)
