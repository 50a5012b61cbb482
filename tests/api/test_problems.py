"""Every error is an RFC 9457 problem document with the request's id, and tells nothing of the inside."""

from __future__ import annotations

import json
import uuid
from io import BytesIO
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.db import DatabaseError, IntegrityError, InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpResponse
from django.test import Client, RequestFactory
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory

from api.exceptions import Busy, Conflict, TooLarge, Unavailable, Unprocessable
from api.problems import MEDIA_TYPE
from api.views import ApiView
from config.wsgi import application
from tests import factories, outages

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}


class Failing(ApiView):
    """Raises what it is given."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    failure: Exception

    def get(self, request: Request) -> Response:
        raise self.failure


def raising(failure: Exception) -> Any:
    made: Any = type("Made", (Failing,), {"failure": failure})
    return made.as_view()


# --- The document


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (exceptions.ValidationError({"office": ["No."]}), 400, "invalid"),
        (exceptions.ParseError("JSON parse error"), 400, "parse_error"),
        (TooManyFieldsSent("too many"), 400, "too_many_parameters"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.AuthenticationFailed(), 401, "authentication_failed"),
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (PermissionDenied(), 403, "permission_denied"),
        (exceptions.NotFound(), 404, "not_found"),
        (Http404(), 404, "not_found"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.NotAcceptable(), 406, "not_acceptable"),
        (Conflict("moved on", "stale_version"), 409, "stale_version"),
        (TooLarge("too long"), 413, "too_large"),
        (RequestDataTooBig(), 413, "too_large"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (Unprocessable("reused", "idempotency_key_reused"), 422, "idempotency_key_reused"),
        (exceptions.Throttled(7), 429, "throttled"),
        (RuntimeError("secret"), 500, "error"),
        (IntegrityError("secret"), 500, "error"),
        (Unavailable("away"), 503, "unavailable"),
        (OperationalError("secret"), 503, "database_unavailable"),
        (InterfaceError("secret"), 503, "database_unavailable"),
    ],
)
def test_every_exception_is_a_problem(failure: Exception, status: int, code: str) -> None:
    # An exception of authentication is a 401 in a view that says how to authenticate.
    made: Any = type("Made", (Failing,), {"failure": failure, "get_authenticate_header": lambda *_: "Token"})
    response = made.as_view()(APIRequestFactory().get("/api/thing")).render()
    problem = json.loads(response.content)
    assert response.status_code == problem["status"] == status
    assert response.headers["Content-Type"] == MEDIA_TYPE
    assert problem["code"] == code
    assert problem["type"] == f"urn:problem:orders:{code}"
    assert set(problem) == MEMBERS
    assert "secret" not in response.content.decode()


def test_each_wrong_field_is_named_with_its_path() -> None:
    failure = exceptions.ValidationError({"lines": {"1": {"sku": ["No such product."]}}, "office": ["Unknown."]})
    problem = json.loads(raising(failure)(APIRequestFactory().get("/")).render().content)
    assert {error["name"]: error["detail"] for error in problem["errors"]} == {
        "lines.1.sku": "No such product.",
        "office": "Unknown.",
    }


def test_the_detail_names_what_is_wrong() -> None:
    failure = exceptions.ValidationError({"office": ["Unknown."]})
    assert json.loads(raising(failure)(APIRequestFactory().get("/")).render().content)["detail"] == "office: Unknown."


def test_an_error_without_a_code_is_just_invalid() -> None:
    failure = exceptions.ValidationError({"office": [exceptions.ErrorDetail("Unknown.", code=None)]})
    problem = json.loads(raising(failure)(APIRequestFactory().get("/")).render().content)
    assert problem["errors"][0]["code"] == "invalid"


def test_the_instance_is_the_path_without_its_query() -> None:
    problem = APIClient().get("/api/nothing?token=secret").json()
    assert problem["instance"] == "/api/nothing"
    assert "secret" not in str(problem)


@pytest.mark.parametrize(
    ("failure", "wait"),
    [(exceptions.Throttled(7), "7"), (OperationalError("away"), "5"), (Unavailable("away"), "5")],
)
def test_what_passes_says_when_to_come_back(failure: Exception, wait: str) -> None:
    assert raising(failure)(APIRequestFactory().get("/")).headers["Retry-After"] == wait


def test_a_query_that_the_database_refused_is_no_outage() -> None:
    class RefusedError(Exception):
        pgcode = "42601"  # a syntax error

    failure = OperationalError("secret")
    failure.__cause__ = RefusedError()
    assert raising(failure)(APIRequestFactory().get("/")).status_code == 500


@pytest.mark.parametrize(
    ("kind", "state", "status"),
    [
        (InternalError, "25006", 503),
        (InternalError, "25P03", 503),
        (InternalError, "25001", 500),
        (DatabaseError, "72000", 503),
        (DatabaseError, None, 500),
        (OperationalError, "58030", 503),
        (OperationalError, "54000", 500),
        (IntegrityError, "40002", 503),
    ],
)
def test_the_state_decides_and_not_the_class(kind: type[Exception], state: str | None, status: int) -> None:
    class SaidError(Exception):
        pgcode = state

    failure = kind("secret")
    failure.__cause__ = SaidError()
    assert raising(failure)(APIRequestFactory().get("/")).status_code == status


def test_who_is_in_the_way_is_so_for_a_moment() -> None:
    assert raising(Busy("busy"))(APIRequestFactory().get("/")).headers["Retry-After"] == "1"


def test_401_says_how_to_authenticate() -> None:
    assert APIClient().get("/api/orders").headers["WWW-Authenticate"] == "Token"


def test_405_lists_what_is_allowed() -> None:
    assert APIClient().get("/api/auth/login").headers["Allow"] == "POST, OPTIONS"


def test_a_problem_may_not_be_kept() -> None:
    headers = APIClient().get("/api/orders").headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert {"Accept", "Authorization"} <= {name.strip() for name in headers["Vary"].split(",")}


# --- Before and around the views


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/orders/", "/api/orders/x", "/api/%ff%00"])
def test_a_path_of_the_api_that_is_not_there_is_a_problem(path: str) -> None:
    response = APIClient().get(path)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == MEDIA_TYPE


def test_a_path_that_is_not_the_apis_keeps_djangos_page() -> None:
    response = Client().get("/nothing")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "media_type"), [("/api/orders", MEDIA_TYPE), ("/apiary", "text/html"), ("/healthz", "text/html")]
)
def test_a_host_that_is_not_ours_is_refused(path: str, media_type: str) -> None:
    response = Client(headers={"host": "evil.example"}).get(path)
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith(media_type)


@pytest.mark.django_db
def test_more_parameters_than_are_read_are_refused(client_of: Any, settings: Any) -> None:
    query = urlencode([("office", 1)] * (settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))
    response = client_of(factories.user()).get(f"/api/orders?{query}")
    assert response.status_code == 400
    assert response.headers["Content-Type"] == MEDIA_TYPE


@pytest.mark.django_db
def test_a_thousand_offices_and_another_parameter_are_read(client_of: Any) -> None:
    query = urlencode([("group_by", "office")] + [("office", number) for number in range(1, 1001)])
    assert client_of(factories.user()).get(f"/api/orders/summary?{query}").status_code == 200


@pytest.mark.parametrize("charset", ["zlib", "rot13", "utf-16", "idna", "nonsense"])
def test_a_charset_that_a_client_claims_changes_nothing(charset: str) -> None:
    body = b'{"username": "ada"}'
    environ = RequestFactory().generic("GET", "/api/auth/login", QUERY_STRING="a=%31").environ | {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": f"application/json; charset={charset}",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        "HTTP_HOST": "localhost",
    }
    serve: Any = application
    answered: dict[str, str] = {}
    chunks = serve(environ, lambda status, headers: answered.update(status=status))
    assert answered["status"] == "400 Bad Request"
    assert json.loads(b"".join(chunks))["errors"][0]["name"] == "a"


# --- Request ids


def test_a_request_gets_an_id_in_header_and_problem() -> None:
    response = APIClient().get("/api/nothing")
    assert response.json()["request_id"] == response.headers["X-Request-Id"]
    assert uuid.UUID(response.headers["X-Request-Id"])


def test_the_routers_id_is_kept() -> None:
    given = "0af7651916cd43dd8448-eb211c80319c"
    response = APIClient().get("/api/nothing", headers={"X-Request-Id": given})
    assert response.json()["request_id"] == response.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["short", "x" * 201, "with space 123", "<script>alert(1)</script>", "é" * 10])
def test_an_implausible_id_is_replaced(given: str) -> None:
    assert APIClient().get("/api/nothing", headers={"X-Request-Id": given}).headers["X-Request-Id"] != given


def test_pages_that_are_not_the_apis_carry_an_id_too() -> None:
    assert Client().get("/healthz").headers["X-Request-Id"]


# --- Failures


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.django_db(transaction=True)
def test_with_the_database_away_a_client_is_asked_to_come_back(client_of: Any, accept: str) -> None:
    client = client_of(factories.user())
    client.raise_request_exception = False
    with outages.database_away():
        response = client.get("/api/orders", headers={"accept": accept})
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"


@pytest.mark.django_db(transaction=True)
def test_with_the_database_away_the_problem_tells_no_address(client_of: Any) -> None:
    client = client_of(factories.user())
    client.raise_request_exception = False
    with outages.database_away():
        response = client.get("/api/orders")
    assert response.json()["code"] == "database_unavailable"
    assert "127.0.0.1" not in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_once_the_database_is_back_requests_are_answered(client_of: Any) -> None:
    client = client_of(factories.user())
    client.raise_request_exception = False
    with outages.database_away():
        client.get("/api/orders")
    assert client.get("/api/orders").status_code == 200


def test_a_failure_outside_the_views_is_a_problem_too() -> None:
    from config.errors import server_error

    response = server_error(RequestFactory().get("/api/orders"))
    assert response.status_code == 500
    assert response.headers["Content-Type"] == MEDIA_TYPE


@pytest.mark.django_db(transaction=True)
def test_a_page_without_the_database_is_unavailable() -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "0123456789abcdefghijklmnopqrstuv"
    with outages.database_away():
        response = client.get("/admin/")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert b"127.0.0.1" not in response.content


def test_a_page_whose_deadline_has_passed_is_unavailable() -> None:
    from config.errors import server_error

    page: Any
    problem: Any
    try:
        raise Unavailable("late", "deadline_exceeded")
    except Unavailable:
        page, problem = (
            cast("HttpResponse", server_error(RequestFactory().get(path))) for path in ("/admin/", "/api/orders")
        )
    assert (page.status_code, problem.status_code) == (503, 503)
    assert json.loads(problem.content)["code"] == "deadline_exceeded"
