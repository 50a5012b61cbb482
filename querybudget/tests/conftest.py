import os
from pathlib import Path

import pytest

from querybudget import hooks
from querybudget.middleware import request_measured
from querybudget.tests import site

REPOSITORY = Path(__file__).parents[2]
PROJECT = Path(__file__).parent / "project"


@pytest.fixture
def project(pytester, monkeypatch):
    """A small Django project with a loop in `GET /orders`, in a folder of its own."""
    for source in PROJECT.rglob("*.txt"):
        target = pytester.path / source.relative_to(PROJECT).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text("utf-8"), "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), str(pytester.path)]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    return Project(pytester)


class Project:
    """The files of a project, and runs of its tests."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.path = pytester.path

    @property
    def ledger(self):
        return (self.path / "query-budgets.toml").read_text("utf-8")

    def write(self, **files):
        """Write files; `__` in a name stands for a slash, and the suffix is .py but for the ledger."""
        for name, text in files.items():
            target = self.path / ("query-budgets.toml" if name == "ledger" else name.replace("__", "/") + ".py")
            target.write_text(text, "utf-8")

    def edit(self, file, old, new):
        text = (self.path / file).read_text("utf-8")
        assert old in text
        (self.path / file).write_text(text.replace(old, new), "utf-8")

    def fix(self):
        """Take the loop out of `GET /orders`."""
        self.edit("shop/views.py", "Order.objects.all()", 'Order.objects.select_related("customer")')

    def run(self, *arguments):
        """Run pytest in a process of its own, with these plugins and no other that happens to be installed."""
        plugins = [f"-p{name}" for name in ("pytest_django.plugin", "xdist.plugin", "querybudget.plugin")]
        return self.pytester.runpytest_subprocess(*plugins, *arguments)


# --- The site whose requests are counted


@pytest.fixture
def unhooked():
    """A middleware holds them for as long as its process lives."""
    before = hooks._users
    yield
    while hooks._users > before:
        hooks.release()


@pytest.fixture
def site_folder(tmp_path):
    (tmp_path / "query-budgets.toml").write_text(site.LEDGER)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.querybudget]\nignore = ["* /admin/*"]\nvariants = { cheap = { query = "cheap=1" }, '
        'gone = { status = 410 }, hit = { header = "Cache-Status : *hit" } }\n'
    )
    return tmp_path


@pytest.fixture
def measured(settings, site_folder, db):
    """The endpoint and number of queries of each request that is over."""
    settings.ROOT_URLCONF = site.__name__
    settings.MIDDLEWARE = ["querybudget.middleware.QueryBudgetMiddleware"]
    settings.QUERY_BUDGETS_FOLDER = site_folder
    seen = []

    def note(measurement, endpoint, **named):
        seen.append((endpoint, measurement.watch.count))

    request_measured.connect(note)
    yield seen
    request_measured.disconnect(note)
