"""Reading a shop's tables: what is mapped, what is left out and why, and what is said about it."""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys import clock
from recsys.ids.event_ids import event_id_of
from recsys.settings.load import load_settings, parse_settings
from recsys.tables.schema import EVENT_TYPE, TABLES, TIME, schema
from recsys.tables.shop import ShopTables, read_shop
from recsys.tables.validation import explain, findings_table
from recsys.types import DataError, SettingsError
from tests.support.shops.shop_tables import NOON, an_event, read_rows, the_finding

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


def one(shop: ShopTables) -> dict[str, Any]:
    """The only event."""
    [row] = shop.events.collect().to_dicts()
    return row


def test_canonical_tables_need_no_settings_and_come_with_every_column(tmp_path: Path) -> None:
    """Columns that the shop lacks are there and null; types are the canonical ones."""
    shop = read_rows(tmp_path, [an_event()], items=[{"item_id": "sofa"}], users=[{"user_id": "anna"}])
    assert shop.events.collect_schema() == schema("events")
    assert shop.items.schema == schema("items")
    assert shop.users.schema == schema("users")
    assert shop.contents.schema == schema("contents")
    assert one(shop)["timestamp"] == NOON
    assert one(shop)["session_id"] is None
    assert shop.findings == ()
    assert schema("events")["event_type"] == EVENT_TYPE
    assert schema("events")["timestamp"] == TIME


