"""The median of a few figures, and between which bounds the true one lies."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

MISSED = 0.05  # of all intervals, at most
FEWEST = 6  # figures: the smallest and the largest of five miss the median once in 16 times


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median with its 95 % interval."""

    median: float
    low: float
    high: float

    def includes(self, figure: float) -> bool:
        return self.low <= figure <= self.high


def estimate(figures: Sequence[float]) -> Estimate:
    """The median of independent figures, and an interval that has the true median in it 95 times out of 100 or more.

    The interval goes from the k-th smallest figure to the k-th largest. Each figure lies below the true median as
    often as a coin shows heads, so the interval misses it when n coins show heads fewer than k times, or tails: this
    holds for every continuous distribution, and one figure far out changes nothing. (W. J. Conover, Practical
    Nonparametric Statistics, section 3.2; H. A. David and H. N. Nagaraja, Order Statistics, section 7.1.)

    Raises:
        ValueError: there are fewer than six figures.
    """
    if len(figures) < FEWEST:
        raise ValueError(f"an interval of 95 % needs {FEWEST} figures, not {len(figures)}")
    ordered, k = sorted(figures), rank(len(figures))
    return Estimate(statistics.median(ordered), ordered[k - 1], ordered[-k])


def rank(figures: int) -> int:
    """The largest k for which so many coins show heads fewer than k times in 2.5 % of all throws at most."""
    throws, below = 2**figures, 0
    for k in range(figures):
        below += comb(figures, k)
        if below > throws * MISSED / 2:
            return k
    return figures
