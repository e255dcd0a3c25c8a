"""Shapes of tables: filled, joined, unnested, turned, so that a row is one event, item or person."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import DataError
from tests.support.shops.shop_tables import NOON, an_event, read_rows, the_finding

HEAD = "[data.events]\npaths = ['events.csv']\nconstants = { event_type = 'purchase' }\n"
DAY = "2026-05-01T12:00:00Z"


def read_csv(folder: Path, text: str, more: str, **files: str) -> ShopTables:
    """Purchases in a CSV file, with more files beside it."""
    (folder / "events.csv").write_text(text)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    return read_shop(parse_settings(HEAD + more, folder))


def events_of(shop: ShopTables, *columns: str) -> list[tuple[Any, ...]]:
    """The events, in the order of the file."""
    return shop.events.select(columns).collect().rows()


def test_a_cell_holds_for_all_rows_of_its_key(tmp_path: Path) -> None:
    """The first value among the rows with the same key, wherever they stand; a row without a key keeps its own."""
    text = f"""order_id,user_id,item_id,timestamp,coupon
A,ann,i1,{DAY},
B,ben,i2,{DAY},x
A,ann,i3,{DAY},SPRING
,cid,i4,{DAY},
,dan,i5,{DAY},y
A,ann,i6,{DAY},OTHER
"""
    shop = read_csv(tmp_path, text, "fill_down = { key = 'order_id', columns = ['coupon'] }")
    assert events_of(shop, "coupon") == [("SPRING",), ("x",), ("SPRING",), (None,), ("y",), ("OTHER",)]


def test_cells_that_the_row_above_fills_are_missing_with_the_setting_that_fills_them(tmp_path: Path) -> None:
    """The sentence does not only offer to leave the further lines of orders out."""
    text = f"order_id,user_id,item_id,timestamp\nA,ann,i1,{DAY}\n,,i2,\n,,i3,\n"
    with pytest.raises(DataError, match=r"“has a value”.*set `fill_down` if the first row of an order"):
        read_csv(tmp_path, text, "")


def test_a_key_reaches_over_files(tmp_path: Path) -> None:
    """An order whose lines stand in two files, of different columns, is one order."""
    (tmp_path / "more.csv").write_text(f"order_id,user_id,item_id,timestamp\nA,ann,i2,{DAY}\n")
    (tmp_path / "events.csv").write_text(f"order_id,user_id,item_id,timestamp,coupon\nA,ann,i1,{DAY},SPRING\n")
    more = "fill_down = { key = 'order_id', columns = ['coupon'] }"
    toml = HEAD.replace("['events.csv']", "['events.csv', 'more.csv']") + more
    shop = read_shop(parse_settings(toml, tmp_path))
    assert events_of(shop, "item_id", "coupon") == [("i1", "SPRING"), ("i2", "SPRING")]


def test_an_empty_row_continues_the_row_above(tmp_path: Path) -> None:
    """All of the block is taken from the last row that has any of it: an order without a buyer gets no other's."""
    text = f"no,day,who,item\nE1,{DAY},ann,i1\n,,,i2\nE2,{DAY},,i3\n,,,i4\nE3,{DAY},cid,i5\n  ,,,i6\n"
    more = (
        "columns = { order_id = 'no', timestamp = 'day', user_id = 'who', item_id = 'item' }\n"
        "fill_down = { columns = ['no', 'day', 'who'] }\nwhere = [{ column = 'who', empty = false }]"
    )
    shop = read_csv(tmp_path, text, more)
    assert events_of(shop, "order_id", "user_id", "item_id") == [
        ("E1", "ann", "i1"),
        ("E1", "ann", "i2"),
        ("E3", "cid", "i5"),
        ("E3", "cid", "i6"),
    ]
    assert shop.counts["events"].left_out == 2


