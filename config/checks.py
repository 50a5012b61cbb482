"""Configuration that a running service can't do without, and a build can."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, register

from config import env


def missing() -> list[str]:
    """The names of required variables that are not set."""
    needed = {
        "SECRET_KEY": env.text("SECRET_KEY") or settings.DEBUG,
        "DATABASE_URL": settings.DATABASE_URL,
        "ALLOWED_HOSTS": settings.ALLOWED_HOSTS,
    }
    return [name for name, value in needed.items() if not value]


@register(Tags.security, deploy=True)
def required_variables(app_configs: Any, **kwargs: Any) -> list[Error]:
    """`check --deploy` names each missing variable."""
    return [Error(f"{name} is not set.", id=f"config.E{number:03}") for number, name in enumerate(missing(), 1)]
