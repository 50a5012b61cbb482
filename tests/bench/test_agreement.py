"""Two answers are the same, or the difference is named."""

from __future__ import annotations

from typing import Any

import pytest

from bench.agreement import same
from bench.contenders import BenchError

PAGE = {"next": None, "results": [{"id": 1, "total": "1.50", "lines": [{"name": "Ö"}], "address": None}]}


def test_equal_answers_pass_in_any_order_of_keys() -> None:
    same("peer", "page", PAGE, {"results": [dict(reversed(PAGE["results"][0].items()))], "next": None})  # type: ignore[index]


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"total": "1.5"}, "page.results[0].total is '1.5', not '1.50'"),
        ({"total": 1.5}, "page.results[0].total is 1.5"),
        ({"id": 1.0}, "page.results[0].id is 1.0, not 1"),
        ({"id": True}, "page.results[0].id is True, not 1"),
        ({"lines": []}, "page.results[0].lines is []"),
        ({"address": {}}, "page.results[0].address is {}, not None"),
        ({"lines": [{"name": "O"}]}, "page.results[0].lines[0].name is 'O', not 'Ö'"),
        ({"more": 1}, "page.results[0] is "),
    ],
)
def test_a_difference_is_named_with_its_path(row: dict[str, Any], path: str) -> None:
    other = {"next": None, "results": [PAGE["results"][0] | row]}  # type: ignore[index]
    with pytest.raises(BenchError) as problem:
        same("peer", "page", PAGE, other)
    assert str(problem.value).startswith(f"peer: {path}")
