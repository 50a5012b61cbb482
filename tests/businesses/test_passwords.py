"""A changed password makes all tokens of its user worthless; a renewed hash of the same one does not."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from knox.models import get_token_model
from rest_framework.test import APIClient

from api.models import Revision
from businesses import tokens
from businesses.models import User
from tests import factories

pytestmark = pytest.mark.django_db

OLD, NEW = "an old password", "another, newer password"


in_between = pytest.mark.query_budget(None, "POST /api/auth/login", reason="a hash is renewed, or changed, in between")


class Weak(PBKDF2PasswordHasher):
    """What passwords were hashed with once."""

    iterations = 1


@pytest.fixture
def person() -> User:
    found = factories.member(factories.office())
    found.set_password(OLD)
    found.save()
    return found


def status(token: str) -> int:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return int(client.get("/api/me").status_code)


def login(person: User, password: str = OLD) -> Any:
    return APIClient().post("/api/auth/login", {"username": person.username, "password": password})


def set_password(person: User) -> None:
    person.set_password(NEW)
    person.save()


def set_one_column(person: User) -> None:
    person.set_password(NEW)
    person.save(update_fields=["password"])


def assign(person: User) -> None:
    person.password = make_password(NEW)
    person.save()


def update(person: User) -> None:
    User.objects.filter(pk=person.pk).update(password=make_password(NEW))


def bulk_update(person: User) -> None:
    person.password = make_password(NEW)
    User.objects.bulk_update([person], ["password"])


def write_sql(person: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE businesses_user SET password = %s WHERE id = %s", [make_password(NEW), person.pk])


def make_unusable(person: User) -> None:
    person.set_unusable_password()
    person.save()


def change_by_command(person: User) -> None:
    from unittest.mock import patch

    with patch("getpass.getpass", lambda prompt="": NEW):
        call_command("changepassword", person.username, stdout=io.StringIO())


def change_in_the_admin(person: User) -> None:
    admin = Client()
    admin.force_login(factories.user(is_staff=True, is_superuser=True))
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    answer = admin.post(f"/admin/businesses/user/{person.pk}/password/", form)
    assert answer.status_code == 302, answer.content


WAYS = [
    *(set_password, set_one_column, assign, update, bulk_update, write_sql, make_unusable),
    *(change_by_command, change_in_the_admin),
]


@pytest.mark.parametrize("change", WAYS, ids=lambda change: change.__name__)
def test_a_changed_password_makes_all_tokens_worthless(person: User, change: Callable[[User], None]) -> None:
    mine, another = [tokens.issue(person)[0] for _ in range(2)], tokens.issue(factories.user())[0]
    assert [status(token) for token in (*mine, another)] == [200] * 3
    change(person)
    assert [status(token) for token in (*mine, another)] == [401, 401, 200]
    assert not person.check_password(OLD) or User.objects.get(pk=person.pk).password != person.password


def test_it_is_undone_with_the_change(person: User) -> None:
    token = tokens.issue(person)[0]
    with transaction.atomic():
        set_password(person)
        transaction.set_rollback(True)
    assert status(token) == 200


def test_other_changes_of_a_user_leave_tokens_alone(person: User) -> None:
    token = tokens.issue(person)[0]
    person.first_name = "Grace"
    person.save()
    User.objects.filter(pk=person.pk).update(password=person.password)
    assert status(token) == 200


# --- The same password by another hasher


@pytest.fixture
def renewed(person: User) -> User:
    """Somebody whose password gets a new hash at the next login."""
    person.password = Weak().encode(OLD, "salt")
    person.save()
    return person


@in_between
def test_a_login_that_renews_the_hash_keeps_the_tokens(renewed: User) -> None:
    token = tokens.issue(renewed)[0]
    answer = login(renewed)
    assert User.objects.get(pk=renewed.pk).password != renewed.password
    assert [status(each) for each in (token, answer.json()["token"])] == [200, 200]
    assert not Revision.objects.filter(name__startswith=Revision.REHASH).exists()
    assert login(renewed).status_code == 200


@in_between
def test_after_it_a_change_counts(renewed: User) -> None:
    token = login(renewed).json()["token"]
    renewed.refresh_from_db()
    set_password(renewed)
    assert status(token) == 401


def test_an_asynchronous_check_renews_it_too(renewed: User) -> None:
    token = tokens.issue(renewed)[0]
    assert async_to_sync(renewed.acheck_password)(OLD)
    assert User.objects.get(pk=renewed.pk).password == renewed.password != Weak().encode(OLD, "salt")
    assert status(token) == 200


def test_to_renew_a_hash_undoes_no_change(renewed: User) -> None:
    read_before = User.objects.get(pk=renewed.pk)
    set_password(renewed)
    assert read_before.check_password(OLD)
    assert User.objects.get(pk=renewed.pk).check_password(NEW)


def test_a_login_that_a_change_overtakes_gets_no_token(person: User) -> None:
    read_before = User.objects.get(pk=person.pk)
    set_password(person)
    with pytest.raises(tokens.PasswordChangedError):
        tokens.issue(read_before)


@in_between
def test_a_login_that_another_overtakes_gets_one(renewed: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from businesses import views

    authenticate = views.authenticate
    overtaken: list[bool] = []

    def slowly(request: Any, **credentials: str) -> Any:
        found = authenticate(request, **credentials)
        if not overtaken:
            overtaken.append(True)
            User.objects.filter(pk=renewed.pk).update(password=make_password(OLD))
        return found

    monkeypatch.setattr(views, "authenticate", slowly)
    assert status(login(renewed).json()["token"]) == 200


@in_between
def test_a_login_that_a_change_overtakes_is_refused(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from businesses import views

    authenticate = views.authenticate

    def slowly(request: Any, **credentials: str) -> Any:
        found = authenticate(request, **credentials)
        update(person)
        return found

    monkeypatch.setattr(views, "authenticate", slowly)
    assert login(person).status_code == 401
    assert not get_token_model().objects.filter(user=person).exists()


# --- Logging out everywhere


def test_logging_out_everywhere_makes_all_tokens_worthless(person: User) -> None:
    mine, another = [tokens.issue(person)[0] for _ in range(3)], tokens.issue(factories.user())[0]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {mine[0]}")
    assert client.post("/api/auth/logout/all").status_code == 204
    assert [status(token) for token in (*mine, another)] == [401, 401, 401, 200]
    assert client.post("/api/auth/logout/all").status_code == 401
    assert login(person).status_code == 200


def test_logging_out_everywhere_needs_a_token(person: User) -> None:
    assert APIClient().post("/api/auth/logout/all").status_code == 401
    browser = APIClient()
    browser.force_login(person)
    assert browser.post("/api/auth/logout/all").status_code == 401


def test_an_inactive_user_is_refused(person: User) -> None:
    token = tokens.issue(person)[0]
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert status(token) == 401