def test_mapping_in_settings(tmp_path: Path) -> None:
    """Columns, constants, words, rules on other columns, null words and row filters all come from the settings."""
    more = """
        [data.events]
        paths = ["events.parquet"]
        columns.user_id = "Customer"
        columns.item_id = "SKU"
        columns.timestamp = "Day"
        columns.order_id = "Invoice"
        columns.category = ["Dept", "Type"]
        constants = { currency = "eur", channel = "till" }
        event_types = { sale = "purchase", noise = "" }
        type_rules = [
            { column = "Invoice", pattern = "^C", event_type = "refund" },
            { column = "Invoice", pattern = "536365$", event_type = "purchase" },
        ]
        where = [{ column = "SKU", pattern = "^[0-9]{5}" }]
        null_values = ["n/a"]
    """
    row = {
        "Customer": 17850.0,
        "SKU": "85123A",
        "Day": date(2026, 5, 1),
        "event_type": "sale",
        "Dept": " Home ",
        "Type": "A > B",
    }
    rows = [
        {**row, "Invoice": "536365"},
        {**row, "Invoice": "C536365"},
        {**row, "Invoice": "n/a", "event_type": "noise"},
        {**row, "Invoice": "1", "SKU": "POST"},
        {**row, "Invoice": "n/a", "Type": None},
    ]
    shop = read_rows(tmp_path, rows, more)
    events = shop.events.collect()
    assert events["event_type"].to_list() == ["purchase", "refund", "purchase"]
    assert events["order_id"].to_list() == ["536365", "C536365", None]
    assert events["user_id"].unique().to_list() == ["17850"]
    assert events["category"].to_list() == ["Home > A \\> B", "Home > A \\> B", "Home"]
    assert events["timestamp"].unique().to_list() == [datetime(2026, 5, 1, tzinfo=UTC)]
    assert events["channel"].unique().to_list() == ["till"]
    assert (shop.currency, shop.counts["events"].left_out) == ("EUR", 2)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("columns = { customer = 'x' }", ["data.events.columns", "'customer'", "user_id"]),
        ("constants = { event_type = 'bought' }", ["event_type", "'bought'", "purchase"]),
        ("event_types = { sale = 'bought' }", ["data.events.event_types.sale", "'bought'", "purchase"]),
        (
            "type_rules = [{ column = 'item_id', pattern = '^C', event_type = 'return' }]",
            ["type_rules[0]", "'return'", "refund"],
        ),
        ("where = [{ column = 'item_id', pattern = '(' }]", ["'('", "regular expression"]),
    ],
)
def test_settings_that_map_to_nothing_are_refused(tmp_path: Path, more: str, words: list[str]) -> None:
    """The error names the key, the value and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        read_rows(tmp_path, [an_event()], f"[data.events]\npaths = ['events.parquet']\n{more}\n")
    assert [word for word in words if word not in str(caught.value)] == []


def test_amount_gives_the_price_of_one_piece(tmp_path: Path) -> None:
    """price = amount / quantity; without a quantity it is one piece; at 0 or less there is no price, and the row stays."""
    amounts = [(10.0, 4), (10.0, None), (0.0, 0), (10.0, -1), (-8.0, -2)]
    rows = [an_event(item_id=str(at), amount=amount, quantity=n) for at, (amount, n) in enumerate(amounts)]
    rows[-1]["event_type"] = "refund"
    shop = read_rows(tmp_path, rows, "[data.events]\npaths = ['events.parquet']\ncolumns = { amount = 'amount' }\n")
    events = shop.events.collect()
    assert events["price"].to_list() == [2.5, 10.0, None, None, 4.0]
    assert events["quantity"].to_list() == [4.0, None, 0.0, -1.0, 2.0]
    assert shop.findings == ()


def test_an_amount_counts_where_no_price_stands(tmp_path: Path) -> None:
    """A price that stands there counts, also one that cannot be read: then there is none."""
    rows = [an_event(item_id=str(at), cost=price, all=10.0, quantity=2.0) for at, price in enumerate(["7", None, "x"])]
    more = "[data.events]\npaths = ['events.parquet']\ncolumns = { price = 'cost', amount = 'all' }\n"
    assert read_rows(tmp_path, rows, more).events.collect()["price"].to_list() == [7.0, 5.0, None]


@pytest.mark.parametrize(("column", "paid"), [("price", 28.0), ("amount", 13.0)])
def test_a_discount_is_taken_off_a_price_from_before_it(tmp_path: Path, column: str, paid: float) -> None:
    """Off all pieces of the line, to 0 at least, and off those given back; one that cannot be read takes nothing off, and is found."""
    discounts = ["4", None, "99", "?", "-4", "4"]
    rows = [an_event(item_id=str(at), quantity=2, **{column: 30.0}, discount=off) for at, off in enumerate(discounts)]
    rows[-1]["event_type"] = "refund"
    table = f"[data.events]\npaths = ['events.parquet']\ncolumns = {{ {column} = '{column}' }}\n"
    before = 30.0 / (2 if column == "amount" else 1)
    shop = read_rows(tmp_path, rows, f"{table}discounted = false\n")
    assert shop.events.collect()["price"].to_list() == [paid, before, 0.0, before, paid, paid]
    as_it_is = read_rows(tmp_path, rows, table).events.collect()["price"].to_list()
    assert as_it_is == [before] * 6
    assert {found.column for found in shop.findings} == {"discount"}


@pytest.mark.parametrize("price", [float("inf"), -1.0])
def test_impossible_prices_are_dropped_and_counted_but_their_rows_stay(tmp_path: Path, price: float) -> None:
    """A price that is no finite number of 0 or more becomes null, with a finding."""
    shop = read_rows(tmp_path, [an_event(price=price), an_event(item_id="bed", price=0.0)])
    assert shop.events.collect()["price"].to_list() == [None, 0.0]
    found = the_finding(shop, "finite number, 0 or more")
    assert (found.column, found.rows, found.share, found.level) == ("price", 1, 0.5, "emptied")
    assert found.example == str(price)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ({"user_id": "é" * 129}, "user_id is an id"),
        ({"user_id": "a\nb"}, "user_id is an id"),
        ({"timestamp": None}, "timestamp has a value"),
        ({"timestamp": datetime(2926, 5, 1, tzinfo=UTC)}, "timestamp is a point in time"),
        ({"event_type": "wishlist"}, "event_type is one of"),
    ],
)
def test_bad_rows_are_left_out_counted_and_written_to_the_rejects_file(
    tmp_path: Path, broken: dict[str, Any], rule: str
) -> None:
    """The rejects file holds the shop's own row and the rule that it broke."""
    shop = read_rows(tmp_path, [an_event(note="the bad one", **broken)] + [an_event(item_id=str(at)) for at in range(30)])
    rejected = pl.read_parquet(tmp_path / "rejects" / "rejected_events.parquet").row(0, named=True)
    assert rejected["note"] == "the bad one"
    assert rejected["broke"].startswith(rule)
    assert (shop.counts["events"].rejected, shop.counts["events"].kept) == (1, 30)
    assert shop.events.collect()["item_id"].to_list() == [str(at) for at in range(30)]
    [found] = shop.findings
    assert (found.rows, found.level) == (1, "rejected")


def test_ids_of_256_bytes_with_slashes_spaces_and_emoji_are_ids(tmp_path: Path) -> None:
    """Length counts in UTF-8 bytes; nothing but control characters is forbidden."""
    ids = ["é" * 128, "a/b c", "🛋️", " x", "x\\y"]
    shop = read_rows(tmp_path, [an_event(user_id=each) for each in ids])
    assert shop.events.collect()["user_id"].to_list() == ids


