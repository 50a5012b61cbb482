import itertools
import json

import pytest

from querybudget.changes import update
from querybudget.ledger import Ledger
from querybudget.observation import Observation
from querybudget.tally import Growth, Point, Tally


def seen(test, rows=0, endpoint="GET /a", **counts):
    labels = {f"read {table}": count for table, count in counts.items()}
    return Observation(endpoint, test, labels, rows, dict.fromkeys(labels, rows), {})


REQUESTS = [
    seen("one", rows=1, orders=1, lines=1),
    seen("two", rows=2, orders=1, lines=2),
    seen("tie", rows=2, lines=2, orders=1),
    seen("other tie", rows=1, orders=3),
    seen("five", rows=5, orders=1, lines=1, endpoint="GET /b"),
]


def tally_of(requests):
    tally = Tally()
    for request in requests:
        tally.add(request, None)
    return tally


def test_order_and_number_of_processes_do_not_matter(tmp_path):
    ledgers = set()
    for number, order in enumerate(itertools.permutations(REQUESTS)):
        tally = tally_of(order[:2])
        tally.merge(Tally.from_json(json.loads(json.dumps(tally_of(order[2:]).as_json()))))
        ledger = Ledger(tmp_path / f"{number}.toml")
        update(ledger, tally, complete=True, may_raise=False, routes=set())
        ledger.save()
        ledgers.add(ledger.path.read_text())
        assert json.dumps(tally.as_json(), sort_keys=True) == json.dumps(tally_of(REQUESTS).as_json(), sort_keys=True)
    assert len(ledgers) == 1


def test_shapes_that_are_written_stay_if_a_request_still_has_them(tmp_path):
    ledger = Ledger(tmp_path / "ledger.toml")
    ledger.set("GET /a", 3, ["read orders", "read lines ×2"])
    update(ledger, tally_of(REQUESTS), complete=True, may_raise=False, routes=set())
    assert ledger.budgets["GET /a"].shapes == ("read orders", "read lines ×2")
    ledger.set("GET /a", 3, ["read gone ×3"])
    update(ledger, tally_of(REQUESTS), complete=True, may_raise=False, routes=set())
    assert ledger.budgets["GET /a"].shapes == ("read lines ×2", "read orders")


def test_growth_is_between_requests_with_the_same_set_of_shapes():
    growth = tally_of(REQUESTS).endpoints["GET /a"].growth()
    assert growth == Growth(Point(1, 2, "one"), Point(2, 3, "two"))
    assert growth.slope == 1.0


@pytest.mark.parametrize(("queries", "slope"), [(3, None), (8, 0.15)])
def test_batches_are_no_growth(queries, slope):
    tally = tally_of([seen("few", rows=2, orders=1, lines=1), seen("many", rows=42, orders=1, lines=queries - 1)])
    growth = tally.endpoints["GET /a"].growth()
    assert (growth and growth.slope) == slope


def test_another_branch_with_more_shapes_is_no_growth():
    tally = tally_of([seen("refused", rows=0, users=1), seen("served", rows=5, users=1, orders=1, lines=1)])
    assert tally.endpoints["GET /a"].growth() is None


def test_an_empty_update_writes_no_file(tmp_path):
    ledger = Ledger(tmp_path / "ledger.toml")
    update(ledger, Tally(), complete=True, may_raise=False, routes=set())
    assert not ledger.save()
    assert not ledger.path.exists()
