from querybudget.tests.corpus import lookalikes, loops, twins  # noqa: F401 - registers the cases
from querybudget.tests.corpus.cases import urls

urlpatterns = urls()
