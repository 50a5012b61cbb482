"""Views as somebody writes them who knows Django REST framework and nothing of what is fast here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.renderers import JSONRenderer

from api import keyset
from api.pagecache import Freshness
from api.pagination import KeysetPagination
from businesses.views import ScopedViewSet
from tests.newcomer.models import LoudTask, MarkedTask, Project, Task

View = Callable[..., Any]


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


class SteadyTaskViewSet(TaskViewSet):
    """Asks for nothing but grants and URL."""

    steady = True
    filterset_class = None


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


def refusing(view: View) -> View:
    """As decorators for `method_decorator` are written."""

    @wraps(view)
    def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_others(request)
        return view(request, *args, **kwargs)

    return guarded


@method_decorator(refusing, name="list")
@method_decorator(refusing, name="retrieve")
class ByMethodDecorator(TaskViewSet):
    steady = True


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


class OwnSerializer(TaskViewSet):
    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        return LongTitleSerializer(*args, **kwargs, context=self.get_serializer_context())


class OwnPages(TaskViewSet):
    def paginate_queryset(self, queryset: Any) -> Any:
        rows = super().paginate_queryset(queryset)
        return [row for row in rows or () if row.title != "hidden"]


class OwnEnvelope(TaskViewSet):
    def get_paginated_response(self, data: Any) -> Any:
        response = super().get_paginated_response(data)
        response.data["count"] = len(data)
        return response


class CountingPagination(KeysetPagination):
    def get_paginated_response(self, data: Any) -> Any:
        response = super().get_paginated_response(data)
        response.data["count"] = len(data)
        return response


class OwnPagination(TaskViewSet):
    pagination_class = CountingPagination


class OwnContext(TaskViewSet):
    def get_serializer_context(self) -> Any:
        return super().get_serializer_context() | {"word": "of"}

    def get_serializer_class(self) -> Any:
        return WordSerializer


class WordSerializer(TaskSerializer):
    title = serializers.SerializerMethodField()

    def get_title(self, task: Task) -> str:
        return f"{task.title} {self.context['word']} {task.pk}"

    get_title.needs = ("title",)  # type: ignore[attr-defined]


class ShoutingRenderer(JSONRenderer):
    def render(self, *args: Any, **kwargs: Any) -> Any:
        return super().render(*args, **kwargs).upper()


class OwnRenderer(TaskViewSet):
    steady = True
    renderer_classes = [ShoutingRenderer]


class FieldsByUserSerializer(TaskSerializer):
    """As DRF's documentation has it under "Dynamically modifying fields"."""

    def get_fields(self) -> Any:
        fields = super().get_fields()
        if not self.context["request"].user.is_staff:
            fields.pop("title")
        return fields


class FieldsByInitSerializer(TaskSerializer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "request" in self.context and not self.context["request"].user.is_staff:
            self.fields.pop("title")


class NestingSerializer(serializers.ModelSerializer[Task]):
    task = FieldsByUserSerializer(source="*")

    class Meta:
        model = Task
        fields = ["id", "task"]


class FieldsByUser(TaskViewSet):
    steady = True
    serializer_class = FieldsByUserSerializer


class FieldsByInit(TaskViewSet):
    steady = True
    serializer_class = FieldsByInitSerializer


class FieldsBelow(TaskViewSet):
    steady = True
    serializer_class = NestingSerializer


class ShownTasks(serializers.ListSerializer[Any]):
    def to_representation(self, data: Any) -> Any:
        return super().to_representation([task for task in data if task.title != "hidden"])


class ListedTaskSerializer(TaskSerializer):
    class Meta(TaskSerializer.Meta):
        list_serializer_class = ShownTasks


class OwnList(TaskViewSet):
    steady = True
    serializer_class = ListedTaskSerializer


class LoudTaskSerializer(TaskSerializer):
    class Meta(TaskSerializer.Meta):
        model = LoudTask


class MarkedTaskSerializer(TaskSerializer):
    class Meta(TaskSerializer.Meta):
        model = MarkedTask


class OwnReading(TaskViewSet):
    serializer_class = LoudTaskSerializer

    def visible(self) -> QuerySet[Any]:
        return LoudTask.objects.filter(pk__in=super().visible())


class ByReceiver(TaskViewSet):
    serializer_class = MarkedTaskSerializer

    def visible(self) -> QuerySet[Any]:
        return MarkedTask.objects.filter(pk__in=super().visible())


class ByObjectCheck(TaskViewSet):
    """Details are for staff, by the view's own hook."""

    steady = True
    filterset_class = None

    def check_object_permissions(self, request: Any, obj: Any) -> None:
        super().check_object_permissions(request, obj)
        refuse_others(request)


class FieldNamesSerializer(TaskSerializer):
    def get_field_names(self, *args: Any) -> Any:
        request = self.context.get("request")
        names = super().get_field_names(*args)
        return names if request and request.user.is_staff else [name for name in names if name != "title"]


class FieldNames(TaskViewSet):
    steady = True
    serializer_class = FieldNamesSerializer


class OpenProjectSerializer(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ["name"]

    def get_attribute(self, instance: Any) -> Any:
        project = super().get_attribute(instance)
        return project if project.name == "open" else None


class OwnNestingSerializer(serializers.ModelSerializer[Task]):
    project = OpenProjectSerializer(allow_null=True)

    class Meta:
        model = Task
        fields = ["id", "project"]


class OwnNesting(TaskViewSet):
    serializer_class = OwnNestingSerializer


class OwnData(TaskViewSet):
    def list(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response: Any = super().list(request, *args, **kwargs)
        response.data["count"] = len(response.data["results"])
        return response

    def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response: Any = super().retrieve(request, *args, **kwargs)
        response.data["count"] = 1
        return response


class OtherRows(TaskViewSet):
    def visible(self) -> QuerySet[Any]:
        return LoudTask.objects.filter(pk__in=super().visible())


class MomentSerializer(TaskSerializer):
    day = serializers.DateTimeField(source="starts_at", format="%d.%m. %H:%M")

    class Meta(TaskSerializer.Meta):
        fields = ["id", "starts_at", "day"]


class LocalTime(TaskViewSet):
    serializer_class = MomentSerializer

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        timezone.activate("Asia/Tokyo" if request.user.is_staff else "UTC")


class LateSerializer(TaskSerializer):
    late = serializers.ReadOnlyField()

    class Meta(TaskSerializer.Meta):
        fields = ["id", "late"]


class Late(TaskViewSet):
    serializer_class = LateSerializer


class ByKey(TaskViewSet):
    """What is visible depends on the key in the URL."""

    steady = True
    filterset_class = None

    def visible(self) -> QuerySet[Any]:
        rows = super().visible()
        return rows.filter(pk=self.kwargs["id"]) if "id" in self.kwargs else rows


class Versioned(TaskViewSet):
    """Reads what only DRF's request has."""

    steady = True
    filterset_class = None

    def get_serializer_context(self) -> Any:
        request: Any = self.request
        return super().get_serializer_context() | {"by": request.successful_authenticator}


class Stamped(TaskViewSet):
    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["X-User"] = str(request.user.pk)
        return response
