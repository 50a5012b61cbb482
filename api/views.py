"""The base of every endpoint: strict parameters, shaped queries, keyset pages, common headers."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, NotFound, Throttled, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from api import keyset, parameters, throttling
from api.bulkhead import FULL, WAITED, Full
from api.filters import parameters_of
from api.pagecache import Freshness, answer, validated
from api.pagination import Asked, KeysetPagination
from api.requests import inner
from api.seam import accelerable
from api.selection import Selection, apply, from_request
from api.shaping import is_planned, no_queries, plan_for

READING = ("GET", "HEAD")


class ApiView(APIView):
    """Adds the headers that every answer of the API has."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        always = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Accept-Encoding"}
        return super().default_response_headers | always

    def handle_exception(self, exc: Exception) -> Response:
        asked = inner(self.request)
        quota = getattr(asked, "quota", None)
        if isinstance(exc, Full):
            exc.quota, asked.META[FULL] = quota, exc
        elif isinstance(exc, (AuthenticationFailed, NotAuthenticated)) and quota is None:
            asked.quota = throttling.take("anonymous", str(asked.META.get("REMOTE_ADDR")))  # who guesses is counted
            if asked.quota.remaining < 0:
                exc = Throttled(asked.quota.reset)
        return super().handle_exception(exc)

    def check_throttles(self, request: Request) -> None:
        waited = inner(request).META.get(WAITED)
        if waited:  # and was counted before
            inner(request).quota = waited.quota
        else:
            super().check_throttles(request)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        quota = getattr(inner(request), "quota", None)
        if quota:
            for name, value in quota.headers().items():
                response.headers[name] = value
        return response


class NotFoundView(ApiView):
    """Any path below /api that nothing else serves: a problem document, to everybody."""

    authentication_classes = []
    permission_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound(f"There is nothing at {request.path[:200]}.")


