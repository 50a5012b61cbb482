"""A write that another transaction got in the way of is tried once more, and only where nothing came before it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from api import retrying


class Refusing:
    """A write that fails so many times with an SQLSTATE."""

    def __init__(self, state: str, times: int) -> None:
        self.state, self.times, self.calls = state, times, 0

    def __call__(self, **values: Any) -> dict[str, Any]:
        assert connection.in_atomic_block
        self.calls += 1
        if self.calls <= self.times:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{self.state}'; END $$")
        return values


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_it_is_repeated_whole(state: str) -> None:
    write = Refusing(state, times=1)
    assert retrying.atomic(write)(a=1) == {"a": 1}
    assert write.calls == 2
    assert not connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_it_is_repeated_once() -> None:
    write = Refusing("40001", times=2)
    with pytest.raises(OperationalError):
        retrying.atomic(write)()
    assert write.calls == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("state", ["40000", "40003", "55P03", "57014", "58030"])
def test_anything_else_is_raised(state: str) -> None:
    write = Refusing(state, times=1)
    with pytest.raises(OperationalError):
        retrying.atomic(write)()
    assert write.calls == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_repeated_in_another_transaction() -> None:
    write = Refusing("40001", times=1)
    with pytest.raises(OperationalError), transaction.atomic():
        retrying.atomic(write)()
    assert write.calls == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_repeated_where_somebody_else_commits() -> None:
    write = Refusing("40001", times=1)
    transaction.set_autocommit(False)
    try:
        with pytest.raises(OperationalError):
            retrying.atomic(write)()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert write.calls == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_of_them_the_outer_one_is_repeated() -> None:
    write, outer = Refusing("40P01", times=1), []

    @retrying.atomic
    def whole() -> None:
        outer.append(1)
        retrying.atomic(write)()

    whole()
    assert (len(outer), write.calls) == (2, 2)
