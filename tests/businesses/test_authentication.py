"""Tokens: what the header may say, whom it is refused to, and what resolving one costs and writes."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from knox.crypto import hash_token
from knox.models import get_token_model
from rest_framework.test import APIClient

from businesses import authentication, tokens
from businesses.models import Role, User
from businesses.scope import Grant
from tests import factories

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def member() -> User:
    return factories.member(factories.company())


def status(header: str | None) -> int:
    headers: Any = {} if header is None else {"HTTP_AUTHORIZATION": header}
    return int(APIClient().get("/api/me", **headers).status_code)


# --- The header


@pytest.mark.parametrize("form", ["Token {}", "token {}", "TOKEN   {}", " Token {} "])
def test_a_token_is_accepted_in_these_forms(member: User, form: str) -> None:
    assert status(form.format(tokens.issue(member)[0])) == 200


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "Basic {}", "Token", "Token {0} {0}", "Token {},", "Token '{}'"])
def test_a_token_is_refused_in_other_forms(member: User, form: str) -> None:
    assert status(form.format(tokens.issue(member)[0])) == 401


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "Token \x00",
        "Token é",
        "Token 🧁".encode().decode("latin-1"),
        "Token " + "a" * 10_000,
        "Token %s" + "'; --",
    ],
)
def test_a_header_that_is_no_token_is_refused(header: str | None) -> None:
    assert status(header) == 401


@pytest.mark.parametrize("header", ["Token é", "Token " + "a" * 201, "Token a b"])
def test_a_header_that_can_be_no_token_costs_no_query(django_assert_num_queries: Any, header: str) -> None:
    with django_assert_num_queries(0):
        status(header)


# --- Whose


def test_an_unknown_token_is_refused() -> None:
    assert status("Token " + "a" * 64) == 401


def test_a_token_that_differs_behind_its_key_is_refused(member: User) -> None:
    token = tokens.issue(member)[0]
    assert status(f"Token {token[:-1]}{'a' if token[-1] != 'a' else 'b'}") == 401


def test_an_expired_token_is_refused(member: User) -> None:
    token = tokens.issue(member)[0]
    get_token_model().objects.update(expiry=datetime.now(UTC) - timedelta(seconds=1))
    assert status(f"Token {token}") == 401


def test_a_token_that_does_not_expire_is_accepted(member: User) -> None:
    token = tokens.issue(member)[0]
    get_token_model().objects.update(expiry=None)
    assert status(f"Token {token}") == 200


def test_an_inactive_users_token_is_refused(member: User) -> None:
    token = tokens.issue(member)[0]
    User.objects.filter(pk=member.pk).update(is_active=False)
    assert status(f"Token {token}") == 401


def test_a_revoked_token_is_refused(member: User) -> None:
    token = tokens.issue(member)[0]
    tokens.revoke(token)
    assert status(f"Token {token}") == 401


def test_revoking_one_token_leaves_the_others(member: User) -> None:
    kept, revoked = tokens.issue(member)[0], tokens.issue(member)[0]
    tokens.revoke(revoked)
    assert status(f"Token {kept}") == 200


def test_a_refusal_does_not_tell_why(member: User) -> None:
    expired, token = tokens.issue(member)[0], "a" * 64
    get_token_model().objects.update(expiry=datetime.now(UTC) - timedelta(days=1))
    answers = [APIClient().get("/api/me", HTTP_AUTHORIZATION=f"Token {text}").json() for text in (expired, token)]
    assert answers[0]["detail"] == answers[1]["detail"]


# --- What it costs


def test_one_query_resolves_token_user_memberships_and_revisions(django_assert_num_queries: Any, member: User) -> None:
    second = factories.office(factories.company(revision=6))
    member.memberships.create(company=second.company, office=second, role=Role.BUYER)
    token = tokens.issue(member)[0]
    with django_assert_num_queries(1):
        user, scope = authentication.resolve(token)
        assert (user.pk, user.username, user.is_authenticated) == (member.pk, member.username, True)
        assert scope.user == member.pk
        assert Grant(second.company_id, second.pk, Role.BUYER) in scope.grants.all
        assert scope.revisions[second.company_id] == 7  # the new office raised it
        assert len(scope.grants.companies) == 2


def test_a_user_without_memberships_has_an_empty_scope() -> None:
    user, scope = authentication.resolve(tokens.issue(factories.user())[0])
    assert (scope.user, scope.grants.all, scope.revisions) == (user.pk, (), {})


@pytest.mark.parametrize("expired", [False, True])
def test_authenticating_writes_nothing(member: User, expired: bool) -> None:
    token = tokens.issue(member)[0]
    if expired:
        get_token_model().objects.update(expiry=datetime.now(UTC) - timedelta(days=1))
    with CaptureQueriesContext(connection) as captured:
        status(f"Token {token}")
    assert {query["sql"].split()[0] for query in captured} == {"SELECT"}


# --- What is stored


def test_tokens_are_stored_hashed(member: User) -> None:
    token = tokens.issue(member)[0]
    (row,) = get_token_model().objects.values()
    assert row["digest"] == hash_token(token)
    assert token not in str(row)


def test_a_new_token_removes_the_users_expired_ones_only(member: User) -> None:
    tokens.issue(member)
    tokens.issue(factories.user())
    get_token_model().objects.update(expiry=datetime.now(UTC) - timedelta(days=1))
    tokens.issue(member)
    assert get_token_model().objects.filter(user=member).count() == 1
    assert get_token_model().objects.count() == 2


def test_a_token_is_hashed_before_it_is_looked_up_and_compared_in_constant_time() -> None:
    body = inspect.getsource(authentication.resolve)
    assert body.index("hash_token(") < body.index("tokens()")
    assert "compare_digest(digest" in body
    assert re.findall(r"digest\s*==|==\s*digest", body) == []


# --- Login and logout


@pytest.fixture
def login(member: User) -> Any:
    member.set_password(PASSWORD)
    member.save()

    def post(username: str = member.username, password: str = PASSWORD) -> Any:
        return APIClient().post("/api/auth/login", {"username": username, "password": password})

    return post


def test_login_answers_a_token_that_works_and_when_it_expires(login: Any) -> None:
    answer = login().json()
    assert status(f"Token {answer['token']}") == 200
    assert datetime.fromisoformat(answer["expires_at"]) > datetime.now(UTC) + timedelta(days=29)


@pytest.mark.parametrize(
    "wrong",
    [{"password": "wrong"}, {"username": "nobody"}, {"password": PASSWORD.upper()}, {"password": f" {PASSWORD} "}],
)
def test_wrong_credentials_are_401_and_tell_nothing(login: Any, wrong: dict[str, str]) -> None:
    response = login(**wrong)
    assert response.status_code == 401
    assert response.json()["detail"] == "Wrong username or password."


def test_an_inactive_user_can_not_log_in(login: Any, member: User) -> None:
    User.objects.filter(pk=member.pk).update(is_active=False)
    assert login().status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"username": "a"}, {"username": "", "password": "b"}, {"username": "a", "password": "b", "otp": "1"}]
)
def test_login_names_what_is_missing_or_unknown(body: dict[str, str]) -> None:
    response = APIClient().post("/api/auth/login", body)
    assert response.status_code == 400
    assert response.json()["errors"]


def test_a_bad_token_does_not_keep_from_logging_in(login: Any, member: User) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Token expired")
    body = {"username": member.username, "password": PASSWORD}
    assert login().status_code == client.post("/api/auth/login", body).status_code == 200


def test_logout_makes_its_token_worthless_and_no_other(login: Any) -> None:
    leaving, staying = login().json()["token"], login().json()["token"]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {leaving}")
    assert client.post("/api/auth/logout").status_code == 204
    assert [status(f"Token {token}") for token in (leaving, staying)] == [401, 200]


def test_logout_needs_a_token() -> None:
    assert APIClient().post("/api/auth/logout").status_code == 401
