"""Measure each request, from entering the handler to the end of its body.

Every client and server of a Django process (`Client`, `AsyncClient`, `APIClient`, WSGI, ASGI) goes
through `BaseHandler.get_response` or `get_response_async`; what they do before and after, such as
logging a user in, does not count. A class-based view that is called without a handler
(`APIRequestFactory`) is measured in its `dispatch`. A streamed body makes most of its queries while
it is consumed, a template response while it renders: both keep the measurement open.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

from django.core.handlers.base import BaseHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.views.generic.base import View

from querybudget import hooks
from querybudget.capture import Watch
from querybudget.context import bound, listening
from querybudget.counting import Count
from querybudget.endpoints import endpoint_of, endpoint_of_view
from querybudget.tracing import tracing


@dataclass(slots=True, eq=False)
class Measurement:
    """One request while it is being served, and what it did once `finish` was called.

    `view`: the class, where a test called a view without a handler. `response`: None if the handler
    raised. `listener`: who alone is told of this one. `seconds`: from the start to `finish`. `exhausted`: whether
    a streamed body was read to its end.
    """

    request: HttpRequest
    view: type | None = None
    watch: Count = field(default_factory=Watch)
    response: HttpResponseBase | None = None
    listener: Listener | None = None
    seconds: float = 0.0
    exhausted: bool = False
    started: float = field(default_factory=perf_counter)

    @property
    def endpoint(self) -> str:
        return endpoint_of_view(self.request, self.view) if self.view else endpoint_of(self.request)

    def finish(self) -> None:
        """End the measurement and tell the listeners; harmless when done already."""
        try:
            unfinished.remove(self)  # of two threads that end one only one gets further
        except KeyError:
            return
        self.watch.close()
        self.seconds = perf_counter() - self.started
        for listener in (self.listener,) if self.listener else tuple(_listeners):
            listener(self)


Listener = Callable[[Measurement], object]

unfinished: set[Measurement] = set()
"""Requests whose answer is under way, or whose body nobody has consumed or closed yet."""

ASKED = "_querybudget_asked"
"""Attribute of a request: its environment as it came, without what is found out for it on the way."""

_lock = threading.Lock()
_listeners: list[Listener] = []
_originals: list[tuple[type, str, Any]] = []
_measured: ContextVar[Measurement | None] = ContextVar("querybudget_measurement", default=None)
_ignored: ContextVar[bool] = ContextVar("querybudget_ignored", default=False)
_unrendered: WeakKeyDictionary[HttpResponseBase, Measurement] = WeakKeyDictionary()


def start(listener: Listener) -> None:
    """Tell `listener` of each finished request of this process. Django's settings must be configured."""
    with _lock:
        if not _listeners:
            tracing.acquire()
            hooks.acquire()  # for the whole time: patching anew for each request would cost more than it counts
            _install()
        _listeners.append(listener)


def stop(listener: Listener) -> None:
    """The reverse of `start`; the last one takes the hooks out."""
    with _lock:
        _listeners.remove(listener)
        if not _listeners:
            while _originals:
                owner, name, original = _originals.pop()
                setattr(owner, name, original)
            hooks.release()
            tracing.release()


@contextlib.contextmanager
def unmeasured() -> Iterator[None]:
    """Take no request of the block for one that a test made."""
    with bound(_ignored, True):
        yield


def _install() -> None:
    _replace(BaseHandler, "get_response", _get_response)
    _replace(BaseHandler, "get_response_async", _get_response_async)
    _replace(SimpleTemplateResponse, "render", _render)
    _replace(View, "dispatch", _dispatch)
    with contextlib.suppress(ImportError):
        from rest_framework.views import APIView

        _replace(APIView, "dispatch", _dispatch)


def _replace(owner: type, name: str, hook: Callable[[Any], Any]) -> None:
    original = vars(owner)[name]
    replacement = functools.update_wrapper(hook(original), original, updated=())
    del replacement.__wrapped__  # `as_view` copies what a dispatch carries to the view it makes
    _originals.append((owner, name, original))
    setattr(owner, name, replacement)


class measuring:  # noqa: N801  # a class, as a generator takes twice as long
    """Measure the block; the measurement outlives it only if `answered` says so."""

    __slots__ = ("_listening", "_token", "measurement")

    def __init__(self, measurement: Measurement) -> None:
        self.measurement = measurement

    def __enter__(self) -> Measurement:
        self.measurement.watch.open()
        unfinished.add(self.measurement)
        self._token = _measured.set(self.measurement)
        self._listening = self.measurement.watch.listen()
        return self.measurement

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        listening.reset(self._listening)
        _measured.reset(self._token)
        if kind:
            self.measurement.finish()


def answered(measurement: Measurement, response: Any) -> None:
    """The view has returned: finish now, or when the body has been made."""
    measurement.response = response
    if getattr(response, "streaming", False):
        _follow_body(measurement, response)
    elif getattr(response, "is_rendered", True):
        measurement.finish()
    else:
        _unrendered[response] = measurement


def _follow_body(measurement: Measurement, response: Any) -> None:
    response._resource_closers.append(measurement.finish)
    if getattr(response, "file_to_stream", None) is not None:
        return  # the server may send the file by itself
    pieces = _async_pieces if response.is_async else _pieces
    response.streaming_content = pieces(measurement, response.streaming_content)


def _pieces(measurement: Measurement, body: Iterator[bytes]) -> Iterator[bytes]:
    try:
        while True:
            with measurement.watch.resume():
                try:
                    piece = next(body)
                except StopIteration:
                    measurement.exhausted = True
                    return
            yield piece
    finally:
        measurement.finish()


async def _async_pieces(measurement: Measurement, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while True:
            with measurement.watch.resume():
                try:
                    piece = await anext(body)
                except StopAsyncIteration:
                    return
            yield piece
    finally:
        measurement.finish()


def _get_response(original: Any) -> Any:
    def get_response(self: BaseHandler, request: HttpRequest) -> Any:
        if _ignored.get():
            return original(self, request)
        setattr(request, ASKED, dict(request.META))
        with measuring(Measurement(request)) as measurement:
            response = original(self, request)
        answered(measurement, response)
        return response

    return get_response


def _get_response_async(original: Any) -> Any:
    async def get_response_async(self: BaseHandler, request: HttpRequest) -> Any:
        with measuring(Measurement(request)) as measurement:
            response = await original(self, request)
        answered(measurement, response)
        return response

    return get_response_async


def _dispatch(original: Any) -> Any:
    def dispatch(self: View, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if _measured.get() is not None or _ignored.get():
            return original(self, request, *args, **kwargs)
        measurement = Measurement(request, type(self))
        with measuring(measurement):
            response = original(self, request, *args, **kwargs)
        if inspect.isawaitable(response):
            return _awaited(measurement, response)
        answered(measurement, response)
        return response

    return dispatch


async def _awaited(measurement: Measurement, response: Any) -> Any:
    token = _measured.set(measurement)
    try:
        with measurement.watch.resume():
            answer = await response
    except BaseException:
        measurement.finish()
        raise
    finally:
        _measured.reset(token)
    answered(measurement, answer)
    return answer


def _render(original: Any) -> Any:
    def render(self: SimpleTemplateResponse) -> Any:
        measurement = _unrendered.pop(self, None)
        if measurement is None:
            return original(self)
        try:
            with measurement.watch.resume():
                return original(self)
        finally:
            measurement.finish()

    return render
