"""manage.py create_token USER"""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from businesses.authentication import resolve
from tests import factories

pytestmark = pytest.mark.django_db


def created(username: str) -> str:
    output = StringIO()
    call_command("create_token", username, stdout=output)
    return output.getvalue()


def test_it_prints_a_token_and_nothing_else() -> None:
    user = factories.user(username="demo")
    output = created("demo")
    assert output.count("\n") == 1
    assert resolve(output.strip())[0] == user


def test_an_unknown_user_is_named() -> None:
    with pytest.raises(CommandError, match="'nobody'"):
        created("nobody")


def test_an_inactive_user_gets_no_token() -> None:
    factories.user(username="gone", is_active=False)
    with pytest.raises(CommandError, match="no active user 'gone'"):
        created("gone")
