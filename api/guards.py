"""Whether a view and the project leave untouched what is not run for a known URL (`api.early`).

Such a request comes neither to the middleware nor to the methods that DRF calls before a view's own. Where a view
overrides one of them, a decorator stands round the view, or there is other middleware, nothing is known and each
request goes all the way.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.permissions import IsAuthenticated
from rest_framework.viewsets import GenericViewSet

MIDDLEWARE = [
    "querybudget.middleware.QueryBudgetMiddleware",
    "config.middleware.RequestIdMiddleware",
    "config.shedding.LoadSheddingMiddleware",
    "config.deadline.DeadlineMiddleware",
    "api.early.EarlyMiddleware",
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

HOOKS = (
    *("dispatch", "initialize_request", "initial", "finalize_response", "handle_exception", "default_response_headers"),
    *("get_authenticators", "perform_authentication", "permission_denied", "get_authenticate_header"),
    *("get_permissions", "check_permissions", "get_throttles", "check_throttles", "throttled", "count"),
    *("get_content_negotiator", "perform_content_negotiation", "get_renderers", "determine_version"),
    *("get_renderer_context", "http_method_not_allowed", "freshness", "setup"),
)
"""Methods of a view that no known URL comes to, or whose answer is remembered."""


def other_middleware() -> list[str]:
    """What of `settings.MIDDLEWARE` is not known, or not where it is known to be."""
    given = list(settings.MIDDLEWARE)
    return [] if given == MIDDLEWARE else [name for name in given if name not in MIDDLEWARE] or given


def objections(function: Any, base: Any) -> tuple[str, ...]:
    """Why each GET that a URL leads to `function` with goes all the way; nothing where a known one need not.

    `base`: the class whose subclasses are known, if they leave it as it is.
    """
    if not is_undecorated(function):
        return ("something stands round its view",)
    view, action = function.cls, function.actions.get("get", "")
    permissions = function.initkwargs.get("permission_classes", view.permission_classes)
    found = [f"{view.__name__} overrides {name}" for name in overridden(view, base)]
    if not vars(view).get("steady"):
        found.append(f"{view.__name__} does not say that it is steady")
    if list(permissions) != [IsAuthenticated]:
        found.append(f"{view.__name__} has permissions of its own")
    if not getattr(getattr(view, action, None), "validated", False):
        found.append(f"{view.__name__}.{action} may do more than answer what is kept")
    return tuple(found)


def overridden(view: type[Any], base: type[Any]) -> list[str]:
    """Those of `HOOKS` that the view has of its own."""
    return [name for name in HOOKS if getattr(view, name, None) is not getattr(base, name, None)]


def is_undecorated(function: Any) -> bool:
    """Whether a URL leads to what `as_view()` made, which `csrf_exempt` stands round, and to nothing else."""
    made: Any = GenericViewSet.as_view({"get": "list"})
    inside = getattr(function, "__wrapped__", None)
    return codes(function, inside) == codes(made, made.__wrapped__)


def codes(*functions: Any) -> list[Any]:
    return [getattr(each, "__code__", None) for each in functions]