def test_a_continuation_never_reaches_into_the_next_file(tmp_path: Path) -> None:
    """The first rows of a file continue nothing; without a user they are bad."""
    (tmp_path / "a.csv").write_text(f"user_id,item_id,timestamp\nann,i1,{DAY}\n")
    (tmp_path / "b.csv").write_text(f"user_id,item_id,timestamp\n,i2,{DAY}\nben,i3,{DAY}\n")
    toml = HEAD.replace("['events.csv']", "['a.csv', 'b.csv']") + "fill_down = { columns = ['user_id'] }\n"
    shop = read_shop(parse_settings("data.max_rejected_share = 0.5\n" + toml, tmp_path), strict=False)
    assert ("ann", "i2") not in events_of(shop, "user_id", "item_id")


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ("void_orders = ['state']", ["i1", "i5", "i6"]),
        ("void_orders = ['state', 'gone_at']", ["i1", "i6"]),
        ("void_orders = ['state']\nyes = ['huh']\nno = ['paid']", ["i4", "i6"]),
        ("void_orders = [{ column = 'test', one_of = ['1', 'Yes '] }]", ["i1", "i2", "i4", "i5", "i6"]),
        ("void_orders = [{ column = 'test', empty = false }]", ["i1", "i2", "i4", "i6"]),
    ],
)
def test_orders_that_count_in_nothing_go_with_all_their_lines(tmp_path: Path, more: str, kept: list[str]) -> None:
    """By the words of a state, the moment of a cancellation or a condition; a state that nobody knows takes the order out."""
    text = f"""order_id,user_id,item_id,timestamp,state,gone_at,test
A,ann,i1,{DAY},paid,,
B,ben,i2,{DAY},Refunded,,
F,fay,i3,{DAY},,,yes
F,fay,i7,{DAY},pending,,
C,cid,i4,{DAY},huh,,
D,dan,i5,{DAY},paid,2026-05-02,0
,eve,i6,{DAY},,,
"""
    shop = read_csv(tmp_path, text, more)
    assert [item for [item] in events_of(shop, "item_id")] == kept


def test_an_order_that_another_file_takes_out_is_gone(tmp_path: Path) -> None:
    """Also where that file has other columns."""
    head = "order_id,user_id,item_id,timestamp,state"
    (tmp_path / "may.csv").write_text(f"{head}\nA,ann,i1,{DAY},paid\nB,ben,i2,{DAY},paid\n")
    (tmp_path / "june.csv").write_text(f"{head},coupon\nA,ann,i1,{DAY},refunded,\nC,cid,i3,{DAY},paid,X\n")
    toml = HEAD.replace("['events.csv']", "['may.csv', 'june.csv']") + "void_orders = ['state']\n"
    assert events_of(read_shop(parse_settings(toml, tmp_path)), "order_id") == [("B",), ("C",)]


def test_orders_of_two_shoppers_may_have_one_number(tmp_path: Path) -> None:
    """As in two stores: the one that counts in nothing takes no other shopper's out, but lines whose shopper is not said."""
    rows = f"1,ann,i1,{DAY},paid\n1,ben,i2,{DAY},refunded\n1,BEN ,i3,{DAY},paid\n1,,i4,{DAY},paid\n"
    shop = read_csv(tmp_path, f"order_id,user_id,item_id,timestamp,state\n{rows}", "void_orders = ['state']")
    assert events_of(shop, "user_id", "item_id") == [("ann", "i1")]


def test_lines_of_an_order_are_filled_from_their_own_file_first(tmp_path: Path) -> None:
    """Two stores give two orders one number: a coupon that one of them lacks is not the other's."""
    for name, rows in (
        ("a", f"A,ann,i1,{DAY},\nA,,i2,{DAY},\n"),
        ("b", f"A,ben,i3,{DAY},SPRING\nA,,i4,{DAY},\n"),
    ):
        (tmp_path / f"{name}.csv").write_text(f"order_id,user_id,item_id,timestamp,coupon\n{rows}")
    more = "fill_down = { key = 'order_id', columns = ['user_id', 'coupon'] }"
    shop = read_shop(parse_settings(HEAD.replace("['events.csv']", "['a.csv', 'b.csv']") + more, tmp_path))
    assert events_of(shop, "user_id", "item_id", "coupon") == [
        ("ann", "i1", None),
        ("ann", "i2", None),
        ("ben", "i3", "SPRING"),
        ("ben", "i4", "SPRING"),
    ]


