from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class FastConfig(AppConfig):
    """Registers what is faster: its own, and what each application says in a module `fast`."""

    name = "fast"

    def ready(self) -> None:
        from fast import checks, early, pages, shelf  # noqa: F401 register themselves

        autodiscover_modules("fast")
