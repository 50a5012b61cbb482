"""What anybody may ask for costs little, or is counted: log-ins, wrong tokens, OPTIONS, the API's document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client
from django.test.client import MULTIPART_CONTENT
from drf_spectacular.generators import SchemaGenerator

from config.documents import SchemaView
from tests import factories

pytestmark = pytest.mark.django_db
LONG = 10**9  # seconds; no window ends while a test runs
GUESS = "guess"
LOGINS = ["/admin/login/", "/api/auth/login"]


@pytest.fixture
def limit(settings: Any) -> Callable[..., None]:
    """`limit(user=3)` sets limits of a long window; all others are lifted."""

    def set_to(**limits: int) -> None:
        given = {name.replace("_", "-"): (limit, LONG) for name, limit in limits.items()}
        settings.THROTTLES = dict.fromkeys(settings.THROTTLES, (10**6, LONG)) | given

    return set_to


def guess(path: str, username: str, address: str = "10.0.0.1", password: str = GUESS) -> Any:
    kind = MULTIPART_CONTENT if path.startswith("/admin/") else "application/json"
    return Client(REMOTE_ADDR=address).post(path, {"username": username, "password": password}, content_type=kind)


# --- Log-ins


@pytest.mark.parametrize("path", LOGINS)
@pytest.mark.parametrize("policy", ["login_address", "login_user"])
def test_log_ins_are_limited(limit: Callable[..., None], path: str, policy: str) -> None:
    limit(**{policy: 3})
    who = (lambda n: ("somebody", f"10.0.0.{n}")) if policy == "login_user" else (lambda n: (f"user{n}", "10.0.0.1"))
    statuses = [guess(path, *who(number)).status_code for number in range(3)]
    with patch.object(PBKDF2PasswordHasher, "encode") as hashed:
        refused = guess(path, *who(4))
    assert 429 not in statuses
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert not hashed.called


def test_both_count_as_one(limit: Callable[..., None]) -> None:
    limit(login_user=2)
    for path in LOGINS:
        assert guess(path, "Somebody").status_code != 429
    assert {guess(path, "somebody").status_code for path in LOGINS} == {429}


def test_the_admins_log_in_lets_in(limit: Callable[..., None]) -> None:
    limit(login_user=2)
    user = factories.user(is_staff=True, is_superuser=True)
    user.set_password("right")
    user.save()
    answer = guess("/admin/login/?next=/admin/", user.username, password="right")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    assert Client().get("/admin/login/").status_code == 200


# --- Tokens


def test_who_guesses_tokens_is_told_to_stop(limit: Callable[..., None], office: Any) -> None:
    from businesses import tokens

    limit(anonymous=5)
    client = Client(REMOTE_ADDR="10.0.0.2")
    wrong = [client.get("/api/orders", headers={"Authorization": f"Token {n:064d}"}) for n in range(8)]
    assert [answer.status_code for answer in wrong] == [401] * 5 + [429] * 3
    assert int(wrong[-1].headers["Retry-After"]) > 0
    none = client.get("/api/orders")
    assert none.status_code == 429
    assert client.post("/api/orders", {}, content_type="application/json").status_code == 429
    right = {"Authorization": f"Token {tokens.issue(factories.member(office))[0]}"}
    assert client.get("/api/orders", headers=right).status_code == 200  # their neighbours are none
    assert Client(REMOTE_ADDR="10.0.0.3").get("/api/orders").status_code == 401


@pytest.mark.parametrize("path", ["/api/orders", "/api/orders/1", "/api/orders/export", "/api/me", "/api/products"])
def test_options_are_counted(limit: Callable[..., None], office: Any, path: str) -> None:
    from businesses import tokens

    limit(user=3)
    headers = {"Authorization": f"Token {tokens.issue(factories.member(office))[0]}"}
    statuses = [Client().options(path, headers=headers).status_code for _ in range(5)]
    assert statuses == [200] * 3 + [429] * 2


# --- Documents


@pytest.fixture
def generated() -> Any:
    SchemaView.made.clear()
    with patch.object(SchemaGenerator, "get_schema", autospec=True, side_effect=SchemaGenerator.get_schema) as made:
        yield made


def test_the_document_is_made_once(generated: Any) -> None:
    answers = [Client().get("/api/schema", {"version": str(number)}) for number in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert generated.call_count == 1


def test_each_form_of_it_is_its_own(generated: Any) -> None:
    forms = {Client().get("/api/schema", {"format": form}).headers["Content-Type"] for form in ("json", "yaml") * 2}
    assert forms == {"application/vnd.oai.openapi+json", "application/vnd.oai.openapi; charset=utf-8"}
    assert generated.call_count == 2


def test_who_has_it_gets_a_304() -> None:
    first = Client().get("/api/schema")
    for tag in (first.headers["ETag"], f"W/{first.headers['ETag']}", f'"other", {first.headers["ETag"]}'):
        again = Client().get("/api/schema", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    assert Client().get("/api/schema", headers={"If-None-Match": '"other"'}).status_code == 200


# --- Headers


def test_more_tags_than_a_server_takes_are_not_looked_at(office: Any) -> None:
    from businesses import tokens

    headers = {"Authorization": f"Token {tokens.issue(factories.member(office))[0]}"}
    many = ", ".join(f'"{number:032d}"' for number in range(7000))
    with patch("api.pagecache.parse_etags") as parsed:
        answer = Client().get("/api/companies", headers={**headers, "If-None-Match": many})
    assert answer.status_code == 200
    assert not parsed.called
