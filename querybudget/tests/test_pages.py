"""HTML that is safe to open and needs nothing from anywhere."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from querybudget.documents import document, endpoint_part
from querybudget.ledger import Ledger
from querybudget.pages import page, policy

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'"


class Tags(HTMLParser):
    """Every element with its attributes, and what the open ones are at the end."""

    VOID = frozenset({"meta", "link", "br", "wbr", "img", "circle", "path", "rect"})

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "query-budgets.toml"
    path.write_text('["GET /a"]\nqueries = 4\n\n["GET /b"]\nqueries = 9\n', "utf-8")
    return Ledger(path)


def finding(**values):
    names = ("relation", "path", "location", "what", "message", "advice", "label", "shape")
    return {"kind": "duplicate", "count": 2, **dict.fromkeys(names, HOSTILE), "fixable": False, **values}


def statement(**values):
    names = ("alias", "label", "shape", "location", "operation", "relation", "path", "plan")
    call = {"number": 1, "seconds": 0.001, "rows": 1, "parameters": HOSTILE}
    numbers = {"kind": "read", "count": 1, "rows": 1, "seconds": 0.001, "advice": [HOSTILE], "calls": [call]}
    return {**dict.fromkeys(names, HOSTILE), **numbers, **values}


def endpoint(ledger, name="GET /a", **values):
    known = {"queries": 5, "seconds": 0.0, "rows": 1, "findings": [finding()], "statements": [statement()], **values}
    return endpoint_part(name, ledger, **known)


@pytest.fixture
def hostile(ledger):
    names = dict.fromkeys(("request", "test", "budget_line"), HOSTILE)
    fields = [{"path": HOSTILE, "queries": 1, "share": 0.5}]
    one = endpoint(ledger, HOSTILE, fields=fields, **names)
    return document("tests", [one], violations=[{"endpoint": HOSTILE, "message": HOSTILE}])


def test_nothing_of_a_query_becomes_html(hostile):
    tags = Tags(page(hostile))
    assert tags.open == []
    assert [tag for tag, _ in tags.found if tag in ("script", "img")] == ["script"]
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on") or name == "style"]


def test_nothing_is_loaded(hostile):
    text = page(hostile)
    tags = Tags(text)
    links = {attributes.get(name) for _, attributes in tags.found for name in ("src", "href")} - {None}
    assert all(link.startswith("#") for link in links)
    assert "@import" not in text
    assert "url(" not in text


def test_every_link_leads_somewhere_and_every_id_is_one(ledger):
    tags = Tags(page(document("audit", [endpoint(ledger), endpoint(ledger, "GET /b")])))
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for tag, attributes in tags.found if tag == "a"} <= set(ids)


def test_the_policy_allows_the_page_its_own_script_and_style_and_no_other(hostile):
    text = page(hostile)
    for kind, tag in (("script", "script"), ("style", "style")):
        [inside] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy()
    assert policy().startswith("default-src 'none'")
    assert "unsafe" not in policy()


@pytest.mark.parametrize(("queries", "verdict"), [(4, "ok"), (5, "over"), (None, "")])
def test_an_endpoint_is_held_to_its_budget(ledger, queries, verdict):
    text = page(document("audit", [endpoint(ledger, queries=queries)]))
    assert ('class="badge over"' in text) == (verdict == "over")
    assert ('class="badge ok"' in text) == (verdict == "ok")
    assert (" over budget</span>" in text) == (verdict == "over")


def test_growth_is_drawn_to_scale(ledger):
    growth = {
        "by": "rows",
        "slope": 1.0,
        "line": [[1, 2], [11, 12]],
        "points": [{"size": 1, "queries": 2, "test": None}, {"size": 11, "queries": 12, "test": None}],
    }
    text = page(document("audit", [endpoint(ledger, growth=growth)]))
    assert "2 queries at 1 row, 12 queries at 11 rows; +1.0 queries for each row; budget 4" in text
    large = text[text.index("<figure") :]
    (x, y), (x_end, y_end) = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', large)
    width, height, floor = 360 - 40 - 16, 180 - 14 - 36, 180 - 36
    assert (float(x), float(x_end)) == (pytest.approx(40 + width / 11, abs=0.1), 40 + width)
    assert (float(y), float(y_end)) == (pytest.approx(floor - height * 2 / 12, abs=0.1), 14)
    assert f"M{x} {y}L{x_end} {y_end}" in large


def test_no_locale_touches_the_figures(ledger, settings):
    settings.USE_THOUSAND_SEPARATOR, settings.LANGUAGE_CODE = True, "de"
    growth = {
        "by": "bytes",
        "slope": None,
        "line": None,
        "points": [{"size": size, "queries": 1, "test": None} for size in (1, 123456)],
    }
    text = page(document("audit", [endpoint(ledger, queries=12345, growth=growth)]))
    assert 'data-value="12345"' in text
    assert not re.search(r'(?:cx|cy|width)="\d+,', text)


def test_many_calls_of_one_statement_are_cut_and_said_to_be(ledger):
    call = {"number": 1, "seconds": 0.001, "rows": 1, "parameters": None}
    text = page(document("audit", [endpoint(ledger, statements=[statement(count=70, calls=[call] * 70)])]))
    assert "and 20 more" in text


def test_what_nobody_asked_for_is_folded_away_and_in_no_figure(ledger):
    served = endpoint_part("GET /a", ledger, queries=4, requests=2)
    text = page(document("traffic", [served, endpoint_part("GET /b", ledger, requests=0)]), process="process 1")
    table, folded = text.split("<details", 1)
    assert "GET /<wbr>a" in table
    assert "GET /<wbr>b" not in table
    assert "1 more with a budget, which nobody has asked for" in folded
    assert "GET /<wbr>b" in folded
    assert "<details" not in page(document("traffic", [served]))
    assert not Tags(text).open


def test_where_no_budget_is_held_a_note_says_why_and_nothing_is_red(ledger):
    ledger.budgets.clear()
    text = page(document("traffic", [endpoint_part("GET /a", ledger, queries=99, requests=2)]), note="it is Tuesday")
    assert "No budget is held here: it is Tuesday." in text
    assert "without a budget" not in text
    assert "over budget" not in text
    assert 'class="bad"' not in text
    assert "No budget is held" not in page(document("traffic", []))
