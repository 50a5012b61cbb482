"""Orders by nullable columns where PostgreSQL writes the page: every row once, as the ORM has them."""

from __future__ import annotations

import pytest

from api.expressions import numbers
from api.keyset import Cursor, Order, Page
from fast.compiled import Apart, compiled
from fast.statements import ANY
from tests.api.test_nullable_orders import ORDERS, TaskSerializer, Turn, carried, expected, postgresql, walk

__all__ = ["postgresql"]  # a fixture


def by_sql(alias: str, apart: Apart | None = None) -> Turn:
    one = compiled(TaskSerializer())

    def turn(order: Order, cursor: Cursor | None, limit: int) -> Page[int]:
        found = one.page(alias, ANY, {}, order, carried(cursor, order), limit, apart)
        return Page([int(written[6:-1]) for written in found.rows], found.next, found.previous)

    return turn


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("columns", ORDERS, ids="-".join)
def test_every_row_comes_once(postgresql: str, columns: tuple[str, ...], descending: bool) -> None:
    order = Order(columns, descending=descending)
    for limit in (1, 3, 100):
        assert walk(by_sql(postgresql), order, limit) == expected(order)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("columns", ORDERS, ids="-".join)
def test_and_when_they_are_looked_for_apart(
    postgresql: str,
    columns: tuple[str, ...],
    descending: bool,
) -> None:
    order = Order(columns, descending=descending)
    assert walk(by_sql(postgresql, Apart("kind", numbers([10, 11]))), order, 3) == expected(order)


@pytest.mark.parametrize("columns", [("rank", "id"), ("note", "due", "id")])
def test_an_export_has_the_same_order(postgresql: str, columns: tuple[str, ...]) -> None:
    order = Order(columns)
    one = compiled(TaskSerializer())
    found = [int(text[6:-1]) for texts in one.all(postgresql, ANY, {}, order, 7) for text in texts]
    assert found == expected(order)
