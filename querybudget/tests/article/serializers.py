from rest_framework import serializers

from querybudget.tests.article.models import Company, Line, Office, Order, Person


class CompanySerializer(serializers.ModelSerializer):
    class Meta:
        model = Company
        fields = ["name"]


class OfficeSerializer(serializers.ModelSerializer):
    company = CompanySerializer()

    class Meta:
        model = Office
        fields = ["name", "city", "directions", "company"]


class PersonSerializer(serializers.ModelSerializer):
    address = serializers.SerializerMethodField()
    offices = OfficeSerializer(many=True)

    class Meta:
        model = Person
        fields = ["name", "address", "offices"]

    def get_address(self, person):
        address = person.addresses.filter(active=True).first()
        return address and address.street


class LineSerializer(serializers.ModelSerializer):
    class Meta:
        model = Line
        fields = ["sku"]


class OrderSerializer(serializers.ModelSerializer):
    placed_by = PersonSerializer()
    lines = LineSerializer(many=True)

    class Meta:
        model = Order
        fields = ["number", "placed_by", "lines"]


class OfficeDetailSerializer(serializers.ModelSerializer):
    people = serializers.StringRelatedField(many=True)
    phones = serializers.StringRelatedField(many=True)
    rooms = serializers.StringRelatedField(many=True)

    class Meta:
        model = Office
        fields = ["name", "people", "phones", "rooms"]
