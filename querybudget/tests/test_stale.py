"""`manage.py querybudget stale`: the ledger beside the URLconf."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.urls import path
from django.views.generic import View

LEDGER = """
["GET /orders"]
queries = 3

["GET /orders [hit]"]
queries = 1

["POST /plain"]
queries = 0
"""


class Orders(View):
    def get(self, request):
        return HttpResponse()


class Places(Orders):
    post = Orders.get


def plain(request):
    return HttpResponse()


urlpatterns = [path("orders", Orders.as_view()), path("plain", plain), path("admin/orders", Orders.as_view())]


@pytest.fixture
def folder(settings, tmp_path):
    settings.ROOT_URLCONF = __name__
    settings.QUERY_BUDGETS_FOLDER = tmp_path
    (tmp_path / "pyproject.toml").write_text(
        '[tool.querybudget]\nignore = ["* /admin/*"]\nvariants = { hit = { status = 200 } }\n'
    )
    (tmp_path / "query-budgets.toml").write_text(LEDGER)
    return tmp_path


def told():
    out = io.StringIO()
    try:
        call_command("querybudget", "stale", stdout=out, no_color=True)
    except SystemExit as finished:
        assert finished.code == 1
        assert out.getvalue()
    return out.getvalue().splitlines()


def test_a_ledger_that_fits_is_not_mentioned(folder):
    assert told() == []


def test_entries_without_a_route_are_told_with_their_line(folder):
    with (folder / "query-budgets.toml").open("a") as ledger:
        ledger.write(
            '["GET /gone"]\nqueries = 1\n\n["GET /orders [cold]"]\nqueries = 1\n\n["DELETE /orders"]\nqueries = 1\n'
        )
    assert told() == [
        "query-budgets.toml:10: no route is called GET /gone",
        "query-budgets.toml:13: no route is called GET /orders [cold]",
        "query-budgets.toml:16: no route is called DELETE /orders",
    ]


def test_routes_without_an_entry_are_told(folder, monkeypatch):
    monkeypatch.setattr(f"{__name__}.urlpatterns", [*urlpatterns, path("new", Places.as_view())])
    assert told() == ["query-budgets.toml: no budget for GET /new", "query-budgets.toml: no budget for POST /new"]


def test_a_ledger_that_can_not_be_read_is_one_line(folder):
    (folder / "query-budgets.toml").write_text("queries = ")
    with pytest.raises(CommandError) as error:
        call_command("querybudget", "stale")
    assert "\n" not in str(error.value)
    assert error.value.returncode == 2
