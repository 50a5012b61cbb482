"""Content negotiation that names what it can't serve."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import Http404
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer


class NamedFormatNegotiation(DefaultContentNegotiation):
    """`?format=` with an unknown value is a 400 that lists the known ones; DRF answers 404."""

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> Any:
        try:
            return super().filter_renderers(renderers, format)
        except Http404:
            known = ", ".join(sorted(renderer.format for renderer in renderers if renderer.format))
            raise ValidationError({"format": [f"No such format. Known are: {known}."]}) from None
