"""What browsers are told: no script but ours, no frame, no guessing of types."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client

from businesses.models import User
from tests import factories

PAGES = ["/api/docs", "/admin/login/", "/admin/", "/admin/orders/order/", "/api/orders", "/api/nothing"]


@pytest.fixture
def browser(db: None) -> Client:
    client = Client(headers={"Accept": "text/html"})
    client.force_login(User.objects.create_superuser("admin", "a@example.com", "secret-secret"))
    return client


@pytest.mark.parametrize("url", PAGES)
def test_scripts_come_from_here_and_are_never_inline(browser: Client, url: str) -> None:
    answered = browser.get(url)
    policy = dict(part.strip().partition(" ")[::2] for part in answered.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    page = answered.content.decode()
    assert not re.search(r"<script(?![^>]*(\ssrc=|type=\"application/json\"))[^>]*>", page)
    assert not re.search(r"<[^>]+\son\w+=", page)


def test_a_cdn_may_serve_the_files() -> None:
    program = "from django.conf import settings; print(settings.CONTENT_SECURITY_POLICY['DIRECTIVES']['script-src'])"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "STATIC_HOST": "https://cdn.example"}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "https://cdn.example" in told.stdout


def test_types_are_not_guessed_and_nothing_is_framed(browser: Client) -> None:
    headers = browser.get("/api/docs").headers
    assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert headers["Referrer-Policy"] == "same-origin"


def test_documents_of_the_api_have_the_policy_too(client_of: Any, db: None) -> None:
    assert "default-src 'none'" in client_of(factories.user()).get("/api/orders").headers["Content-Security-Policy"]
