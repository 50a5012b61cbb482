"""The newcomer's URLs, by the view's name (`/api/newcomer/ByInitial/projects/1/tasks`), and then the service's."""

from __future__ import annotations

from django.urls import include, path

from tests.newcomer import views

VIEWS = {
    name: view for name, view in vars(views).items() if isinstance(view, type) and issubclass(view, views.TaskViewSet)
}


def routes(view: type[views.TaskViewSet], name: str, decorated: bool = False) -> list[object]:
    around = views.staff_only if decorated else lambda function: function
    tasks = f"api/newcomer/{name}/projects/<int:project>/tasks"
    return [
        path(tasks, around(view.as_view({"get": "list"}))),
        path(f"{tasks}/<int:id>", around(view.as_view({"get": "retrieve"}))),
    ]


urlpatterns = [
    *(route for name, view in VIEWS.items() for route in routes(view, name)),
    *routes(views.TaskViewSet, "Decorated", decorated=True),
    path("", include("config.urls")),
]
