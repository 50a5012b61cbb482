import pytest

from querybudget.causes import Cause
from querybudget.frames import Location
from querybudget.ledger import Budget
from querybudget.observation import Observation, counts_of
from querybudget.query import Query
from querybudget.shape import statement


def query(sql, rows=0, line=1, alias="default"):
    return Query(alias, sql, statement(sql), 0.001, Cause(Location("/app/views.py", line)), rows=rows)


@pytest.fixture
def seen():
    """A list of four orders, a lookup of the customer of each, in a transaction with a write."""
    lookups = [query("SELECT * FROM customer WHERE id = 1", rows=1, line=7) for _ in range(4)]
    queries = [
        query("SAVEPOINT s1"),
        query('SELECT * FROM "order"', rows=4),
        *lookups,
        query("INSERT INTO log VALUES (1) RETURNING id", rows=9, alias="archive"),
    ]
    return Observation.of("GET /orders", "test", queries)


def test_control_statements_do_not_count(seen):
    assert seen.queries() == 6
    assert seen.shapes() == ("read order", "read customer ×4", "write log @archive")


def test_rows_are_those_of_the_richest_read(seen):
    assert seen.rows == 4


def test_places_are_counted(seen):
    assert seen.places["read customer"] == {"/app/views.py:7": 4}


def test_known_shapes_are_left_out(seen):
    budget = Budget(2, known={"read customer": 1.0})
    assert seen.queries(budget) == 2
    assert seen.shapes(budget) == ("read order", "write log @archive")


@pytest.mark.parametrize(("per_row", "steeper"), [(1.0, {}), (0.75, {"read customer": 3}), (0.1, {"read customer": 1})])
def test_a_known_loop_is_held_to_the_rows_it_loops_over(seen, per_row, steeper):
    assert seen.steeper(Budget(2, known={"read customer": per_row})) == steeper


def test_shapes_are_read_back():
    assert counts_of(["read a", "read b, c ×12"]) == {"read a": 1, "read b, c": 12}
