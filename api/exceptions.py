"""What DRF has no exception for. A module of its own, as DRF imports parsers, and so this, first."""

from __future__ import annotations

from rest_framework import exceptions


class Conflict(exceptions.APIException):
    """409: the request was right for a state that the resource is no longer in."""

    status_code = 409
    default_code = "conflict"


class Unprocessable(exceptions.APIException):
    """422: understood, but it contradicts an earlier request."""

    status_code = 422
    default_code = "unprocessable"


class TooLarge(exceptions.APIException):
    """413: the body is longer than the service reads."""

    status_code = 413
    default_code = "too_large"


class Unavailable(exceptions.APIException):
    """503: something the answer needs is away for now; `Retry-After` says when to come back."""

    status_code = 503
    default_code = "unavailable"
    wait = 5


class Busy(Unavailable):
    """503: others are in the way, for a moment."""

    default_code = "busy"
    wait = 1
