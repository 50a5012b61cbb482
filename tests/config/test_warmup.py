"""What is loaded before the first request, and that nobody is asked for it."""

from __future__ import annotations

import json

from tests.config.processes import started
from tests.outages import closed_port

LOOK = """
import gc, json, sys
import django
django.setup()
from config.wsgi import application
from config.warmup import warm_up
warm_up()
from api.shaping import plan_for
from django.urls import get_resolver
print(json.dumps({
    "frozen": gc.get_freeze_count(),
    "loaded": "orders.views" in sys.modules,
    "plans": plan_for.cache_info().currsize,
    "misses": plan_for.cache_info().misses,
}))
"""


def test_views_and_plans_are_loaded_and_frozen_without_database_or_redis() -> None:
    away = closed_port()
    with started(
        "-c",
        LOOK,
        DJANGO_SETTINGS_MODULE="config.settings",
        DATABASE_URL=f"postgres://nobody@127.0.0.1:{away}/none",
        REDIS_URL=f"redis://127.0.0.1:{away}/0",
    ) as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    found = json.loads(output)
    assert found["frozen"] > 50_000
    assert found["loaded"]
    assert found["plans"] > 10


def test_the_order_list_has_its_plan() -> None:
    look = LOOK + (
        "from orders.views import OrderViewSet as view\n"
        "from api.selection import Selection\n"
        "before = plan_for.cache_info().misses\n"
        "plan_for(view.serializer_class, Selection(), view.orderings['-placed_at'].columns)\n"
        "print(plan_for.cache_info().misses - before)\n"
    )
    with started("-c", look, DJANGO_SETTINGS_MODULE="config.settings") as process:
        output, errors = process.communicate(timeout=60)
    assert output.splitlines()[-1:] == ["0"], errors
