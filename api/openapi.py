"""The OpenAPI document tells all that can come back: every problem, every common parameter."""

from __future__ import annotations

from copy import copy
from typing import Any, Literal

from django.db.models import Model
from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_lib_doc_excludes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_field
from rest_framework import serializers

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
    503: "The database can't be reached; `Retry-After` says when to come back.",
}


class ProblemAutoSchema(AutoSchema):
    """drf-spectacular's inspector with the conventions of this API added to each operation."""

    def get_override_parameters(self) -> list[Any]:
        parameters: list[Any] = super().get_override_parameters()
        view: Any = self.view
        action = getattr(view, "action", "")
        if action in ("list", "retrieve", "create", "partial_update", "transition", "export"):
            parameters.append(names("fields", "Keep only these", {"type": "string", "pattern": PATH}))
            if known := expansions(view.serializer_class()):
                parameters.append(names("expand", "Give these in full", {"type": "string", "enum": known}))
        if action in ("list", "export") and view.orderings:
            orders = list(view.orderings)
            parameters.append(OpenApiParameter("ordering", str, enum=orders, description=f"{orders[0]} unless given."))
        return parameters

    def get_filter_backends(self) -> list[Any]:
        if getattr(self.view, "action", "") in ("export", "summary"):
            view: Any = self.view
            return list(view.filter_backends)
        return super().get_filter_backends()

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status in self.problem_statuses():
            response = OpenApiResponse(ProblemSerializer, PROBLEMS[status])
            bodies[str(status)] = self._get_response_for_code(response, str(status), [MEDIA_TYPE], direction)  # type: ignore[no-untyped-call]
        return bodies

    def problem_statuses(self) -> list[int]:
        statuses = {400, 406, 429, 503}
        if self.view.authentication_classes:
            statuses.add(401)
        if "{" in self.path:
            statuses.add(404)
        if self.method in ("POST", "PATCH", "PUT"):
            statuses |= {413, 415} if self.get_request_serializer() else set()
            statuses |= {409} if "/orders/" in self.path else set()
            statuses |= {422} if self.path.endswith("/orders") else set()
            statuses |= {403} if "/orders" in self.path else set()
            statuses |= {401} if "/auth/" in self.path else set()
        return sorted(statuses)


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
