"""From measurements to a number of threads, and what is written down."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from config import sizing, tuning
from config.limits import MB
from config.measuring import Alone, Measured
from config.plot import svg
from config.tuning import Bounds

ANY = Bounds(p95=1000, rss=1000 * MB)


def run(threads: int, throughput: float, p95: float = 100, megabytes: int = 100) -> Measured:
    return Measured(threads, throughput, 50, p95, megabytes * MB)


def test_the_fewest_of_those_that_do_nearly_as_well_are_picked() -> None:
    runs = [run(1, 50), run(2, 94), run(3, 96), run(4, 100), run(5, 99)]
    assert tuning.pick(runs, ANY) is runs[2]


def test_one_thread_is_for_comparison_only() -> None:
    runs = [run(1, 100), run(2, 99)]
    assert tuning.pick(runs, ANY) is runs[1]


def test_what_is_too_slow_or_too_large_is_not_picked() -> None:
    runs = [run(2, 70), run(3, 100, p95=1001), run(4, 100, megabytes=1001), run(5, 71)]
    assert tuning.pick(runs, ANY) is runs[0]


def test_nothing_is_picked_where_nothing_passes() -> None:
    assert tuning.pick([run(1, 10), run(2, 10, p95=2000)], ANY) is None


def test_the_fastest_of_the_rounds_counts() -> None:
    rounds = [run(2, 90), run(2, 100), run(2, 10)]
    assert tuning.fastest(rounds) is rounds[1]


@pytest.mark.parametrize(
    ("predicted", "connections", "expected"),
    [(2, None, [1, 2, 3, 4]), (5, None, [1, 3, 4, 5, 6, 7, 10]), (5, 9, [1, 3, 4, 5]), (2, 1, [1, 2])],
)
def test_the_sweep_looks_around_the_prediction(predicted: int, connections: int | None, expected: list[int]) -> None:
    assert tuning.around(predicted, connections) == expected


def test_the_server_reads_what_is_recorded(tmp_path: Path) -> None:
    alone = Alone(0.3456, 50 * MB, 2 * MB)
    file = tmp_path / "profile.toml"
    file.write_text(tuning.profile_toml("/api/orders", alone, run(3, 100), clients=32))
    assert sizing.read(file) == sizing.Profile(0.346, 50 * MB, 2 * MB, threads=3)


@pytest.mark.parametrize("picked", [3, None])
def test_the_plot_is_a_picture_of_every_run(picked: int | None) -> None:
    runs = [run(1, 50), run(2, 94, p95=77), run(3, 100, megabytes=123)]
    root = ElementTree.fromstring(svg("GET /api/orders?a=1&b=2", runs, picked, 2))  # noqa: S314 our own
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"requests a second", "p95, milliseconds", "resident memory, MB", "94", "77", "123"} <= set(texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 9
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 < float(circle.attrib["cx"]) < width
        assert 0 < float(circle.attrib["cy"]) < height
