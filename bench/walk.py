"""To a deep page as a client gets there: by following `next`."""

from __future__ import annotations

import json

from bench.contenders import ask
from config.measuring import Server

MOST = 200  # rows of a page


def walk(server: Server, token: str, skip: int) -> str:
    """The cursor behind the newest `skip` orders. It holds for any `fields` and `limit`, so only ids are read."""
    target = f"/api/orders?fields=id&limit={min(skip, MOST)}"
    while skip > 0:
        skip -= min(skip, MOST)
        following = json.loads(ask(server, target, token).body)["next"]
        target = following.replace(f"limit={MOST}", f"limit={min(max(skip, 1), MOST)}")
    return str(target.partition("cursor=")[2])
