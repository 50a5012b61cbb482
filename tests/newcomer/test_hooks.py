"""What Django and DRF promise to whoever overrides something holds for each request, not only for the first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.newcomer.models import Project, Task

GUARDED = [
    "ByPermissionClass",
    "ByGetPermissions",
    "ByCheckPermissions",
    "ByInitial",
    "ByAuthentication",
    "ByMethod",
    "ByMethodDecorator",
    "ByDispatch",
    "Decorated",
]


@pytest.fixture
def task(project: Project) -> Task:
    return Task.objects.create(project=project, title="shown", starts_at=timezone.now() - timedelta(days=1))


@pytest.mark.parametrize("view", GUARDED)
@pytest.mark.parametrize("detail", [False, True], ids=["list", "detail"])
def test_who_may_not_is_refused_also_after_somebody_who_may(ask: Any, task: Task, view: str, detail: bool) -> None:
    path = f"{view}/projects/{task.project_id}/tasks" + (f"/{task.pk}" if detail else "")
    answers = [ask(path, staff=staff) for staff in (False, True, False, True, False)]
    assert [answer.status_code for answer in answers] == [403, 200, 403, 200, 403]
    tag = answers[1].headers.get("ETag", '"x"')
    assert ask(path, **{"If-None-Match": tag}).status_code == 403


@pytest.mark.parametrize("view", ["ByObject", "ByObjectCheck"])
def test_permission_on_an_object_is_asked_for(ask: Any, task: Task, view: str) -> None:
    path = f"{view}/projects/{task.project_id}/tasks"
    answers = [ask(f"{path}/{task.pk}", staff=staff) for staff in (False, True, False)]
    assert [answer.status_code for answer in answers] == [403, 200, 403]
    tag = answers[1].headers.get("ETag", '"x"')
    assert ask(f"{path}/{task.pk}", **{"If-None-Match": tag}).status_code == 403
    assert [ask(path, staff=staff).status_code for staff in (False, True, False)] == [200, 200, 200]


def test_an_overridden_queryset_is_the_one_that_is_read(ask: Any, task: Task) -> None:
    other = Task.objects.create(project=task.project, title="hidden", starts_at=task.starts_at)
    path = f"OtherQueryset/projects/{task.project_id}/tasks"
    for _ in range(2):
        assert [row["id"] for row in ask(path).json()["results"]] == [task.pk]
        assert ask(f"{path}/{task.pk}").status_code == 200
        assert ask(f"{path}/{other.pk}").status_code == 404


def test_an_overridden_serializer_is_the_one_that_renders(ask: Any, task: Task) -> None:
    path = f"OtherSerializer/projects/{task.project_id}/tasks"
    for _ in range(2):
        assert ask(f"{path}?format=json").json()["results"][0]["title"] == f"shown of {task.pk}"
        assert ask(path).json()["results"][0]["title"] == "shown"
        assert ask(f"{path}/{task.pk}?format=json").json()["title"] == f"shown of {task.pk}"


@pytest.mark.parametrize("view", ["FieldsByUser", "FieldsByInit", "FieldsBelow", "FieldNames"])
def test_fields_that_a_serializer_takes_away_are_hidden_each_time(ask: Any, task: Task, view: str) -> None:
    path = f"{view}/projects/{task.project_id}/tasks"
    for staff in (True, False, True, False):
        for url in (path, f"{path}/{task.pk}"):
            answer = ask(url, staff=staff)
            assert answer.status_code == 200
            assert (b"title" in answer.content) == staff
            again = ask(url, staff=not staff, **{"If-None-Match": answer.headers.get("ETag", '"x"')})
            assert (again.status_code, b"title" in again.content) == (200, not staff)


def test_a_renderer_of_the_view_renders(ask: Any, task: Task) -> None:
    path = f"OwnRenderer/projects/{task.project_id}/tasks"
    for url in (path, f"{path}/{task.pk}"):
        for headers in ({}, {}, {"Cache-Control": "no-cache"}):
            assert b'"TITLE":"SHOWN"' in ask(url, **headers).content


def test_a_list_that_the_serializer_makes_of_rows_is_shown(ask: Any, task: Task) -> None:
    Task.objects.create(project=task.project, title="hidden", starts_at=task.starts_at)
    for headers in ({}, {}, {"Cache-Control": "no-cache"}):
        answer = ask(f"OwnList/projects/{task.project_id}/tasks", **headers)
        assert [row["id"] for row in answer.json()["results"]] == [task.pk]


@pytest.mark.parametrize(("view", "title"), [("OwnReading", "SHOWN"), ("ByReceiver", "shown!"), ("OtherRows", "SHOWN")])
def test_what_a_model_makes_of_its_columns_is_shown(ask: Any, task: Task, view: str, title: str) -> None:
    path = f"{view}/projects/{task.project_id}/tasks"
    for _ in range(2):
        assert ask(path).json()["results"][0]["title"] == title
        assert ask(f"{path}/{task.pk}").json()["title"] == title


@pytest.mark.parametrize("view", ["OwnSerializer", "OwnContext"])
def test_a_serializer_that_the_view_makes_is_the_one_that_renders(ask: Any, task: Task, view: str) -> None:
    path = f"{view}/projects/{task.project_id}/tasks"
    for _ in range(2):
        assert ask(path).json()["results"][0]["title"] == f"shown of {task.pk}"
        assert ask(f"{path}/{task.pk}").json()["title"] == f"shown of {task.pk}"


def test_rows_that_the_view_takes_off_a_page_are_not_shown(ask: Any, task: Task) -> None:
    Task.objects.create(project=task.project, title="hidden", starts_at=task.starts_at)
    for _ in range(2):
        answer = ask(f"OwnPages/projects/{task.project_id}/tasks")
        assert [row["id"] for row in answer.json()["results"]] == [task.pk]


def test_a_nested_serializer_reads_in_its_own_way(ask: Any, task: Task) -> None:
    path = f"OwnNesting/projects/{task.project_id}/tasks"
    for name, shown in (("closed", None), ("open", {"name": "open"})):
        Project.objects.filter(pk=task.project_id).update(name=name)
        assert ask(path).json()["results"][0]["project"] == shown
        assert ask(f"{path}/{task.pk}").json()["project"] == shown


TOKYO = "2026-01-03T05:30:00+09:00", "03.01. 05:30"


def test_the_local_time_of_a_request_is_its_own(ask: Any, project: Project) -> None:
    at = datetime(2026, 1, 2, 20, 30, tzinfo=UTC)
    task = Task.objects.create(project=project, title="x", starts_at=at)
    path = f"LocalTime/projects/{project.pk}/tasks"
    try:
        for staff in (True, False, True, False):
            row = ask(path, staff=staff).json()["results"][0]
            timezone.deactivate()
            wanted = (
                ("2026-01-03T05:30:00+09:00", "03.01. 05:30") if staff else ("2026-01-02T20:30:00Z", "02.01. 20:30")
            )
            assert (row["starts_at"], row["day"]) == wanted
            assert ask(f"{path}/{task.pk}", staff=staff).json()["day"] == wanted[1]
            timezone.deactivate()
    finally:
        timezone.deactivate()


def test_a_property_that_asks_the_clock_goes_with_it(ask: Any, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    Task.objects.update(due=now.date())
    path = f"Late/projects/{task.project_id}/tasks"
    for days, late in ((0, False), (2, True), (0, False)):
        monkeypatch.setattr(timezone, "now", lambda days=days: now + timedelta(days=days))
        assert ask(path, **{"Cache-Control": "no-cache"}).json()["results"][0]["late"] is late


def test_what_only_drf_knows_of_a_request_is_there_each_time(ask: Any, task: Task) -> None:
    for headers in ({}, {"Cache-Control": "no-cache"}, {"Cache-Control": "no-cache"}):
        assert ask(f"Versioned/projects/{task.project_id}/tasks", **headers).status_code == 200


@pytest.mark.parametrize("view", ["OwnEnvelope", "OwnPagination", "OwnData"])
def test_what_is_put_round_a_page_is_there(ask: Any, task: Task, view: str) -> None:
    for _ in range(2):
        assert ask(f"{view}/projects/{task.project_id}/tasks").json()["count"] == 1
    detail = ask(f"{view}/projects/{task.project_id}/tasks/{task.pk}").json()
    assert ("count" in detail) == (view == "OwnData")


def test_a_header_of_the_view_names_each_request_s_user(ask: Any, task: Task) -> None:
    path = f"Stamped/projects/{task.project_id}/tasks"
    stamps = [ask(path, staff=staff).headers["X-User"] for staff in (False, True, False, True)]
    assert stamps[0] == stamps[2] != stamps[1] == stamps[3]


# --- The clock, and the path


def test_a_filter_by_time_goes_with_the_clock(ask: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    Task.objects.create(project=project, title="soon", starts_at=now + timedelta(hours=1))
    urls = [f"TaskViewSet/projects/{project.pk}/tasks?started=true", f"CurrentTaskViewSet/projects/{project.pk}/tasks"]
    for url in urls:
        for headers in ({}, {"Cache-Control": "no-cache"}):
            monkeypatch.setattr(timezone, "now", lambda: now)
            assert ask(url, **headers).json()["results"] == []
            monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=2))
            assert len(ask(url, **headers).json()["results"]) == 1
            assert len(ask(url, **headers).json()["results"]) == 1


@pytest.mark.parametrize("view", ["TaskViewSet", "SteadyTaskViewSet", "ByKey"])
def test_a_detail_below_a_second_parent_is_found(ask: Any, project: Project, view: str) -> None:
    second = Project.objects.create(company=project.company, name="second")
    places = (project, second, project)
    tasks = [Task.objects.create(project=each, title="x", starts_at=timezone.now()) for each in places]
    for each in (*tasks, *tasks):
        answer = ask(f"{view}/projects/{each.project_id}/tasks/{each.pk}")
        assert (answer.status_code, answer.json().get("id")) == (200, each.pk)
        rows = ask(f"{view}/projects/{each.project_id}/tasks").json()["results"]
        assert [row["id"] for row in rows] == [task.pk for task in tasks if task.project_id == each.project_id]
    assert ask(f"{view}/projects/{project.pk}/tasks/{tasks[1].pk}").status_code == 404


# --- Middleware


@pytest.mark.parametrize("place", ["outermost", "innermost"])
def test_middleware_sees_every_request(owner_of_orders: tuple[str, str], settings: Any, where: str, place: str) -> None:
    name = "tests.newcomer.middleware.allow_origin"
    settings.MIDDLEWARE = [name, *settings.MIDDLEWARE] if place == "outermost" else [*settings.MIDDLEWARE, name]
    url, token = owner_of_orders
    client = Client()
    for headers in ({}, {}, {"Cache-Control": "no-cache"}, {}):
        answer = client.get(url, headers={"Authorization": token} | headers)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://example.com"


@pytest.fixture
def owner_of_orders(company: Any) -> tuple[str, str]:
    from businesses import tokens
    from tests import factories

    office = factories.office(company)
    member = factories.member(company)
    factories.order(office, member)
    return "/api/orders", f"Token {tokens.issue(member)[0]}"
