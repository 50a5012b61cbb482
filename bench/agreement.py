"""Before anything is timed: everybody answers the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import connection

from bench.contenders import Answer, BenchError, ask
from config.measuring import Server

if TYPE_CHECKING:  # models, for which Django has to be set up
    from bench.data import World


def check_pages(servers: Mapping[str, tuple[Server, str]], token: str) -> None:
    """The first page of `servers`, each with its path, and the one that its `next` leads to. The first one is right.

    Cursors are each server's own; everything else has to be equal.
    """
    expected: list[Any] = []
    for name, (server, path) in servers.items():
        first = page(name, ask(server, path, token))
        second = page(name, ask(server, first["next"], token))
        expected = expected or [first, second]
        for number, (wanted, got) in enumerate(zip(expected, [first, second], strict=True), start=1):
            if len(got["results"]) != 50 or any(len(order["lines"]) != 4 for order in got["results"]):
                raise BenchError(f"{name}: page {number} is not one of 50 orders with 4 lines each")
            same(name, f"page {number}", wanted["results"], got["results"])
            if (got["next"] is None, set(got)) != (False, {"next", "previous", "results"}):
                raise BenchError(f"{name}: page {number} is {sorted(got)}, next {got['next']}")


def page(name: str, answer: Answer) -> Any:
    if answer.status != 200:
        raise BenchError(f"{name} answers {answer.status}: {answer.body[:300]!r}")
    return json.loads(answer.body)


def same(name: str, where: str, wanted: Any, got: Any) -> None:
    """Raises BenchError with the path to the first difference."""
    if isinstance(wanted, dict) and isinstance(got, dict) and wanted.keys() == got.keys():
        for key in wanted:
            same(name, f"{where}.{key}", wanted[key], got[key])
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for number, (one, other) in enumerate(zip(wanted, got, strict=True)):
            same(name, f"{where}[{number}]", one, other)
    elif (type(wanted), wanted) != (type(got), got):
        raise BenchError(f"{name}: {where} is {got!r}, not {wanted!r}")


def check_tokens_are_asked_for(servers: Mapping[str, tuple[Server, str]]) -> None:
    """A token that nobody has is refused."""
    for name, (server, path) in servers.items():
        if (status := ask(server, path, "0" * 64).status) not in (401, 403):
            raise BenchError(f"{name} answers {status} to a token that does not exist")


def check_revisions_are_asked_for(servers: Mapping[str, tuple[Server, str]], world: World) -> None:
    """A page that is kept, and a tag that is known, are worth nothing once the company's revision has risen."""
    tags = {name: ask(server, path, world.main).headers["etag"] for name, (server, path) in servers.items()}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE businesses_company SET revision = revision + 1 WHERE slug = 'main'")
    connection.close()
    for name, (server, path) in servers.items():
        again = ask(server, path, world.main, {"If-None-Match": tags[name]})
        if again.status != 200 or again.headers["etag"] == tags[name]:
            raise BenchError(f"{name} answers {again.status}, {again.headers['etag']}, though the revision has risen")


WRITTEN = """
    SELECT o.status, o.idempotency_key, length(o.request_digest), o.revision - c.revision, o.total, o.ship_street,
        (SELECT array_agg(concat_ws(' ', position, sku, quantity, unit_price, total) ORDER BY position)
         FROM orders_orderline WHERE order_id = o.id),
        (SELECT array_agg(concat_ws(' ', kind, actor_id, data)) FROM orders_orderevent WHERE order_id = o.id)
    FROM orders_order o JOIN businesses_company c ON c.id = o.company_id WHERE o.id = %s
"""
OWN = ("id", "number", "placed_at", "updated_at", "version")  # of each order that is placed


def check_creates(servers: Mapping[str, Server], world: World, body: bytes) -> None:
    """Answers and rows, compared after each create; the key stands once, its repeat answers with the same order."""
    expected: list[Any] = []
    for name, server in servers.items():
        key = uuid.uuid4().hex
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        first, second = (ask(server, "/api/orders", world.writer, headers, "POST", body) for _ in range(2))
        if (first.status, second.status) != (201, 201) or json.loads(first.body) != json.loads(second.body):
            raise BenchError(f"{name} creates: {first.status} {second.status} {second.body[:300]!r}")
        answer = json.loads(first.body)
        with connection.cursor() as cursor:
            cursor.execute(WRITTEN, [answer["id"]])
            rows = [value if value != key else "key" for value in cursor.fetchone()]
        got = [{field: value for field, value in answer.items() if field not in OWN}, rows]
        expected = expected or got
        same(name, "created", expected, got)
    connection.close()
