"""The OpenAPI document, made once for each process and form of it: making it takes as long as 100 pages."""

from __future__ import annotations

import hashlib
import threading
from typing import Any, ClassVar, NamedTuple

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

from api.requests import inner


class Document(NamedTuple):
    content: bytes
    headers: dict[str, str]


class SchemaView(SpectacularAPIView):
    """As drf-spectacular's, with an entity tag. It is the same for everybody."""

    authentication_classes: Any = []
    permission_classes: Any = []
    throttle_classes: Any = []
    made: ClassVar[dict[str, Document]] = {}
    making: ClassVar[Any] = threading.Lock()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        form = str(request.accepted_renderer.media_type)
        with self.making:
            if form not in self.made:
                self.made[form] = self.make(request, *args, **kwargs)
            content, headers = self.made[form]
        response = HttpResponse(content, headers=headers)
        return get_conditional_response(inner(request), etag=headers["ETag"], response=response)

    def make(self, request: Request, *args: Any, **kwargs: Any) -> Document:
        response = super().get(request, *args, **kwargs)
        renderer = response.accepted_renderer = request.accepted_renderer
        response.accepted_media_type = str(renderer.media_type)
        response.renderer_context = self.get_renderer_context()
        response.render()
        tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        return Document(response.content, {**response.headers, "ETag": tag, "Cache-Control": "no-cache"})

    def _get_version_parameter(self, request: Request) -> None:
        """There is one version, whatever a client asks for."""
