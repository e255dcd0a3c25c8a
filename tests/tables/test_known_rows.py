"""Rows that are known, written as shops write them and damaged in one place: what is read of them is what was written.

`RECSYS_KNOWN_ROWS=2000` tries so many files instead of a few.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import DataError

TRIED = int(os.environ.get("RECSYS_KNOWN_ROWS", "6"))
COLUMNS = ("event_id", "user_id", "item_id", "timestamp", "event_type", "quantity", "price", "query")
TEXTS = (
    "oak table",
    "Größe 42",
    '5" pipe',
    "a, b; c|d\te",
    "line\nbreak",
    '"quoted"',
    "",
    "12,5",
    "user_id",
    "sep=;",
    "=1+1",
    "'",
)
PIECES = (
    b'"',
    b",",
    b";",
    b"\t",
    b"|",
    b"\n",
    b"\r",
    b"\x00",
    b"'",
    b"\\",
    b".",
    b"-",
    b"0",
    b"\xff",
    b'""',
    b",,",
    b"{",
    b"]",
)
trying = settings(
    deadline=None,
    max_examples=TRIED,
    derandomize=TRIED < 100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
seeds = st.integers(0, 1 << 32)


@dataclass(frozen=True, slots=True)
class Known:
    """One event, and its cells as a file has them."""

    time: datetime
    quantity: int
    price: float
    query: str
    cells: tuple[str, ...]


def grouped(price: float, thousands: str, mark: str) -> str:
    """A price with signs between its thousands and before its cents."""
    return f"{price:,.2f}".translate({ord(","): thousands, ord("."): mark})


PRICES: list[Callable[[float], str]] = [
    str,
    lambda price: grouped(price, "", "."),
    lambda price: f"{grouped(price, '.', ',')} €",
    lambda price: grouped(price, "\u202f", ","),
    lambda price: f"€{grouped(price, ',', '.')}",
    lambda price: f"EUR {grouped(price, '’', '.')}",
]
TIMES: list[tuple[str, bool | None, int]] = [
    ("%Y-%m-%dT%H:%M:%SZ", None, 1), ("%Y-%m-%d %H:%M", None, 60), ("%d.%m.%Y %H:%M:%S", True, 1), ("%m/%d/%y", False, 86_400),
    ("%d-%m-%y %H:%M:%S", True, 1), ("%b %d, %Y %I:%M %p", None, 60), ("%Y%m%d%H%M%S", None, 1),
    ("%a, %d %b %Y %H:%M:%S +0000", None, 1),
]  # fmt: skip
"""How times are written, the setting that tells the order of day and month, and to how many seconds."""


def known_rows(dice: Random) -> tuple[dict[str, Known], str]:
    """Events by their ids, all written in one way, and the settings that say what no value tells."""
    (form, day_first, seconds), price_of = dice.choice(TIMES), dice.choice(PRICES)
    rows = {}
    for at in range(dice.choice([2, 5, 20])):
        time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(300 * 86_400))
        time -= timedelta(seconds=int(time.timestamp()) % seconds)
        quantity, price, query = dice.randint(1, 30), dice.randrange(1, 10 ** dice.randint(2, 7)) / 100, dice.choice(TEXTS)
        event = (
            f"e{at:03}",
            f"u,{at % 3}",
            f"00{at}",
            time.strftime(form),
            "purchase",
            str(quantity),
            price_of(price),
            query,
        )
        rows[event[0]] = Known(time, quantity, price, query, event)
    return rows, "" if day_first is None else f"day_first = {str(day_first).lower()}"


def differences(rows: dict[str, Known], shop: ShopTables) -> list[str]:
    """Tell which events of those rows are read as something else; a value that is dropped is no other one."""
    wrong = []
    for event in shop.events.select(*COLUMNS).collect().iter_rows(named=True):
        if known := rows.get(event["event_id"]):
            same_price = event["price"] is None or abs(event["price"] - known.price) < 1e-6
            texts = (
                event["query"] in (known.query or None, None),
                event["item_id"] == known.cells[2],
                event["user_id"] == known.cells[1],
            )
            if (
                event["timestamp"] != known.time
                or event["quantity"] not in (known.quantity, None)
                or not same_price
                or not all(texts)
            ):
                wrong.append(f"{known.cells} is read as {event}")
    return wrong


def read(folder: Path, name: str, stated: str) -> ShopTables:
    """Read events of one file, however many of its rows are bad."""
    text = f"data.max_rejected_share = 1.0\n[data.events]\npaths = ['{name}']\n{stated}"
    return read_shop(parse_settings(text, folder), strict=False)


def damaged(line: bytes, dice: Random) -> bytes:
    """A line with a piece put in, left out or replaced."""
    at, kind, piece = dice.randrange(len(line) + 1), dice.randrange(3), dice.choice(PIECES)
    return line[:at] + (b"" if kind == 1 else piece) + line[at + (dice.randint(1, 3) if kind else 0) :]


def as_lines(rows: dict[str, Known], dice: Random) -> tuple[str, list[str]]:
    """A text file of these rows: its name, and its lines, of which the first holds the names if it is a CSV file."""
    if dice.random() < 0.3:
        return "events.ndjson", [json.dumps(dict(zip(COLUMNS, each.cells, strict=True))) + "\n" for each in rows.values()]
    lines, sign, end = [], dice.choice(",;\t|"), dice.choice(["\n", "\r\n"])
    for cells in (COLUMNS, *(each.cells for each in rows.values())):
        csv.writer(line := io.StringIO(), delimiter=sign, lineterminator=end).writerow(cells)
        lines.append(line.getvalue())
    return "events.csv", lines


@pytest.mark.long
@trying
@given(seed=seeds)
def test_damage_to_one_row_changes_no_other(tmp_path: Path, seed: int) -> None:
    """All other rows are read as they were written, or the file is refused, or bad rows say that some are missing."""
    dice = Random(seed)
    rows, stated = known_rows(dice)
    name, lines = as_lines(rows, dice)
    encoding = dice.choice(["utf-8", "utf-8-sig", "utf-16"])
    written, hurt = (
        [line.encode("utf-16-le" if encoding == "utf-16" else "utf-8") for line in lines],
        dice.randrange(len(rows)),
    )
    written[hurt - len(rows)] = damaged(written[hurt - len(rows)], dice)
    (tmp_path / name).write_bytes("".encode(encoding) + b"".join(written))
    others = {id_: each for at, (id_, each) in enumerate(rows.items()) if at != hurt}
    with suppress(DataError):
        shop = read(tmp_path, name, stated)
        assert differences(others, shop) == []
        missing = {*others} - {*shop.events.select("event_id").collect().to_series()}
        assert not missing or shop.counts["events"].rejected


@trying
@given(seed=seeds)
def test_all_formats_say_the_same(tmp_path: Path, seed: int) -> None:
    """The same texts as CSV, NDJSON, JSON, Parquet and Excel are the same events, each of which is what was written."""
    rows, stated = known_rows(Random(seed))
    cells = pl.DataFrame([each.cells for each in rows.values()], schema=COLUMNS, orient="row")
    cells.write_csv(tmp_path / "e.csv")
    cells.write_ndjson(tmp_path / "e.ndjson")
    (tmp_path / "e.json").write_text(json.dumps({"orders": cells.to_dicts(), "next": None}))
    cells.write_parquet(tmp_path / "e.parquet")
    with xlsxwriter.Workbook(tmp_path / "e.xlsx") as book:
        sheet = book.add_worksheet()
        for at, row in enumerate([COLUMNS, *cells.rows()]):
            for place, cell in enumerate(row):
                sheet.write_string(at, place, cell)
    shops = [read(tmp_path, f"e.{ending}", stated) for ending in ("csv", "ndjson", "json", "parquet", "xlsx")]
    first, *others = [shop.events.select(*COLUMNS).collect().sort("event_id") for shop in shops]
    assert first.height == len(rows)
    assert all(other.equals(first) for other in others)
    assert differences(rows, shops[0]) == []
