"""One log line for each request, and the same figures as counters."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import brotli
import pytest
from django.conf import settings
from django.test import Client
from pythonjsonlogger.json import JsonFormatter

from businesses import tokens
from businesses.models import Office, User
from config import metrics
from querybudget.middleware import request_measured
from tests import factories

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def office(db: None) -> Office:
    return factories.office(factories.company())


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """The lines of the access log, as they would be printed."""
    caplog.set_level("INFO", "access")
    return lambda: [json.loads(JsonFormatter().format(entry)) for entry in caplog.records if entry.name == "access"]


def test_a_request_is_one_line(logged: Any, client_of: Any, owner: User, office: Office) -> None:
    order = factories.order(office, owner)
    token = client_of(owner)
    token.get(f"/api/orders/{order.pk}?fields=id", headers={"X-Request-Id": "a-request-id"})
    (line,) = logged()
    assert line["milliseconds"] >= line["database_milliseconds"] > 0
    assert {name: line[name] for name in ("id", "method", "route", "status", "queries", "user")} == {
        "id": "a-request-id",
        "method": "GET",
        "route": "/api/orders/{id}",
        "status": 200,
        "queries": 2,
        "user": owner.pk,
    }


def test_no_path_query_or_token_is_logged(logged: Any, owner: User, office: Office, caplog: Any) -> None:
    token = tokens.issue(owner)[0]
    client = Client(headers={"Authorization": f"Token {token}"})
    assert client.get("/api/orders?search=2026-0000-secret").status_code == 200
    client.post("/api/auth/login", {"username": "somebody", "password": "secret-too"}, "application/json")
    assert len(logged()) == 2
    for secret in (token, "secret", "somebody"):
        assert secret not in json.dumps(logged())


def test_nobody_has_no_user_and_no_session_is_asked(logged: Any, db: None) -> None:
    Client().get("/healthz")
    Client().get("/nowhere/at/all")
    assert [(line["route"], line["queries"], "user" in line) for line in logged()] == [
        ("/healthz", 0, False),
        ("(no route)", 0, False),
    ]


def test_an_admin_is_named(logged: Any, db: None) -> None:
    admin = User.objects.create_superuser("admin", "a@example.com", "secret-secret")
    client = Client()
    client.force_login(admin)
    client.get("/admin/")
    assert logged()[0]["user"] == admin.pk


def test_a_stream_is_logged_when_its_last_byte_has_left(
    logged: Any, client_of: Any, owner: User, office: Office
) -> None:
    factories.order(office, owner)
    response = client_of(owner).get("/api/orders/export")
    assert logged() == []
    b"".join(response)
    assert [(line["route"], line["queries"]) for line in logged()] == [
        ("/api/orders/export", 2 if settings.FAST else 3)
    ]


@pytest.mark.parametrize("header", ["", "tomorrow", "1700000000000"])
def test_the_time_in_the_routers_queue_is_known_only_behind_it(
    logged: Any, settings: Any, db: None, header: str
) -> None:
    settings.SHED_AFTER = 10**12
    Client().get("/healthz", headers={"X-Request-Start": header})
    settings.BEHIND_ROUTER = True
    Client().get("/healthz", headers={"X-Request-Start": header})
    outside, behind = logged()
    assert "queue_milliseconds" not in outside
    assert behind["queue_milliseconds"] > 10**10 if header.isdecimal() else behind["queue_milliseconds"] == 0


def test_every_line_of_a_server_is_a_json_object(tmp_path: Path) -> None:
    environment = os.environ | {"PORT": "0", "HOST": "127.0.0.1", "LOG_LEVEL": "INFO"}
    command = [sys.executable, "-m", "config.server"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        first = json.loads(server.stdout.readline())
        port = re.search(r":(\d+)", first["event"])
        assert port
        subprocess.run(["curl", "-s", f"http://127.0.0.1:{port[1]}/healthz"], check=True, capture_output=True)
        second = json.loads(server.stdout.readline())
        server.terminate()
    assert first.keys() >= {"time", "level", "logger", "event"}
    assert (second["logger"], second["event"], second["route"]) == ("access", "request", "/healthz")


# --- Counters


@pytest.fixture
def counting(settings: Any) -> Iterator[str]:
    settings.METRICS_TOKEN = "a-token"
    request_measured.connect(metrics.count_request)
    yield "Bearer a-token"
    request_measured.disconnect(metrics.count_request)


def test_requests_are_counted(counting: str, client_of: Any, owner: User, office: Office) -> None:
    def counts() -> dict[str, float]:
        text = Client().get("/-/metrics", headers={"Authorization": counting}).content.decode()
        lines = [line.rpartition(" ") for line in text.splitlines() if 'route="/api/offices"' in line]
        return {name: float(value) for name, _, value in lines}

    before = counts()
    client_of(owner).get("/api/offices")
    after = counts()
    rise = {name: value - before.get(name, 0) for name, value in after.items() if value - before.get(name, 0)}
    labels = 'method="GET",route="/api/offices"'
    assert rise[f'orders_requests_total{{{labels},status="200"}}'] == 1
    assert rise[f"orders_request_seconds_count{{{labels}}}"] == 1
    assert rise[f"orders_request_queries_sum{{{labels}}}"] == 2


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Bearer ", "Bearer é"])
def test_without_the_token_there_are_no_metrics(counting: str, given: str) -> None:
    assert Client().get("/-/metrics", headers={"Authorization": given}).status_code == 404


def test_without_a_token_of_ours_nobody_has_the_right_one(settings: Any) -> None:
    assert Client().get("/-/metrics", headers={"Authorization": "Bearer "}).status_code == 404


# --- Errors


def test_an_error_is_reported_without_what_the_client_sent() -> None:
    received: list[bytes] = []

    class Sentry(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append({"br": brotli, "gzip": gzip}[self.headers["Content-Encoding"]].decompress(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Sentry) as sentry:
        threading.Thread(target=sentry.serve_forever).start()
        program = """if True:
            from unittest import mock
            from django.test import RequestFactory
            import sentry_sdk
            from config.wsgi import application
            headers = {"Authorization": "Token secret", "Cookie": "sessionid=secret"}
            asked = RequestFactory().generic("GET", "/readyz?q=secret", "a=secret", headers=headers)
            with mock.patch("config.health.database.ask", side_effect=RuntimeError("broken")):
                b"".join(application(asked.environ, lambda *_: None))
            sentry_sdk.flush(10)
        """
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SENTRY_DSN": f"http://key@127.0.0.1:{sentry.server_address[1]}/1",
        }
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True, capture_output=True)
        sentry.shutdown()
    text = b"".join(received).decode()
    assert "RuntimeError" in text
    assert "secret" not in text
