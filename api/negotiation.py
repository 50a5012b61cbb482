"""Content negotiation that names what it can't serve."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.http import Http404
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class NamedFormatNegotiation(DefaultContentNegotiation):
    """`?format=` with an unknown value is a 400 that lists the known ones; DRF answers 404.

    Of a media type's parameters only `indent` changes an answer. The others (`charset=utf-8`, which many clients send)
    are left out of what was accepted, so that they are the same request to whoever compares.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        selected = super().select_renderer(request, cast(Any, renderers), format_suffix)
        renderer, accepted = cast(tuple[BaseRenderer, str], selected)
        return renderer, plain(accepted, str(renderer.media_type))

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> Any:
        try:
            return super().filter_renderers(renderers, format)
        except Http404:
            known = ", ".join(sorted(renderer.format for renderer in renderers if renderer.format))
            raise ValidationError({"format": [f"No such format. Known are: {known}."]}) from None


def plain(accepted: str, media_type: str) -> str:
    """The renderer's media type, with the indentation that `accepted` asks for, which DRF's takes up to 8."""
    try:
        indent = max(0, min(int(parse_header_parameters(accepted)[1].get("indent", 0)), 8))
    except ValueError:
        indent = 0
    return f"{media_type}; indent={indent}" if indent else media_type
