"""Columns that guard: what cannot be read is a no, is named, and stops the job where it is too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.snapshot.catalog import can_be_bought
from recsys.snapshot.people import People, people_arrays
from recsys.tables.items import finish_items
from recsys.tables.schema import Kind
from recsys.tables.shop import ShopTables
from recsys.tables.values.examples import shown
from recsys.types import DataError
from tests.support.shops.handmade import calm
from tests.support.shops.shop_tables import Rows, an_event, read_rows, the_finding

GOOD: dict[str, Any] = {
    "available": "yes",
    "stock": "5",
    "published": "live",
    "price": "9.00",
    "published_at": "2026-01-01",
    "backorder": "no",
}


def with_items(folder: Path, *items: dict[str, Any], more: str = "") -> ShopTables:
    """A shop of these items, as text, and nine sound ones."""
    sound = [{"item_id": f"sound-{at}", **GOOD} for at in range(9)]
    columns = dict.fromkeys(GOOD)
    rows = [{"item_id": f"i{at}", **columns, **item} for at, item in enumerate(items)]
    return read_rows(folder, [an_event()], more, items=[*rows, *sound])


def shown_items(shop: ShopTables) -> list[str]:
    """Those for sale, but for the sound ones."""
    items = shop.items.filter(shop.items["available"])["item_id"].to_list()
    return [item for item in items if not item.startswith("sound")]


@pytest.mark.parametrize("column", list(GOOD))
def test_what_cannot_be_read_hides_the_item(tmp_path: Path, column: str) -> None:
    """A value given in a column that guards is a no if nobody can read it; an empty one is not given."""
    unreadable = {**GOOD, column: "unbekannt"}
    shop = with_items(tmp_path, unreadable, {**GOOD, column: None}, {**GOOD, column: "  "}, GOOD)
    assert shown_items(shop) == ["i1", "i2", "i3"]
    found = [each for each in shop.findings if each.column == column]
    assert [(each.rows, each.level, each.given) for each in found] == [(1, "closed", 11)]


def test_words_that_must_be_mapped_are_named_with_their_rows(tmp_path: Path) -> None:
    """The most frequent first; the settings then say what they mean."""
    words = ["auf Anfrage", "vielleicht", "auf Anfrage"]
    shop = with_items(tmp_path, *({"available": word} for word in words), more="data.max_unreadable_share = 0.5\n")
    assert the_finding(shop, "for sale").example == "auf Anfrage (2), vielleicht (1)"
    settings = "[data.items]\npaths = ['items.parquet']\nyes = ['auf Anfrage']\nno = ['vielleicht']\n"
    stated = with_items(tmp_path, *({"available": word} for word in words), more=settings)
    assert shown_items(stated) == ["i0", "i2"]
    assert [each for each in stated.findings if each.table == "items"] == []


@pytest.mark.parametrize(("share", "stops"), [(0.2, False), (0.1, True)])
def test_too_much_that_cannot_be_read_stops_the_job(tmp_path: Path, share: float, *, stops: bool) -> None:
    """The share is among the values that are given; the error names them and the setting."""
    more = f"data.max_unreadable_share = {share}\n"
    items = [{"available": "huh"}, {"available": "hm"}, {}, {}]
    if not stops:
        assert shown_items(with_items(tmp_path, *items, more=more)) == ["i2", "i3"]
        return
    with pytest.raises(DataError, match=r"2 of 11 values \(18\.2%\).*max_unreadable_share.*\n.*“hm \(1\), huh \(1\)”"):
        with_items(tmp_path, *items, more=more)


def test_a_table_of_which_no_word_can_be_read_stops_the_job(tmp_path: Path) -> None:
    """Whatever the share allows: then the column is not what it was taken for."""
    items = [{"item_id": "a", "available": "2026-05-01"}, {"item_id": "b", "available": ""}]
    more = "data.max_unreadable_share = 1.0\n"
    assert read_rows(tmp_path, [an_event()], more, items=items).items["available"].to_list() == [False, True]
    with pytest.raises(DataError, match=r"items: available: 2 of 2 values cannot be read, that is none can"):
        read_rows(tmp_path, [an_event()], more, items=[*items, {"item_id": "c", "available": "2026-05-02"}])


def test_events_of_which_no_price_can_be_read_stop_the_job(tmp_path: Path) -> None:
    """A shop without revenue is no shop; a few unreadable prices are only dropped."""
    with pytest.raises(DataError, match="events: price: 2 of 2 values"):
        read_rows(tmp_path, [an_event(price="gratis"), an_event(item_id="bed", price="?")])
    some = [an_event(price="gratis"), an_event(item_id="bed", price="5"), an_event(item_id="cup", price="?")]
    assert read_rows(tmp_path, some).events.collect()["price"].to_list() == [None, 5.0, None]


def test_items_that_are_built_from_events_are_guarded_too(tmp_path: Path) -> None:
    """The last word counts, and one that cannot be read is a no."""
    rows = [an_event(available="ja", order_id="1"), an_event(available="vielleicht", order_id="2")]
    rows += [an_event(item_id=f"i{at}", available="ja") for at in range(9)]
    shop = read_rows(tmp_path, rows)
    assert dict(shop.items.select("item_id", "available").rows())["sofa"] is False
    assert dict(shop.items.select("item_id", "available").rows())["i0"] is True


@pytest.mark.long
@pytest.mark.parametrize(
    ("values", "available"),
    [
        ({"available": "yes", "stock": "0"}, True),
        ({"available": "no", "stock": "5"}, False),
        ({"stock": "0"}, False),
        ({"stock": "sold out"}, False),
        ({"stock": "0 pcs"}, False),
        ({"stock": "none"}, False),
        ({"stock": "0,0"}, False),
        ({"stock": "10+"}, True),
        ({"stock": ">10"}, True),
        ({"stock": "<5"}, False),
        ({"stock": "-2", "backorder": "yes"}, True),
        ({"stock": "-2", "backorder": "no"}, False),
        ({"available": "yes", "published": "draft"}, False),
        ({"published": "archived", "stock": "30"}, False),
        ({"published": "live"}, True),
        ({"backorder": "no"}, True),
        ({"min_stock": "3"}, False),
        ({"min_stock": "3", "stock": "2"}, False),
        ({"min_stock": "3", "stock": "3"}, True),
        ({"min_stock": "3", "available": "yes"}, True),
        ({"min_stock": "3", "backorder": "yes"}, True),
        ({}, True),
    ],
)
def test_what_is_for_sale(tmp_path: Path, values: dict[str, Any], *, available: bool) -> None:
    """Shown by the shop, and available by its word, else by stock or back order, else because nothing speaks against it."""
    assert bool(shown_items(with_items(tmp_path, values))) is available


@calm
@given(
    st.sampled_from([None, True, False]),
    st.sampled_from([None, -1.0, 0.0, 0.5, 3.0]),
    st.booleans(),
    st.sampled_from([None, 0.0, 3.0]),
)
def test_availability_has_one_rule(word: bool | None, stock: float | None, backorder: bool, least: float | None) -> None:
    """The item table's expression says what the rule of live updates says; where it says nothing, the item is for sale."""
    types = {
        "item_id": pl.String,
        "available": pl.Boolean,
        "stock": pl.Float64,
        "backorder": pl.Boolean,
        "min_stock": pl.Float64,
    }
    row = {"item_id": "a", "available": word, "stock": stock, "backorder": backorder, "min_stock": least}
    items = pl.DataFrame(row, schema=types)
    stated = can_be_bought(word, stock, backorder, least)
    assert finish_items(items, None)["available"].to_list() == [True if stated is None else stated]


