"""Orders that count in nothing, whichever rows of whichever files say so: known again by number, shopper and about when it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from tests.support.shops.shop_tables import the_finding
from tests.tables.test_shapes import DAY, HEAD, events_of

NAMES = "order_id,user_id,item_id,timestamp,state"
PLAIN = "void_orders = ['state']\n"


def read(folder: Path, *files: str, more: str = PLAIN, data: str = "") -> ShopTables:
    """Read CSV files in this order; where the second has one more column, it is mapped on its own."""
    for number, text in enumerate(files):
        (folder / f"{number}.csv").write_text(text)
    names = [f"{number}.csv" for number in range(len(files))]
    return read_shop(parse_settings(data + HEAD.replace("['events.csv']", str(names)) + more, folder))


def wider(*lines: str) -> str:
    """A file of another version of the export, which has a column more."""
    return "\n".join([f"{NAMES},coupon", *(f"{line}," for line in lines), f"Z,zoe,i0,{DAY},paid,", ""])


def plain(*lines: str) -> str:
    """A file."""
    return "\n".join([NAMES, *lines, f"Y,yan,i0,{DAY},paid", ""])


def orders(shop: ShopTables) -> list[Any]:
    """Order and item of every event but those of Yan and Zoe."""
    return [row for row in events_of(shop, "order_id", "item_id") if row[0] not in ("Y", "Z")]


@pytest.mark.parametrize("later", [plain, wider])
def test_orders_that_stand_and_do_not_are_named(tmp_path: Path, later: Any) -> None:
    """As of two exports of which the later one says how an order ended: it is left out, and the shop is told."""
    shop = read(tmp_path, plain(f"A,ann,i1,{DAY},pending"), later(f"A,ann,i1,{DAY},paid"))
    assert orders(shop) == []
    found = the_finding(shop, "in one state")
    assert (found.rows, found.example) == (1, "A")
    assert found.share > 0.2
    assert "leave the earlier one out" in found.advice


def test_orders_of_one_state_are_not_named(tmp_path: Path) -> None:
    """Lines that say nothing contradict nothing."""
    shop = read(tmp_path, plain(f"A,ann,i1,{DAY},refunded", f"A,ann,i2,{DAY},", f"B,ann,i2,{DAY},paid"))
    assert orders(shop) == [("B", "i2")]
    assert not [each for each in shop.findings if "in one state" in each.rule]


@pytest.mark.parametrize(
    ("paid", "refunded"),
    [
        (f"A,ann,i1,{DAY},paid", f"A,ann,i1,{DAY[:10]},refunded"),
        (f"A,ann,i1,{DAY},paid", "A,ann,i1,,refunded"),
        (f"A,ann,i1,{DAY},paid", f"A, ANN ,i9,{DAY},refunded"),
        (f"A,,i1,{DAY},paid", f"A,ann,i9,{DAY},refunded"),
        (f"A,ann,i1,{DAY},paid", f"A,,i9,{DAY},refunded"),
        ("A,ann,i1,2026-05-01T12:00:00Z,paid", "A,ann,i1,2026-05-01T12:00:01Z,refunded"),
        ("A,ann,i1,2026-05-01T12:00:00Z,paid", "A,ann,i1,2026-07-01T12:00:00Z,refunded"),
    ],
)
@pytest.mark.parametrize("later", [plain, wider])
def test_an_order_is_known_again(tmp_path: Path, paid: str, refunded: str, later: Any) -> None:
    """However its time and its shopper are written, and with all its lines."""
    other = paid.replace("i1", "i2")
    shop = read(tmp_path, plain(paid, other), later(refunded))
    assert orders(shop) == []


@pytest.mark.parametrize(
    ("paid", "refunded"),
    [
        ("1,ann,i1,2026-01-02T12:00:00Z,paid", "1,ann,i9,2025-01-02T12:00:00Z,refunded"),
        ("1,ann,i1,2026-01-02T12:00:00Z,paid", "1,,i9,2026-01-09T12:00:00Z,refunded"),
        ("1,,i1,2026-01-02T12:00:00Z,paid", "1,ann,i9,2026-01-09T12:00:00Z,refunded"),
        (f"1,ann,i1,{DAY},paid", f"1,ben,i9,{DAY},refunded"),
    ],
)
@pytest.mark.parametrize("later", [plain, wider])
def test_another_order_of_the_same_number_stays(tmp_path: Path, paid: str, refunded: str, later: Any) -> None:
    """Numbers begin anew each year, and stores and tills give the same ones, however the files are cut."""
    assert orders(read(tmp_path, plain(paid), later(refunded))) == [("1", "i1")]


@pytest.mark.parametrize("later", [plain, wider])
def test_orders_between_two_of_their_number_stay(tmp_path: Path, later: Any) -> None:
    """Near one of the rows that say so is meant, not somewhere between them; a word for nobody is nobody."""
    void = ("5,,i1,2026-01-02,voided", "5,bob,i1,2024-01-02,voided", "5,bob,i1,2026-05-02,voided")
    kept = ("5,ann,i2,2026-03-02,paid", "5,,i3,2026-03-03,paid", "5,bob,i4,2025-03-03,paid", "5,Gast,i5,2026-01-20,paid")
    gone = ("5,Gast,i6,2026-01-02,paid", "5,ann,i7,2026-01-02,paid", "5,guest,i8,2026-05-02,paid")
    shop = read(tmp_path, plain(*void), later(*kept, *gone))
    assert sorted(item for _, item in orders(shop)) == ["i2", "i3", "i4", "i5"]


@pytest.mark.parametrize("later", [plain, wider])
def test_a_row_without_a_time_takes_out_its_shoppers_order_alone(tmp_path: Path, later: Any) -> None:
    """Of somebody who is not named nothing can be known again without one."""
    kept = (f"5,ann,i1,{DAY},paid", f"5,,i2,{DAY},paid")
    assert [item for _, item in orders(read(tmp_path, plain("5,,i1,,voided"), later(*kept)))] == ["i1", "i2"]
    assert [item for _, item in orders(read(tmp_path, plain("5,ann,i1,,voided"), later(*kept)))] == ["i2"]


def test_ids_that_are_made_alike_are_one_shopper(tmp_path: Path) -> None:
    """By the settings of ids."""
    files = plain(f"A,00123,i1,{DAY},paid", f"A,123,i2,{DAY},refunded")
    assert orders(read(tmp_path, files, data="data.ids.user = ['unpad']\n")) == []
    assert len(orders(read(tmp_path, files))) == 1


def test_of_several_times_the_first_that_there_is_counts(tmp_path: Path) -> None:
    """In a row that takes its order out as in any other."""
    more = PLAIN + "columns = { timestamp = ['paid_at', 'timestamp'] }\n"
    first = f"{NAMES},paid_at\nA,ann,i1,{DAY},paid,\nB,ben,i1,{DAY},paid,{DAY}\n"
    later = f"{NAMES},paid_at,coupon\nA,ann,i1,{DAY},refunded,,\n"
    assert events_of(read(tmp_path, first, later, more=more), "order_id") == [("B",)]


def moments(dtype: pl.DataType) -> pl.Series:
    """The same moment, as files of another type hold it."""
    return pl.Series([datetime(2026, 5, 1, 12, tzinfo=UTC)] * 2).cast(dtype)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pl.Datetime("us", "UTC"), pl.Datetime("ms", "UTC")),
        (pl.Datetime("us", "UTC"), pl.Datetime("ns", "UTC")),
        (pl.Datetime("us", "UTC"), pl.Date()),
    ],
)
def test_times_of_other_types_are_the_same_moments(tmp_path: Path, one: pl.DataType, other: pl.DataType) -> None:
    """Of Parquet files that two programs wrote."""

    def write(name: str, dtype: pl.DataType, ids: Sequence[Any], state: str, **more: Any) -> None:
        columns = {"order_id": ids, "user_id": ["ann", "ben"], "item_id": ["i1", "i2"], "state": [state, "paid"], **more}
        pl.DataFrame(columns).with_columns(moments(dtype).alias("timestamp")).write_parquet(tmp_path / name)

    write("a.parquet", one, ["1", "2"], "paid")
    write("b.parquet", other, [1, 2], "refunded", coupon=["", ""])
    toml = HEAD.replace("['events.csv']", "['a.parquet', 'b.parquet']") + PLAIN
    assert set(events_of(read_shop(parse_settings(toml, tmp_path)), "order_id")) == {("2",)}


def test_a_row_that_is_left_out_still_says_how_its_order_stands(tmp_path: Path) -> None:
    """A state may stand in a row of its own, which is no line of the order."""
    more = PLAIN + "where = [{ column = 'item_id', empty = false }]\n"
    assert orders(
        read(tmp_path, plain(f"A,ann,,{DAY},cancelled", f"A,ann,i1,{DAY},", f"B,ann,i1,{DAY},paid"), more=more)
    ) == [("B", "i1")]
