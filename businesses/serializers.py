"""Companies, offices, people and addresses as clients see them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from api.serializers import StrictSerializer
from businesses.models import Address, Company, Membership, Office, User


class CompanyBriefSerializer(serializers.ModelSerializer[Company]):
    class Meta:
        model = Company
        fields = ["id", "name"]


class CompanySerializer(serializers.ModelSerializer[Company]):
    version = serializers.IntegerField(source="revision", read_only=True, help_text="Pass it as `since_version`.")

    class Meta:
        model = Company
        fields = ["id", "name", "slug", "version"]


class OfficeBriefSerializer(serializers.ModelSerializer[Office]):
    class Meta:
        model = Office
        fields = ["id", "name", "city"]


class OfficeSerializer(serializers.ModelSerializer[Office]):
    company = CompanyBriefSerializer(read_only=True)

    class Meta:
        model = Office
        fields = ["id", "name", "street", "city", "postcode", "country", "company"]
        expandable = {"company": lambda: CompanySerializer(read_only=True)}


class PersonBriefSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(read_only=True)

    class Meta:
        model = User
        fields = ["id", "name"]


class PersonSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(read_only=True)

    class Meta:
        model = User
        fields = ["id", "name", "username", "email"]


class AddressSerializer(StrictSerializer, serializers.ModelSerializer[Address]):
    country = serializers.RegexField(r"^[A-Z]{2}$", help_text="ISO 3166-1 alpha-2 code.")

    class Meta:
        model = Address
        fields = ["id", "street", "city", "postcode", "country", "active"]
        validators: list[Any] = []  # of two active ones the service keeps the newer


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    company = CompanyBriefSerializer(read_only=True)
    office = OfficeBriefSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Membership
        fields = ["company", "office", "role"]


class MeSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(read_only=True)
    address = AddressSerializer(source="active_address", read_only=True, allow_null=True)
    memberships = MembershipSerializer(many=True, read_only=True)

    class Meta:
        model = User
        fields = ["id", "username", "name", "email", "address", "memberships"]


class LoginSerializer(StrictSerializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, style={"input_type": "password"})


class TokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Send it as `Authorization: Token <token>`. It is not shown again.")
    expires_at = serializers.DateTimeField()
