"""Django REST framework as its documentation has it: ModelSerializers, select_related and prefetch_related."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F
from django.urls import path
from rest_framework import exceptions, generics, serializers, status
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from bench.peers import access
from bench.peers.shop.models import (
    Address,
    Company,
    Office,
    Order,
    OrderEvent,
    OrderLine,
    Product,
    User,
)


class CompanySerializer(serializers.ModelSerializer):
    class Meta:
        model = Company
        fields = ["id", "name"]


class OfficeSerializer(serializers.ModelSerializer):
    class Meta:
        model = Office
        fields = ["id", "name", "city"]


class PersonSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "name"]


class AddressSerializer(serializers.ModelSerializer):
    class Meta:
        model = Address
        fields = ["id", "street", "city", "postcode", "country", "active"]


class ShipToSerializer(serializers.Serializer):
    street = serializers.CharField(source="ship_street")
    city = serializers.CharField(source="ship_city")
    postcode = serializers.CharField(source="ship_postcode")
    country = serializers.CharField(source="ship_country")


class LineSerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderLine
        fields = ["position", "sku", "name", "quantity", "unit_price", "total"]
        read_only_fields = ["position", "name", "unit_price", "total"]


class OrderSerializer(serializers.ModelSerializer):
    allowed_transitions = serializers.SerializerMethodField()
    version = serializers.IntegerField(source="revision", read_only=True)
    company = CompanySerializer(read_only=True)
    office = OfficeSerializer(read_only=True)
    placed_by = PersonSerializer(read_only=True)
    address = AddressSerializer(source="placed_by.address", read_only=True)
    ship_to = ShipToSerializer(source="*", read_only=True)
    lines = LineSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields = [
            "id", "number", "status", "allowed_transitions", "currency", "total", "date", "placed_at", "updated_at",
            "version", "company", "office", "placed_by", "address", "ship_to", "lines",
        ]  # fmt: skip

    def get_allowed_transitions(self, order):
        user = self.context["request"].user
        return access.allowed(user.pk, user.grants, order.status, order.company_id, order.office_id, order.placed_by_id)


class OrderCreateSerializer(serializers.ModelSerializer):
    office = serializers.PrimaryKeyRelatedField(queryset=Office.objects.all())
    lines = LineSerializer(many=True, allow_empty=False)

    class Meta:
        model = Order
        fields = ["office", "lines"]

    def validate(self, data):
        office, user = data["office"], self.context["request"].user
        held = [role for company, at, role in user.grants if company == office.company_id and at in (None, office.pk)]
        if not any(access.ROLES.index(role) >= access.ROLES.index("buyer") for role in held):
            raise serializers.ValidationError({"office": "Not for you."})
        wanted = {line["sku"] for line in data["lines"]}
        products = {row.sku: row for row in Product.objects.filter(sku__in=wanted, active=True)}
        if missing := wanted - products.keys():
            raise serializers.ValidationError({"lines": f"No such product: {missing}."})
        if len({product.currency for product in products.values()}) > 1:
            raise serializers.ValidationError({"lines": "One order, one currency."})
        return {**data, "products": products}

    @transaction.atomic
    def create(self, validated):
        user, office, products = self.context["request"].user, validated["office"], validated["products"]
        Company.objects.filter(pk=office.company_id).update(revision=F("revision") + 1)
        revision = Company.objects.values_list("revision", flat=True).get(pk=office.company_id)
        ship_to = Address.objects.get(user=user, active=True)
        now = datetime.now(UTC)
        lines = [
            OrderLine(
                position=position,
                sku=line["sku"],
                name=products[line["sku"]].name,
                quantity=line["quantity"],
                unit_price=products[line["sku"]].unit_price,
                total=line["quantity"] * products[line["sku"]].unit_price,
            )
            for position, line in enumerate(validated["lines"], start=1)
        ]
        order = Order.objects.create(
            company_id=office.company_id,
            office=office,
            placed_by=user,
            number=f"{now.year}-{revision:08d}",
            status="placed",
            currency=products[lines[0].sku].currency,
            total=sum(line.total for line in lines),
            placed_at=now,
            updated_at=now,
            revision=revision,
            idempotency_key=validated["key"],
            request_digest=validated["digest"],
            **{f"ship_{name}": getattr(ship_to, name) for name in ("street", "city", "postcode", "country")},
        )
        for line in lines:
            line.order = order
        OrderLine.objects.bulk_create(lines)
        OrderEvent.objects.create(order=order, actor=user, kind="placed", at=now)
        return order


class Pages(CursorPagination):
    page_size = 50
    page_size_query_param = "limit"
    ordering = ("-placed_at", "-id")


class Orders(generics.ListCreateAPIView):
    serializer_class = OrderSerializer
    pagination_class = Pages

    def get_queryset(self):
        return Order.objects.visible_to(self.request.user).with_relations()

    def create(self, request):
        serializer = OrderCreateSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        key = request.headers.get("Idempotency-Key")
        digest = hashlib.sha256(json.dumps(request.data, sort_keys=True).encode()).hexdigest()
        first = Order.objects.filter(placed_by=request.user, idempotency_key=key).first() if key else None
        if first and first.request_digest != digest:
            raise exceptions.ValidationError("This Idempotency-Key was used with other content.")
        order = first or serializer.save(key=key, digest=digest)
        shown = OrderSerializer(self.get_queryset().get(pk=order.pk), context=self.get_serializer_context())
        return Response(shown.data, status=status.HTTP_201_CREATED)


urlpatterns = [path("api/orders", Orders.as_view())]
