"""`make run`: a service to try, from nothing, in one process.

Migrates the database ($DATABASE_URL, else an SQLite file), fills it with demo data if it is empty,
collects static files, prints a token and serves on 127.0.0.1:$PORT (8000). What it keeps lies in `.run/`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.management.utils import get_random_secret_key
from django.db import DatabaseError

from config import env, sizing
from config.drain import serve
from config.server import make_server

ROOT = Path(__file__).resolve().parent.parent
DEMO = {"companies": 20, "offices": 600, "users": 300, "orders": 20_000}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("ALLOWED_HOSTS", "localhost,127.0.0.1")
    os.environ.setdefault("HTTPS", "0")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    try:
        port = env.integer("PORT", 8000)
        keep_secret_key(settings.LOCAL)
        django.setup()
        token = prepare()
        from config.wsgi import application

        server = make_server(application, sizing.size().threads.count, host="127.0.0.1", port=port)
    except (ImproperlyConfigured, CommandError, DatabaseError, OSError) as problem:
        sys.exit(f"error: {str(problem).strip()}")
    with contextlib.suppress(KeyboardInterrupt):
        show(f"http://127.0.0.1:{server.effective_port}", token)
        serve(server)


def keep_secret_key(folder: Path) -> None:
    """Write a secret key where the settings look for it, so that sessions and cursors survive a restart."""
    folder.mkdir(exist_ok=True)
    file = folder / "secret-key"
    if not env.text("SECRET_KEY") and not file.exists():
        file.touch(mode=0o600)
        file.write_text(get_random_secret_key())
        settings.SECRET_KEY = file.read_text()


def prepare() -> str:
    """Bring database and static files up to date; return a new token of the demo user."""
    from businesses import tokens
    from businesses.models import User

    call_command("migrate", verbosity=0)
    if not User.objects.exists():
        call_command("seed_demo", **DEMO)
    # Hashing and compressing takes seconds; the packages' files change with requirements.txt only.
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if not manifest.exists() or manifest.stat().st_mtime < (ROOT / "requirements.txt").stat().st_mtime:
        call_command("collectstatic", interactive=False)
    demo = User.objects.filter(username="demo").first()
    return tokens.issue(demo)[0] if demo else ""


def show(address: str, token: str) -> None:
    lines = [f"serving on {address}  (documentation: {address}/api/docs, stop with Ctrl-C)"]
    if token:
        lines += [
            f"demo token: {token}",
            "",
            f"    curl -H 'Authorization: Token {token}' '{address}/api/orders?limit=1'",
        ]
    print("\n".join(lines), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
