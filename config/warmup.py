"""Loading before the first request what it would otherwise wait for. Asks neither database nor Redis."""

from __future__ import annotations

import gc

from django.conf import settings
from django.template.loader import get_template

TEMPLATES = ("admin/change_list.html", "drf_spectacular/swagger_ui.html", "rest_framework/api.html")


def warm_up() -> None:
    """Load views, plans and templates, then take all that was loaded out of the garbage collector's sight.

    It has some 100,000 objects to look through for nothing otherwise, with every thread waiting
    (measured: half the p99). Processes that are forked afterwards share these objects' memory.
    """
    # Not at the top: the server reads its variables, and says what is wrong with them, before any model is loaded.
    from api.checks import shaped_views
    from api.selection import Selection
    from api.shaping import plan_for

    for view in shaped_views():
        plan_for(view.serializer_class, Selection())
        for order in list(view.orderings.values())[:1]:  # the default
            plan_for(view.serializer_class, Selection(), order.columns)
    if settings.FAST:
        from fast.compiled import compiled_for

        for view in shaped_views():
            compiled_for(view.serializer_class, Selection())
    for name in TEMPLATES:
        get_template(name)
    gc.collect()
    gc.freeze()
