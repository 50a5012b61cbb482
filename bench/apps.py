import os

from django.apps import AppConfig


class BenchConfig(AppConfig):
    name = "bench"

    def ready(self) -> None:
        from config import access
        from querybudget.middleware import request_measured

        request_measured.disconnect(access.log_request)
        if os.environ.get("BENCH_SHELF") == "0":
            from fast import shelf

            shelf.BYTES_MOST = 0