def test_too_many_bad_rows_stop_the_job_in_words(tmp_path: Path) -> None:
    """Above the set share the error says file, column, rows, an example and what to do; at it, reading goes on."""
    rows = [an_event(event_type="wishlist")] + [an_event(item_id=str(at)) for at in range(9)]
    assert read_rows(tmp_path, rows, "data.max_rejected_share = 0.1\n").counts["events"].rejected == 1
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path, rows, "data.max_rejected_share = 0.09\n")
    words = [
        "1 of 10 rows (10.0%)",
        str(tmp_path / "events.parquet"),
        "event_type",
        "“wishlist”",
        "event_types",
        "max_rejected_share",
    ]
    assert [word for word in words if word not in str(caught.value)] == []
    assert read_rows(tmp_path, rows, "data.max_rejected_share = 0.09\n", strict=False).counts["events"].kept == 9


def test_rows_that_the_settings_leave_out_dilute_no_share(tmp_path: Path) -> None:
    """The share of bad rows is among those that are meant to be read."""
    rows = [an_event(event_type="wishlist"), an_event(), *(an_event(event_type="ping") for _ in range(98))]
    more = "[data.events]\npaths = ['events.parquet']\nevent_types = { ping = '' }\n"
    assert read_rows(tmp_path, rows, more, strict=False).counts["events"].rejected_share == 0.5
    with pytest.raises(DataError, match="1 of 2 rows"):
        read_rows(tmp_path, rows, more)


def test_reading_clean_tables_writes_nothing_and_takes_old_rejects_away(tmp_path: Path) -> None:
    """The rejects file always belongs to the last reading; there is none where no row is bad."""
    read_rows(tmp_path, [an_event(event_type="wish"), an_event()], "data.max_rejected_share = 0.5\n")
    assert (tmp_path / "rejects" / "rejected_events.parquet").exists()
    read_rows(tmp_path, [an_event()])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["events.parquet", "rejects"]


def test_the_rejects_file_never_replaces_a_file_of_the_shop(tmp_path: Path) -> None:
    """Reading a table named like the rejects file, from the rejects folder, is refused before anything is written."""
    file = tmp_path / "rejected_events.parquet"
    pl.DataFrame([an_event(user_id=None)]).write_parquet(file)
    before = file.read_bytes()
    with pytest.raises(DataError, match="both read and written"):
        read_shop(parse_settings(f'data.rejects = "."\ndata.events.paths = ["{file.name}"]', tmp_path))
    assert file.read_bytes() == before


def test_events_with_one_id_or_one_meaning_count_once(tmp_path: Path) -> None:
    """Of one event_id the first row stays; without ids, same user, type, item, time and order are one event."""
    rows = [
        an_event(event_id="e1"),
        an_event(event_id="e1", item_id="bed"),
        an_event(event_id=None),
        an_event(event_id=None),
    ]
    shop = read_rows(tmp_path, [*rows, an_event(event_id=None, order_id="o1")])
    assert shop.events.collect()["item_id"].to_list() == ["sofa"] * 3
    assert shop.counts["events"].duplicates == 2
    assert the_finding(shop, "unique").rows == 2


def test_a_missing_event_id_is_the_hash_that_live_events_get(tmp_path: Path) -> None:
    """Tables and the service derive the same id, before anonymous users are resolved."""
    link = [{"anonymous_id": "passer", "user_id": "anna", "timestamp": NOON}]
    event = one(read_rows(tmp_path, [an_event(user_id="passer", order_id="é")], identities=link))
    micros = clock.to_microseconds(NOON)
    assert event["user_id"] == "anna"
    assert event["event_id"] == event_id_of("passer", "view", "sofa", micros, "é")
    assert one(read_rows(tmp_path, [an_event(item_id=None)]))["event_id"] == event_id_of("anna", "view", None, micros, None)


def test_before_hides_everything_from_then_on(tmp_path: Path) -> None:
    """Events and links at `before` or later do not exist: not as rows, not as item facts, not as identities."""
    day = timedelta(days=1)
    rows = [an_event(price=1.0, user_id="passer"), an_event(price=2.0, timestamp=NOON + day)]
    link = [{"anonymous_id": "passer", "user_id": "anna", "timestamp": NOON + day}]
    shop = read_rows(tmp_path, rows, before=NOON + day, identities=link)
    assert (one(shop)["user_id"], shop.items["price"].to_list()) == ("passer", [1.0])
    assert read_rows(tmp_path, rows, before=NOON + 2 * day, identities=link).events.collect()["user_id"].to_list() == [
        "anna",
        "anna",
    ]


