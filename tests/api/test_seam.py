"""An ordinary function answers by itself; what is registered for it is asked first, and may decline."""

from __future__ import annotations

from typing import Any

import pytest

from api import seam
from api.seam import accelerable, accelerates, ordinary


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "_faster", {})


@accelerable
def double(number: int) -> int:
    """Twice."""
    return number * 2


class Base:
    @accelerable
    def name(self, *words: str, **more: str) -> str:
        return f"ordinary {self.__class__.__name__} {words} {more}"


class Derived(Base):
    def name(self, *words: str, **more: str) -> str:
        return f"own, {super().name(*words, **more)}"


def test_it_answers_by_itself() -> None:
    assert double(4) == 8
    assert (double.__name__, double.__doc__) == ("double", "Twice.")


def test_what_is_faster_is_asked_first_and_may_decline() -> None:
    @accelerates(double)
    def faster(number: int) -> int:
        return NotImplemented if number == 4 else -number

    assert [double(3), double(4)] == [-3, 8]
    with ordinary():
        assert double(3) == 6
    assert [double(3), faster(3)] == [-3, -3]


@pytest.mark.parametrize("answer", [None, False, 0, ""])
def test_nothing_is_an_answer_too(answer: Any) -> None:
    accelerates(double)(lambda number: answer)
    assert double(3) == answer


def test_an_error_is_an_answer_too() -> None:
    accelerates(double)(lambda number: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        double(3)
    with pytest.raises(KeyError), ordinary():
        raise KeyError
    with pytest.raises(ZeroDivisionError):  # and it is there again
        double(3)


def test_a_method_goes_with_its_class_and_what_overrides_it_is_called() -> None:
    accelerates(Base.name)(lambda self, *words, **more: f"faster {type(self).__name__} {words} {more}")
    assert Base().name("a", b="c") == "faster Base ('a',) {'b': 'c'}"
    assert Derived().name("a") == "own, faster Derived ('a',) {}"


def test_only_what_says_so_can_be_accelerated() -> None:
    with pytest.raises(TypeError, match="is not accelerable"):
        accelerates(Derived.name)
