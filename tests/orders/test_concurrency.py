"""Many at once, on connections of their own: no order twice, no change missed, no deadlock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections, transaction
from rest_framework.test import APIClient

from businesses import revisions, services
from businesses.models import Address, Company, Office, Role, User
from orders.models import Order, OrderEvent, OrderLine, Product
from tests import factories
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


class Together:
    """Threads that start at the same moment; leaving the block waits for them."""

    def __init__(self, number: int) -> None:
        self.barrier = Barrier(number)
        self.pool = ThreadPoolExecutor(number)
        self.futures: list[Future[Any]] = []

    def __enter__(self) -> Together:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()

    def start(self, call: Callable[[], Any]) -> None:
        self.futures.append(self.pool.submit(self.run, call))

    def run(self, call: Callable[[], Any]) -> Any:
        try:
            self.barrier.wait(timeout=10)
            return call()
        finally:
            connections.close_all()

    def running(self) -> bool:
        return not all(future.done() for future in self.futures)

    def results(self) -> list[Any]:
        return [future.result() for future in self.futures]


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """The results of `calls`, made at once."""
    with Together(len(calls)) as threads:
        for call in calls:
            threads.start(call)
    return threads.results()


@pytest.fixture(autouse=True)
def _many_requests_are_fine(settings: Any) -> None:
    settings.THROTTLES = dict.fromkeys(settings.THROTTLES, (100000, 60))


@pytest.fixture
def place(client_of: Any, owner: User, office: Office, product: Product) -> Callable[..., Any]:
    """Place an order as the owner, from any thread."""
    authorization = client_of(owner)._credentials

    def make(quantity: int = 1, key: str | None = None, at: int | None = None) -> Any:
        client = APIClient()
        client.credentials(**authorization)
        headers = {"Idempotency-Key": key} if key else {}
        body = {"office": at or office.pk, "lines": [{"sku": product.sku, "quantity": quantity}]}
        return client.post("/api/orders", body, headers=headers)

    return make


# --- Idempotency


def test_sixteen_requests_with_one_key_place_one_order(place: Callable[..., Any], company: Company) -> None:
    company.refresh_from_db()
    answers = together([partial(place, key="one")] * 16)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (Order.objects.count(), OrderLine.objects.count(), OrderEvent.objects.count()) == (1, 1, 1)
    assert Counter("Idempotent-Replayed" in answer.headers for answer in answers) == {True: 15, False: 1}
    assert {answer.json()["version"] for answer in answers} == {company.revision + 1}
    company.refresh_from_db()
    assert {answer.json()["version"] for answer in answers} == {company.revision}


def test_one_key_with_two_contents_places_one_of_them(place: Callable[..., Any]) -> None:
    answers = together([partial(place, 1 + number % 2, key="one") for number in range(8)])
    assert Counter(answer.status_code for answer in answers) == {201: 4, 422: 4}
    assert Order.objects.count() == 1


def test_one_key_in_two_companies_places_one_order(place: Callable[..., Any], office: Office, owner: User) -> None:
    other = factories.office()
    owner.memberships.create(company=other.company, role=Role.BUYER)
    answers = together([partial(place, key="one", at=at.pk) for at in (office, other) * 4])
    assert Counter(answer.status_code for answer in answers) == {201: 4, 422: 4}
    assert Order.objects.count() == 1


def test_different_keys_place_different_orders(place: Callable[..., Any], company: Company) -> None:
    company.refresh_from_db()
    answers = together([partial(place, key=str(number)) for number in range(8)])
    orders = [answer.json() for answer in answers]
    assert len({order["number"] for order in orders}) == 8
    assert sorted(order["version"] for order in orders) == [company.revision + step for step in range(1, 9)]


# --- The change feed


def test_a_poller_sees_every_change_once(
    client_of: Any, place: Callable[..., Any], as_owner: APIClient, owner: User, office: Office
) -> None:
    writers, each = 8, 8

    def write() -> list[tuple[int, int]]:
        """Orders placed, and every other one approved, as (id, version)."""
        client = client_of(factories.member(office.company))
        written = []
        for number in range(each):
            order = place().json()
            written.append((order["id"], order["version"]))
            if number % 2:
                step = {"to": "approved", "version": order["version"]}
                moved = client.post(f"/api/orders/{order['id']}/transitions", step).json()
                written.append((moved["id"], moved["version"]))
        return written

    seen: list[tuple[int, int]] = []
    with Together(writers) as threads:
        for _ in range(writers):
            threads.start(write)
        while threads.running():
            seen += changes(as_owner, since=seen[-1][1] if seen else 0)
    seen += changes(as_owner, since=seen[-1][1])
    written = sorted((pair for pairs in threads.results() for pair in pairs), key=lambda pair: pair[1])

    assert len(seen) == len(set(seen))
    assert [version for _, version in seen] == sorted(version for _, version in seen)
    assert set(seen) <= set(written)
    assert dict(seen) == dict(written)  # of an order changed twice between two polls only the latter change shows
    assert len(dict(seen)) == writers * each


def changes(client: APIClient, since: int) -> list[tuple[int, int]]:
    """All pages of the feed, as (id, version)."""
    found, url = [], f"/api/orders?since_version={since}&fields=id,version&limit=5"
    while url:
        page = client.get(url).json()
        found += [(row["id"], row["version"]) for row in page["results"]]
        url = page["next"]
    return found


# --- Changes of one order


@pytest.mark.parametrize("steps", [("approved", "approved"), ("approved", "cancelled")])
def test_of_two_steps_from_one_version_one_wins(
    client_of: Any, office: Office, owner: User, steps: tuple[str, str]
) -> None:
    order = factories.order(office, owner)
    clients = [client_of(owner) for _ in steps]
    path = f"/api/orders/{order.pk}/transitions"
    answers = together(
        [
            partial(client.post, path, {"to": to, "version": order.revision})
            for client, to in zip(clients, steps, strict=True)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert [answer.json()["code"] for answer in answers if answer.status_code == 409] == ["stale_version"]
    assert order.events.count() == 2


def test_of_many_edits_from_one_version_one_wins(client_of: Any, office: Office, owner: User, product: Product) -> None:
    order = factories.order(office, owner)
    clients = [client_of(owner) for _ in range(6)]

    def edit(client: APIClient, quantity: int) -> Any:
        lines = [{"sku": product.sku, "quantity": quantity}]
        return client.patch(f"/api/orders/{order.pk}", {"version": order.revision, "lines": lines})

    answers = together([partial(edit, client, quantity) for quantity, client in enumerate(clients, 1)])
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert winner == clients[0].get(f"/api/orders/{order.pk}").json()
    assert len(winner["lines"]) == 1


# --- Locks


def test_bumps_in_opposite_orders_do_not_wait_for_each_other() -> None:
    one, two = factories.company().pk, factories.company().pk

    def bump(companies: list[int]) -> None:
        for _ in range(50):
            with transaction.atomic():
                revisions.bump(companies)

    together([partial(bump, [one, two]), partial(bump, [two, one])] * 2)
    assert {company.revision for company in Company.objects.all()} == {200}


def test_people_of_the_same_companies_write_at_once(client_of: Any, product: Product) -> None:
    offices = [factories.office() for _ in range(2)]
    people = []
    for order in (offices, offices[::-1]):
        person = factories.user()
        for office in order:
            person.memberships.create(company=office.company, role=Role.OWNER)
        people.append((client_of(person), factories.active_address(person), order))

    before = dict(Company.objects.values_list("pk", "revision"))

    def write(client: APIClient, address: Address, order: list[Office]) -> set[int]:
        statuses = set()
        for office in order * 5:
            body = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
            statuses.add(client.post("/api/orders", body).status_code)
            statuses.add(client.patch(f"/api/addresses/{address.pk}", {"street": office.name}).status_code)
        return statuses

    assert together([partial(write, *args) for args in people]) == [{200, 201}] * 2
    after = dict(Company.objects.values_list("pk", "revision"))
    assert {after[pk] - before[pk] for pk in before} == {10 + 20}


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_who_may_not_order_does_not_wait_for_those_who_do(
    client_of: Any, office: Office, product: Product, role: Role | None
) -> None:
    person = factories.member(office.company, role) if role else factories.member(factories.office(), Role.OWNER)
    client = client_of(person)
    body = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    with Together(1) as threads, transaction.atomic():
        revisions.bump([office.company_id])
        threads.start(partial(client.post, "/api/orders", body))
        answer = threads.futures[0].result(timeout=20)
    assert answer.status_code == (403 if role else 400)


def test_an_order_goes_to_the_address_of_its_turn(place: Callable[..., Any], owner: User, company: Company) -> None:
    """What it is made of is read once those before it have committed."""
    with Together(1) as threads:
        with transaction.atomic():
            revisions.bump([company.pk])
            owner.addresses.update(street="Moved 1")
            Product.objects.update(unit_price=7)
            threads.start(place)
            assert eventually(somebody_waits)
        (answer,) = threads.results()
    assert (answer.json()["ship_to"]["street"], answer.json()["total"]) == ("Moved 1", "7.00")


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # or a transaction sees who was connected at its first look
        cursor.execute(
            "SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE NOT granted AND datname = current_database()"
        )
        return cursor.fetchone() is not None


# --- Addresses


def test_of_addresses_activated_at_once_one_is_active(client_of: Any, owner: User) -> None:
    place = {"street": "Kaj 1", "city": "Aarhus", "postcode": "8000", "country": "DK"}
    addresses = [Address.objects.create(user=owner, **place) for _ in range(6)]
    clients = [client_of(owner) for _ in addresses]
    answers = together(
        [
            partial(client.patch, f"/api/addresses/{address.pk}", {"active": True})
            for client, address in zip(clients, addresses, strict=True)
        ]
    )
    assert {answer.status_code for answer in answers} == {200}
    assert owner.addresses.filter(active=True).count() == 1


def test_addresses_created_active_at_once_leave_one_active(client_of: Any, owner: User) -> None:
    place = {"street": "Kaj 1", "city": "Aarhus", "postcode": "8000", "country": "DK", "active": True}
    clients = [client_of(owner) for _ in range(6)]
    answers = together([partial(client.post, "/api/addresses", place) for client in clients])
    assert {answer.status_code for answer in answers} == {201}
    assert (owner.addresses.count(), owner.addresses.filter(active=True).count()) == (7, 1)


def test_an_edit_keeps_what_came_between_its_reading_and_its_lock(owner: User) -> None:
    home = owner.addresses.get()
    dock = Address.objects.create(user=owner, street="Dock 3", city="Kiel", postcode="24103", country="DE")
    read_before = Address.objects.get(pk=home.pk)
    services.save_address(user=owner, address=dock, values={"active": True})
    services.save_address(user=owner, address=read_before, values={"street": "Parkvej 8"})
    assert list(owner.addresses.order_by("pk").values_list("street", "active")) == [
        ("Parkvej 8", False),
        ("Dock 3", True),
    ]