def test_a_cancelled_order_of_another_store_takes_none_with_it(tmp_path: Path) -> None:
    """Shopify's numbers begin at 1001 in every store: what is blank in one store's order is not filled from the other's."""
    head = "Name,Email,Financial Status,Currency,Created at,Cancelled at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku"
    (tmp_path / "de.csv").write_text(
        f"{head}\n#1001,ann@x.de,paid,EUR,2026-05-01 10:00:00 +0200,,1,Teapot,30.00,TEA\n"
        "#1002,,paid,EUR,2026-05-02 10:00:00 +0200,,1,Cup,8.00,CUP\n#1002,,,,2026-05-02 10:00:00 +0200,,1,Pot,9.00,POT\n"
    )
    (tmp_path / "at.csv").write_text(
        f"{head}\n#1001,bob@x.at,voided,EUR,2026-05-20 10:00:00 +0200,2026-05-20 12:00:00 +0200,1,Cup,8.00,CUP\n"
        "#1002,eve@x.at,paid,EUR,2026-05-21 10:00:00 +0200,,1,Tray,22.00,TRAY\n"
    )
    toml = "[data.events]\npaths = ['de.csv', 'at.csv']\npreset = 'shopify'\n"
    shop = read_shop(parse_settings(toml, tmp_path))
    sold = [("ann@x.de", "TEA"), (None, "CUP"), (None, "POT"), ("eve@x.at", "TRAY")]
    assert events_of(shop, "user_id", "item_id") == sold


def test_an_order_whose_head_stands_in_another_part_is_told_by_it(tmp_path: Path) -> None:
    """An export that was cut between two lines: mail and time are on each line, what only the first one says is filled from there."""
    head = "Name,Email,Financial Status,Currency,Created at,Cancelled at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku"
    when = "2026-05-01 10:00:00 +0200"
    (tmp_path / "1.csv").write_text(f"{head}\n#1005,eve@x.de,paid,USD,{when},,1,Teapot,30.00,TEA\n")
    (tmp_path / "2.csv").write_text(f"{head}\n#1005,eve@x.de,,,{when},,1,Cup,8.00,CUP\n")
    toml = "[data]\ncurrency = 'USD'\n[data.events]\npaths = ['1.csv', '2.csv']\npreset = 'shopify'\n"
    shop = read_shop(parse_settings(toml, tmp_path))
    assert events_of(shop, "item_id", "currency") == [("TEA", "USD"), ("CUP", "USD")]
    other = parse_settings(toml + "fill_down = { key = 'Name', columns = ['Currency'], head = 'Paid at' }", tmp_path)
    with pytest.raises(DataError, match=r"fill_down\.head: 'Paid at' is none of its columns"):
        read_shop(other)


def test_a_state_that_nobody_knows_is_named(tmp_path: Path) -> None:
    """With its rows, so that the settings can say what it means; too many of them stop the job."""
    lines = "".join(f"{at},ann,i{at},{DAY},paid\n" for at in range(9))
    text = f"order_id,user_id,item_id,timestamp,state\n{lines}x,ann,i,{DAY},in Klärung\n"
    shop = read_csv(tmp_path, text, "void_orders = ['state']")
    found = the_finding(shop, "how an order stands")
    assert (found.example, found.rows, found.given) == ("in Klärung (1)", 1, 10)
    coded = read_csv(tmp_path, text.replace("in Klärung", "7"), "void_orders = ['state']")
    assert the_finding(coded, "how an order stands").example == "7 (1)"
    with pytest.raises(DataError, match="how an order stands"):
        read_csv(tmp_path, text.replace("paid", "bezahlte Ware"), "void_orders = ['state']")


def test_void_orders_need_an_order(tmp_path: Path) -> None:
    """The error names the column that is missing."""
    with pytest.raises(DataError, match=r"no column 'order_id' \(for void_orders\)"):
        read_csv(tmp_path, f"user_id,item_id,timestamp,state\nann,i1,{DAY},paid\n", "void_orders = ['state']")


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("{ column = 'kind', one_of = [' Gift '] }", [1, 2]),
        ("{ column = 'kind', one_of = ['gift'], not = true }", [0, 3]),
        ("{ column = 'kind', pattern = '^g' }", [1]),
        ("{ column = 'kind', pattern = '^g', not = true }", [0, 2, 3]),
        ("{ column = 'kind', empty = true }", [3]),
        ("{ column = 'kind', empty = false }", [0, 1, 2]),
        ("{ column = 'kind', empty = true, not = true }", [0, 1, 2]),
    ],
)
def test_conditions(tmp_path: Path, where: str, kept: list[int]) -> None:
    """A pattern, a list of texts or an empty cell, each also turned round; an empty cell matches no text."""
    kinds = ["thing", "gift", "GIFT ", None]
    rows = [an_event(item_id=str(at), kind=kind) for at, kind in enumerate(kinds)]
    shop = read_rows(tmp_path, rows, f"[data.events]\npaths = ['events.parquet']\nwhere = [{where}]\n")
    assert [int(item) for [item] in events_of(shop, "item_id")] == kept


