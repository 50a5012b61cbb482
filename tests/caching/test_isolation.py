"""Random requests of everybody, with writers at work: no answer is wrong, old, or somebody else's.

An answer is compared, byte for byte, with one computed inside a transaction, where nothing is kept.
That is only fair where no write came between the two: the ledger of the writers tells, and what a
write came into is judged by its marks alone and does not count as compared. Writers pause between
their bursts, so both happen all the time.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from api import pagecache
from businesses.authentication import resolve
from businesses.scope import Scope
from tests.caching.world import COPIES, MARK, World
from tests.sample import whole_or

SEED = int(os.environ.get("ISOLATION_SEED") or secrets.randbelow(10**6))
COMPARED = {"redis": whole_or(2_000, 10_000), "locmem": 1_000}
READERS, WRITERS = 4, 2


@dataclass
class Run:
    """Readers and writers on one world until so many answers were compared, or something was wrong."""

    world: World
    client_of: Callable[[Any], Any]
    wanted: int
    pause: int = 250  # answers between two bursts of a writer, on average
    compared: int = 0
    answered: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    tags: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    computed: dict[tuple[int, int, str], Any] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def go(self) -> Run:
        ledger = self.world.ledger
        with ThreadPoolExecutor(READERS + WRITERS) as pool:
            jobs = [pool.submit(self.closing, self.read, number) for number in range(READERS)]
            jobs += [pool.submit(self.closing, self.write, number) for number in range(WRITERS)]
            for job in jobs:
                job.result()
        assert ledger.begun == ledger.ended
        return self

    def closing(self, work: Callable[[Random, int], None], number: int) -> None:
        try:
            work(Random(f"{SEED} {work.__name__} {number}"), number)
        finally:
            self.over.set()
            connection.close()

    def write(self, chance: Random, number: int) -> None:
        while not self.over.is_set():
            for _ in range(chance.randrange(2, 13)):
                self.world.write(chance, number)
            until = self.answered + chance.randrange(2 * self.pause)
            while self.answered < until and not self.over.is_set():
                time.sleep(0.001)

    def read(self, chance: Random, number: int) -> None:
        people = self.world.people + self.world.placers * 3
        clients = [(person, self.client_of(person)) for person in people]
        urls = self.world.urls(Random(SEED), 200)  # the same for all readers, the first ones favoured
        held: dict[tuple[int, str], Any] = {}
        while not self.over.is_set():
            person, client = chance.choice(clients)
            url = urls[int(len(urls) * chance.random() ** 6)]
            last = held.get((person.pk, url))
            if last and chance.random() < 0.2 and (following := last.json().get("next")):
                url = following.removeprefix("http://testserver")
                last = None
            headers = {"Cache-Control": "no-cache"} if chance.random() < 0.05 else {}
            if last and chance.random() < 0.2:
                headers["If-None-Match"] = last.headers["ETag"]
            answered = self.judge(person.pk, client, url, headers, last)
            if answered is not None and answered.status_code == 200:
                held[person.pk, url] = answered
            if self.compared >= self.wanted or self.wrong:
                self.over.set()

    def judge(self, user: int, client: Any, url: str, headers: dict[str, str], last: Any) -> Any:
        ledger = self.world.ledger
        before, still = ledger.seen(), ledger.still()
        answered = client.get(url, headers=headers)
        body = last.content if answered.status_code == 304 else answered.content
        self.answered += 1
        status = answered.headers.get("Cache-Status", f"error {answered.status_code}")
        old = "stale" in status and "hit" in status
        for kind, company, key, number in MARK.findall(COPIES.sub(b"", body)):
            mark = b"%s.%s.%s" % (kind, company, key)
            if int(company) and int(company) not in self.world.may_see[user]:
                self.found("another company's", user, url, status, mark)
            if int(number) > ledger.tried[mark]:
                self.found("never written", user, url, status, mark)
            if int(number) < before[mark] and not old:
                self.found("old", user, url, status, mark)
        self.outcomes[status.partition(";")[2].split(";")[0].strip() + " old" * old or status] += 1
        if old or still is None:
            return answered
        key = (still, user, url)
        with transaction.atomic():
            computed = self.computed.get(key) or client.get(url)
        if ledger.still() != still:
            return answered
        self.computed[key] = computed
        self.compared += 1
        if answered.status_code == 304 or answered.status_code == computed.status_code == 200:
            if body != computed.content:
                self.found(f"{body!r} instead of {computed.content!r}", user, url, status)
            known = self.tags.setdefault(answered.headers["ETag"], (url.partition("?")[0], body))
            if known != (url.partition("?")[0], body):
                self.found(f"one tag for {known}", user, url, status)
        elif answered.status_code != computed.status_code:
            self.found(f"{answered.status_code} instead of {computed.status_code}", user, url, status)
        return answered

    def found(self, what: str, *about: Any) -> None:
        self.wrong.append(f"{what}: {about}")


@pytest.fixture(autouse=True)
def _transactions_are_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's test client takes `close_old_connections` off its signals while it asks, for all threads.

    So another's request can have it run inside of a comparison's transaction, whose connection it then closes.
    """
    close = BaseDatabaseWrapper.close_if_unusable_or_obsolete

    def unless_in_a_transaction(database: BaseDatabaseWrapper) -> None:
        if not database.in_atomic_block:
            close(database)

    monkeypatch.setattr(BaseDatabaseWrapper, "close_if_unusable_or_obsolete", unless_in_a_transaction)


