from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ApiConfig(AppConfig):
    name = "api"

    def ready(self) -> None:
        from api import checks, triggers  # noqa: F401 registers them

        post_migrate.connect(triggers.after_migrate, sender=self)
