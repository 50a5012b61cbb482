"""What an endpoint is called: the method and the route's template, "GET /api/orders/{id}".

`path()` converters, regular expressions and DRF's routers all come out in the same form, and an
optional format suffix (`/orders.json`) is the same endpoint as the route without it. HEAD is
booked as GET: Django answers it by running the GET handler, with the same queries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

NO_ROUTE = "(no route)"
"""Stands for the template where no route matches: a 404, a file that a middleware serves."""


def endpoint_of(request: HttpRequest) -> str:
    """The name of the endpoint that answered `request`, or "GET (no route)"."""
    match: Any = request.resolver_match
    if match is None:  # a middleware answered before Django looked for the view
        try:
            match = resolve(request.path_info, getattr(request, "urlconf", None))
        except Resolver404:
            return f"{method_of(request)} {NO_ROUTE}"
    return f"{method_of(request)} {_without_format(template(match.route), _templates())}"


def endpoint_of_view(request: HttpRequest, view: type) -> str:
    """The name for a view class that was called without a handler (`APIRequestFactory`).

    The route that the request's path leads to if it leads to this view, else the first route in the
    URLconf that does, else the dotted name of the class.
    """
    method = method_of(request)
    try:
        match = resolve(request.path_info)
    except Resolver404:
        match = None
    if match is not None and _view_class(match.func) is view:
        return f"{method} {_without_format(template(match.route), _templates())}"
    for name, callback in _routes():
        actions = getattr(callback, "actions", None)
        if _view_class(callback) is view and (actions is None or method.lower() in actions):
            return f"{method} {name}"
    return f"{method} {view.__module__}.{view.__qualname__}"


def method_of(request: HttpRequest) -> str:
    """The request's method as budgets know it: HEAD is GET."""
    method = (request.method or "GET")[:20]  # clients may make methods up, which are remembered
    return "GET" if method == "HEAD" else method


def all_endpoints() -> Iterator[str]:
    """Each method and route of the URLconf; a plain function does not say its methods: "* /path"."""
    for name, callback in _routes():
        for method in _methods(callback):
            yield f"{method} {name}"


def is_among(endpoint: str, routes: Set[str]) -> bool:
    """Whether `routes`, a set made of `all_endpoints`, has this endpoint or its path with any method."""
    return endpoint in routes or f"* {endpoint.partition(' ')[2]}" in routes


def beyond(routes: Set[str], endpoints: Set[str]) -> list[str]:
    """Those of `routes` that are none of `endpoints`; "* /path" is there with any method."""
    paths = {name.partition(" ")[2] for name in endpoints}
    return sorted(
        route for route in routes - endpoints if not (route.startswith("* ") and route.partition(" ")[2] in paths)
    )


def _methods(callback: Any) -> list[str]:
    actions = getattr(callback, "actions", None)
    if actions:
        methods = set(actions)
    elif view := _view_class(callback):
        allowed = getattr(callback, "view_initkwargs", {}).get("http_method_names", view.http_method_names)
        methods = {name for name in allowed if hasattr(view, name)}
    else:
        return ["*"]
    return sorted(name.upper() for name in methods - {"head", "options", "trace"})


def _view_class(callback: Any) -> Any:
    return getattr(callback, "view_class", None) or getattr(callback, "cls", None)


def _routes() -> list[tuple[str, Any]]:
    """Template and callback of each route, once, without the copies that format suffixes make."""
    found = list(_walk(get_resolver().url_patterns, ""))
    plain = frozenset(name for name, _ in found)
    routes: dict[tuple[str, int], tuple[str, Any]] = {}
    for name, callback in found:
        name = _without_format(name, plain)
        routes.setdefault((name, id(_view_class(callback) or callback)), (name, callback))
    return list(routes.values())


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield template(route), pattern.callback


def _templates() -> frozenset[str]:
    return _templates_of(get_resolver())


@cache
def _templates_of(resolver: URLResolver) -> frozenset[str]:
    return frozenset(name for name, _ in _walk(resolver.url_patterns, ""))


def _without_format(name: str, known: frozenset[str]) -> str:
    """`name` without a final format suffix, if the URLconf has the route without it too."""
    plain = _FORMAT_SUFFIX.sub("", name)
    if plain == name:
        return name
    return next((candidate for candidate in (plain, f"{plain}/") if candidate in known), name)


_FORMAT_SUFFIX = re.compile(r"\.?\{format\}/?$")
_CONVERTER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")
_CLASS_OR_WILDCARD = re.compile(
    r"(?:\[\^?\]?[^\]]*\]|\\[dDwWsS]|\.)(?:[*+]|\{\d*,?\d*\})\??|\[\^?\]?[^\]]*\]|\\[dDwWsS]"
)


@cache
def template(route: str) -> str:
    """A route as Django's resolver gives it, in the form "/orders/{id}".

    `<int:id>` and `(?P<id>[0-9]+)` become `{id}`; an unnamed group or character class `{}`; anchors,
    look-aheads and optional parts go.
    """
    return "/" + _plain(route).lstrip("/")


def _plain(route: str) -> str:
    text: list[str] = []
    at = 0
    while at < len(route):
        piece, at = _piece(route, at)
        quantifier = re.match(r"[?*]|\{0,\d*\}", route[at:])
        if quantifier and piece != "":
            at += len(quantifier[0])
            if not (piece.startswith("{") and quantifier[0] != "?"):
                piece = ""
        text.append(piece)
    return "".join(text)


def _piece(route: str, at: int) -> tuple[str, int]:
    """The next element from `at`, in plain form, and where it ends."""
    if converter := _CONVERTER.match(route, at):
        return f"{{{converter[1]}}}", converter.end()
    if route[at] == "(":
        return _group(route, at)
    if route.startswith(("\\A", "\\Z", "\\b", "\\B"), at):
        return "", at + 2
    if route[at] in "^$":
        return "", at + 1
    if wildcard := _CLASS_OR_WILDCARD.match(route, at):
        return "{}", wildcard.end()
    if route[at] == "\\" and at + 1 < len(route):
        return route[at + 1], at + 2
    return route[at], at + 1


def _group(route: str, at: int) -> tuple[str, int]:
    depth, end = 0, at
    while end < len(route):
        if route[end] == "\\":
            end += 1
        elif route[end] == "[":
            end = max(end, route.find("]", end + 2))
        else:
            depth += {"(": 1, ")": -1}.get(route[end], 0)
        end += 1
        if depth == 0:
            break
    inside = route[at + 1 : end - 1]
    if named := re.match(r"\?P<(\w+)>", inside):
        return f"{{{named[1]}}}", end
    if inside.startswith(("?=", "?!", "?<")):
        return "", end
    if inside.startswith("?:"):
        return ("{}" if "|" in inside else _plain(inside[2:])), end
    return "{}", end
