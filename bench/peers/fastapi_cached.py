"""FastAPI, asyncpg and Redis, with our guarantees: token and revisions come from the database on every request.

A page is kept with the revisions it was made from and given out only while they are still those.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import redis.asyncio as redis
from fastapi import APIRouter, HTTPException, Request, Response

from bench.peers import access

SCOPE = """
    SELECT t.expiry, u.id, m.company_id, m.office_id, m.role, c.revision
    FROM knox_authtoken t JOIN businesses_user u ON u.id = t.user_id AND u.is_active
    LEFT JOIN businesses_membership m ON m.user_id = u.id LEFT JOIN businesses_company c ON c.id = m.company_id
    WHERE t.digest = $1
"""
KEPT_SECONDS = 3600
STAMP = 64  # bytes in front of a kept page

router = APIRouter()


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """The pools, for as long as the application runs."""
    global database, pages
    pool = asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=8, max_size=8)
    async with pool as database, redis.from_url(os.environ["REDIS_URL"]) as pages:
        yield


@router.get("/cached/orders")
async def list_orders(request: Request) -> Response:
    word, _, token = request.headers.get("authorization", "").partition(" ")
    rows = await database.fetch(SCOPE, access.digest_of(token))
    if word != "Token" or not rows or (rows[0]["expiry"] and rows[0]["expiry"] <= datetime.now(UTC)):
        raise HTTPException(401)
    audience = sorted((row["company_id"], row["office_id"] or 0, row["role"]) for row in rows)
    revisions = sorted({(row["company_id"], row["revision"]) for row in rows})
    key = f"{rows[0]['id']} {audience} {request.url}"
    stamp = hashlib.sha256(f"{key} {revisions}".encode()).hexdigest()
    headers = {"ETag": f'"{stamp}"', "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    kept = await pages.get(key)
    if kept and kept[:STAMP] == stamp.encode():
        return Response(kept[STAMP:], media_type="application/json", headers=headers)
    body = await computed(request, token)
    await pages.set(key, stamp.encode() + body, ex=KEPT_SECONDS)
    return Response(body, media_type="application/json", headers=headers)


async def computed(request: Request, token: str) -> bytes:
    from bench.peers import fastapi_orders

    query = request.query_params
    async with fastapi_orders.sessions() as session:
        user = await fastapi_orders.current_user(session, f"Token {token}")
        url = str(request.url.replace(query=""))
        page = await fastapi_orders.page(session, user, url, int(query.get("limit", 50)), query.get("cursor", ""))
        return page.model_dump_json().encode()
