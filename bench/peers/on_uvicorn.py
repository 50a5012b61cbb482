"""Serve the asynchronous peers: uvicorn with uvloop and httptools, one process, no access log.

    python -m bench.peers.on_uvicorn

DATABASE_URL and REDIS_URL are read. Prints "serving on HOST:PORT" once it listens.
"""

from __future__ import annotations

import gc
import socket

import uvicorn

from bench.peers.fastapi_orders import app


class Announced(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        print("serving on {}:{}".format(*sockets[0].getsockname()), flush=True)


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")
        Announced(config).run([listening])


if __name__ == "__main__":
    main()
