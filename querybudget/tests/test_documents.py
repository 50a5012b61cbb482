"""The report's form: what an audit, a run, a request and a process say is what the schema says."""

import io
import json
from pathlib import Path

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.urls import path

from querybudget import watch
from querybudget.documents import detailed, document, endpoint_part, growth_by_cause
from querybudget.ledger import Ledger
from querybudget.observation import Observation
from querybudget.plans import plan_of
from querybudget.report import Report
from querybudget.tally import EndpointTally, Tally
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.models import Book, Country
from querybudget.traffic import Traffic

PACKAGE = Path(__file__).parents[1]
SCHEMA = jsonschema.Draft202012Validator(json.loads((PACKAGE / "report.schema.json").read_text("utf-8")))

pytestmark = pytest.mark.django_db(databases=["default", "archive"])


@pytest.fixture
def ledger(tmp_path):
    file = tmp_path / "query-budgets.toml"
    file.write_text('["GET /books"]\nqueries = 4\n', "utf-8")
    return Ledger(file)


def key(request):
    given = request.headers.get("X-Key", "")
    return HttpResponse(given, status=200 if given else 403)


urlpatterns = [path("key", key)]


def looped():
    with watch() as seen:
        [book.author.name for book in Book.objects.all()]
    return seen


def is_valid(report):
    SCHEMA.validate(json.loads(json.dumps(report)))
    return report


def audit(*arguments, code=1):
    out, finished = io.StringIO(), 0
    try:
        call_command("querybudget", "audit", *arguments, stdout=out, no_color=True)
    except SystemExit as exit:
        finished = exit.code
    assert finished == code
    return out.getvalue()


def test_the_schema_is_one_and_refuses_what_it_does_not_know():
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)
    report = document("tests", [])
    assert not SCHEMA.is_valid({**report, "more": 1})
    assert not SCHEMA.is_valid({**report, "version": 2})
    assert not SCHEMA.is_valid({**report, "endpoints": [{}]})


def test_an_audit_has_findings_plans_and_what_nobody_read(settings, tmp_path):
    settings.QUERY_BUDGETS_FOLDER = tmp_path
    (tmp_path / "query-budgets.toml").write_text('["GET /loop/nested_serializer"]\nqueries = 1\n', "utf-8")
    make(5)
    report = is_valid(json.loads(audit("GET /loop/nested_serializer", "GET /article/offices", "--json")))
    nested = report["endpoints"][0]
    assert report["kind"] == "audit"
    assert (nested["budget"], nested["budget_line"], nested["queries"]) == (1, "query-budgets.toml:1", 11)
    assert nested["growth"] == {
        "by": "rows",
        "slope": 2.0,
        "line": [[0, 1], [5, 11]],
        "points": [{"size": 5, "queries": 11, "test": None}],
    }
    assert [statement["count"] for statement in nested["statements"]] == [1, 5, 5]
    assert [statement["advice"] for statement in nested["statements"]] == [
        [],
        ['.select_related("author")'],
        ['.select_related("author__country")'],
    ]
    assert all(statement["plan"] for statement in nested["statements"])


def test_an_audit_books_a_request_under_its_route_and_leaves_out_what_is_ignored(settings, tmp_path):
    settings.QUERY_BUDGETS_FOLDER = tmp_path
    (tmp_path / "pyproject.toml").write_text('[tool.querybudget]\nignore = ["* /loop/*", "* /[!lf]*"]\n', "utf-8")
    make(1)
    names = [one["endpoint"] for one in json.loads(audit("--json"))["endpoints"]]
    assert names
    assert {name.split("/")[1] for name in names} == {"fixed"}


def test_an_audit_writes_json_and_html_at_once(settings, tmp_path):
    make(2)
    page = tmp_path / "audit.html"
    report = json.loads(audit("GET /loop/foreign_key", "--json", "--html", str(page)))
    assert report["endpoints"][0]["endpoint"] == "GET /loop/foreign_key"
    assert "GET /<wbr>loop/<wbr>foreign_<wbr>key" in page.read_text("utf-8")


