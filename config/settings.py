"""Settings of the service. Everything that differs between deployments is an environment variable.

`collectstatic` runs in Heroku's build without any of them, so nothing here insists on one;
`config.checks` names what a deployment lacks, and `config.server` does not start without it.
"""

from __future__ import annotations

import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE

from api.breaker import BreakingConnection, BreakingSSLConnection
from api.cached import FORM
from config import env
from config.release import fingerprint

BASE_DIR = Path(__file__).resolve().parent.parent

LOCAL = BASE_DIR / ".run"  # what `make run` keeps: an SQLite file and a secret key

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY") or env.file(LOCAL / "secret-key")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if DEBUG else "")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
FAST = env.flag("FAST", default=(BASE_DIR / "fast").is_dir())  # 0: nothing of it is imported, Django alone answers
RELEASE = env.text("HEROKU_SLUG_COMMIT") or fingerprint(BASE_DIR)

INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    "orders",
    "businesses",
    "api",
    "querybudget",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "csp",
]
if FAST:
    INSTALLED_APPS.append("fast")

MIDDLEWARE = [
    "querybudget.middleware.QueryBudgetMiddleware",
    "config.middleware.RequestIdMiddleware",
    "config.shedding.LoadSheddingMiddleware",
    "config.deadline.DeadlineMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "api.compression.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
if FAST:  # what it answers needs nothing of what follows
    MIDDLEWARE.insert(MIDDLEWARE.index("django.middleware.security.SecurityMiddleware"), "fast.early.EarlyMiddleware")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True  # for the admin; the API's paths end without one and are matched first

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Data

KEPT = {"conn_max_age": env.integer("DATABASE_CONN_MAX_AGE", 600), "conn_health_checks": True}  # opening costs 7–11 ms
DATABASE_CA = env.certificate("DATABASE_CA", LOCAL)
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{LOCAL / 'orders.sqlite3'}", DATABASE_CA, **KEPT)}
if env.text("DATABASE_REPLICA_URL"):  # businesses/replica.py says when it is read
    DATABASES["replica"] = env.database("DATABASE_REPLICA_URL", "", DATABASE_CA, **KEPT)
# Writers queue at BEGIN; a read lock that is upgraded later fails at once instead.
SQLITE: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# libpq's own options, which PgBouncer never sees. A server that is gone without a word is given up after 30 s,
# one that does not let us in after 3 s: REQUEST_DEADLINE and they stay below the router's 30 s.
POSTGRESQL: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
for database in DATABASES.values():
    options = SQLITE
    if database["ENGINE"] == "django.db.backends.postgresql":
        database["ENGINE"], options = "fast.postgresql" if FAST else "api.postgresql", POSTGRESQL
    elif database["ENGINE"] == "django.db.backends.sqlite3":
        database["ENGINE"] = "api.sqlite"
    database["OPTIONS"] = options | database.get("OPTIONS", {})

REDIS_URL = env.text("REDIS_URL")
REDIS_SECONDS = env.integer("REDIS_TIMEOUT", 250, least=1) / 1000  # a frozen Redis costs 5 s an operation otherwise
REDIS_CA = env.certificate("REDIS_CA", LOCAL)
# Heroku's certificates are signed by nobody but themselves, so there is none to check them by.
REDIS_VERIFY = env.flag("REDIS_VERIFY", default=bool(REDIS_CA) or not env.text("DYNO"))
CACHES: dict[str, dict[str, Any]] = {"default": {"BACKEND": "api.local.BoundedCache", "OPTIONS": {"MAX_ENTRIES": 1000}}}
if REDIS_URL:
    CACHES["default"] = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "VERSION": FORM,
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": REDIS_SECONDS,
            "SOCKET_TIMEOUT": REDIS_SECONDS,
            "IGNORE_EXCEPTIONS": True,
            "SERIALIZER": "api.cached.PlainSerializer",
            "CONNECTION_POOL_KWARGS": {"connection_class": BreakingConnection},
        },
    }
    if REDIS_URL.startswith("rediss:"):
        CACHES["default"]["OPTIONS"]["CONNECTION_POOL_KWARGS"] = {
            "connection_class": BreakingSSLConnection,
            "ssl_cert_reqs": "required" if REDIS_VERIFY else "none",
            "ssl_check_hostname": REDIS_VERIFY,
            "ssl_ca_certs": REDIS_CA or None,
        }

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "businesses.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# --- Static files

STATIC_URL = env.text("STATIC_HOST") + "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_FINDERS = ["config.static.Finder"]
STATIC_COLLECTED = env.flag("STATIC_COLLECTED", default=not DEBUG)  # 0: served from where the packages have them
STORAGES = {"staticfiles": {"BACKEND": "config.static.Storage"}}
if not STATIC_COLLECTED:
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

