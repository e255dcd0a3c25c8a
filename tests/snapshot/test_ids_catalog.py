"""Ids ↔ rows and the catalogue: any text comes back, a category is one range of rows, and every item's JSON is ready."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.categories import join_category, within_category
from recsys.item_updates import ItemUpdate
from recsys.orders import owned_of
from recsys.snapshot.catalog import FRAGMENT_FIELDS, Catalog, catalog_arrays
from recsys.snapshot.id_index import IdMap, id_arrays
from recsys.snapshot.put.overlay import overlay
from recsys.tables.items import finish_items, overlaid
from recsys.types import SnapshotError
from tests.conftest import ITEMS, Shop, ago, event
from tests.support.shops.handmade import calm, item_frame, numbered_items, world

ODD_IDS = ["a/b", " a b ", "ü", "👜", "a" * 256, '"quoted"', "back\\slash", "%2F", "..", "a\u2028b", "é", "e\u0301"]


@calm
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), unique=True, max_size=30), st.text()
)
def test_any_id_finds_its_row(ids: list[str], other: str) -> None:
    """Every id finds the row that it was given and no other; what is not in the map is at -1."""
    found = IdMap(id_arrays(ids, "x"), "x")
    assert len(found) == len(ids)
    assert [found.row(text) for text in ids] == list(range(len(ids)))
    assert [found.text(row) for row in range(len(ids))] == ids
    if other not in ids:
        assert found.row(other) == -1


def test_odd_ids() -> None:
    """Slashes, spaces, emoji, quotes and 256 bytes are ids like any other; what only looks the same is another id."""
    found = IdMap(id_arrays(ODD_IDS, "x"), "x")
    assert [found.row(text) for text in ODD_IDS] == list(range(len(ODD_IDS)))
    assert [found.row(text) for text in ("a", "a b", "A/B", "", "\ud800", "a" * 257)] == [-1] * 6


def test_equal_hashes_are_told_apart_by_bytes() -> None:
    """Two ids with one hash are both found: their bytes are compared."""
    arrays = id_arrays(["ann", "bob"], "x")
    of_ann = arrays["x_hashes"][arrays["x_rows"].tolist().index(0)]
    of_bob = arrays["x_hashes"][arrays["x_rows"].tolist().index(1)]
    for rows in ([0, 1], [1, 0]):
        same = {**arrays, "x_rows": np.array(rows, np.int32)}
        assert IdMap({**same, "x_hashes": np.array([of_ann, of_ann])}, "x").row("ann") == 0
        assert IdMap({**same, "x_hashes": np.array([of_bob, of_bob])}, "x").row("bob") == 1


def test_no_ids() -> None:
    """A map of nothing finds nothing."""
    found = IdMap(id_arrays([], "x"), "x")
    assert (len(found), found.row("ann")) == (0, -1)


@pytest.mark.parametrize("short", ["x_offsets", "x_rows"])
def test_arrays_that_do_not_belong_together_are_refused(short: str) -> None:
    """Arrays of different lengths are no id map."""
    arrays = id_arrays(["ann", "bob"], "x")
    with pytest.raises(SnapshotError, match="the id map of x is inconsistent"):
        IdMap({**arrays, short: arrays[short][:-1]}, "x")


def test_items_find_their_rows_and_back() -> None:
    """Every item has one row; unknown ids have none."""
    catalog = world([], [{"item_id": text} for text in ODD_IDS]).catalog
    rows = [catalog.row(text) for text in ODD_IDS]
    assert sorted(rows) == list(range(len(ODD_IDS)))
    assert [catalog.item_id(row) for row in rows] == ODD_IDS
    assert catalog.row("nothing") == -1


LEVELS = st.sampled_from(["Home", "Home & Garden", "Sofas", "Lamps", "A > B", "a\\b", "ü"])


@calm
@given(st.lists(st.one_of(st.none(), st.lists(LEVELS, min_size=1, max_size=3)), min_size=1, max_size=12))
def test_a_category_is_one_range_of_rows(paths: list[list[str] | None]) -> None:
    """The rows of a node are exactly the items of the node and of all below it; parents are the nodes one level up."""
    texts = [None if path is None else join_category(path) for path in paths]
    catalog = world(
        [], [{**row, "category": text} for row, text in zip(numbered_items(len(paths)), texts, strict=True)]
    ).catalog
    nodes = {join_category(path[:depth]) for path in paths if path for depth in range(1, len(path) + 1)}
    assert {catalog.categories.text(code) for code in range(len(catalog.categories))} == nodes
    for node in nodes:
        code = catalog.categories.row(node)
        expected = {f"i{at:02}" for at, text in enumerate(texts) if text is not None and within_category(text, node)}
        rows = range(int(catalog.item_from[code]), int(catalog.item_to[code]))
        assert {catalog.item_id(row) for row in rows} == expected
        parent = int(catalog.parent[code])
        above = "" if parent < 0 else catalog.categories.text(parent)
        assert (above == "") == (node.count(" > ") == 0)
        assert node.startswith(above)
    for at, text in enumerate(texts):
        code = int(catalog.category[catalog.row(f"i{at:02}")])
        assert (None if code < 0 else catalog.categories.text(code)) == text


UPDATES = {"available": pl.Boolean, "stock": pl.Float64, "price": pl.Float64}


def catalog_of(*items: dict[str, Any]) -> Catalog:
    """A catalogue of these items."""
    return world([], list(items)).catalog


@pytest.mark.parametrize(
    ("item", "update", "available"),
    [
        ({}, ItemUpdate("x", stock=0.0), False),
        ({"available": False}, ItemUpdate("x", stock=3.0), True),
        ({"available": False}, ItemUpdate("x", price=3.0), False),
        ({"backorder": True}, ItemUpdate("x", stock=0.0), True),
        ({"backorder": True}, ItemUpdate("x", stock=0.0, available=False), False),
        ({"published": False}, ItemUpdate("x", stock=3.0), False),
        ({"published": False}, ItemUpdate("x", available=True), False),
    ],
)
def test_an_update_is_read_by_the_rule_of_the_item_table(
    item: dict[str, Any], update: ItemUpdate, *, available: bool
) -> None:
    """Stock tells where no word does, a back order stands in for it, and what the shop does not show stays hidden."""
    catalog = catalog_of({"item_id": "x", **item})
    overlay(catalog, update, 1)
    assert bool(catalog.available[catalog.row("x")]) is catalog.item(catalog.row("x"))["available"] is available
    given = {name: getattr(update, name) for name in ("available", "stock", "price")}
    stated = overlaid(
        item_frame([{"item_id": "x", **item}]), pl.DataFrame([{"item_id": "x", **given}], schema_overrides=UPDATES)
    )
    assert finish_items(stated, None)["available"].to_list() == [available]


def test_category_names_for_people() -> None:
    """People read the last level, unescaped."""
    catalog = catalog_of({"item_id": "x", "category": join_category(["Home", "A > B"])})
    assert catalog.category_name(catalog.categories.row("Home > A \\> B")) == "A > B"


def test_brands_list_their_items() -> None:
    """Each brand knows its items' rows, ascending; items without brand belong to none."""
    catalog = world([]).catalog
    for brand in ("Oakly", "Norr", "Sella"):
        rows = catalog.brand_items(catalog.brands.row(brand)).tolist()
        assert {catalog.item_id(row) for row in rows} == {item["item_id"] for item in ITEMS if item["brand"] == brand}
        assert rows == sorted(rows)
    assert catalog.brand[catalog.row("soap-2")] == -1
    assert len(catalog.brands) == 3


