"""Whether a view and the project leave untouched what is not run for a known URL (`fast.early`).

Such a request comes neither to the middleware nor to the methods that DRF calls before a view's own. Where a view
overrides one of them, a decorator stands round the view, or there is other middleware, nothing is known and each
request goes all the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.signals import request_finished, request_started
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.viewsets import GenericViewSet

from api.pagination import KeysetPagination
from api.shaping import is_of_drf, own_attributes
from api.views import ShapedViewSet

MIDDLEWARE = [
    "querybudget.middleware.QueryBudgetMiddleware",
    "config.middleware.RequestIdMiddleware",
    "config.shedding.LoadSheddingMiddleware",
    "config.deadline.DeadlineMiddleware",
    "fast.early.EarlyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "api.compression.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
"""What is known to do for a GET of the API nothing but what is done for it, or what its first answer shows."""

LOOKING = ("DISALLOWED_USER_AGENTS", "SESSION_SAVE_EVERY_REQUEST", "PREPEND_WWW")
HOOKS = (
    *("dispatch", "initialize_request", "initial", "finalize_response", "handle_exception", "default_response_headers"),
    *("get_authenticators", "perform_authentication", "permission_denied", "get_authenticate_header"),
    *("get_permissions", "check_permissions", "get_throttles", "check_throttles", "throttled", "count"),
    *("get_content_negotiator", "perform_content_negotiation", "get_renderers", "determine_version"),
    *("get_renderer_context", "http_method_not_allowed", "freshness", "setup", "is_steady", "guards_objects"),
    *("check_object_permissions", "content_negotiation_class", "versioning_class"),
)
"""Methods of a view that no known URL comes to, or whose answer is remembered."""


OF_LISTS = ("paginate_queryset", "get_paginated_response", "get_serializer", "render", "finalize_response")
OF_DETAILS = ("shown", "get_serializer", "render", "finalize_response")
OF_PAGES = ("paginate_queryset", "get_paginated_response", "urls")
"""Methods of a view and of its pages that are not run where PostgreSQL writes the answer."""


honoured: set[Any] = {ShapedViewSet.auth_of}
"""Methods in the place of `auth_of` that give what `early.identified_by` gives, where that gives anything."""


def other_middleware() -> list[str]:
    """What of `settings.MIDDLEWARE` is not known, or not where it is known to be, or is set to look at each request."""
    given = list(settings.MIDDLEWARE)
    looking = [name for name in LOOKING if getattr(settings, name)]
    return looking if given == MIDDLEWARE else [name for name in given if name not in MIDDLEWARE] or given


def objections(function: Any) -> tuple[str, ...]:
    """Why each GET that a URL leads to `function` with goes all the way; nothing where a known one need not."""
    if not is_undecorated(function):
        return ("something stands round its view",)
    view, action = function.cls, function.actions.get("get", "")
    permissions = function.initkwargs.get("permission_classes", view.permission_classes)
    found = [f"{view.__name__} overrides {name}" for name in overridden(view)]
    if view.auth_of not in honoured:
        found.append(f"{view.__name__} overrides auth_of")
    if not vars(view).get("steady"):
        found.append(f"{view.__name__} does not say that it is steady")
    if list(permissions) != [IsAuthenticated]:
        found.append(f"{view.__name__} has permissions of its own")
    if not is_plain_answer(view, action):
        found.append(f"{view.__name__}.{action} may do more than answer what is kept")
    return tuple(found)


def overridden(view: type[Any], names: Iterable[str] = HOOKS, base: type[Any] = ShapedViewSet) -> list[str]:
    """Those of the methods that the view has of its own."""
    return [name for name in names if getattr(view, name, None) is not getattr(base, name, None)]


def is_plain_answer(view: type[Any], action: str) -> bool:
    """Whether a method of a view does nothing but `answer`: a decorator round it would copy its mark, and not be it."""
    method = getattr(view, action, None)
    return method is not None and getattr(method, "validated", None) is method


def own_of_lists(view: type[Any], serializer: type[Any]) -> list[str]:
    """What of a view PostgreSQL would not come to, where it writes a list of it, or what may look into its response."""
    own = overridden(view, OF_LISTS) + ["list"] * (not is_plain_answer(view, "list"))
    own += [f"{name} of its pages" for name in overridden(view.pagination_class, OF_PAGES, KeysetPagination)]
    return own + own_of_rows(serializer)


def own_of_details(view: type[Any]) -> list[str]:
    return overridden(view, OF_DETAILS) + ["retrieve"] * (not is_plain_answer(view, "retrieve"))


def own_of_rows(serializer: type[Any]) -> list[str]:
    """What of a serializer it would not come to, where that has many rows."""
    own = own_attributes(getattr(serializer.Meta, "list_serializer_class", serializers.ListSerializer))
    return [f"{name} of a list's serializer" for name in own] + ["many_init"] * (not is_of_drf(serializer.many_init))


def writes_plainly(renderer: Any) -> bool:
    """Whether a renderer makes of data the JSON that DRF's does."""
    names = ("render", "get_indent", "encoder_class", "ensure_ascii", "compact", "strict", "charset")
    dense = JSONRenderer.compact and not JSONRenderer.ensure_ascii and JSONRenderer.charset is None
    return dense and not overridden(type(renderer), names, JSONRenderer)


def listeners() -> list[str]:
    """Who is told of each request by Django's signals, but for what is told in its place (`fast.front`)."""
    told = [signal._live_receivers(None) for signal in (request_started, request_finished)]
    found = [each for synchronous, asynchronous in told for each in (*synchronous, *asynchronous)]
    return [f"{each.__module__}.{each.__qualname__}" for each in found if not each.__module__.startswith("django.")]


def is_undecorated(function: Any) -> bool:
    """Whether a URL leads to what `as_view()` made, which `csrf_exempt` stands round, and to nothing else."""
    made: Any = GenericViewSet.as_view({"get": "list"})
    inside = getattr(function, "__wrapped__", None)
    return codes(function, inside) == codes(made, made.__wrapped__)


def codes(*functions: Any) -> list[Any]:
    return [getattr(each, "__code__", None) for each in functions]
