import pytest

from querybudget.errors import UsageError
from querybudget.ledger import Budget, Ledger

TEXT = """\
# Ours.

# why b
["GET /b"]  # trailing
queries = 3  # for now
shapes = [
  "read x",  # the big one
  "read y ×2",
]
known = [{ shape = "read a", per_row = 1 }]
single = true

# why a
["GET /a/{id}"]
queries = 1
"""


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "query-budgets.toml"
    path.write_text(TEXT)
    return Ledger(path)


def test_it_is_read(ledger):
    assert ledger.budgets == {
        "GET /b": Budget(3, ("read x", "read y ×2"), {"read a": 1.0}, single=True),
        "GET /a/{id}": Budget(1),
    }


def test_lines_are_known(ledger):
    assert ledger.line_of("GET /b") == 4
    assert ledger.line_of("GET /a/{id}") == 14
    assert ledger.line_of("GET /c") is None


def test_comments_and_hand_edits_survive_and_tables_are_sorted(ledger):
    ledger.set("GET /b", 2, ["read x", "read z"])
    ledger.set("POST /a/{id}", 4, [])
    ledger.save()
    assert ledger.path.read_text() == (
        '# Ours.\n\n# why a\n["GET /a/{id}"]\nqueries = 1\n\n["POST /a/{id}"]\nqueries = 4\nshapes = []\n\n'
        '# why b\n["GET /b"]  # trailing\nqueries = 2  # for now\nshapes = [\n'
        '  "read x", # the big one\n  "read z",\n]\nknown = [{ shape = "read a", per_row = 1 }]\nsingle = true\n'
    )


def test_what_is_written_is_read_back_and_stays(ledger):
    ledger.set('GET /quoted "x"', 4, ["read ä ×2"])
    assert ledger.save()
    again = Ledger(ledger.path)
    assert again.budgets == ledger.budgets
    assert not again.save()


def test_setting_the_same_changes_nothing_but_the_order(ledger):
    ledger.set("GET /b", 3, ["read x", "read y ×2"])
    ledger.save()
    assert sorted(ledger.path.read_text().splitlines()) == sorted(TEXT.splitlines())


def test_deleting_takes_the_comment_above_along(ledger):
    ledger.delete("GET /b")
    ledger.save()
    assert ledger.path.read_text() == '# Ours.\n\n# why a\n["GET /a/{id}"]\nqueries = 1\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("queries = 3\n", '["queries"] needs queries = N'),
        ('["GET /a"]\n', '["GET /a"] needs queries = N'),
        ('["GET /a"]\nqueries = -1\n', "queries must be a whole number from 0, not -1"),
        ('["GET /a"]\nqueries = true\n', "not True"),
        ('["GET /a"]\nqueries = 1\nshapes = "x"\n', "shapes must be a list of strings"),
        ('["GET /a"]\nqueries = 1\nsingle = 1\n', "single must be true or false"),
        ('["GET /a"]\nqueries = 1\nknown = ["x"]\n', "known must be a list of"),
        ('["GET /a"]\nqueries = 1\nknown = [{ shape = "x", per_row = "y" }]\n', "known must be a list of"),
        ('["GET /a"]\nqueries = 1\nknown = 3\n', "known must be a list of"),
        ('["GET /a"]\nqueries = 1\n["GET /a"]\nqueries = 2\n', "GET /a"),
        ("nonsense", "query-budgets.toml: "),
    ],
)
def test_what_no_ledger_says_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "query-budgets.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refusal:
        Ledger(path)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
