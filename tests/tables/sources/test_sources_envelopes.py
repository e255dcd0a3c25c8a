"""Answers of APIs that were saved as files: the objects of their list are the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recsys.types import DataError
from tests.support.files import COLUMNS, ROWS, columns_of, open_files, rows_of, written

OBJECTS = [dict(zip(COLUMNS.split(","), row, strict=True)) for row in ROWS]
PAGE = {"next": "abc", "meta": {"pagination": {"total": 3, "id": 7}}}
ENVELOPES = [
    ("orders", {"orders": OBJECTS}),
    ("items", {"items": OBJECTS, "search_criteria": {"filter_groups": [{"field": "status"}]}, "total_count": 3}),
    ("data", {"data": OBJECTS, "included": [{"type": "metric"}], **PAGE}),
    ("value", {"@odata.context": "https://shop.invalid/$metadata", "value": OBJECTS}),
    ("data.orders.edges", {"data": {"orders": {"edges": [{"node": row, "cursor": "x"} for row in OBJECTS]}}}),
    ("data.items", {"status": "success", "data": {"items": OBJECTS, "count": 3}}),
]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("path", "envelope"), ENVELOPES)
def test_the_list_of_an_envelope_holds_the_rows(
    tmp_path: Path, path: str, envelope: dict[str, Any], indent: int | None
) -> None:
    """Whatever the list is called and however deep it is, if the rest tells of a page; and it is said."""
    sources = open_files(tmp_path, written(tmp_path, "events.json", json.dumps(envelope, indent=indent)))
    assert rows_of(sources) == ROWS
    assert f"rows are the objects of its list `{path}`" in sources[0].read_as[0]


@pytest.mark.parametrize("content", ["{0}\n{1}\n", "[{0}, {1}]", "[\n{0},\n{1}]"])
def test_pages_follow_one_another(tmp_path: Path, content: str) -> None:
    """One page a line, or pages in an array; a page may be empty."""
    pages = [{"orders": OBJECTS[:1], **PAGE}, {"orders": OBJECTS[1:], "next": None}, {"orders": []}]
    first, *others = map(json.dumps, pages)
    text = content.replace("{0}", first).replace("{1}", (", " if "[" in content else "\n").join(others))
    assert rows_of(open_files(tmp_path, written(tmp_path, "events.json", text))) == ROWS


def test_an_order_with_its_lines_is_no_envelope(tmp_path: Path) -> None:
    """What has an id or a time of its own is a row; so is an object without a list of objects."""
    for row in (
        {"id": 1, "line_items": [{"sku": "a"}]},
        {"order": {"id": 1, "lines": [{"sku": "a"}]}},
        {"tags": ["a", "b"]},
    ):
        [source] = open_files(tmp_path, written(tmp_path, "events.json", json.dumps(row, indent=1)))
        assert columns_of(source).height == 1
        assert list(source.schema) == [next(iter(row))] if len(row) == 1 else [*row]


def test_the_settings_name_the_list(tmp_path: Path) -> None:
    """`record` decides between several lists, and where the rest of the object might tell of a row."""
    several = {"shop": "x", "orders": [{"id": 1}], "log": {"events": OBJECTS}}
    written(tmp_path, "events.json", json.dumps(several))
    assert rows_of(open_files(tmp_path, "events.json", 'record = "log.events"')) == ROWS
    with pytest.raises(DataError, match=r"has no list of objects 'rows' in its first object, but .*orders.*log\.events"):
        open_files(tmp_path, "events.json", 'record = "rows"')
    written(tmp_path, "events.json", json.dumps({**several, "shop": None}))
    with pytest.raises(DataError, match=r"several lists of objects, orders, log\.events; .* `record`"):
        open_files(tmp_path, "events.json")


def test_no_object_beside_envelopes_is_lost(tmp_path: Path) -> None:
    """A file in which only some objects have the list is refused, for the others' rows would be gone."""
    lines = f"{json.dumps({'orders': OBJECTS})}\n{json.dumps(OBJECTS[0])}\n"
    with pytest.raises(DataError, match="holds 2 objects, of which 1 have the list `orders`"):
        open_files(tmp_path, written(tmp_path, "events.json", lines))
