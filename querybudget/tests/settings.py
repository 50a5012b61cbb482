"""Settings of this package's own tests: SQLite in memory, or with QUERYBUDGET_ON=postgresql DATABASE_URL."""

import os
from urllib.parse import urlsplit

SECRET_KEY = "only for tests"
USE_TZ = True
ROOT_URLCONF = "querybudget.tests.urls"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "rest_framework",
    "querybudget",
    "querybudget.tests.corpus",
    "querybudget.tests.article",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASE_ROUTERS = ["querybudget.tests.corpus.router.ArchiveRouter"]
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None}


def database(name: str) -> dict[str, object]:
    if os.environ.get("QUERYBUDGET_ON") != "postgresql":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": f"file:{name}?mode=memory&cache=shared"}
    url = urlsplit(os.environ["DATABASE_URL"])
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "HOST": url.hostname,
        "PORT": url.port or 5432,
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "TEST": {"NAME": f"test_querybudget_{name}"},
    }


DATABASES = {"default": database("default"), "archive": database("archive")}
