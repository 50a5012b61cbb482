"""Several processes on one port: all serve, dead ones are replaced, and none is left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.config.processes import children, ended, plain_server, service, started
from tests.waiting import eventually
from tests.web import announced_port, refuses

Server = tuple[subprocess.Popen[str], int]


@pytest.fixture
def pair() -> Iterator[Server]:
    """A supervisor with two workers, and their port."""
    with plain_server(workers=2) as server:
        yield server


def serving(port: int) -> int:
    """The process that answers a new connection."""
    client = HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", "/pid", headers={"Connection": "close"})
    return int(client.getresponse().read())


def begin_stream(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.sendall(b"GET /pausing HTTP/1.0\r\n\r\n")
    received = b""
    while b"first" not in received:
        received += client.recv(1000)
    return client


def test_connections_are_dealt_out_among_all(pair: Server) -> None:
    supervisor, port = pair
    assert {serving(port) for _ in range(60)} == set(children(supervisor.pid))


def test_a_worker_that_dies_is_replaced(pair: Server) -> None:
    supervisor, port = pair
    first, second = children(supervisor.pid)
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: len(children(supervisor.pid)) == 2 and first not in children(supervisor.pid))
    assert second in children(supervisor.pid)
    assert eventually(lambda: {serving(port) for _ in range(60)} == set(children(supervisor.pid)))


@pytest.mark.parametrize("whole_group", [False, True], ids=["supervisor", "whole group"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_being_told_to_stop_all_finish_first(pair: Server, number: signal.Signals, whole_group: bool) -> None:
    supervisor, port = pair
    streams = [begin_stream(port) for _ in range(2)]
    (os.killpg if whole_group else os.kill)(supervisor.pid, number)
    assert eventually(lambda: refuses(port))
    assert supervisor.poll() is None
    assert supervisor.stdin
    supervisor.stdin.write("..")
    supervisor.stdin.flush()
    for stream in streams:
        assert stream.makefile("rb").read().endswith(b"last")
        stream.close()
    assert supervisor.wait(timeout=20) == 0


def test_workers_of_a_killed_supervisor_finish_and_end(pair: Server) -> None:
    supervisor, port = pair
    workers = children(supervisor.pid)
    stream = begin_stream(port)
    supervisor.kill()
    supervisor.wait()
    assert eventually(lambda: refuses(port))
    assert not all(ended(worker) for worker in workers)
    assert supervisor.stdin
    supervisor.stdin.write(".")
    supervisor.stdin.flush()
    assert stream.makefile("rb").read().endswith(b"last")
    stream.close()
    assert eventually(lambda: all(ended(worker) for worker in workers))


# --- Workers that can't serve


def supervised(work: str, folder: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """A supervisor of two whose work is this Python code; it prints "all serve" when they do."""
    lines = [
        "import os, pathlib, signal, sys",
        "from config.workers import supervise",
        f"folder = pathlib.Path({str(folder)!r})",
        "def work(ready, place):",
        "    (folder / f'started-{os.getpid()}').touch()",
        *(f"    {line}" for line in work.splitlines()),
        "sys.exit(supervise(work, 2, lambda: print('all serve', flush=True)))",
    ]
    return started("-c", "\n".join(lines))


def starts(folder: Path) -> int:
    return len(list(folder.glob("started-*")))


@pytest.mark.parametrize("lucky", ["", "if starts(folder) == 1: ready(); signal.pause()\n"], ids=["none", "one serves"])
def test_where_a_first_worker_does_not_serve_the_start_fails_in_one_line(tmp_path: Path, lucky: str) -> None:
    counting = "starts = lambda folder: len(list(folder.glob('started-*')))\n"
    with supervised(f"{counting}{lucky}raise OSError('no room for a listener')", tmp_path) as supervisor:
        output, errors = supervisor.communicate(timeout=20)
        assert (supervisor.returncode, output, errors) == (1, "", "error: no room for a listener\n")


def test_a_worker_that_dies_young_is_not_replaced_at_once(tmp_path: Path) -> None:
    with supervised("ready()\nos._exit(3)", tmp_path) as supervisor:
        assert supervisor.stdout
        assert supervisor.stdout.readline() == "all serve\n"
        time.sleep(2)
        assert 2 < starts(tmp_path) < 8  # without a delay there are hundreds
        supervisor.terminate()
        supervisor.communicate(timeout=20)
        assert supervisor.returncode == 0


def test_a_replacement_that_does_not_serve_is_tried_again(tmp_path: Path) -> None:
    work = "if (folder / 'broken').exists(): raise OSError('not now')\nready()\nsignal.pause()"
    with supervised(work, tmp_path) as supervisor:
        assert supervisor.stdout
        assert supervisor.stdout.readline() == "all serve\n"
        (tmp_path / "broken").touch()
        os.kill(children(supervisor.pid)[0], signal.SIGKILL)
        assert eventually(lambda: starts(tmp_path) > 3)
        (tmp_path / "broken").unlink()
        assert eventually(lambda: len(children(supervisor.pid)) == 2)
        supervisor.terminate()
        assert "error: not now\n" in supervisor.communicate(timeout=20)[1]


# --- The server itself


def test_two_workers_serve_the_service() -> None:
    with service(WEB_CONCURRENCY="2", WEB_THREADS="3") as server:
        assert server.stdout
        line = server.stdout.readline()
        assert "2 processes of 3 threads (WEB_THREADS), serving on 127.0.0.1:" in line
        client = HTTPConnection("127.0.0.1", int(re.findall(r":(\d+)", line)[-1]), timeout=20)
        client.request("GET", "/readyz", headers={"Host": "localhost"})
        assert client.getresponse().status == 200
        assert len(children(server.pid)) == 2
        server.terminate()
        assert server.wait(timeout=30) == 0


def test_what_all_workers_count_adds_up() -> None:
    with service(WEB_CONCURRENCY="2", METRICS_TOKEN="a-token", LOG_LEVEL="INFO") as server:
        port = announced_port(server)

        def get(path: str) -> str:
            client = HTTPConnection("127.0.0.1", port, timeout=20)
            headers = {"Host": "localhost", "Authorization": "Bearer a-token", "Connection": "close"}
            client.request("GET", path, headers=headers)
            return client.getresponse().read().decode()

        for _ in range(40):
            get("/healthz")
        counted = 'orders_requests_total{method="GET",route="/healthz",status="200"} 40.0'
        assert counted in get("/-/metrics").splitlines()
        server.terminate()
        assert server.wait(timeout=30) == 0


def test_one_process_has_no_supervisor() -> None:
    with service() as server:
        assert announced_port(server)
        assert children(server.pid) == []


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_port_that_is_taken_is_one_line(processes: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), reuse_port=True) as other,
        service(PORT=str(other.getsockname()[1]), WEB_CONCURRENCY=processes) as server,
    ):
        _, errors = server.communicate(timeout=20)
        port = other.getsockname()[1]
        assert server.returncode == 1
        assert errors == f"error: PORT {port} of 127.0.0.1 can't be listened on: Address already in use\n"