# --- Overload

BEHIND_ROUTER = env.flag("BEHIND_ROUTER", default=bool(env.text("DYNO")))  # one proxy whose headers are true
CPU_AFFINITY = env.flag("CPU_AFFINITY", True)  # config/affinity.py
SHED_AFTER = env.integer("SHED_AFTER", 15, least=1)  # seconds in the queue; the router gives up after 30
REQUEST_DEADLINE = env.integer("REQUEST_DEADLINE", 25, least=1)  # seconds; no query starts after them

# --- Security

HTTPS = env.flag("HTTPS", default=not DEBUG)  # whether clients reach the service by https only
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
X_FRAME_OPTIONS = "DENY"
STATIC_ORIGINS = [SELF, *filter(None, [env.text("STATIC_HOST")])]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": STATIC_ORIGINS,
        "style-src": [*STATIC_ORIGINS, UNSAFE_INLINE],  # style attributes of Swagger UI and the browsable API
        "img-src": [*STATIC_ORIGINS, "data:"],
        "font-src": STATIC_ORIGINS,
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- The API

API_BODY_LIMIT = 1_000_000  # bytes of one JSON body; the server itself refuses more than 2.5 MB
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000  # of one query: four parameters may be repeated 1,000 times each
THROTTLES = {  # name: (requests, seconds)
    "user": (env.integer("THROTTLE_USER", 600, least=1), 60),
    "anonymous": (env.integer("THROTTLE_ANONYMOUS", 60, least=1), 60),
    "login-address": (env.integer("THROTTLE_LOGIN_ADDRESS", 30, least=1), 60),
    "login-user": (env.integer("THROTTLE_LOGIN_USER", 10, least=1), 60),
}
# A query while rendering is answered and logged ("report"), an error ("raise"), or told by the query budgets where they
# watch and an error elsewhere ("budgets", in tests).
SHAPING_GUARD = env.choice("SHAPING_GUARD", ("raise", "report", "budgets"), "report")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["businesses.authentication.ScopeAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["api.throttling.RequestThrottle"],
    "DEFAULT_PARSER_CLASSES": ["api.parsers.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.negotiation.NamedFormatNegotiation",
    "DEFAULT_SCHEMA_CLASS": "api.openapi.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "api.problems.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNICODE_JSON": True,
    "COMPACT_JSON": True,
}
REST_KNOX = {
    "TOKEN_TTL": timedelta(days=env.integer("TOKEN_DAYS", 30, least=1)),
    "AUTH_HEADER_PREFIX": "Token",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Orders",
    "VERSION": "1",
    "DESCRIPTION": "Orders of companies with many offices. Conventions: docs/api.md.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": (BASE_DIR / "config" / "docs.js").read_text("utf-8"),
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api",
    "GET_LIB_DOC_EXCLUDES": "api.openapi.undescribed",
    "ENUM_NAME_OVERRIDES": {
        "OrderStatus": "orders.states.Status.choices",
        "OrderStep": "orders.states.STEPS",
        "Role": "businesses.models.Role.choices",
    },
}

# --- Logs: one JSON object a line on stdout

# A server's standard output is the log; a command's is for what it prints.
command_line = Path(sys.argv[0]).name == "manage.py"
log_stream, log_level = ("stderr", "WARNING") if command_line else ("stdout", "INFO")
if command_line or not STATIC_COLLECTED:  # a command serves no files
    warnings.filterwarnings("ignore", "No directory at", UserWarning)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"one_line": {"()": "config.logfilters.OneLine"}},
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
        }
    },
    "handlers": {
        "stream": {"class": "logging.StreamHandler", "stream": f"ext://sys.{log_stream}", "formatter": "json"}
    },
    "root": {
        "handlers": ["stream"],
        "level": env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), log_level),
    },
    "loggers": {
        "django.request": {"level": "ERROR"},  # a client's mistake is no event of ours
        "waitress.queue": {"level": "ERROR"},  # a warning for each request that waits: `queue_milliseconds` tells it
        "django.security.DisallowedHost": {"filters": ["one_line"]},
    },
}

QUERY_BUDGETS_FOLDER = BASE_DIR
QUERY_BUDGETS_LEDGER = "query-budgets.toml" if FAST else "query-budgets-ordinary.toml"
METRICS_TOKEN = env.text("METRICS_TOKEN")
if env.text("SENTRY_DSN"):
    from config import reports  # here, as it costs 90 ms

    reports.start(env.text("SENTRY_DSN"), RELEASE)
