"""The service's tables as SQLAlchemy models of the FastAPI peer."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, DateTime, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True)}


class Company(Base):
    __tablename__ = "businesses_company"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    revision: Mapped[int]


class Office(Base):
    __tablename__ = "businesses_office"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    city: Mapped[str]


class Membership(Base):
    __tablename__ = "businesses_membership"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("businesses_user.id"))
    company_id: Mapped[int] = mapped_column(ForeignKey("businesses_company.id"))
    office_id: Mapped[int | None]
    role: Mapped[str]


class Address(Base):
    __tablename__ = "businesses_address"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("businesses_user.id"))
    street: Mapped[str]
    city: Mapped[str]
    postcode: Mapped[str]
    country: Mapped[str]
    active: Mapped[bool]


class User(Base):
    __tablename__ = "businesses_user"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    is_active: Mapped[bool]
    memberships: Mapped[list[Membership]] = relationship()
    address: Mapped[Address | None] = relationship(
        primaryjoin="and_(User.id == Address.user_id, Address.active)", viewonly=True, uselist=False
    )

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.username

    @property
    def grants(self) -> list[tuple[int, int | None, str]]:
        return [(held.company_id, held.office_id, held.role) for held in self.memberships]


class Token(Base):
    __tablename__ = "knox_authtoken"
    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("businesses_user.id"))
    expiry: Mapped[datetime | None]
    user: Mapped[User] = relationship()


class Line(Base):
    __tablename__ = "orders_orderline"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders_order.id"))
    position: Mapped[int]
    sku: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    total: Mapped[Decimal]


class Order(Base):
    __tablename__ = "orders_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("businesses_company.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("businesses_office.id"))
    placed_by_id: Mapped[int] = mapped_column(ForeignKey("businesses_user.id"))
    number: Mapped[str]
    status: Mapped[str]
    currency: Mapped[str]
    total: Mapped[Decimal]
    date: Mapped[date]
    placed_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    revision: Mapped[int]
    ship_street: Mapped[str]
    ship_city: Mapped[str]
    ship_postcode: Mapped[str]
    ship_country: Mapped[str]
    company: Mapped[Company] = relationship()
    office: Mapped[Office] = relationship()
    placed_by: Mapped[User] = relationship()
    lines: Mapped[list[Line]] = relationship(order_by=Line.position)
