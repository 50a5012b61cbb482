import pytest

from querybudget import shape
from querybudget.shape import statement


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t WHERE b = 1", "SELECT a\n  FROM t WHERE b = 2"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'it''s (%s, %s)'"),
        ("SELECT a FROM t WHERE b = %s", "select a from t where b = 1.5e3"),
        ("SELECT a FROM t WHERE b = %(name)s -- why", "SELECT a /* who */ FROM t WHERE b = $1"),
        ("SELECT a FROM t WHERE b = $tag$one$tag$", "SELECT a FROM t WHERE b = E'a\\'b'"),
        ('SELECT 1 FROM "t" WHERE "c" IN (%s)', 'SELECT 1 FROM "t" WHERE "c" IN (%s, %s, %s)'),
        ('SELECT 1 FROM "t" WHERE "c" IN (%s, %s)', 'SELECT 1 FROM "t" WHERE ("c") IN ((%s), (%s), (%s))'),
        ('SELECT 1 FROM "t" WHERE "t"."c" IN (%s)', 'SELECT 1 FROM "t" WHERE ("t"."c" = %s OR "t"."c" = %s)'),
        (
            'SELECT 1 FROM "t" WHERE ("c", "d") IN ((%s, %s), (%s, %s))',
            'SELECT 1 FROM "t" WHERE (("c" = %s AND "d" = %s) OR ("c" = %s AND "d" = %s))',
        ),
        (
            'INSERT INTO "t" ("a", "b") VALUES (%s, %s)',
            'INSERT INTO "t" ("a", "b") VALUES (%s, %s), (%s, %s), (%s, %s)',
        ),
        (
            'UPDATE "t" SET "n" = CASE WHEN ("t"."id" = %s) THEN %s ELSE NULL END WHERE "t"."id" IN (%s)',
            'UPDATE "t" SET "n" = CASE WHEN ("t"."id" = %s) THEN %s WHEN ("t"."id" = %s) THEN %s ELSE NULL END '
            'WHERE "t"."id" IN (%s, %s)',
        ),
        (
            'UPDATE "t" SET "n" = (CASE WHEN ("t"."id" = 1) THEN CAST(%s AS integer) ELSE NULL END)::integer',
            'UPDATE "t" SET "n" = (CASE WHEN ("t"."id" = 1) THEN CAST(%s AS integer) WHEN ("t"."id" = 2) '
            "THEN CAST(%s AS integer) ELSE NULL END)::integer",
        ),
    ],
)
def test_equal_shapes(one, other):
    assert statement(one).shape == statement(other).shape


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('SELECT "a" FROM "t"', 'SELECT "b" FROM "t"'),
        ('SELECT "a b" FROM "t"', 'SELECT "a  b" FROM "t"'),
        ('SELECT "a 1" FROM "t"', 'SELECT "a 2" FROM "t"'),
        ('SELECT "IN (%s)" FROM "t"', 'SELECT "IN (%s, %s)" FROM "t"'),
        ("SELECT a1 FROM t", "SELECT a2 FROM t"),
        ("SELECT a FROM t WHERE b = %s OR c = %s", "SELECT a FROM t WHERE b = %s OR b = %s"),
        ("SELECT a FROM t WHERE b IN (%s)", "SELECT a FROM t WHERE c IN (%s)"),
        ("SELECT a FROM t WHERE b = %s", "SELECT a FROM t WHERE b > %s"),
    ],
)
def test_different_shapes(one, other):
    assert statement(one).shape != statement(other).shape


def test_a_shape_reads_like_sql():
    sql = 'SELECT "t"."id", COUNT(*) FROM "t" WHERE ("t"."id" IN (%s, %s) AND "t"."n" >= 3) LIMIT 21'
    expected = 'SELECT "t"."id", COUNT(*) FROM "t" WHERE ("t"."id" IN (?…) AND "t"."n" >= ?) LIMIT ?'
    assert statement(sql).shape == expected


@pytest.mark.parametrize(
    ("sql", "label"),
    [
        ('SELECT 1 FROM "a" INNER JOIN "b" ON ("a"."x" = "b"."x") LEFT OUTER JOIN "a" T3 ON (1)', "read a, b"),
        ('SELECT 1 FROM "a" WHERE EXISTS(SELECT 1 FROM "b" U0)', "read a, b"),
        ('SELECT 1 FROM a AS x, "s"."b" y, (SELECT 1 FROM c) z WHERE d = 1', "read a, s.b, c"),
        ("SELECT EXTRACT(YEAR FROM d), TRIM(BOTH FROM e) FROM a WHERE b IS DISTINCT FROM c", "read a"),
        ('SELECT 1 FROM "a" FOR UPDATE OF "a"', "read a"),
        ("SELECT * FROM generate_series(1, 2), unnest(%s) JOIN b ON true", "read b"),
        ("WITH c AS (SELECT * FROM a) SELECT * FROM c JOIN b ON true", "read a, b"),
        ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", "write a, b"),
        ('INSERT INTO "a" ("x") VALUES (%s) ON CONFLICT DO UPDATE SET x = 1 RETURNING "a"."id"', "write a"),
        ('UPDATE "a" SET "x" = (SELECT 1 FROM "b")', "write a, b"),
        ('DELETE FROM "a" WHERE "id" IN (SELECT id FROM b)', "write a, b"),
        ("COPY a FROM STDIN", "write a"),
        ("COPY (SELECT * FROM a) TO STDOUT", "read a"),
        ("(SELECT 1 FROM a) UNION (SELECT 1 FROM b)", "read a, b"),
        ("SELECT 1", "read (no table)"),
        ("CALL refresh", "write (no table)"),
        ("SELECT 1 FROM `my table`", "read my table"),
        ("select * from _private", "read _private"),
    ],
)
def test_labels(sql, label):
    assert statement(sql).label == label


@pytest.mark.parametrize(
    "sql",
    [
        'SAVEPOINT "s1"', "RELEASE SAVEPOINT s1", "ROLLBACK TO SAVEPOINT s1", "BEGIN", "COMMIT", "SET LOCAL x = 1",
        "PRAGMA foreign_keys = ON", "SHOW server_version", "/* why */ BEGIN",
    ],
)  # fmt: skip
def test_control_statements(sql):
    assert statement(sql).kind == "control"


def test_the_memory_of_statements_is_bounded():
    for number in range(shape.CACHED_STATEMENTS + 10):
        statement(f"SELECT {number}")
    assert len(shape._statements) <= shape.CACHED_STATEMENTS