LINES = "head,n,item,price\nh1,1,VASE,20.00\nh1,2,CUP,5.00\nh2,1,BOX,35.00\nh9,1,BOX,35.00\n"
HEADS = "id,buyer,at\nh1,b1,2026-05-02 09:30:00\nh2,b2,2026-05-20 10:00:00\nh2,b3,2026-05-21 10:00:00\n"
JOIN = "columns = {{ item_id = 'item', order_id = 'head', timestamp = '{0}at', user_id = '{0}buyer' }}\n"


@pytest.mark.parametrize("name", ["", "orders"])
def test_columns_of_another_table_come_by_its_key(tmp_path: Path, name: str) -> None:
    """The last row of a key counts, so that no line is multiplied; lines whose key is not there are found, and bad without a user."""
    more = JOIN.format(f"{name}." if name else "")
    more += f"[[data.events.join]]\npaths = ['heads.csv']\non = {{ head = 'id' }}\nname = '{name}'\n[data]\nmax_rejected_share = 0.5\n"
    shop = read_csv(tmp_path, LINES, more, heads=HEADS)
    assert events_of(shop, "user_id", "item_id") == [("b1", "VASE"), ("b1", "CUP"), ("b3", "BOX")]
    assert the_finding(shop, "one row for each key").rows == 1
    assert the_finding(shop, "a key of the joined table").rows == 1


def test_joins_follow_one_another(tmp_path: Path) -> None:
    """What came with the first is a key of the second, text or number; a joined table may have conditions of its own."""
    more = JOIN.format("").replace("'buyer'", "'person'")
    more += "where = [{ column = 'head', pattern = 'h[12]' }]\n[[data.events.join]]\npaths = ['heads.csv']\non = { head = 'id' }\n"
    more += "[[data.events.join]]\npaths = ['people.parquet']\non = { buyer = 'no' }\n"
    more += "where = [{ column = 'person', pattern = '^p' }]\n"
    people = {"no": [1, 2, 2], "person": ["p-1", "p-2", "q"]}
    pl.DataFrame(people).write_parquet(tmp_path / "people.parquet")
    heads = HEADS.replace("b1", "1").replace("b2", "2").replace("h2,b3,2026-05-21 10:00:00\n", "")
    shop = read_csv(tmp_path, LINES, more, heads=heads)
    assert events_of(shop, "user_id", "item_id") == [("p-1", "VASE"), ("p-1", "CUP"), ("p-2", "BOX")]


@pytest.mark.parametrize("on", ["'nothing'", "{ head = 'nothing' }", "{ nothing = 'id' }"])
def test_a_join_by_a_column_that_is_not_there_is_refused(tmp_path: Path, on: str) -> None:
    """The error names the file, the column and what there is."""
    more = f"{JOIN.format('')}[[data.events.join]]\npaths = ['heads.csv']\non = {on}\n"
    with pytest.raises(DataError, match=r"has no column 'nothing' \(for `join`\); it has: "):
        read_csv(tmp_path, LINES, more, heads=HEADS)


PACKED = """
unnest = { column = 'lines', between = ';', fields = '|', names = ':' }
columns = { item_id = 'lines.sku', quantity = 'lines.quantity', amount = 'lines.total' }
"""


def test_names_of_products_may_hold_the_separators(tmp_path: Path) -> None:
    """A separator behind a backslash, or one that no named field follows, is a letter of a value."""
    text = rf"""order_id,user_id,timestamp,lines
1,ann,{DAY},"name:Mug\; red \| big|sku:M-1|n:2;name:Tee; Size M, long|sku:T-1|n:1;name:Mug | wide|sku:M-2|n:3"
"""
    more = "unnest = { column = 'lines', between = ';', fields = '|' }\n"
    more += "columns = { item_id = 'lines.sku', quantity = 'lines.n', title = 'lines.name' }"
    shop = read_csv(tmp_path, text, more)
    assert events_of(shop, "item_id", "quantity") == [("M-1", 2.0), ("T-1", 1.0), ("M-2", 3.0)]
    assert shop.items["title"].to_list() == ["Mug; red | big", "Mug | wide", "Tee; Size M, long"]


