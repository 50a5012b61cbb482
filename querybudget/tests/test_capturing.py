"""One request that brings a token is captured in full; staff see it, and nobody else learns a thing."""

import json
import logging
import time

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from django.utils.cache import patch_cache_control

from querybudget import captures, hooks
from querybudget.causes import Cause
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.models import Book, Country
from querybudget.tests.test_documents import SCHEMA
from querybudget.tokens import issued
from querybudget.tracing import tracing
from querybudget.traffic import traffic

LEDGER = '["GET /books/{name}"]\nqueries = 2\n'


def books(request, name):
    list(Country.objects.filter(name=name))
    found = JsonResponse({"books": [{"author": book.author.name} for book in Book.objects.all()]})
    patch_cache_control(found, public=True, max_age=60)
    return found


async def asynchronous(request):
    return HttpResponse(str([book.title async for book in Book.objects.all()]))


def stream(request):
    return StreamingHttpResponse(book.author.name for book in Book.objects.all())


def broken(request):
    Book.objects.count()
    raise RuntimeError("no")


urlpatterns = [
    path("books/<name>", books),
    path("async", asynchronous),
    path("stream", stream),
    path("broken", broken),
    path("-/queries/", include("querybudget.urls")),
]
without_reports = type("urls", (), {"urlpatterns": urlpatterns[:1]})


pytestmark = pytest.mark.django_db(databases=["default", "archive"])


@pytest.fixture(autouse=True)
def service(settings, tmp_path):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["querybudget.middleware.QueryBudgetMiddleware", *settings.MIDDLEWARE]
    settings.QUERY_BUDGETS_FOLDER = tmp_path
    (tmp_path / "query-budgets.toml").write_text(LEDGER, "utf-8")
    caches["default"].clear()
    traffic.clear()
    before = hooks._users
    yield
    while hooks._users > before:
        hooks.release()


def send(url, token=None, **named):
    return Client(**named).get(url, headers={"X-Query-Report": issued(60) if token is None else token})


@pytest.fixture
def staff():
    client = Client()
    client.force_login(User.objects.create(username="staff", is_staff=True))
    return client


def captured():
    """The newest report, which is what the schema says."""
    report = captures.kept(captures.recent()[0]["id"])
    SCHEMA.validate(report)
    return report["endpoints"][0]


def test_a_request_with_a_token_is_captured_with_its_causes_and_plans():
    make(3)
    response = send("/books/secret")
    one = captured()
    assert response.headers["X-Query-Report"] == f"/-/queries/{captures.recent()[0]['id']}"
    assert (one["endpoint"], one["budget"], one["queries"], one["status"]) == ("GET /books/{name}", 2, 5, 200)
    assert [(finding["kind"], finding["count"], finding["advice"]) for finding in one["findings"]] == [
        ("n_plus_one", 3, '.select_related("author")')
    ]
    assert [statement["count"] for statement in one["statements"]] == [1, 1, 3]
    assert all(statement["plan"] for statement in one["statements"])
    assert one["bytes"] == len(response.content)


def test_an_answer_that_says_so_is_in_no_cache():
    cache_control = send("/books/a").headers["Cache-Control"]
    assert "no-store" in cache_control
    assert "private" in cache_control
    assert "public" not in cache_control


def test_values_are_left_out_unless_the_project_wants_them(settings):
    make(1)
    send("/books/secret?name=secret")
    assert "secret" not in json.dumps(captured())
    settings.QUERY_REPORT_PARAMETERS = True
    send("/books/secret?name=secret")
    assert captured()["request"] == "GET /books/secret?name=secret"
    assert captured()["statements"][0]["calls"][0]["parameters"] == "('secret',)"


def test_without_a_token_nothing_is_kept_told_or_patched(monkeypatch):
    patched = []
    monkeypatch.setattr(tracing, "acquire", lambda: patched.append(True))
    monkeypatch.setattr(Cause, "__init__", lambda *_: patched.append(True))
    response = Client().get("/books/a")
    assert "X-Query-Report" not in response.headers
    assert response.headers["Cache-Control"] == "public, max-age=60"
    assert (captures.recent(), patched) == ([], [])


@pytest.mark.parametrize(("token", "reason"), [("900:forged:token", "is not ours"), ("", "is not ours")])
def test_a_forged_token_is_ignored_and_logged_without_its_text(caplog, token, reason):
    caplog.set_level(logging.WARNING, "querybudget")
    response = send("/books/a", token)
    assert (response.status_code, "X-Query-Report" in response.headers, captures.recent()) == (200, False, [])
    assert caplog.messages == [f"X-Query-Report is ignored: its token {reason}"]


def test_an_old_token_is_ignored_and_logged(caplog, monkeypatch):
    token, now = issued(60), time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 61)
    assert "X-Query-Report" not in send("/books/a", token).headers
    assert caplog.messages == ["X-Query-Report is ignored: its token has expired"]
    assert token not in caplog.text


