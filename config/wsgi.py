import os
from typing import Any

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from config.handler import Handler  # noqa: E402 reads the settings

application: Any = Handler()
if settings.FAST:
    from fast.front import Front

    application = Front(application)
