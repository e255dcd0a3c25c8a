"""Equal rows of events: the same event again, or lines of one order."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.ids.event_ids import event_id_of
from recsys.live.databases import log_in
from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.tables.validation import explain
from recsys.types import Event
from tests.conftest import micros
from tests.support.shops.shop_tables import NOON, an_event, read_rows, the_finding

FILES = '[data.events]\npaths = ["events-*.csv"]\n'


def line(item: str, **values: Any) -> dict[str, Any]:
    """A purchase line of an order."""
    return an_event(event_type="purchase", order_id="o-1", item_id=item) | values


def ids(shop: ShopTables, item: str) -> list[str]:
    """Ids of the events of an item, in order."""
    found: list[str] = shop.events.filter(pl.col("item_id") == item).collect()["event_id"].to_list()
    return found


def of_files(folder: Path, *tables: list[dict[str, Any]]) -> ShopTables:
    """Read tables that stand in a file each."""
    for number, rows in enumerate(tables):
        pl.DataFrame(rows).write_csv(folder / f"events-{number}.csv")
    return read_shop(parse_settings(FILES, folder))


def test_equal_rows_of_an_order_are_lines_of_it(tmp_path: Path) -> None:
    """Two equal purchases beside each other in an order are two pieces, also where they differ in quantity; and it is said."""
    rows = [line("tin"), line("box"), line("tin"), line("can", order_id="o-2", quantity=2), line("can", order_id="o-2")]
    shop = read_rows(tmp_path, rows)
    assert [len(set(ids(shop, item))) for item in ("tin", "box", "can")] == [2, 1, 2]
    assert shop.counts["events"].duplicates == 0
    note = the_finding(shop, "in an order")
    assert (note.rows, note.level, note.column) == (2, "note", "user_id + event_type + item_id + timestamp + order_id")
    assert "export every line once" in explain(note)


def test_a_repeated_order_is_the_same_order(tmp_path: Path) -> None:
    """In another run of rows, or in another file, equal lines are those that stand already; the most in one run counts."""
    order = [line("tin"), line("tin"), line("box")]
    shop = read_rows(tmp_path, [*order, line("tin", user_id="ben"), *order, line("pot", order_id="o-9"), line("tin")])
    assert shop.counts["events"].duplicates == 4
    assert shop.events.collect().height == 5
    shop = of_files(tmp_path, [line("tin"), line("box")], order, order)
    assert (len(ids(shop, "tin")), len(ids(shop, "box"))) == (2, 1)
    assert the_finding(shop, "unique together").rows == 5


def test_lines_that_differ_in_quantity_alone_both_count(tmp_path: Path) -> None:
    """Also with another order between them; told again, in another run or file, they are the same two lines."""
    two = [line("tin", quantity=2), line("tin", user_id="ben", order_id="o-9", quantity=2), line("tin", quantity=1)]
    shop = read_rows(tmp_path, two * 2)
    found = shop.events.filter(pl.col("user_id") == "anna").collect()
    assert found["quantity"].to_list() == [2.0, 1.0]
    assert found["event_id"].to_list() == [
        event_id_of("anna", "purchase", "tin", micros(NOON), "o-1", number) for number in (0, 1)
    ]
    shop = of_files(tmp_path, two, two[:1], two)
    assert (shop.events.collect().height, shop.counts["events"].duplicates) == (3, 4)


@pytest.mark.parametrize(
    ("days", "advice"), [((0, 0, 1), "nothing, if a page was loaded again"), ((0, 30, 60), "if they are renewals")]
)
def test_repeated_lines_are_told(tmp_path: Path, days: tuple[int, ...], advice: str) -> None:
    """They count once, which takes money from a shop whose renewals share an order id; other items and prices are other lines."""
    rows = [line("box", timestamp=NOON + timedelta(days=day), quantity=1, price=20) for day in days]
    rows += [line("tin", timestamp=NOON + timedelta(days=1), quantity=1, price=20), line("tin", quantity=1, price=19)]
    found = the_finding(read_rows(tmp_path, rows), "there once as a line")
    assert found.rows == sum(day > 0 for day in days)
    assert (found.level, found.example) == ("note", f"1 line, up to {days[-1]} days apart")
    assert advice in found.advice


def test_files_are_told_apart_where_they_meet(tmp_path: Path) -> None:
    """A file that begins with the order that the one before it ends with repeats it, also where their columns differ."""
    shop = of_files(tmp_path, [line("tin")], [line("tin")], [line("tin", price=3)])
    assert len(ids(shop, "tin")) == 1
    assert shop.counts["events"].duplicates == 2


def test_rows_left_out_in_between_break_no_order(tmp_path: Path) -> None:
    """A line that the settings leave out belongs to the order all the same."""
    where = FILES + 'where = [{ column = "item_id", pattern = "^[a-z]+$" }]\n'
    pl.DataFrame([line("tin"), line("POST"), line("tin")]).write_csv(tmp_path / "events-0.csv")
    assert len(ids(read_shop(parse_settings(where, tmp_path)), "tin")) == 2


@pytest.mark.parametrize(
    "changed", [{"event_type": "view"}, {"event_type": "cart_add"}, {"order_id": None}, {"event_id": "own"}]
)
def test_other_equal_rows_are_one_event(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Only purchases and refunds with an order id and without one of their own are lines."""
    other = an_event(item_id="pot", order_id="o-9", event_id=None)
    shop = read_rows(tmp_path, [other, line("tin") | changed, line("tin") | changed])
    assert (len(ids(shop, "tin")), shop.counts["events"].duplicates) == (1, 1)


