"""Error reports to Sentry, only where `SENTRY_DSN` is set: the traceback and the route, nothing that a client sent."""

from __future__ import annotations

from typing import Any

import sentry_sdk


def start(dsn: str, release: str) -> None:
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        before_send=without_query,
        send_default_pii=False,
        include_local_variables=False,  # a frame may hold a token
        max_request_body_size="never",
    )


def without_query(event: Any, hint: Any) -> Any:
    event.get("request", {}).pop("query_string", None)
    return event