def test_groups_share_a_code() -> None:
    """Items of one group have one code, others other codes, items without group none."""
    items = [{"item_id": f"i{at}", "group_id": group} for at, group in enumerate(["a", "b", "a", None])]
    catalog = catalog_of(*items)
    codes = [int(catalog.group[catalog.row(f"i{at}")]) for at in range(4)]
    assert codes[0] == codes[2] != codes[1]
    assert codes[3] == -1
    assert catalog.has_groups
    assert not catalog_of(*items[:2]).has_groups


def test_absent_attributes() -> None:
    """Without a price an item has none, without a word on it it is available, without a title its id is shown."""
    catalog = catalog_of({"item_id": "bare"}, {"item_id": "gone", "available": False, "price": 0.0, "title": "Gone"})
    bare, gone = catalog.row("bare"), catalog.row("gone")
    assert np.isnan(catalog.price[bare])
    assert (catalog.price[gone], catalog.available[bare], catalog.available[gone]) == (0, True, False)
    assert (catalog.title(bare), catalog.title(gone)) == ("bare", "Gone")
    assert (catalog.category[bare], catalog.brand[bare], catalog.group[bare]) == (-1, -1, -1)


def test_fragments_are_the_item_as_json() -> None:
    """A fragment holds all public fields of an item as JSON members without braces, whatever the text."""
    odd: dict[str, Any] = {
        "item_id": 'a"/\\👜',
        "title": "tab\tand </script>",
        "brand": None,
        "category": "A > B",
        "price": 12.5,
    }
    catalog = catalog_of(odd, ITEMS[0])
    row = catalog.row(odd["item_id"])
    decoded = json.loads(b"{" + catalog.fragment(row) + b"}")
    assert decoded == catalog.item(row)
    assert list(decoded) == list(FRAGMENT_FIELDS)
    assert {name: decoded[name] for name in odd} == odd
    assert decoded["available"] is True
    assert catalog.item(catalog.row("sofa-1"))["title"] == "Oak sofa"


def test_an_empty_catalogue() -> None:
    """A shop without items has a catalogue without rows."""
    catalog = world([], []).catalog
    assert (catalog.n_items, len(catalog.categories), len(catalog.brands), catalog.has_groups) == (0, 0, 0, False)


def test_arrays_are_plain() -> None:
    """A catalogue is laid out as plain numeric arrays."""
    arrays = catalog_arrays(finish_items(item_frame(ITEMS), "EUR"), "EUR")
    assert {array.dtype.kind for array in arrays.values()} <= set("biuf")
    assert json.loads(b"{" + Catalog(arrays).fragment(0) + b"}")["currency"] == "EUR"


def test_what_is_owned_is_stored_as_it_is_summed_up(busy_shop: Shop) -> None:
    """The purchases summed up in a snapshot are what the same history says when it is summed up live."""
    busy_shop.add(event("user-0", "no-such", "purchase", ago(days=3)), event("user-0", "bag-2", "refund", ago(days=1)))
    histories = busy_shop.engine().snapshot.histories
    for row in range(len(histories.users)):
        history = histories.at(row)
        stored, summed = history.owned, owned_of(history)
        assert stored is not None
        assert (stored.items.tolist(), stored.at.tolist()) == (summed.items.tolist(), summed.at.tolist())
        assert (stored.orders, stored.last_order) == (summed.orders, summed.last_order)
