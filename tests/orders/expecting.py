"""What many tests of answers look for."""

from __future__ import annotations

from typing import Any

BEYOND_64_BITS = 2**63
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}


def problem(response: Any, status: int, *names: str) -> dict[str, Any]:
    """The problem document of `response`, after checking that it is a whole one and names `names`."""
    assert response.status_code == status, response.content[:500]
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document.keys() == MEMBERS
    assert document["status"] == status
    assert document["type"].endswith(f":{document['code']}")
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == response.wsgi_request.path
    assert document["request_id"] == response.headers["X-Request-Id"]
    named = [error["name"] for error in document["errors"]]
    assert set(names) <= set(named), document
    return document


def results(response: Any) -> list[dict[str, Any]]:
    """The rows of a page."""
    assert response.status_code == 200, response.content[:500]
    rows: list[dict[str, Any]] = response.json()["results"]
    return rows


def ids(response: Any) -> list[int]:
    return [row["id"] for row in results(response)]
