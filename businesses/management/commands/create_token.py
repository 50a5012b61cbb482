"""manage.py create_token USER"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from businesses import tokens
from businesses.models import User


class Command(BaseCommand):
    help = "Print a new API token of a user, and nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py create_token demo"
        parser.add_argument("user", help="username")

    def handle(self, *args: Any, user: str, **options: Any) -> str:
        found = User.objects.filter(username=user, is_active=True).first()
        if found is None:
            raise CommandError(f"there is no active user {user!r}")
        return tokens.issue(found)[0]
