"""From figures to what is written down."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import plot, report
from bench.goals import GOALS, Goal
from bench.rounds import Figures, ratio

MARKED = "before\n<!-- x: written by the command, edits are lost -->\nold\n<!-- end of x -->\nafter\n"


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """A machine that is ten times slower in one round is so for both."""
    one, other = Figures(throughput=[10, 1, 12]), Figures(throughput=[5, 0.5, 6])
    assert ratio(one, other, "throughput") == 2
    assert ratio(other, Figures(throughput=[5, 0.1, 3]), "throughput") == 2


def test_a_goal_is_reached_or_not() -> None:
    assert Goal("", 10).reached(10)
    assert not Goal("", 10).reached(9.99)
    assert Goal("", 1.25, at_most=True).reached(1.25)
    assert not Goal("", 1.25, at_most=True).reached(1.26)
    assert Goal("what", 0.5, 0.8).row(0.4) == ["what", "0.4 ×", "≥ 0.5 (aim 0.8)", "**no**"]


def test_what_was_written_before_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(MARKED)
    for text in ("one", "two"):
        report.replace(page, "x", text)
    assert page.read_text() == MARKED.replace("old\n", "\ntwo\n\n")


@pytest.mark.parametrize("text", ["", MARKED.replace("end of x", "end of y"), MARKED + MARKED])
def test_a_page_without_its_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=r"^page\.md has no section between"):
        report.replace(page, "x", "new")
    assert page.read_text() == text


@pytest.mark.parametrize("name", ["make bench", "make bench-scale"])
def test_the_page_has_a_section_for_each_command(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    copy.write_text(report.PAGE.read_text())
    report.replace(copy, name, "new")
    assert "\n\nnew\n\n" in copy.read_text()


def test_a_grid_is_aligned() -> None:
    assert report.grid(["", "n"], [["ours", "1"], ["theirs", "100"]]).splitlines() == [
        "|        |   n |",
        "|--------|----:|",
        "| ours   |   1 |",
        "| theirs | 100 |",
    ]


def test_the_page_shows_every_goal_of_the_ratios() -> None:
    table = report.goals(dict.fromkeys(GOALS, 1.0))
    assert [row[0] for row in table.rows] == [goal.what for goal in GOALS.values()]


def test_plots_are_pictures_of_all_values() -> None:
    for picture, shapes, number in (
        (plot.bars("a & b", {"ours": 10.0, "theirs": 5.0}, "requests a second"), "rect", 3),  # the paper is one
        (plot.curves("ms", [10_000, 100_000], {"list": [1.0, 2.0], "detail": [1.0, 1.0]}), "circle", 4),
    ):
        root = ElementTree.fromstring(picture)  # noqa: S314 our own
        assert len(list(root.iter(f"{{http://www.w3.org/2000/svg}}{shapes}"))) == number
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for text in root.iter("{http://www.w3.org/2000/svg}text"):
            assert 0 < float(text.attrib["x"]) < width
            assert 0 < float(text.attrib["y"]) < height


def test_the_longer_bar_is_the_larger_value() -> None:
    root = ElementTree.fromstring(plot.bars("t", {"ours": 10.0, "theirs": 5.0}, "u"))  # noqa: S314 our own
    _, ours, theirs = (float(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect"))
    assert ours == pytest.approx(2 * theirs, rel=0.01)
