from typing import Any

from django.contrib import admin
from django.db import connection
from django.urls import include, path, re_path
from django.views.generic import TemplateView
from drf_spectacular.views import SpectacularSwaggerSplitView

from api.views import NotFoundView
from businesses.login import limited
from config.documents import SchemaView
from config.health import healthz, readyz
from config.metrics import metrics

DOCUMENT: dict[str, Any] = {"authentication_classes": [], "permission_classes": [], "throttle_classes": []}

urlpatterns = [
    path("", TemplateView.as_view(template_name="home.html", extra_context={"vendor": connection.vendor}), name="home"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("-/metrics", metrics, name="metrics"),
    path("-/queries/", include("querybudget.urls")),
    path("admin/login/", limited(admin.site.login)),
    path("admin/", admin.site.urls),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(**DOCUMENT, url_name="schema"), name="docs"),
    path("api/", include("businesses.urls")),
    path("api/", include("orders.urls")),
    re_path("^api(/|$)", NotFoundView.as_view()),
]

handler400 = "config.errors.bad_request"
handler500 = "config.errors.server_error"
