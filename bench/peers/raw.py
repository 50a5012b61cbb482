"""The practical limit: a bare WSGI application, psycopg2, two prepared statements, JSON built by PostgreSQL.

No framework, no validation, no error documents; for members of one whole company only.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from datetime import UTC, datetime
from urllib.parse import parse_qs

import psycopg2

from bench.peers import access
from bench.peers.sql import ORDER_JSON, RELATED

SCOPE = """
    PREPARE scope (text) AS
    SELECT t.expiry, u.id, m.company_id, m.office_id, m.role
    FROM knox_authtoken t JOIN businesses_user u ON u.id = t.user_id AND u.is_active
    JOIN businesses_membership m ON m.user_id = u.id
    WHERE t.digest = $1
"""
# For one company and one limit each: with parameters in their places PostgreSQL plans for any number of rows.
PAGE = f"""
    PREPARE {{name}} (bigint, json, json, timestamptz, bigint) AS
    SELECT {ORDER_JSON.format(user="$1", own="$2", others="$3")}, o.placed_at, o.id
    FROM orders_order o {RELATED}
    WHERE o.company_id = {{company:d}} AND (o.placed_at, o.id) < ($4, $5)
    ORDER BY o.placed_at DESC, o.id DESC LIMIT {{limit:d}}
"""  # noqa: S608 constants
FIRST = ("infinity", 2**63 - 1)

threads = threading.local()


def cursor():
    if not hasattr(threads, "cursor"):
        connection = psycopg2.connect(os.environ["DATABASE_URL"])
        connection.autocommit = True
        threads.cursor, threads.prepared = connection.cursor(), set()
        threads.cursor.execute(SCOPE)
    return threads.cursor


def page(company, limit):
    """The name of the statement for a page of `limit` orders of this company."""
    name = f"page_{company:d}_{limit:d}"
    if name not in threads.prepared:
        threads.cursor.execute(PAGE.format(name=name, company=company, limit=limit))
        threads.prepared.add(name)
    return name


def application(environ, start_response):
    database = cursor()
    word, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    database.execute("EXECUTE scope (%s)", [access.digest_of(token)])
    rows = database.fetchall()
    if word != "Token" or not rows or (rows[0][0] and rows[0][0] <= datetime.now(UTC)):
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return []
    user, grants = rows[0][1], [row[2:] for row in rows]
    query = parse_qs(environ["QUERY_STRING"])
    limit = int(query.get("limit", ["50"])[0])
    after = base64.urlsafe_b64decode(query["cursor"][0]).decode().split("|") if "cursor" in query else FIRST
    (company,), _ = access.visible(grants)
    own, others = steps(user, grants, user), steps(user, grants, 0)
    database.execute(f"EXECUTE {page(company, limit + 1)} (%s, %s, %s, %s, %s)", [user, own, others, *after])
    found = database.fetchall()
    following = "null"
    if len(found) > limit:
        _, at, key = found[limit - 1]
        cursor_text = base64.urlsafe_b64encode(f"{at.isoformat()}|{key}".encode()).decode()
        following = f'"http://{environ["HTTP_HOST"]}{environ["PATH_INFO"]}?cursor={cursor_text}&limit={limit}"'
    results = ",".join([row[0] for row in found[:limit]])
    body = f'{{"next":{following},"previous":null,"results":[{results}]}}'.encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def steps(user: int, grants: list[access.Grant], placed_by: int) -> str:
    """What the user may do to an order of `placed_by`, by status: JSON. All of a whole company's offices are alike."""
    company = grants[0][0]
    return json.dumps({status: access.allowed(user, grants, status, company, 0, placed_by) for status in access.STEPS})
