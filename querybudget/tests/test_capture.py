import pytest

from querybudget import watch
from querybudget.tests.corpus.models import Country


@pytest.mark.django_db
def test_a_watch_sees_sql_kind_rows_and_line():
    Country.objects.create(name="a")
    with watch() as seen:
        list(Country.objects.all())
    [query] = seen.queries
    assert query.kind == "read"
    assert query.rows == 1
    assert query.label == "read corpus_country"
    assert str(query.location).startswith("querybudget/tests/test_capture.py:")
