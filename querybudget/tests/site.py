"""A site of one endpoint each kind, with a ledger, for tests of counting."""

from django.contrib.auth.models import User
from django.db.backends.utils import CursorWrapper
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path, resolve

LEDGER = """
["GET /looping"]
queries = 1

["GET /stream"]
queries = 1

["GET /looping [cheap]"]
queries = 3

["GET /tolerated"]
queries = 0
known = [{ shape = "read auth_user", per_row = 1.0 }]
"""


def loop(request):
    return HttpResponse(sum(User.objects.count() for _ in range(3)))


def once(request):
    return HttpResponse(User.objects.count())


async def asynchronous(request):
    return HttpResponse(await User.objects.acount())


def stream(request):
    def body():
        yield str(User.objects.count())
        yield str(User.objects.count())

    return StreamingHttpResponse(body())


def broken(request):
    User.objects.count()
    raise RuntimeError("no")


def patching(request):
    ours = CursorWrapper._execute
    CursorWrapper._execute = lambda *arguments: ours(*arguments)
    return HttpResponse()


urlpatterns = [
    path("patching", patching),
    path("looping", loop),
    path("async", asynchronous),
    path("stream", stream),
    path("broken", broken),
    path("tolerated", loop),
    path("admin/looping", loop),
]


def ask(middleware, query=""):
    """A request to /looping that a view, and no handler, answers."""
    request = RequestFactory().get(f"/looping{query}")
    request.resolver_match = resolve("/looping")
    return middleware(request)


def timing(response):
    return response.headers["Server-Timing"].partition("desc=")[2]