def test_refunds_are_lines_too(tmp_path: Path) -> None:
    """Two pieces given back at once are two refunds."""
    assert len(ids(read_rows(tmp_path, [line("tin", event_type="refund")] * 2), "tin")) == 2


def test_lines_sent_live_are_found_in_the_tables(tmp_path: Path) -> None:
    """The second of two equal lines has the id that it got live, so that the table's row takes its place."""
    fields = ("anna", "purchase", "tin", micros(NOON), "o-1")
    given = [event_id_of(*fields), event_id_of(*fields, 1), event_id_of(*fields, 2)]
    events = [
        Event(event_id=each, user_id="anna", event_type="purchase", item_id="tin", order_id="o-1", timestamp=micros(NOON))
        for each in given
    ]
    log_in(tmp_path / "state").add_events(events, micros(NOON))
    shop = read_rows(tmp_path, [line("tin"), line("tin")])
    assert ids(shop, "tin") == given
    assert (shop.counts["live"].read, shop.counts["live"].duplicates) == (3, 2)


def test_a_refund_of_nothing_is_noted(tmp_path: Path) -> None:
    """A refund that names neither item nor order stays, counts in nothing, and is told."""
    refunds = [an_event(event_type="refund", item_id=item, order_id=order) for item, order in ((None, "o"), ("tin", None))]
    nothing = an_event(event_type="refund", item_id=None, order_id=None, timestamp=NOON + timedelta(seconds=1))
    note = the_finding(read_rows(tmp_path, [*refunds, nothing]), "says what a refund gives back")
    assert (note.rows, note.level, note.example) == (1, "note", "")


def test_a_refund_of_an_item_that_cannot_be_read_is_not_the_whole_order(tmp_path: Path) -> None:
    """Its order is dropped with the item; where no item is named, the order stays."""
    refunds = [an_event(event_type="refund", order_id="o", item_id=item) for item in ("x" * 300, None, "tin")]
    shop = read_rows(tmp_path, [*refunds, line("x" * 300)])
    stated = shop.events.select("event_type", "item_id", "order_id").collect().rows()
    assert stated == [("refund", None, None), ("refund", None, "o"), ("refund", "tin", "o"), ("purchase", None, "o-1")]


def test_an_order_whose_lines_are_a_list_is_told_once_by_each_row(tmp_path: Path) -> None:
    """The same row again is the order again, also right behind the first; equal entries of one row are as many lines."""
    entry = {"sku": "tin", "n": 1}
    row = an_event(event_type="purchase", order_id="o-1", basket=[entry, entry, {"sku": "box", "n": 1}])
    row.pop("item_id")
    more = (
        '[data.events]\npaths = ["events.parquet"]\nunnest = "basket"\n'
        'columns = { item_id = "basket.sku", quantity = "basket.n" }\n'
    )
    shop = read_rows(tmp_path, [row, row], more)
    assert sorted(shop.events.collect()["item_id"].to_list()) == ["box", "tin", "tin"]
    assert shop.counts["events"].duplicates == 3


@pytest.mark.parametrize("cell", ["sku=A;qty=2|sku=B;qty=1", "sku=A;qty=2", "A:1|B:2"])
def test_packed_lines_are_no_item(tmp_path: Path, cell: str) -> None:
    """Fields with names in one cell are lines of an order; an address with one field, or an id with a sign, is an id."""
    shop = read_rows(tmp_path, [line(cell), line("p?id=7&v=2"), line("a=b"), line("A;B")], strict=False)
    assert the_finding(shop, "holds one item").rows == 1