@pytest.fixture
def run(store: str, client_of: Any) -> Callable[..., Run]:
    return lambda wanted: Run(World(), client_of, wanted)


def test_every_answer_is_right_while_writers_write(store: str, run: Callable[..., Run]) -> None:
    began = time.monotonic()
    done = run(COMPARED[store]).go()
    seconds = time.monotonic() - began
    print(f"\nISOLATION_SEED={SEED} {store}: {done.compared} compared of {done.answered} answers in {seconds:.0f} s,")
    print(f"{done.world.ledger.ended} writes; {dict(done.outcomes.most_common())}")
    assert done.wrong == []
    assert done.compared >= COMPARED[store]
    assert done.outcomes["hit"] > done.answered / 20


# --- It can fail: each of these mistakes is found


@contextmanager
def disabled(table: str, trigger: str) -> Iterator[None]:
    def alter(word: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} {word} TRIGGER {trigger}")

    alter("DISABLE")
    try:
        yield
    finally:
        alter("ENABLE")


def impersonal(scope: Scope) -> str:
    return " ".join(sorted(f"{grant.company}/{grant.office or '*'}/{grant.role}" for grant in scope.grants.all))


def leave_the_audience_out(patch: pytest.MonkeyPatch) -> None:
    key = pagecache.Target.key
    patch.setattr(pagecache.Target, "key", lambda target, audience: key(target, ""))


def leave_the_stamp_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scope, "stamp", property(lambda scope: ""))


def leave_one_company_out_of_the_stamp(patch: pytest.MonkeyPatch) -> None:
    stamp = vars(Scope)["stamp"].func
    patch.setattr(Scope, "stamp", property(lambda scope: stamp(scope).rpartition(" ")[2]))


def read_the_stamp_after_the_rows(patch: pytest.MonkeyPatch) -> None:
    rendered, keep, asking = pagecache.rendered, pagecache.keep, threading.local()

    def remembering(response: Any, view: Any, request: Any) -> Any:
        asking.view, asking.request = view, request
        return rendered(response, view, request)

    def late(key: str, stamp: str, response: Any, charged: Any) -> bool:
        asking.request.auth = resolve(asking.request.headers["Authorization"].split()[1])[1]
        return keep(key, asking.view.freshness(asking.request).stamp, response, charged)

    patch.setattr(pagecache, "rendered", remembering)
    patch.setattr(pagecache, "keep", late)


def share_among_buyers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scope, "audience", property(impersonal))


def leave_the_query_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pagecache, "urlencode", lambda query: "")


def label_the_stale_fresh(patch: pytest.MonkeyPatch) -> None:
    labels = pagecache.labels
    patch.setattr(pagecache, "labels", lambda tag, status: labels(tag, status.replace("ttl=-1; detail=stale", "ttl=1")))


MISTAKES = [
    leave_the_audience_out,
    leave_the_stamp_out,
    leave_one_company_out_of_the_stamp,
    read_the_stamp_after_the_rows,
    share_among_buyers,
    leave_the_query_out,
    label_the_stale_fresh,
]
TRIGGERS = {
    "businesses_company": "revision",
    "businesses_office": "revision_update",
    "businesses_user": "revision",
    "businesses_address": "revision_of_user",
    "orders_product": "revision",
}


@pytest.mark.query_budget(None, reason="a mistake may cost queries")
@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_is_found(run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, mistake: Any) -> None:
    mistake(monkeypatch)
    expect_found(run(10_000))


@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.parametrize("table", TRIGGERS)
def test_a_missing_trigger_is_found(run: Callable[..., Run], table: str) -> None:
    """With no other kind of write, which would raise the revision as well."""
    reading = run(10_000)
    reading.world.changes = [reading.world.rename]
    reading.world.kinds = [kind for kind in reading.world.kinds if table.endswith(f"_{kind[0]}")]
    with disabled(table, TRIGGERS[table]):
        expect_found(reading)


def expect_found(reading: Run) -> None:
    reading.pause = 50
    found = reading.go()
    assert found.wrong, f"ISOLATION_SEED={SEED}"
    print(f"\nISOLATION_SEED={SEED}: after {found.answered} answers {found.wrong[0][:300]}")