def test_an_audit_that_is_refused_says_so(settings):
    settings.ROOT_URLCONF = __name__
    told = audit("GET /key", code=2).splitlines()
    assert told == [
        "GET /key: 0 queries, status 403, 0 bytes",
        "  not an answer that says much: try --as, --header or --query",
    ]
    told = audit("GET /key", "--header", "X-Key: a: b", code=0).splitlines()
    assert told == ["GET /key: 0 queries, status 200, 4 bytes"]


def test_a_page_that_can_not_be_written_is_said_in_a_line(tmp_path):
    with pytest.raises(CommandError, match=r"nowhere/audit.html: No such file or directory"):
        call_command("querybudget", "audit", "GET /fixed/foreign_key", "--html", str(tmp_path / "nowhere/audit.html"))


def test_a_run_has_the_dearest_request_of_each_endpoint(ledger):
    make(3)
    tally = Tally()
    seen = looped()
    tally.add(Observation.of("GET /books", "test_few", seen.queries[:2]), None)
    tally.add(Observation.of("GET /books", "test_many", seen.queries), None)
    tally.endpoints["GET /books"].dearest = {**detailed(seen.queries, seen.findings), "status": 200, "bytes": 10}
    merged = Tally()
    merged.merge(Tally.from_json(json.loads(json.dumps(tally.as_json()))))
    report = is_valid(Report(ledger, merged, set(), None).document())
    [books] = report["endpoints"]
    assert (books["queries"], books["test"], books["tests"], books["bytes"]) == (4, "test_many", 2, 10)
    assert [statement["count"] for statement in books["statements"]] == [1, 3]


def test_of_two_workers_the_one_with_the_worst_request_tells_of_it():
    merged = Tally()
    for worst, test in ((3, "test_b"), (9, "test_c"), (9, "test_a"), (4, "test_d")):
        one = EndpointTally(worst=worst, worst_test=test, dearest={"status": worst})
        merged.merge(Tally({"GET /": one}))
    assert (merged.endpoints["GET /"].worst_test, merged.endpoints["GET /"].dearest) == ("test_a", {"status": 9})


def test_traffic_knows_the_ledger_and_stays_small(ledger):
    traffic = Traffic()
    for number in range(1, 3000):
        traffic.seen("GET /books").note(number % 7, number)
        traffic.seen(f"MADE{number} /books").note(1, 10)
    report = is_valid(traffic.document(ledger))
    books = next(one for one in report["endpoints"] if one["endpoint"] == "GET /books")
    assert (books["budget"], books["queries"], books["requests"]) == (4, 6, 2999)
    assert len(books["growth"]["points"]) <= 12
    assert len(report["endpoints"]) == 2000
    noted = traffic.seen("GET /books")
    traffic.clear()
    assert [(one["endpoint"], one["requests"]) for one in traffic.document(ledger)["endpoints"]] == [("GET /books", 0)]
    noted.note(1, 10)  # by who has known it since before
    assert [one["requests"] for one in traffic.document(ledger)["endpoints"]] == [1]


def test_what_no_process_served_is_in_the_list(ledger):
    [books] = is_valid(Traffic().document(ledger))["endpoints"]
    assert (books["budget"], books["queries"], books["requests"]) == (4, None, 0)


def test_a_document_is_without_values_unless_they_are_asked_for(ledger):
    make(1)
    with watch() as seen:
        list(Country.objects.filter(name="secret"))
        list(Country.objects.raw("SELECT * FROM corpus_country WHERE name = 'secret'"))
    hidden = detailed(seen.queries, seen.findings, plan=plan_of)
    report = is_valid(document("request", [endpoint_part("GET /", ledger, hidden)]))
    assert "secret" not in json.dumps(report)
    assert all(statement["plan"] for statement in hidden["statements"])
    shown = detailed(seen.queries, seen.findings, parameters=True)
    assert "secret" in json.dumps(is_valid(document("request", [endpoint_part("GET /", ledger, shown)])))


def test_growth_is_told_from_causes():
    make(4)
    seen = looped()
    assert growth_by_cause(seen.queries, seen.findings)["line"] == [[0, 1], [4, 5]]
    assert growth_by_cause(seen.queries[:1], [])["slope"] is None
    assert growth_by_cause([], []) is None
