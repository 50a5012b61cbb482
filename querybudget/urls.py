"""`path("-/queries/", include("querybudget.urls"))`."""

from django.urls import path

from querybudget.views import report, reports

app_name = "querybudget"

urlpatterns = [
    path("", reports, name="reports"),
    path("<slug:id>", report, name="report"),
]
