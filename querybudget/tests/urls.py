from django.urls import path

from querybudget.tests.article.views import Offices, Orders
from querybudget.tests.corpus import lookalikes, loops, twins  # noqa: F401 - registers the cases
from querybudget.tests.corpus.cases import urls

urlpatterns = [
    *urls(),
    path("article/orders", Orders.as_view()),
    path("article/offices", Offices.as_view()),
]
