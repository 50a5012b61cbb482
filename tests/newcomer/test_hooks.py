"""What Django and DRF promise to whoever overrides something holds for each request, not only for the first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone

from tests.newcomer.models import Project, Task

GUARDED = [
    "ByPermissionClass",
    "ByGetPermissions",
    "ByCheckPermissions",
    "ByInitial",
    "ByAuthentication",
    "ByMethod",
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


def test_permission_on_an_object_is_asked_for(ask: Any, task: Task) -> None:
    path = f"ByObject/projects/{task.project_id}/tasks"
    assert [ask(f"{path}/{task.pk}", staff=staff).status_code for staff in (False, True, False)] == [403, 200, 403]
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


def test_a_detail_below_a_second_parent_is_found(ask: Any, project: Project) -> None:
    second = Project.objects.create(company=project.company, name="second")
    tasks = [Task.objects.create(project=each, title="x", starts_at=timezone.now()) for each in (project, second)]
    for each in (*tasks, *tasks):
        answer = ask(f"TaskViewSet/projects/{each.project_id}/tasks/{each.pk}")
        assert (answer.status_code, answer.json().get("id")) == (200, each.pk)
    assert ask(f"TaskViewSet/projects/{project.pk}/tasks/{tasks[1].pk}").status_code == 404


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


def test_middleware_sees_what_is_answered_ahead_of_django_too(
    owner_of_orders: tuple[str, str], settings: Any, where: str
) -> None:
    if where == "transaction":
        pytest.skip("the application closes the connection of the test's transaction")
    from config.front import Front

    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.newcomer.middleware.only_staff"]
    application, (url, token) = Front(), owner_of_orders
    statuses = []
    for role in ("staff", "staff", "nobody", "staff", "nobody"):
        environ = RequestFactory().get(url, headers={"Authorization": token, "X-Role": role}).environ
        body: Any = application(environ, lambda status, headers, error=None: statuses.append(status[:3]))
        b"".join(body)
        getattr(body, "close", list)()
    assert statuses == ["200", "200", "403", "200", "403"]


@pytest.fixture
def owner_of_orders(company: Any) -> tuple[str, str]:
    from businesses import tokens
    from tests import factories

    office = factories.office(company)
    member = factories.member(company)
    factories.order(office, member)
    return "/api/orders", f"Token {tokens.issue(member)[0]}"


# --- What is not fast is told


def told(settings: Any) -> list[str]:
    from api.checks import unknown

    return [message.msg for message in unknown(None)]


def test_a_check_names_each_view_that_is_not_fast_and_why(settings: Any) -> None:
    lines = [line for line in told(settings) if "/ByInitial/" in line and line.count("<") == 1]
    route = "/api/newcomer/ByInitial/projects/<int:project>/tasks"
    assert lines == [
        f"{route} does not become known, as ByInitial overrides initial.",
        f"{route} does not become known, as ByInitial does not say that it is steady.",
    ]
    assert any("/Decorated/" in line and "something stands round its view" in line for line in told(settings))
    assert any(
        "/ByMethod/" in line and "ByMethod.list may do more than answer what is kept" in line for line in told(settings)
    )


def test_a_check_names_middleware_that_every_request_goes_to(settings: Any) -> None:
    name = "tests.newcomer.middleware.allow_origin"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, name]
    assert f"No URL becomes known, as each request goes to {name}." in told(settings)


def test_all_of_the_service_s_own_are_fast(settings: Any) -> None:
    settings.ROOT_URLCONF = "config.urls"
    assert told(settings) == []