def test_of_several_columns_that_guard_all_must_say_yes(tmp_path: Path) -> None:
    """One no is a no, wherever it stands, and so is one word that nobody can read."""
    items: Rows = [
        {"item_id": "a", "status": "active", "web": "yes"},
        {"item_id": "b", "status": "active", "web": "no"},
        {"item_id": "c", "status": "active", "web": None},
        {"item_id": "d", "status": "huh", "web": "yes"},
        *({"item_id": f"sound-{at}", "status": "active", "web": "yes"} for at in range(9)),
    ]
    more = "[data.items]\npaths = ['items.parquet']\ncolumns = { available = ['status', 'web'] }\n"
    assert shown_items(read_rows(tmp_path, [an_event()], more, items=items)) == ["a", "c"]


def test_of_several_prices_the_first_that_can_be_read_counts(tmp_path: Path) -> None:
    """An empty or unreadable offer does not hide the regular price, and the unreadable one is found."""
    prices = [("7.00", "9.00"), (None, "9.00"), ("", "9.00"), ("on request", "9.00"), ("7.00", "on request"), (None, None)]
    items = [{"item_id": f"i{at}", "offer": offer, "regular": regular} for at, (offer, regular) in enumerate(prices)]
    more = "[data.items]\npaths = ['items.parquet']\ncolumns = { price = ['offer', 'regular'] }\n"
    shop = read_rows(tmp_path, [an_event()], more, items=items)
    assert shop.items["price"].to_list() == [7.0, 9.0, 9.0, 9.0, 7.0, None]
    assert the_finding(shop, "finite number").rows == 1


def test_a_consent_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """It is a no in the snapshot; an empty one is no word at all."""
    words = {"a": "yes", "b": "unsubscribed", "c": "ask him", "d": None, **dict.fromkeys("efghij", "opt-in")}
    users = [{"user_id": user, "consent_email": word} for user, word in words.items()]
    shop = read_rows(tmp_path, [an_event()], users=users)
    assert shop.users["consent_email"].to_list()[:4] == [True, False, False, None]
    people = People(people_arrays(shop.users))
    assert [people.of(user).channels for user in "abcd"] == [("email",), (), (), ()]
    assert [bool(people.silent[people.users.row(user)]) for user in "abcd"] == [False, False, False, True]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("id", "Ida.Meier+4711@shop.example", "Xxx.Xxxxx+9999@xxxx.xxxxxxx"),
        ("text", "Ada Lovelace, Main St. 5", "Xxx Xxxxxxxx, Xxxx Xx. 9"),
        ("time", "31.05.2026", "31.05.2026"),
        ("time", "ada@shop.example", "xxx@xxxx.xxxxxxx"),
        ("time", "+49 170 1234567", "+99 999 9999999"),
        ("money", "12,50 EUR", "12,50 EUR"),
        ("time", "4711", "9999"),
        ("time", "46181.5", "99999.9"),
        ("money", "Ada 5", "Xxx 9"),
        ("money", float("inf"), "inf"),
        ("type", "wishlist", "wishlist"),
        ("type", "ada@shop.example", "xxx@xxxx.xxxxxxx"),
        ("availability", "auf Anfrage", "auf Anfrage"),
        ("consent", "+491701234567", "+999999999999"),
        ("url", "shop.example/~ada", "xxxx.xxxxxxx/~xxx"),
    ],
)
def test_examples_name_nobody(kind: Kind, value: object, text: str) -> None:
    """Words that must be mapped, numbers and dates are shown; of all else only the shape is."""
    assert shown(kind, value) == text