@pytest.mark.parametrize("word", ["NULL", r"\N", "nan", "<NA>", "None", "#N/A", "#NAME?"])
def test_words_of_databases_and_spreadsheets_for_no_value_are_none(tmp_path: Path, word: str) -> None:
    """No item, order or group is called so; `null_values` says more of them."""
    bought = [an_event(event_type="purchase", item_id=item, order_id=word) for item in ("sofa", "bed")]
    items = [{"item_id": item, "title": word, "brand": word, "category": word, "group_id": word} for item in ("bed", "sofa")]
    shop = read_rows(tmp_path, [*bought, an_event(item_id=word)], items=items)
    assert shop.events.select("item_id", "order_id").sort("item_id").collect().rows() == [
        (None, None), ("bed", None), ("sofa", None)
    ]  # fmt: skip
    assert shop.items.select("title", "brand", "category", "group_id").unique().rows() == [(None,) * 4]


def test_a_group_of_most_items_is_doubted(tmp_path: Path) -> None:
    """A list shows one item of a group, so a column that says the same everywhere would leave one; 0 says that there is none."""
    ids = [f"i{at}" for at in range(20)]
    grouped = {group: [{"item_id": each, "group_id": group} for each in ids] for group in ("0", "main")}
    assert read_rows(tmp_path, [an_event(item_id="i1")], items=grouped["0"]).items["group_id"].null_count() == 20
    found = the_finding(read_rows(tmp_path, [an_event(item_id="i1")], items=grouped["main"]), "group of variants")
    assert (found.rows, found.example) == (20, "'main': 20 of 20 items")
    pairs = [{"item_id": each, "group_id": f"g{int(each[1:]) // 2}"} for each in ids]
    assert not read_rows(tmp_path, [an_event(item_id="i1")], items=pairs).findings


def test_an_empty_table_is_read_and_noted(tmp_path: Path) -> None:
    """No rows are no error of the reader's, whether the file is empty or the settings leave all rows out."""
    (tmp_path / "none.csv").write_text("user_id,timestamp,event_type\n")
    shop = read_shop(parse_settings('data.events.paths = ["none.csv"]', tmp_path))
    assert shop.events.collect().is_empty()
    assert shop.items.is_empty()
    assert "has rows" in explain(the_finding(shop, "has rows"))
    where = "[data.events]\npaths = ['events.parquet']\nwhere = [{ column = 'item_id', pattern = 'bed' }]\n"
    assert the_finding(read_rows(tmp_path, [an_event()], where), "keeps rows").file.endswith("events.parquet")


def test_findings_are_told_in_one_sentence_and_in_a_table(tmp_path: Path) -> None:
    """File, column, rows, share, example, what happened, what to do."""
    rows = [an_event(sku="x" * 300), *(an_event(sku=str(at)) for at in range(30))]
    shop = read_rows(tmp_path, rows, "[data.events]\npaths = ['events.parquet']\ncolumns = { session_id = 'sku' }\n")
    assert explain(shop.findings[0]) == (
        f"events, {tmp_path}/events.parquet, column sku (session_id): 1 row (3.2%) breaks the rule “is an id of at most "
        f"256 bytes without control characters”, for instance “{'x' * 40}… (300 characters)”; "
        "the value is dropped, the row stays. "
        "To do: shorten or clean it where it is exported."
    )
    row = findings_table(shop.findings)[0]
    assert (row["file"], row["rows"], row["share"]) == ("events.parquet", "1", "3.2%")


def test_every_canonical_column_is_documented() -> None:
    """docs/data.md has a row for each column of each table."""
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", DOCS.read_text(), flags=re.MULTILINE | re.DOTALL))
    rows = {name: set(re.findall(r"^\| `(\w+)`", text, flags=re.MULTILINE)) for name, text in sections.items()}
    assert {name: {column.name for column in columns} - rows.get(name, set()) for name, columns in TABLES.items()} == {
        name: set() for name in TABLES
    }


@pytest.mark.long
@pytest.mark.skipif(not os.environ.get("RECSYS_DATA"), reason="RECSYS_DATA is unset: no real data to read")
@pytest.mark.parametrize(
    ("example", "kept", "items"),
    [
        ("completejourney", 100_000, 92_331),
        ("online_retail", 404_909, 3_676),
        ("rees46", 17_428, 6_493),
        ("ga4", 21_924, 988),
        ("foodmart", 86_829, 1_559),
    ],
)
def test_the_examples_read_real_data(tmp_path: Path, example: str, kept: int, items: int) -> None:
    """Each example's settings read its data without one bad row."""
    file = Path(__file__).parents[2] / "examples" / example / "settings.toml"
    load_settings(file)
    shop = read_shop(parse_settings(file.read_text(), tmp_path))
    assert (shop.counts["events"].kept, shop.items.height) == (kept, items)
    known = {("online_retail", "price"): "649.5 of 22502", ("online_retail", "quantity"): "80,995 of 23843"}
    found = {(example, each.column): each.example for each in shop.findings if each.level in ("rejected", "emptied")}
    assert found == {key: said for key, said in known.items() if key[0] == example}
