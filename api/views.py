"""The base of every endpoint: strict parameters, shaped queries, keyset pages, common headers."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from api import keyset, parameters
from api.compiled import Apart, Compiled, compiled_for
from api.early import Known
from api.filters import MOST_ID, parameters_of
from api.gaps import LeakError
from api.guards import objections
from api.memo import Memo
from api.pagecache import Freshness, answer, validated
from api.pagination import Asked, KeysetPagination
from api.requests import inner, url_of
from api.selection import Selection, apply, from_request
from api.shaping import is_planned, no_queries, plan_for
from api.statements import Narrowing, conditions_of
from querybudget import note

DENSE = ("application/json", "application/x-ndjson", "text/csv")  # with `; indent=2` DRF renders


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that PostgreSQL writes: what a URL asks of the rows that an audience may see."""

    compiled: Compiled
    narrowing: Narrowing
    asked: Asked
    apart: Apart | None


narrowings: Memo[Narrowing] = Memo()
listings: Memo[Listing] = Memo()


class ApiView(APIView):
    """Adds the headers that every answer of the API has."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        always = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Accept-Encoding"}
        return super().default_response_headers | always

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
    the clock or other tables. Its answers are then kept and validated, its conditions made once for all who see alike,
    and URLs that are known are answered early.
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

    # --- What is computed, and what is known already

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        request.auth = self.auth_of(request)  # of nobody in particular too, who is let in
        dense = request.accepted_media_type in DENSE and request.method in SAFE_METHODS
        match: Any = request.resolver_match
        if dense and self.is_steady() and not objections(match.func, ShapedViewSet):
            known = Known.of(self, request)
            if known:
                inner(request).known = known

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
        return any(type(each).has_object_permission is not plain for each in self.get_permissions())

    @classmethod
    def freshness_for(cls, auth: Any) -> Freshness:
        """Who shares an answer of this view, and the revisions of all that it shows. `auth`: a request's."""
        raise NotImplementedError

    def freshness(self, request: Request) -> Freshness:
        return self.freshness_for(request.auth)

    def check_throttles(self, request: Request) -> None:
        """Reads are counted when they are computed: what is known already costs nothing, not even a counter."""
        if request.method not in SAFE_METHODS:
            self.count(request)

    def count(self, request: Request) -> None:
        super().check_throttles(request)

    # --- Lists

    @validated
    def list(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return answer(self, request, self.listed)

    def listed(self, request: Request) -> HttpResponse:
        same = f"{self.freshness(request).audience} {url_of(request.META)}"
        listing = listings.get(type(self), same) if self.is_steady() else None
        written = self.listed_by_the_database(request, listing) if listing else None
        if written:
            return written
        self.check_parameters(request, {*self.pagination_class.parameters, "ordering", "fields", "expand", "format"})
        selection, order = from_request(request), self.order(request)
        compiled = self.compiled(request, selection)
        if compiled:
            narrowing = self.narrowing(request)
            asked = Asked.by(request, self.freshness(request).audience, compiled.model, order)
            listing = Listing(compiled, narrowing, asked, self.apart(request))
            if self.is_steady():
                listings.keep(type(self), same, listing)
            written = self.listed_by_the_database(request, listing)
            if written:
                return written
        plan = plan_for(self.get_serializer_class(), selection, order.columns)
        rows = self.paginate_queryset(plan.shape(self.filter_queryset(self.get_queryset())).using(self.database()))
        return self.get_paginated_response(self.render(rows, selection, many=True))

    def listed_by_the_database(self, request: Request, listing: Listing) -> HttpResponse | None:
        """None where only the serializer can."""
        pagination: Any = self.paginator
        compiled, asked, context = listing.compiled, listing.asked, self.get_serializer_context()
        if compiled.leaks:
            return None
        given = compiled.given(context)
        page = compiled.page(
            self.database(), listing.narrowing, given, asked.order, asked.cursor, asked.limit, listing.apart
        )
        try:
            objects = compiled.filler(context)(page.rows)
        except LeakError:
            return None
        return pagination.written_response(asked, page, objects)  # type: ignore[no-any-return]

    def apart(self, request: Request) -> Apart | None:
        """How the rows of a list are looked for, where not all at once."""
        return None

    # --- Answers that the database writes

    def written_by_database(self, request: Request) -> bool:
        """Whether PostgreSQL writes this answer's objects, provided that they can be compiled."""
        return connection.vendor == "postgresql" and request.accepted_media_type in DENSE

    def compiled(self, request: Request, selection: Selection) -> Compiled | None:
        """How PostgreSQL writes them; None where the serializer renders them."""
        found = compiled_for(self.get_serializer_class(), selection) if self.written_by_database(request) else None
        if isinstance(found, str):
            note(f"PostgreSQL does not write this answer, which takes more queries: {found}")
        return found if isinstance(found, Compiled) and not found.leaks else None

    def narrowing(self, request: Request) -> Narrowing:
        """The conditions on the rows that this user may see and this query asks for."""
        subject = keyset.subject(request, self.freshness(request).audience)
        return self.remembered(type(self), subject, lambda: self.filter_queryset(self.get_queryset()))

    def remembered(self, of: Hashable, subject: str, rows: Callable[[], QuerySet[Any]]) -> Narrowing:
        """The conditions of `rows`; of a steady view those that were made for this subject before."""
        if not self.is_steady():
            return conditions_of(rows())
        return narrowings.get(of, subject) or narrowings.keep(of, subject, conditions_of(rows()))

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

    def one(self, request: Request, key: int, status_code: int = status.HTTP_200_OK, **headers: str) -> HttpResponse:
        """The object with this key as an answer. Raises NotFound where it is not visible."""
        selection = from_request(request)
        compiled = None if self.guards_objects() else self.compiled(request, selection)
        if not compiled:
            return Response(self.shown(selection, key), status_code, headers=headers)
        parents = sorted((name, value) for name, value in self.kwargs.items() if name != "id")
        subject = f"{self.freshness(request).audience} {parents}"
        narrowing = self.remembered((type(self), "one"), subject, self.get_queryset)
        context = self.get_serializer_context()
        written = compiled.one(narrowing, compiled.given(context), key) if key <= MOST_ID else None
        if written is None:
            raise self.not_found()
        try:
            (body,) = compiled.filler(context)([written])
        except LeakError:
            return Response(self.shown(selection, key), status_code, headers=headers)
        return HttpResponse(body, "application/json", status_code, headers=headers)

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
        serializer = self.get_serializer_class()(data, many=many, context=self.get_serializer_context())
        apply(selection, serializer)
        with no_queries():
            return serializer.data
