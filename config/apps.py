from django.apps import AppConfig
from django.conf import settings


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import access, checks  # noqa: F401 registers the checks
        from querybudget.middleware import request_measured

        request_measured.connect(access.log_request)
        if settings.METRICS_TOKEN:
            from config import metrics

            request_measured.connect(metrics.count_request)
