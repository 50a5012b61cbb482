"""`make run`: a service to try, from nothing, in one process.

Migrates the database ($DATABASE_URL, else an SQLite file), fills it with demo data if it is empty, prints
what a person needs to look around and serves on 127.0.0.1:$PORT (8000). What it keeps lies in `.run/`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.management.utils import get_random_secret_key
from django.db import DatabaseError
from django.utils.crypto import salted_hmac

from config import env, sizing, workers
from config.drain import serve
from config.server import make_service

HOST = "127.0.0.1"
DEMO = {"companies": 20, "offices": 600, "users": 300, "orders": 5_000}
STAFF = "demo-staff"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("ALLOWED_HOSTS", "localhost,127.0.0.1")
    os.environ.setdefault("HTTPS", "0")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    os.environ.setdefault("STATIC_COLLECTED", "0")
    try:
        port = workers.bound(
            HOST, env.port("PORT", 8000), reuse=socket.SO_REUSEADDR
        )  # before anything that takes seconds
        keep_secret_key(settings.LOCAL)
        django.setup()
        prepare()
        from config.wsgi import application

        server = make_service(application, sizing.size().threads.count, sockets=[port])
        lines = introduction(f"http://{HOST}:{server.effective_port}")
    except (ImproperlyConfigured, CommandError, DatabaseError, OSError) as problem:
        sys.exit(f"error: {str(problem).strip()}")
    with contextlib.suppress(KeyboardInterrupt):
        print("\n".join(lines), flush=True)  # noqa: T201
        serve(server)


def keep_secret_key(folder: Path) -> None:
    """Write a secret key where the settings look for it, so that sessions and cursors survive a restart."""
    folder.mkdir(exist_ok=True)
    file = folder / "secret-key"
    if not env.text("SECRET_KEY") and not file.exists():
        file.touch(mode=0o600)
        file.write_text(get_random_secret_key())
        settings.SECRET_KEY = file.read_text()


def prepare() -> None:
    """Bring the database up to date, and fill it if nobody is in it."""
    from businesses.models import User

    call_command("migrate", verbosity=0)
    if not User.objects.exists():
        call_command("seed_demo", **DEMO)


def introduction(address: str) -> list[str]:
    """The lines to print. Only where the demo's data is does somebody get a token, and a login that is for staff."""
    from businesses import tokens
    from businesses.models import User

    lines = [f"serving on {address}  (stop with Ctrl-C)"]
    demo = User.objects.filter(username="demo").first()
    if demo is None:
        return lines
    token = tokens.issue(demo)[0]
    return [
        *lines,
        f"  orders:        curl -H 'Authorization: Token {token}' '{address}/api/orders?limit=1'",
        f'  documentation: {address}/api/docs, whose "Authorize" takes: Token {token}',
        f"  for staff:     {address}/admin/ and {address}/-/queries/, as {STAFF} with the password {staff_password()}",
    ]


def staff_password() -> str:
    """Of a superuser of the demo, who is made if they are not there. It stays the same with the secret key."""
    from businesses.models import User

    password = salted_hmac("config.quickstart", STAFF).hexdigest()[:12]
    staff = User.objects.filter(username=STAFF).first()
    if staff is None:
        User.objects.create_superuser(STAFF, f"{STAFF}@example.com", password)
    elif not staff.check_password(password):
        staff.set_password(password)
        staff.save(update_fields=["password"])
    return password


if __name__ == "__main__":
    main()