class ShapedViewSet(ApiView, GenericViewSet[Any]):
    """Lists and details whose queries come from their serializer.

    A subclass gives `serializer_class`, `visible()`, `freshness_for()` and, for lists, `filterset_class` and
    `orderings`: the names that `?ordering=` takes, the first being the default.

    `steady = True` promises more of this very class, not of those derived from it: that `get_queryset()`, the filters
    and `order()` ask for nothing but the caller's grants, the URL and what a write counts in `freshness_for()`, not for
    the clock or other tables. Its answers are then kept and validated.
    """

    serializer_class: type[serializers.ModelSerializer[Any]]
    steady: ClassVar[bool] = False
    keeps_pages: bool = True
    takes_selection: ClassVar[bool] = True  # `?fields=` and `?expand=`, wherever an answer shows the view's objects
    filter_backends = [DjangoFilterBackend]
    pagination_class = KeysetPagination
    lookup_field = "id"
    filterset_class: ClassVar[type[FilterSet] | None] = None
    orderings: ClassVar[dict[str, keyset.Order]] = {}

    def visible(self) -> QuerySet[Any]:
        """The rows that this request's user may see."""
        raise NotImplementedError

    def database(self) -> str:
        """The alias of the database that lists are read from."""
        return DEFAULT_DB_ALIAS

    def get_serializer_class(self) -> type[serializers.ModelSerializer[Any]]:
        return self.serializer_class

    def get_queryset(self) -> QuerySet[Any]:
        return self.visible()

    # --- Who asks, and whether that has been answered before

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        request.auth = self.auth_of(request)  # of nobody in particular too, who is let in

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        if request.user.is_authenticated:
            request.auth = self.auth_of(request)

    def auth_of(self, request: Request) -> Any:
        """What is known of who asks, for `freshness_for()` and all else that reads `request.auth`.

        A subclass that relies on its kind gives it where authentication did not: to a session, or to nobody.
        """
        return request.auth

    def is_steady(self) -> bool:
        """Whether its class promises so, no permission depends on an object, and all that it reads is planned."""
        promised = bool(vars(type(self)).get("steady")) and not self.guards_objects()
        return promised and is_planned(self.get_serializer_class())

    def guards_objects(self) -> bool:
        plain = BasePermission.has_object_permission
        if type(self).check_object_permissions is not APIView.check_object_permissions:
            return True
        return any(type(each).has_object_permission is not plain for each in self.get_permissions())

    @classmethod
    def freshness_for(cls, auth: Any) -> Freshness:
        """Who shares an answer of this view, and the revisions of all that it shows. `auth`: a request's."""
        raise NotImplementedError

    def freshness(self, request: Request) -> Freshness:
        return self.freshness_for(request.auth)

    def check_throttles(self, request: Request) -> None:
        """Reads are counted when they are computed: what is known already costs nothing, not even a counter."""
        if request.method not in READING:
            self.count(request)

    def count(self, request: Request) -> None:
        super().check_throttles(request)

    # --- Lists

    @validated
    def list(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return answer(self, request, self.listed)

    @accelerable
    def listed(self, request: Request) -> HttpResponse:
        """A page of the rows, as its serializer shows them."""
        asked = self.asked(request)
        plan = plan_for(self.get_serializer_class(), asked.selection, asked.order.columns)
        rows = self.paginate_queryset(plan.shape(self.filter_queryset(self.get_queryset())).using(self.database()))
        return self.get_paginated_response(self.render(rows, asked.selection, many=True))

    def asked(self, request: Request) -> Asked:
        """Which page of which rows. Raises ValidationError naming the parameter that is wrong."""
        self.check_parameters(request, {*self.pagination_class.parameters, "ordering", "fields", "expand", "format"})
        model: type[Model] = self.get_serializer_class().Meta.model
        return Asked.by(request, self.freshness(request).audience, model, self.order(request))

    def check_parameters(self, request: Request, own: set[str]) -> None:
        """Raises ValidationError naming a parameter that is neither one of `own` nor a filter."""
        once, repeatable = parameters_of(self.filterset_class.base_filters if self.filterset_class else {})
        parameters.check(request, own | once, repeatable)

    def order(self, request: Request) -> keyset.Order:
        given = request.query_params.get("ordering")
        if given is None:
            return next(iter(self.orderings.values()))
        if given not in self.orderings:
            raise ValidationError({"ordering": [f"No such ordering. Known are: {', '.join(self.orderings)}."]})
        return self.orderings[given]

    # --- Details

    @validated
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return answer(self, request, self.retrieved)

    def retrieved(self, request: Request) -> HttpResponse:
        self.check_selection(request)
        return self.one(request, self.key())

    def key(self) -> int:
        """Of the object that the URL names."""
        return int(self.kwargs["id"])

    @accelerable
    def one(self, request: Request, key: int, status_code: int = status.HTTP_200_OK, **headers: str) -> HttpResponse:
        """The object with this key as an answer. Raises NotFound where it is not visible."""
        return Response(self.shown(from_request(request), key), status_code, headers=headers)

    def not_found(self) -> NotFound:
        model: type[Model] = self.get_serializer_class().Meta.model
        return NotFound(f"There is no such {model._meta.verbose_name}, or not for you.")

    def check_selection(self, request: Request) -> None:
        """Raises ValidationError naming what can't be shown; for a write to call before it writes."""
        parameters.check(request, {"fields", "expand", "format"})
        plan_for(self.get_serializer_class(), from_request(request))

    def shown(self, selection: Selection, key: int) -> Any:
        """One object as the API shows it, read through its plan. Raises NotFound where it is not visible."""
        plan = plan_for(self.get_serializer_class(), selection)
        row = plan.shape(self.get_queryset()).filter(pk=key).first()
        if row is None:
            raise self.not_found()
        self.check_object_permissions(self.request, row)
        return self.render(row, selection)

    def written(self, row: Model, status_code: int = status.HTTP_200_OK, **headers: str) -> HttpResponse:
        """The answer to a write: the object read anew, as a GET would show it."""
        return self.one(self.request, row.pk, status_code, **headers)

    def render(self, data: Any, selection: Selection, *, many: bool = False) -> Any:
        serializer = self.get_serializer(data, many=many)
        apply(selection, serializer)
        with no_queries():
            return serializer.data