def test_packed_lines_become_rows(tmp_path: Path) -> None:
    """Fields in any order, blanks and empty lines between; an order whose cell is empty is one row without an item."""
    text = f"""order_id,user_id,timestamp,lines
1,ann,{DAY},name:Mittens|sku:M-1|quantity:2|total:24.00;sku:H-1| name: Hat: blue |total:18.00;
2,ben,{DAY},quantity:3|sku:M-1
3,cid,{DAY},
"""
    shop = read_csv(tmp_path, text, PACKED)
    assert events_of(shop, "order_id", "item_id", "quantity", "price") == [
        ("1", "M-1", 2.0, 12.0),
        ("1", "H-1", None, 18.0),
        ("2", "M-1", 3.0, None),
        ("3", None, None, None),
    ]
    assert shop.counts["events"].read == 4
    assert shop.findings == ()


def test_fields_may_have_places_instead_of_names(tmp_path: Path) -> None:
    """`names` gives them from left to right."""
    more = "unnest = { column = 'lines', between = ',', fields = ' x ', names = ['sku', 'n'] }\n"
    more += "columns = { item_id = 'lines.sku', quantity = 'lines.n' }\n"
    shop = read_csv(tmp_path, f'user_id,timestamp,lines\nann,{DAY},"M-1 x 2,H-1 x 1"\nben,{DAY},M-1\n', more)
    assert events_of(shop, "item_id", "quantity") == [("M-1", 2.0), ("H-1", 1.0), ("M-1", None)]


def test_lines_that_hold_no_field_are_found(tmp_path: Path) -> None:
    """A wrong separator is no list of orders without items."""
    shop = read_csv(tmp_path, f"user_id,timestamp,lines\nann,{DAY},sku=M-1\nben,{DAY},sku:M-1\n", PACKED)
    found = the_finding(shop, "holds lines with lines.quantity or lines.sku or lines.total")
    assert (found.rows, found.column, found.level) == (1, "lines", "emptied")


def test_json_in_a_cell(tmp_path: Path) -> None:
    """A list, or one object; numbers stay what they were, and broken text is found."""
    cells = ['[{"sku":"00M","n":2,"of":{"id":7}},{"sku":"H"}]', '{"sku":"X"}', "[]", None, '[{"sku":']
    rows = [an_event(user_id=f"u{at}", item_id=None, lines=cell) for at, cell in enumerate(cells)]
    more = "[data.events]\npaths = ['events.parquet']\nunnest = 'lines'\n"
    more += "columns = { item_id = 'lines.sku', quantity = 'lines.n', order_id = 'lines.of.id' }\n"
    shop = read_rows(tmp_path, rows, more)
    assert events_of(shop, "user_id", "item_id", "quantity", "order_id") == [
        ("u0", "00M", 2.0, "7"),
        ("u0", "H", None, None),
        ("u1", "X", None, None),
        ("u2", None, None, None),
        ("u3", None, None, None),
        ("u4", None, None, None),
    ]
    assert the_finding(shop, "holds lines with").rows == 2


@pytest.mark.parametrize(
    ("unnest", "cells"),
    [
        ("'item_id'", ['["A","B"]', "[1, 2.50]", "[]", "A"]),
        ("{ column = 'item_id', between = ',' }", ["A, B", "1,2.50,", "", '["A"]']),
    ],
)
def test_ids_in_a_cell_become_rows(tmp_path: Path, unnest: str, cells: list[str]) -> None:
    """A list of ids, or ids with a sign between them, where no field is asked for; what is no list is found."""
    rows = [an_event(user_id=f"u{at}", item_id=cell) for at, cell in enumerate(cells)]
    shop = read_rows(tmp_path, rows, f"[data.events]\npaths = ['events.parquet']\nunnest = {unnest}\n")
    last = ("u3", "A" if "between" in unnest else None)
    assert events_of(shop, "user_id", "item_id") == [
        ("u0", "A"),
        ("u0", "B"),
        ("u1", "1"),
        ("u1", "2.50"),
        ("u2", None),
        last,
    ]


