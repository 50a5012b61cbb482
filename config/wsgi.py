import os

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Utf8Request(WSGIRequest):
    """Reads every query and body as UTF-8.

    Django takes the charset of a Content-Type header for the query too, and fails on `charset=zlib`
    before any middleware or error page could answer.
    """

    @property
    def encoding(self) -> str:
        return "utf-8"

    @encoding.setter
    def encoding(self, claimed: str) -> None:
        pass


application = get_wsgi_application()
application.request_class = Utf8Request
