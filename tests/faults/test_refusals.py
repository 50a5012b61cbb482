"""What must not go through is refused, with one line that says why."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import factories, outages
from tests.faults.conftest import Serve
from tests.service import ROOT, Client, Service

if TYPE_CHECKING:
    from businesses.models import Office, User

CONFIGURED = {
    "SECRET_KEY": "refusals" * 8,
    "ALLOWED_HOSTS": "app.example",
    "DATABASE_URL": f"postgres://service@127.0.0.1:{outages.closed_port()}/orders",
    "SECURE_HSTS_SECONDS": "31536000",
}


def release(**variables: str) -> subprocess.CompletedProcess[str]:
    """The release phase as the Procfile has it, with these variables and no others."""
    command = (ROOT / "Procfile").read_text().split("release: ")[1].splitlines()[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=variables | {"PATH": path}, capture_output=True, text=True, check=False
    )


def test_a_release_without_its_database() -> None:
    failed = release(**CONFIGURED)
    assert failed.returncode != 0
    (line,) = [line for line in failed.stderr.splitlines() if not line.startswith("System check")]
    assert line.startswith("error: ")
    assert "Connection refused" in line


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS"])
def test_a_release_without_a_variable(name: str) -> None:
    failed = release(**{key: value for key, value in CONFIGURED.items() if key != name})
    assert failed.returncode != 0
    assert f"{name} is not set." in failed.stderr
    assert "Traceback" not in failed.stderr


def asked(service: Service, **headers: str) -> tuple[int, str]:
    """Status and Location of a request with exactly these headers."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("GET", "/api/me", headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers.get("Location", "")


def test_a_wrong_host(serve_here: Serve) -> None:
    service = serve_here()
    before = len(service.log)
    assert asked(service, Host="evil.example") == (400, "")
    time.sleep(0.2)
    lines = [line for line in service.log[before:] if '"logger": "access"' not in line]
    assert len(lines) == 1, lines
    assert "evil.example" in lines[0]


def test_a_strangers_proxy_headers(serve_here: Serve, token: str, office: Office, owner: User) -> None:
    """Without a router in front nobody can pass for https, or make the service shed their request."""
    factories.order(office, owner)
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.9"}
    secure = serve_here(HTTPS="1", BEHIND_ROUTER="0")
    assert asked(secure, Host="localhost", **forged) == (301, "https://localhost/api/me")
    plain = serve_here(HTTPS="0", BEHIND_ROUTER="0")
    answer = Client(plain.port, token).get("/api/orders", **forged, **{"X-Request-Start": "1000000000000"})
    assert answer.status == 200
    assert b"evil.example" not in answer.body