def test_json_stands_where_packed_text_is_meant(tmp_path: Path) -> None:
    """A plugin that writes JSON in some orders, or all, is read by the same settings."""
    cells = ['[{"sku":"A","n":2,"of":{"id":"x;y|n:9"}},{"sku":"B"}]', "sku:C|n:3;sku:D", '{"sku":"E"}', '[{"sku":']
    rows = [an_event(user_id=f"u{at}", item_id=None, lines=cell) for at, cell in enumerate(cells)]
    more = "[data.events]\npaths = ['events.parquet']\nunnest = { column = 'lines', between = ';', fields = '|' }\n"
    more += "columns = { item_id = 'lines.sku', quantity = 'lines.n', order_id = 'lines.of.id' }\n"
    shop = read_rows(tmp_path, rows, more)
    assert events_of(shop, "item_id", "quantity") == [
        ("A", 2),
        ("B", None),
        ("C", 3),
        ("D", None),
        ("E", None),
        (None, None),
    ]
    assert events_of(shop, "order_id")[0] == ("x;y|n:9",)
    assert the_finding(shop, "holds lines with").rows == 1


NESTED: list[dict[str, Any]] = [
    {
        "event_name": "purchase",
        "event_timestamp": 1_780_308_060_000_000,
        "user_pseudo_id": "1.2",
        "ecommerce": {"transaction_id": "Q7"},
        "event_params": [
            {"key": "page_title", "value": {"string_value": "Shop", "int_value": None}},
            {"key": "ga_session_id", "value": {"string_value": None, "int_value": 99}},
        ],
        "items": [
            {"item_id": "PAN", "item_name": "Pan", "item_category": "Pans", "price": 24.0, "quantity": 1},
            {"item_id": "POT", "item_name": "Pot", "item_category": "Pots", "price": 15.0, "quantity": 2},
        ],
    },
    {
        "event_name": "search",
        "event_timestamp": 1_780_308_070_000_000,
        "user_pseudo_id": "1.2",
        "ecommerce": None,
        "event_params": [{"key": "search_term", "value": {"string_value": "pan", "int_value": None}}],
        "items": [],
    },
]


def test_google_analytics_as_it_comes(tmp_path: Path) -> None:
    """Items are rows, an event without items is one; the order, the session and the search stand inside of columns."""
    frame = pl.DataFrame(NESTED, infer_schema_length=None)
    frame.write_parquet(tmp_path / "events.parquet")
    shop = read_shop(parse_settings("[data.events]\npaths = ['events.parquet']\npreset = 'ga4'\n", tmp_path))
    assert events_of(shop, "event_type", "item_id", "order_id", "session_id", "quantity", "price", "query") == [
        ("purchase", "PAN", "Q7", "99", 1.0, 24.0, None),
        ("purchase", "POT", "Q7", "99", 2.0, 15.0, None),
        ("search", None, None, None, None, None, "pan"),
    ]
    assert shop.items.select("item_id", "title", "category", "price").rows() == [
        ("PAN", "Pan", "Pans", 24.0),
        ("POT", "Pot", "Pots", 15.0),
    ]


def test_nested_and_flat_exports_of_one_shop_read_the_same(tmp_path: Path) -> None:
    """The preset's flat form, one row an item, gives the same events."""
    frame = pl.DataFrame(NESTED, infer_schema_length=None)
    flat = frame.explode("items", empty_as_null=True).unnest("items", "ecommerce").drop("event_params")
    read = []
    for name, each in (("nested", frame.drop("event_params")), ("flat", flat)):
        each.write_parquet(tmp_path / f"{name}.parquet")
        shop = read_shop(parse_settings(f"[data.events]\npaths = ['{name}.parquet']\npreset = 'ga4'\n", tmp_path))
        read.append((shop.events.collect(), shop.items))
    assert read[0][0].equals(read[1][0])
    assert read[0][1].equals(read[1][1])


def test_a_list_that_nothing_unfolds_is_refused(tmp_path: Path) -> None:
    """The sentence says which setting unfolds it."""
    more = "[data.events]\npaths = ['events.parquet']\npreset = 'ga4'\ncolumns = { item_id = 'event_params' }\n"
    pl.DataFrame(NESTED, infer_schema_length=None).write_parquet(tmp_path / "events.parquet")
    with pytest.raises(DataError, match=r"'event_params' \(for item_id\) holds lists.*unnest = \"event_params\""):
        read_shop(parse_settings(more, tmp_path))


@pytest.mark.parametrize(
    "cell",
    [
        "name:Mittens|sku:M-1|quantity:2",
        '[{"sku":"M-1"}]',
        '{"sku":"M-1"}',
        "sku:A|n:1;sku:B|n:2",
        "[1, 2]",
        "['A']",
        "{A,B}",
    ],
)
def test_a_whole_cell_of_items_is_never_an_item(tmp_path: Path, cell: str) -> None:
    """It is a bad row, and the sentence says what to write."""
    with pytest.raises(DataError, match=r"item_id: 1 row .* “holds one item”.*`unnest`"):
        read_rows(tmp_path, [an_event(item_id=cell)])
    assert read_rows(tmp_path, [an_event(item_id="a:b|c")]).counts["events"].kept == 1


