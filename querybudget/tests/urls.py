from django.urls import path

from querybudget.tests.article.views import Offices, Orders
from querybudget.tests.corpus import (  # noqa: F401 - registers the cases
    batches,
    layers,
    layers_mended,
    lookalikes,
    loops,
    spellings,
    spellings_mended,
    twins,
)
from querybudget.tests.corpus.cases import urls

urlpatterns = [
    *urls(),
    path("article/orders", Orders.as_view()),
    path("article/offices", Offices.as_view()),
]
