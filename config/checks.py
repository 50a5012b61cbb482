"""Configuration that a running service can't do without, and a build can."""

from __future__ import annotations

from typing import Any

from django.core.checks import Error, Tags, register

from config import env


def missing() -> list[str]:
    """The names of required variables that are not set."""
    return [name for name in ("SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS") if not env.text(name)]


@register(Tags.security, deploy=True)
def required_variables(app_configs: Any, **kwargs: Any) -> list[Error]:
    """`check --deploy` names each missing variable."""
    return [Error(f"{name} is not set.", id=f"config.E{number:03}") for number, name in enumerate(missing(), 1)]
