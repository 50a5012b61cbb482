"""`?fields=` and `?expand=`: what they keep, what they add, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.test import APIRequestFactory

from api.selection import MOST_PATHS, Selection, apply, from_request
from orders.serializers import OrderSerializer


def selection(query: str) -> Selection:
    return from_request(Request(APIRequestFactory().get(f"/?{query}")))


def names(given: Selection, *, many: bool = False) -> dict[str, Any]:
    """The names left in an order's serializer, nested ones as dicts."""

    def tree(serializer: Any) -> dict[str, Any]:
        serializer = getattr(serializer, "child", serializer)
        return {
            name: tree(field) if isinstance(field, BaseSerializer) else None
            for name, field in serializer.fields.items()
        }

    serializer = OrderSerializer(many=many)
    apply(given, serializer)
    return tree(serializer)


def refusal(given: Selection) -> Any:
    with pytest.raises(ValidationError) as refused:
        apply(given, OrderSerializer())
    return refused.value.detail


def test_without_parameters_nothing_is_selected() -> None:
    assert selection("") == Selection()


def test_spelling_does_not_make_another_selection() -> None:
    assert selection("fields=number,id,id") == selection("fields=id,%20number") == Selection(fields=("id", "number"))


@pytest.mark.parametrize("query", ["fields=", "fields=id,", "fields=,", "expand=,company"])
def test_an_empty_name_is_refused(query: str) -> None:
    with pytest.raises(ValidationError):
        selection(query)


@pytest.mark.parametrize("name", ["fields", "expand"])
def test_a_list_has_bounded_length(name: str) -> None:
    assert selection(f"{name}={','.join(f'a{number}' for number in range(MOST_PATHS))}")
    with pytest.raises(ValidationError) as refused:
        selection(f"{name}={','.join(f'a{number}' for number in range(MOST_PATHS + 1))}")
    assert name in refused.value.detail
    with pytest.raises(ValidationError):
        selection(f"{name}={','.join(['a'] * (MOST_PATHS + 1))}")  # as the document's maxItems counts


def test_fields_keeps_only_what_it_names() -> None:
    assert names(Selection(fields=("id", "number"))) == {"id": None, "number": None}


def test_fields_reaches_into_objects_and_collections() -> None:
    assert names(Selection(fields=("lines.sku", "office.name"))) == {"office": {"name": None}, "lines": {"sku": None}}


def test_a_whole_object_wins_over_a_part_of_it() -> None:
    assert names(Selection(fields=("office", "office.name"))) == {"office": {"id": None, "name": None, "city": None}}


def test_expand_puts_a_full_object_in_place_of_a_short_one() -> None:
    assert set(names(Selection(expand=("company",)))["company"]) == {"id", "name", "slug", "version"}


def test_expand_adds_what_is_left_out_by_default() -> None:
    assert "events" not in names(Selection())
    assert "events" in names(Selection(expand=("events",)))


def test_expand_reaches_into_what_it_expanded() -> None:
    expanded = names(Selection(expand=("office", "office.company")))
    assert "slug" in expanded["office"]["company"]


def test_fields_keeps_parts_of_what_was_expanded() -> None:
    chosen = Selection(fields=("events.kind",), expand=("events",))
    assert names(chosen) == {"events": {"kind": None}}


def test_a_list_is_selected_like_one_object() -> None:
    assert names(Selection(fields=("id",)), many=True) == {"id": None}


def test_an_unknown_field_is_named_with_its_path() -> None:
    assert "'office.zip'" in refusal(Selection(fields=("office.zip",)))["fields"][0]


def test_a_part_of_a_plain_field_is_refused() -> None:
    assert "'number' has no parts" in refusal(Selection(fields=("number.first",)))["fields"][0]


def test_an_unknown_expansion_is_named_with_those_known() -> None:
    message = refusal(Selection(expand=("lines",)))["expand"][0]
    assert "'lines'" in message
    assert "company, events, office, placed_by" in message


def test_an_expansion_below_nothing_is_refused() -> None:
    assert "'nothing' has no parts" in refusal(Selection(expand=("nothing.company",)))["expand"][0]


def test_a_refusal_repeats_no_more_than_a_hundred_characters() -> None:
    assert "a" * 101 not in refusal(Selection(fields=("a" * 5000,)))["fields"][0]
