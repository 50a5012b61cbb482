"""The endpoints of companies, offices, addresses, the user and the login."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import authenticate
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotFound, Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from api import keyset, parameters
from api.openapi import problems
from api.pagecache import Freshness
from api.requests import inner
from api.views import ApiView, ShapedViewSet
from businesses import login, services, tokens
from businesses.authentication import scope_for
from businesses.filters import CompanyFilter, OfficeFilter
from businesses.models import Address, Company, Office, User
from businesses.scope import Scope
from businesses.serializers import (
    AddressSerializer,
    CompanySerializer,
    LoginSerializer,
    MeSerializer,
    OfficeSerializer,
    TokenSerializer,
)

BY_NAME = {"name": keyset.Order(("name", "id")), "-name": keyset.Order(("name", "id"), descending=True)}


class ScopedViewSet(ShapedViewSet):
    """A view whose rows depend on the user's memberships."""

    @property
    def scope(self) -> Scope:
        scope: Scope = self.request.auth  # type: ignore[assignment]
        return scope

    def auth_of(self, request: Request) -> Scope:
        """The scope that came with the token, or else that of the user."""
        auth: object = request.auth
        return auth if isinstance(auth, Scope) else scope_for(request.user)

    @classmethod
    def freshness_for(cls, auth: Scope) -> Freshness:
        return Freshness(auth.audience, auth.stamp)


class OwnViewSet(ScopedViewSet):
    """A view of what is the user's own; its pages are validated, but not kept."""

    keeps_pages = False

    @classmethod
    def freshness_for(cls, auth: Scope) -> Freshness:
        return Freshness(f"user {auth.user}", f"{auth.audience} {auth.stamp} own:{auth.own_revision}")


class CompanyViewSet(ScopedViewSet):
    """The companies of which you may see at least one office."""

    steady = True
    queryset = Company.objects.none()
    serializer_class = CompanySerializer
    filterset_class = CompanyFilter
    orderings = BY_NAME

    def visible(self) -> QuerySet[Company]:
        return Company.objects.filter(pk__in=self.scope.grants.companies)


class OfficeViewSet(ScopedViewSet):
    """The offices that you may see."""

    steady = True
    queryset = Office.objects.none()
    serializer_class = OfficeSerializer
    filterset_class = OfficeFilter
    orderings = BY_NAME

    def visible(self) -> QuerySet[Office]:
        return Office.objects.filter(self.scope.grants.within(company="company", office="pk"))


class AddressViewSet(OwnViewSet):
    """Your own addresses. At most one is active; new orders go there."""

    steady = True
    queryset = Address.objects.none()
    serializer_class = AddressSerializer
    orderings = {"id": keyset.Order(("id",)), "-id": keyset.Order(("id",), descending=True)}

    def visible(self) -> QuerySet[Address]:
        return Address.objects.filter(user=self.request.user.pk)

    @extend_schema(responses={201: AddressSerializer})
    def create(self, request: Request) -> HttpResponse:
        self.check_selection(request)
        return self.save(Address(), status.HTTP_201_CREATED)

    def partial_update(self, request: Request, id: int) -> HttpResponse:
        self.check_selection(request)
        address = self.visible().filter(pk=id).first()
        if address is None:
            raise NotFound("There is no such address, or not for you.")
        self.check_object_permissions(request, address)
        return self.save(address)

    def save(self, address: Address, status_code: int = status.HTTP_200_OK) -> HttpResponse:
        serializer = AddressSerializer(address, data=self.request.data, partial=address.pk is not None)
        serializer.is_valid(raise_exception=True)
        user: User = self.request.user  # type: ignore[assignment]
        values = serializer.validated_data
        saved = services.save_address(user=user, address=address, values=values, token=self.scope.token)
        return self.written(saved, status_code)


class MeViewSet(OwnViewSet):
    """You, your memberships and your active address."""

    steady = True
    queryset = User.objects.none()
    serializer_class = MeSerializer

    def visible(self) -> QuerySet[User]:
        return User.objects.all()

    def key(self) -> int:
        key: int = self.request.user.pk  # type: ignore[assignment]
        return key


class LoginView(ApiView):
    """A token for a username and password."""

    lane = "login"
    authentication_classes = []
    permission_classes = []

    @extend_schema(request=LoginSerializer, responses={200: TokenSerializer} | problems(401), auth=[])
    def post(self, request: Request) -> Response:
        parameters.check(request, {"format"})
        serializer = LoginSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        credentials = serializer.validated_data
        used_up = login.used_up(request, credentials["username"])
        if used_up:
            inner(request).quota = used_up  # the answer tells which one
            raise Throttled(used_up.reset)
        try:
            token, expires_at = self.signed_in(request, credentials)
        except tokens.PasswordChangedError:
            token, expires_at = self.signed_in(request, credentials)
        return Response(TokenSerializer({"token": token, "expires_at": expires_at}).data)

    def signed_in(self, request: Request, credentials: dict[str, str]) -> tuple[str, datetime]:
        """A token, and when it expires. Raises AuthenticationFailed, or as `tokens.issue`."""
        user = authenticate(request, **credentials)
        if not isinstance(user, User):
            raise AuthenticationFailed("Wrong username or password.")
        return tokens.issue(user)

    def get_authenticate_header(self, request: Request) -> str:
        return "Token"  # without one DRF turns the 401 of a wrong password into a 403


class LogoutView(ApiView):
    """Makes the token of this request worthless."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        parameters.check(request, {"format"})
        if not isinstance(request.auth, Scope):
            raise AuthenticationFailed("This request has no token that could be made worthless.")
        self.revoke(request, request.auth)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def revoke(self, request: Request, scope: Scope) -> None:
        tokens.revoke(get_authorization_header(request).split()[1].decode("ascii"))


class LogoutEverywhereView(LogoutView):
    """Makes all your tokens worthless, that of this request too."""

    def revoke(self, request: Request, scope: Scope) -> None:
        tokens.revoke_all(scope.user)