FACTS = [
    (1_780_000_000_000, "LIME", "price", "n3.20"),
    (1_780_600_000_000, "LIME", "available", "0"),
    (1_780_000_000_000, "LIME", "available", "1"),
    (1_780_000_000_000, "KIWI", "category", "41"),
    (1_780_000_000_000, "KIWI", "available", "0"),
    (1_780_000_000_000, "KIWI", "available", "1"),
    (1_780_000_000_000, "KIWI", "secret", "x"),
]
TURNED = "[data.items]\npaths = ['items.parquet']\nunits = ['n']\ncolumns = { item_id = 'thing' }\n"


def facts(folder: Path, time: str = ", time = 'at'", before: datetime | None = None) -> ShopTables:
    """A shop whose items are facts in long form."""
    rows = [dict(zip(("at", "thing", "fact", "said"), fact, strict=True)) for fact in FACTS]
    more = f"{TURNED}pivot = {{ key = 'thing', name = 'fact', value = 'said'{time} }}\n"
    return read_rows(folder, [an_event()], more, before=before, items=rows)


def test_of_each_property_the_newest_value_counts(tmp_path: Path) -> None:
    """Wherever it stands; of two at one time the last row; without a time the last row counts."""
    columns = ("item_id", "category", "price", "available")
    assert facts(tmp_path).items.select(columns).rows() == [("KIWI", "41", None, True), ("LIME", None, 3.2, False)]
    assert facts(tmp_path, "").items.select(columns).rows() == [("KIWI", "41", None, True), ("LIME", None, 3.2, True)]


def test_as_of_a_day_later_facts_are_not_known(tmp_path: Path) -> None:
    """Reading with `before` gives each property's value of then."""
    before = NOON.replace(month=6, day=1)
    assert dict(facts(tmp_path, before=before).items.select("item_id", "available").rows())["LIME"] is True


def test_a_table_that_lacks_a_column_of_its_shape_is_refused(tmp_path: Path) -> None:
    """Whichever shape: the error names the setting, the column, and what there is."""
    text = f"user_id,item_id,timestamp\nann,i1,{DAY}\n"
    for more in (
        "fill_down = { columns = ['nothing'] }",
        "fill_down = { key = 'nothing', columns = ['item_id'] }",
        "unnest = 'nothing'",
        "pivot = { key = 'nothing', name = 'item_id', value = 'user_id' }",
    ):
        with pytest.raises(DataError, match=r"has no column 'nothing' \(for `(fill_down|unnest|pivot)`\); it has: user_id"):
            read_csv(tmp_path, text, more)


CELL = st.lists(st.tuples(st.text("ABC", min_size=1, max_size=3), st.integers(1, 9)), max_size=4)


@pytest.mark.long
@settings(
    deadline=None,
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(CELL, min_size=1, max_size=6))
def test_packed_json_and_typed_lists_unfold_alike(tmp_path: Path, orders: list[list[tuple[str, int]]]) -> None:
    """The same lines, in the same order, however the cell is written."""
    packed = [";".join(f"sku:{sku}|n:{n}" for sku, n in lines) for lines in orders]
    listed = [[{"sku": sku, "n": n} for sku, n in lines] for lines in orders]
    ways: list[tuple[list[Any], str]] = [
        (packed, "{ column = 'lines', between = ';', fields = '|' }"),
        ([json.dumps(lines) for lines in listed], "'lines'"),
        (listed, "'lines'"),
    ]
    found = []
    for cells, unnest in ways:
        schema = {"lines": pl.List(pl.Struct({"sku": pl.String, "n": pl.Int64}))} if cells is listed else None
        rows = [an_event(user_id=f"u{at}", item_id=None, lines=cell) for at, cell in enumerate(cells)]
        pl.DataFrame(rows, schema_overrides=schema).write_parquet(tmp_path / "events.parquet")
        more = f"[data.events]\npaths = ['events.parquet']\nunnest = {unnest}\n"
        more += "columns = { item_id = 'lines.sku', quantity = 'lines.n' }\n"
        found.append(read_shop(parse_settings(more, tmp_path)).events.select("user_id", "item_id", "quantity").collect())
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
