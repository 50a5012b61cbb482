"""Views as somebody writes them who knows Django REST framework and nothing of what is fast here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission, IsAdminUser, IsAuthenticated

from api import keyset
from api.pagecache import Freshness
from businesses.views import ScopedViewSet
from tests.newcomer.models import Task


class TaskSerializer(serializers.ModelSerializer[Task]):
    class Meta:
        model = Task
        fields = ["id", "title", "due"]


class TaskFilter(django_filters.FilterSet):
    started = django_filters.BooleanFilter(method="by_start")

    def by_start(self, tasks: QuerySet[Task], name: str, value: bool) -> QuerySet[Task]:
        now = timezone.now()
        return tasks.filter(starts_at__lte=now) if value else tasks.filter(starts_at__gt=now)


class TaskViewSet(ScopedViewSet):
    """The tasks of a project that have started."""

    queryset = Task.objects.none()
    serializer_class = TaskSerializer
    filterset_class = TaskFilter
    orderings = {"id": keyset.Order(("id",)), "due": keyset.Order(("due", "id"))}

    def visible(self) -> QuerySet[Task]:
        companies = self.scope.grants.companies
        return Task.objects.filter(project=self.kwargs["project"], project__company__in=companies)

    @classmethod
    def freshness_for(cls, auth: Any) -> Freshness:
        return Freshness(auth.audience, auth.stamp)


class CurrentTaskViewSet(TaskViewSet):
    """Those that have started."""

    def visible(self) -> QuerySet[Task]:
        return super().visible().filter(starts_at__lte=timezone.now())


# --- Only for staff, in each way that Django and DRF have


class ByPermissionClass(TaskViewSet):
    permission_classes = [IsAuthenticated, IsAdminUser]


class ByGetPermissions(TaskViewSet):
    def get_permissions(self) -> Any:
        return [*super().get_permissions(), IsAdminUser()]


class ByCheckPermissions(TaskViewSet):
    def check_permissions(self, request: Any) -> None:
        super().check_permissions(request)
        refuse_others(request)


class ByInitial(TaskViewSet):
    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        refuse_others(request)


class ByAuthentication(TaskViewSet):
    def perform_authentication(self, request: Any) -> None:
        super().perform_authentication(request)
        refuse_others(request)


class ByMethod(TaskViewSet):
    def list(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_others(request)
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_others(request)
        return super().retrieve(request, *args, **kwargs)


class ByDispatch(TaskViewSet):
    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        if request.user and not request.user.is_staff:
            response = HttpResponse(status=403)
        return super().finalize_response(request, response, *args, **kwargs)


class MineOnly(BasePermission):
    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return bool(request.user.is_staff)


class ByObject(TaskViewSet):
    """Details are for staff; the list is for everybody."""

    permission_classes = [IsAuthenticated, MineOnly]


def refuse_others(request: Any) -> None:
    if not request.user.is_staff:
        raise PermissionDenied


View = Callable[..., Any]


def staff_only(view: View) -> View:
    """Round `as_view()`: asks knox itself, as a decorator outside of DRF has no user."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        from knox.auth import TokenAuthentication

        found = TokenAuthentication().authenticate(request)
        return view(request, *args, **kwargs) if found and found[0].is_staff else HttpResponse(status=403)

    return guarded


# --- What else DRF lets a view say for itself


class OtherQueryset(TaskViewSet):
    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().filter(title="shown")


class LongTitleSerializer(TaskSerializer):
    title = serializers.SerializerMethodField()

    def get_title(self, task: Task) -> str:
        return f"{task.title} of {task.pk}"

    get_title.needs = ("title",)  # type: ignore[attr-defined]


class OtherSerializer(TaskViewSet):
    def get_serializer_class(self) -> Any:
        return LongTitleSerializer if self.request.query_params.get("format") == "json" else TaskSerializer


class Stamped(TaskViewSet):
    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["X-User"] = str(request.user.pk)
        return response
