"""How sure a median is."""

from __future__ import annotations

import random
import statistics

import pytest

from bench.interval import FEWEST, estimate, rank


@pytest.mark.parametrize(("figures", "expected"), [(6, 1), (8, 1), (9, 2), (12, 3), (17, 5), (20, 6), (100, 40)])
def test_ranks_are_those_of_printed_tables(figures: int, expected: int) -> None:
    assert rank(figures) == expected


def test_the_interval_lies_between_two_figures_of_those_ranks() -> None:
    shuffled = random.sample(range(1, 21), 20)
    found = estimate(shuffled)
    assert (found.median, found.low, found.high) == (10.5, 6, 15)


def test_too_few_figures_have_none() -> None:
    with pytest.raises(ValueError, match=f"needs {FEWEST} figures"):
        estimate([1.0] * (FEWEST - 1))


@pytest.mark.parametrize(
    ("figures", "lower", "higher"),
    [([0.90, 0.92] * 5, True, False), ([0.90, 1.01] * 5, False, False), ([1.02, 1.03] * 5, False, True)],
)
def test_it_says_on_which_side_of_one_it_lies(figures: list[float], lower: bool, higher: bool) -> None:
    found = estimate(figures)
    assert (found.high < 1, found.low > 1) == (lower, higher)
    assert found.includes(1) is not (lower or higher)


@pytest.mark.parametrize("figures", [6, 20])
def test_it_has_the_true_median_in_it_as_often_as_it_says(figures: int) -> None:
    """Of a distribution with a long tail, as times have one."""
    chance = random.Random(3)
    true = statistics.NormalDist().inv_cdf(0.5)
    tries = [estimate([chance.gauss() ** 3 for _ in range(figures)]) for _ in range(2000)]
    assert sum(one.includes(true) for one in tries) / len(tries) > 0.945
