"""Items put over a catalogue: whatever is put and changed, it says what a catalogue made of the same items would."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.merchandising.attribute_filters import FilterMasks, typed_filter
from recsys.item_filters import Condition
from recsys.item_updates import ItemUpdate, WholeItem, both
from recsys.snapshot.attributes import Words
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.snapshot.put.overlay import overlay
from recsys.snapshot.put.spare_rows import with_spare_rows
from recsys.tables.items import finish_items, overlaid
from recsys.tables.live_rows import WHOLE
from recsys.tables.schema import schema
from tests.support.shops.handmade import calm

CATEGORIES = ("Clothes", "Clothes > Hats", "Clothes > Coats", "Home", "Home > Cups", "Garden > Pots > Big")
BRANDS = ("Norr", "Oakly", "Nova")
WORDS = ("new", "wool", "felt")
IDS = ("a", "b", "c", "d", "x", "y", "z")
PUBLISHED: list[dict[str, Any]] = [
    {
        "item_id": "a",
        "title": "A",
        "categories": ["Clothes > Hats", "Home"],
        "brand": "Norr",
        "attr.tags": ["wool"],
        "price": 5.0,
    },
    {"item_id": "b", "title": "B", "categories": ["Clothes"], "brand": "Oakly", "attr.tags": ["new", "wool"], "stock": 2.0},
    {"item_id": "c", "title": "C", "categories": ["Home > Cups"], "attr.size": 3.0, "group_id": "g"},
    {"item_id": "d", "title": "D", "brand": "Norr", "available": False, "group_id": "g"},
]
SPARE = 3
prices = st.none() | st.floats(1, 9).map(lambda price: round(price, 2))
stocks = st.none() | st.integers(0, 3).map(float)
availabilities = st.none() | st.booleans()
wholes = st.builds(
    WholeItem,
    title=st.none() | st.sampled_from(["One", "Two"]),
    brand=st.none() | st.sampled_from(BRANDS),
    categories=st.lists(st.sampled_from(CATEGORIES), max_size=2, unique=True).map(tuple),
    group_id=st.none() | st.sampled_from(["g", "h"]),
    published=st.booleans(),
    backorder=st.booleans(),
    min_stock=st.none() | st.just(2.0),
    published_until=st.none() | st.just(1_000),
    attributes=st.fixed_dictionaries(
        {}, optional={"tags": st.lists(st.sampled_from(WORDS), min_size=1, unique=True).map(tuple), "size": st.floats(1, 5)}
    ),
)
changes = st.builds(ItemUpdate, st.sampled_from(IDS), availabilities, stocks, prices, st.none() | wholes)


def table() -> pl.DataFrame:
    """The item table of the snapshot."""
    types = {**schema("items"), "attr.tags": pl.List(pl.String()), "attr.size": pl.Float64()}
    rows = [{**dict.fromkeys(types), **row} for row in PUBLISHED]
    return pl.DataFrame(rows, schema=types)


ARRAYS = with_spare_rows(catalog_arrays(finish_items(table(), "EUR"), "EUR"), SPARE)


def retrained(updates: list[ItemUpdate]) -> Catalog:
    """The catalogue that the next training makes of the same updates."""
    rows = [
        (each.item_id, each.available, each.stock, each.price, None if each.item is None else msgspec.json.encode(each.item))
        for each in updates
    ]
    types = {name: schema("items")[name] for name in ("item_id", "available", "stock", "price")} | {WHOLE: pl.Binary()}
    frame = pl.DataFrame(rows, schema=types, orient="row")
    return Catalog(catalog_arrays(finish_items(overlaid(table(), frame), "EUR"), "EUR"))


def values_of(catalog: Catalog, item_id: str) -> dict[str, Any]:
    """All that a catalogue says of an item, in words."""
    row, category = catalog.row(item_id), int(catalog.category[catalog.row(item_id)])
    return {
        **catalog.item(row),
        "shown": [bool(catalog.shown_at(now)[row]) for now in (500, 1_500)],
        "leaf": None if category < 0 else catalog.categories.text(category),
        "group": int(catalog.group[row]) >= 0 and sorted(ids(catalog, np.flatnonzero(catalog.group == catalog.group[row]))),
        "title": catalog.title(row),
        "attributes": {
            name: sorted(each) if isinstance(each, list) else each for name, each in catalog.attributes.of(row).items()
        },
    }


def ids(catalog: Catalog, rows: Any) -> set[str]:
    """The items at some rows."""
    return {catalog.item_id(row) for row in rows.tolist()}


def test_a_number_that_is_given_out_anew_is_another_update() -> None:
    """A log that was restored to an earlier time numbers what comes then as it did before."""
    catalog = Catalog(ARRAYS)
    first, second = IDS[:2]
    for item_id in (first, second):
        assert catalog.shown_at(1_500)[catalog.row(item_id)] == values_of(catalog, item_id)["available"]
        overlay(catalog, ItemUpdate(item_id, available=not values_of(catalog, item_id)["available"]), 7)
        assert catalog.shown_at(1_500)[catalog.row(item_id)] == values_of(catalog, item_id)["available"]


@pytest.mark.long
@calm
@given(updates=st.lists(changes, max_size=12), at_once=st.integers(1, 4))
def test_an_overlaid_catalogue_is_that_of_the_next_training(updates: list[ItemUpdate], at_once: int) -> None:
    """Item by item, and by brand, category, word and filter; however many updates a worker takes in at a time."""
    known, kept = {row["item_id"] for row in PUBLISHED}, []
    for each in updates:
        if each.item is not None:
            known.add(each.item_id)
        if each.item_id in known:
            kept.append(each)
    live = Catalog(ARRAYS)
    for first in range(0, len(kept), at_once):
        together: dict[str, ItemUpdate] = {}
        for each in kept[first : first + at_once]:
            together[each.item_id] = both(together.get(each.item_id), each)
        for each in together.values():
            overlay(live, each, first + 1)
    new = retrained(kept)
    assert {live.item_id(row) for row in range(live.n_known)} == {new.item_id(row) for row in range(new.n_known)} == known
    for item_id in known:
        assert values_of(live, item_id) == values_of(new, item_id)
    for name in BRANDS:
        found = [
            ids(each, each.brand_items(each.brands.row(name))) if each.brands.row(name) >= 0 else set()
            for each in (live, new)
        ]
        assert found[0] == found[1]
    for name in CATEGORIES:
        assert ids(live, live.items_in(name)) == ids(new, new.items_in(name))
        if new.categories.row(name) >= 0:
            node = live.categories.row(name)
            assert {each for each in known if live.is_in(live.row(each), node)} == ids(new, new.items_in(name))
    for word in WORDS:
        columns = [each.attributes.columns["tags"] for each in (live, new)]
        assert all(isinstance(column, Words) for column in columns)
        held = [ids(each, column.holding(word)) for each, column in zip((live, new), columns, strict=True)]  # type: ignore[union-attr]
        assert held[0] == held[1]
    for conditions in (
        {"tags": Condition(none=("wool",))},
        {"size": Condition(min=2.0)},
        {"brand": Condition(any=("Nova",))},
    ):
        masks = [FilterMasks(each).mask(typed_filter(each, conditions), 0) for each in (live, new)]
        assert ids(live, np.flatnonzero(masks[0][: live.n_known])) == ids(new, np.flatnonzero(masks[1]))


def test_a_snapshot_without_room_takes_what_it_can() -> None:
    """Of puts that another snapshot had room for: an item that it has is replaced, without categories that it cannot have."""
    arrays = catalog_arrays(finish_items(table(), "EUR"), "EUR")
    catalog = Catalog(arrays)
    overlay(catalog, ItemUpdate("x", item=WholeItem()), 1)
    overlay(catalog, ItemUpdate("a", item=WholeItem(categories=("Garden", "Home"), published=False)), 2)
    row = catalog.row("a")
    assert (catalog.row("x"), catalog.n_known, bool(catalog.available[row])) == (-1, len(PUBLISHED), False)
    assert catalog.categories.text(int(catalog.category[row])) == "Home"
    assert row in catalog.items_in("Home")
    assert catalog.revision == 2
