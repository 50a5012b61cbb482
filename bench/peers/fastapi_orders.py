"""FastAPI with SQLAlchemy's asynchronous ORM on asyncpg: eager loading, a response model, dependencies.

`/cached/orders` is the same page kept in Redis and validated: see `bench.peers.fastapi_cached`.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload, selectinload

from bench.peers import access
from bench.peers.tables import Order, Token, User

POOL = 8  # connections; as many as there are clients
engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://"), pool_size=POOL, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with fastapi_cached.connected():
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan, openapi_url=None)


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class CompanyOut(Out):
    id: int
    name: str


class OfficeOut(CompanyOut):
    city: str


class AddressOut(Out):
    id: int
    street: str
    city: str
    postcode: str
    country: str
    active: bool


class ShipTo(Out):
    street: str
    city: str
    postcode: str
    country: str


class LineOut(Out):
    position: int
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    total: Decimal


class OrderOut(Out):
    id: int
    number: str
    status: str
    allowed_transitions: list[str]
    currency: str
    total: Decimal
    date: date
    placed_at: datetime
    updated_at: datetime
    version: int
    company: CompanyOut
    office: OfficeOut
    placed_by: CompanyOut
    address: AddressOut | None
    ship_to: ShipTo
    lines: list[LineOut]


class Page(BaseModel):
    next: str | None
    previous: str | None
    results: list[OrderOut]


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


async def current_user(session: Session, authorization: Annotated[str, Header()] = "") -> User:
    word, _, token = authorization.partition(" ")
    statement = (
        select(Token)
        .options(joinedload(Token.user).selectinload(User.memberships))
        .where(Token.digest == access.digest_of(token))
    )
    found = (await session.scalars(statement)).one_or_none()
    if word != "Token" or found is None or not found.user.is_active:
        raise HTTPException(401)
    if found.expiry and found.expiry <= datetime.now(UTC):
        raise HTTPException(401)
    return found.user


def shown(order: Order, user: User) -> OrderOut:
    ship_to = {name: getattr(order, f"ship_{name}") for name in ("street", "city", "postcode", "country")}
    steps = access.allowed(user.id, user.grants, order.status, order.company_id, order.office_id, order.placed_by_id)
    return OrderOut(
        **{name: getattr(order, name) for name in PLAIN},
        version=order.revision,
        allowed_transitions=steps,
        address=order.placed_by.address,
        ship_to=ship_to,
    )


PLAIN = [name for name in OrderOut.model_fields if hasattr(Order, name)]


async def page(session: AsyncSession, user: User, url: str, limit: int, cursor: str) -> Page:
    companies, offices = access.visible(user.grants)
    visible = [Order.company_id.in_(companies), *([Order.office_id.in_(offices)] if offices else [])]
    statement = (
        select(Order)
        .where(or_(*visible))
        .options(
            joinedload(Order.company, innerjoin=True),
            joinedload(Order.office, innerjoin=True),
            joinedload(Order.placed_by, innerjoin=True).joinedload(User.address),
            selectinload(Order.lines),
        )
        .order_by(Order.placed_at.desc(), Order.id.desc())
        .limit(limit + 1)
    )
    if cursor:
        at, key = base64.urlsafe_b64decode(cursor).decode().split("|")
        statement = statement.where(tuple_(Order.placed_at, Order.id) < (datetime.fromisoformat(at), int(key)))
    rows = list((await session.scalars(statement)).unique())
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        after = base64.urlsafe_b64encode(f"{last.placed_at.isoformat()}|{last.id}".encode()).decode()
        following = f"{url}?cursor={after}&limit={limit}"
    return Page(next=following, previous=None, results=[shown(row, user) for row in rows[:limit]])


@app.get("/api/orders")
async def list_orders(
    request: Request,
    session: Session,
    user: Annotated[User, Depends(current_user)],
    limit: int = 50,
    cursor: str = "",
) -> Page:
    return await page(session, user, str(request.url.replace(query="")), limit, cursor)


from bench.peers import fastapi_cached  # noqa: E402 it adds its route

app.include_router(fastapi_cached.router)
