"""The labels: which view loops, which is its fixed twin, which only looks like a loop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from django.urls import path

Label = Literal["loop", "fixed", "alike"]


@dataclass(frozen=True, slots=True)
class Case:
    """A view and what growth must say of it; `sizes` are numbers of authors."""

    label: Label
    name: str
    view: Callable[..., Any]
    sizes: tuple[int, int]
    method: str

    @property
    def path(self) -> str:
        return f"/{self.label}/{self.name}"


CASES: list[Case] = []


def loop(view=None, *, method="get", sizes=(2, 8), name=""):
    """A view that makes queries for each row."""
    return _register("loop", view, method, sizes, name)


def fixed(view=None, *, method="get", sizes=(2, 8), name=""):
    """The twin of the loop of the same name, without the loop."""
    return _register("fixed", view, method, sizes, name)


def alike(view=None, *, method="get", sizes=(2, 8), name=""):
    """A view that is right and looks as if it were not."""
    return _register("alike", view, method, sizes, name)


def _register(label, view, method, sizes, name):
    def register(view):
        CASES.append(Case(label, name or view.__name__, view, sizes, method))
        return view

    return register(view) if view else register


def urls():
    return [path(case.path[1:], case.view) for case in CASES]