def test_without_a_page_to_lead_to_nothing_is_captured(settings, caplog):
    settings.ROOT_URLCONF = without_reports
    assert "X-Query-Report" not in send("/books/a").headers
    assert caplog.messages == ["X-Query-Report is ignored: no path leads to querybudget.urls"]


def test_a_stream_is_captured_to_its_end():
    make(2)
    response = send("/stream")
    assert captures.recent() == []
    b"".join(response)
    assert (captured()["queries"], captured()["findings"][0]["count"]) == (3, 2)


def test_a_view_that_fails_is_captured():
    response = send("/broken", raise_request_exception=False)
    assert response.status_code == 500
    assert (captured()["status"], captured()["queries"]) == (500, 1)


@pytest.mark.django_db(transaction=True, databases=["default", "archive"])
def test_async_code_is_captured():
    response = async_to_sync(AsyncClient().get)("/async", headers={"X-Query-Report": issued(60)})
    assert response.headers["X-Query-Report"]
    deadline = time.monotonic() + 10
    while not captures.recent() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert captured()["queries"] == 1


def test_a_cache_that_is_away_breaks_no_answer(monkeypatch, caplog):
    def away(*_, **__):
        raise ConnectionError("refused")

    monkeypatch.setattr(type(caches["default"]), "set", away)
    assert send("/books/a").status_code == 200
    assert "the report of GET /books/{name} could not be kept" in caplog.messages


def test_the_newest_are_kept_in_the_cache_that_the_setting_names(settings, monkeypatch):
    settings.CACHES = {
        name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name}
        for name in ("default", "reports")
    }
    settings.QUERY_REPORT_CACHE = "reports"
    monkeypatch.setattr(captures, "MOST", 3)
    links = [send("/books/a").headers["X-Query-Report"].rpartition("/")[2] for _ in range(5)]
    assert {one["id"] for one in captures.recent()} == set(links[2:])
    assert [captures.kept(link) is not None for link in links] == [False, False, True, True, True]
    assert not caches["default"]._cache


def test_two_processes_share_one_list(settings, tmp_path):
    """What each keeps is in the cache only: a second look at the same files sees it."""
    cache = {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path / "cache")}
    settings.CACHES = {"default": cache}
    send("/books/a")
    settings.CACHES = {"default": {**cache, "TIMEOUT": 5}}
    send("/books/a")
    assert len(captures.recent()) == 2


# --- Who sees it


@pytest.fixture
def pages():
    return ["/-/queries/", send("/books/a").headers["X-Query-Report"], "/-/queries/no-such-report"]


def test_staff_see_the_report_and_the_list(staff, pages):
    listing, report, missing = (staff.get(url) for url in pages)
    assert (listing.status_code, report.status_code, missing.status_code) == (200, 200, 404)
    assert f'<a href="{pages[1]}">' in listing.content.decode()
    assert "GET /books/{name}" in report.content.decode()


def test_who_is_not_logged_in_is_sent_to_the_login(pages, settings):
    settings.LOGIN_URL = "/log-in/"
    for url in pages:
        response = Client().get(url)
        assert (response.status_code, response.headers["Location"]) == (302, f"/log-in/?next={url}")
        assert response.content == b""


def test_who_is_not_staff_sees_nothing(pages):
    client = Client()
    client.force_login(User.objects.create(username="somebody"))
    for url in pages:
        response = client.get(url)
        assert (response.status_code, response.content) == (403, b"For staff only.")


def test_where_nobody_can_log_in_nobody_sees_anything(pages, settings):
    settings.MIDDLEWARE = settings.MIDDLEWARE[:1]
    assert [Client().get(url).status_code for url in pages] == [302, 302, 302]


def test_no_page_is_kept_by_any_cache_and_all_have_a_policy(staff, pages):
    for client in (staff, Client()):
        for method in (client.get, client.head, client.post):
            for url in pages:
                headers = method(url).headers
                assert headers["Cache-Control"] == "no-store"
                assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
                assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_pages_are_only_read(staff, pages):
    assert [staff.post(url).status_code for url in pages] == [405, 405, 405]


def test_the_list_has_what_this_process_served(staff):
    make(2)
    for _ in range(3):
        Client().get("/books/a")
    text = staff.get("/-/queries/").content.decode()
    assert 'data-value="3">3</td>' in text
    assert "4<span" in text
    assert "over budget" in text


def test_what_is_hostile_in_a_path_stays_text(staff, settings):
    settings.QUERY_REPORT_PARAMETERS = True
    url = send("/books/<script>alert(1)").headers["X-Query-Report"]
    assert "<script>alert" not in staff.get(url).content.decode()
