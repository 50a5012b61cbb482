"""docs/request.svg shows the floors and the modules that there are, and can be read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from xml.etree import ElementTree

import pytest

from querybudget.tests.browser import Browser, chromium
from tests.service import ROOT

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = ROOT / "docs/request.svg"
OVERFLOWING = """
return [...document.querySelectorAll(".box, #stores")].flatMap(box => {
    const outer = box.querySelector("rect").getBoundingClientRect();
    return [...box.querySelectorAll("text")].filter(text => {
        const inner = text.getBoundingClientRect();
        return inner.left < outer.left || inner.right > outer.right || inner.bottom > outer.bottom;
    }).map(text => text.textContent);
});
"""


def floors() -> list[ElementTree.Element]:
    """Of the packages that are there: one is optional."""
    found = ElementTree.parse(PICTURE).findall(f".//{SVG}g[@class='floor']")  # noqa: S314 our own
    return [floor for floor in found if find_spec(str(floor.get("id")))]


def names(inside: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in inside.iter(f"{SVG}text") if "module" in text.get("class", "").split()]


def modules() -> Iterator[str]:
    """Of a floor by their own name, elsewhere in full."""
    on_floors = [f"{floor.get('id')}.{name}" for floor in floors() for name in names(floor)]
    everywhere = names(ElementTree.parse(PICTURE).getroot())  # noqa: S314
    yield from on_floors
    yield from (name for name in everywhere if "." in name and find_spec(name.partition(".")[0]))


def test_every_module_in_it_exists() -> None:
    shown = set(modules())
    assert len(shown) > 20
    assert [name for name in sorted(shown) if find_spec(name) is None] == []


def test_its_floors_are_those_that_imports_respect() -> None:
    contract, *_ = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert [floor.get("id") for floor in floors()] == [layer for layer in contract["layers"] if find_spec(layer)]


def test_the_page_tells_each_of_its_steps() -> None:
    page = (ROOT / "docs/design.md").read_text()
    told = re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", page, re.MULTILINE)
    shown = re.findall(r'class="number"[^>]*>(\d+)<', PICTURE.read_text())
    assert sorted(map(int, shown)) == [int(number) for number, _ in told]
    mentioned = {name for _, text in told for name in re.findall(r"`((?:config|orders|businesses|api)\.\w+)", text)}
    assert mentioned <= set(modules())


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_text_leaves_its_box(tab: Browser, colours: str) -> None:
    tab.open(PICTURE.as_uri(), width=1000, colours=colours)
    assert tab.run(OVERFLOWING) == []
    tab.shoot(f"request-{colours}")
