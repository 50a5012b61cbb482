"""The OpenAPI document tells all that can come back: every problem, every common parameter."""

from __future__ import annotations

from copy import copy
from http import HTTPStatus
from typing import Any, Literal

import uritemplate
from django.db.models import Model
from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance, get_lib_doc_excludes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_field
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated

from api.filters import RepeatedFilter
from api.problems import MEDIA_TYPE
from api.selection import MOST_PATHS, expandable, object_of
from api.serializers import StrictSerializer


class ProblemErrorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="The field, parameter or header, dotted where nested.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = ProblemErrorSerializer(many=True)  # type: ignore[assignment]


PATH = r"^[a-z_]+(\.[a-z_]+)*$"

PROBLEMS = {
    400: "A parameter or the body is wrong; `errors` names what.",
    401: "No token, or one that is not valid.",
    403: "Your role does not allow it.",
    404: "There is no such thing, or not for you.",
    406: "None of the accepted media types can be served.",
    409: "The state has moved on: a stale version, or a step that is not possible.",
    413: "The body is too large.",
    415: "The body must be application/json.",
    422: "The Idempotency-Key was used with other content.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "The database can't be reached, or can't do this now; `Retry-After` says when to come back.",
}


class Problem(OpenApiResponse):
    """A problem document among an operation's responses."""

    def __init__(self, status: int) -> None:
        super().__init__(ProblemSerializer, PROBLEMS.get(status) or f"{HTTPStatus(status).phrase}.")


def problems(*statuses: int) -> dict[int, Any]:
    """Responses for `@extend_schema`: what a method answers beside that which follows from its view.

    `@extend_schema(responses={200: OrderSerializer} | problems(403, 409))`
    """
    return {status: Problem(status) for status in statuses}


class ProblemAutoSchema(AutoSchema):
    """drf-spectacular's inspector with the conventions of this API added to each operation.

    They follow from what a view declares: its authenticators, permissions and throttles, its body, its parameters in
    the path, and what `@extend_schema` says of a method: `responses`, and `filters=True` where it is no list.
    """

    def get_override_parameters(self) -> list[Any]:
        parameters: list[Any] = super().get_override_parameters()
        view: Any = self.view
        if not self.shows_objects():
            return parameters
        parameters.append(names("fields", "Keep only these", {"type": "string", "pattern": PATH}))
        if known := expansions(view.serializer_class()):
            parameters.append(names("expand", "Give these in full", {"type": "string", "enum": known}))
        if view.orderings and self.get_filter_backends():
            orders = list(view.orderings)
            parameters.append(OpenApiParameter("ordering", str, enum=orders, description=f"{orders[0]} unless given."))
        return parameters

    def shows_objects(self) -> bool:
        """Whether the answer is made of the view's own objects, of which clients choose the fields."""
        view: Any = self.view
        if self.method == "DELETE" or not getattr(view, "takes_selection", False):
            return False
        shown: Any = self.get_response_serializers()
        if isinstance(shown, dict):
            successes = [each for code, each in shown.items() if status_of(code).startswith("2")]
            shown = successes[0] if successes else None
        if isinstance(shown, OpenApiResponse):
            shown = shown.response
        shown = force_instance(shown)  # type: ignore[no-untyped-call]
        return isinstance(shown, serializers.BaseSerializer) and type(object_of(shown)) is view.serializer_class

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Also where the view's `list` is an action of another name; other lists say `responses=…(many=True)`."""
        method = getattr(self.view, getattr(self.view, "action", None) or "", None)
        return super()._is_list_view(serializer) or getattr(method, "__name__", "") == "list"

    def _get_response_for_code(
        self, serializer: Any, status_code: Any, media_types: Any = None, direction: Any = "response"
    ) -> Any:
        kinds = [MEDIA_TYPE] if isinstance(serializer, Problem) else media_types
        return super()._get_response_for_code(serializer, status_code, kinds, direction)  # type: ignore[no-untyped-call]

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status in self.problem_statuses():
            if str(status) not in bodies:
                bodies[str(status)] = self._get_response_for_code(Problem(status), str(status), None, direction)
        return dict(sorted(bodies.items()))

    def problem_statuses(self) -> set[int]:
        """Of the problems that any method of such a view may answer."""
        statuses = {400, 406, 503} | self.refusals()
        if self.view.get_throttles():
            statuses.add(429)
        if uritemplate.variables(self.path):
            statuses.add(404)
        if self.method in ("POST", "PATCH", "PUT") and self.get_request_serializer():
            statuses |= {413, 415}
        return statuses

    def refusals(self) -> set[int]:
        """The statuses for who may not ask: DRF has a 401 only where a header can say how to authenticate."""
        request = getattr(self.view, "request", None)
        authenticators: list[Any] = self.view.get_authenticators()
        permissions = {type(each) for each in self.view.get_permissions()} - {AllowAny}
        statuses = {403} if permissions - {IsAuthenticated} or (permissions and not authenticators) else set()
        if authenticators:
            statuses.add(401 if authenticators[0].authenticate_header(request) else 403)
        if any(isinstance(each, SessionAuthentication) for each in authenticators):
            statuses.add(403)  # without the CSRF token
        return statuses


def status_of(code: Any) -> str:
    """Of a key of `responses`, which may name media types as well."""
    return str(code[0] if isinstance(code, tuple) else code)


def names(parameter: str, what: str, item: dict[str, Any]) -> OpenApiParameter:
    """A parameter that is a list of names, separated by commas."""
    schema = {"type": "array", "minItems": 1, "maxItems": MOST_PATHS, "items": item}
    text = f"{what}: names separated by commas, dotted where nested."
    return OpenApiParameter(parameter, schema, description=text, style="form", explode=False)


def expansions(serializer: serializers.BaseSerializer[Any], above: str = "") -> list[str]:
    """Every path that `?expand=` takes here without another one being expanded first."""
    shape = object_of(serializer)
    found = [above + name for name in expandable(shape)]
    for name, field in shape.fields.items():
        if isinstance(field, serializers.BaseSerializer):
            found += expansions(field, f"{above}{name}.")
    return found


def undescribed() -> list[type]:
    """Classes whose docstrings are for developers; their subclasses do not inherit them as descriptions."""
    return [*get_lib_doc_excludes(), StrictSerializer]  # type: ignore[no-untyped-call]


class RepeatedFilterExtension(DjangoFilterExtension):
    """Says what one value of a repeated parameter is, which the filter's column decides."""

    priority = 1

    def resolve_filter_field(
        self, auto_schema: AutoSchema, model: type[Model], filterset_class: Any, field_name: str, filter_field: Any
    ) -> Any:
        if isinstance(filter_field, RepeatedFilter):
            filter_field = copy(filter_field)
            extend_schema_field(filter_field.schema(model))(filter_field)
        return super().resolve_filter_field(auto_schema, model, filterset_class, field_name, filter_field)  # type: ignore[no-untyped-call]


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "businesses.authentication.ScopeAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token <token>`"}
