"""Days whose hours stand in another column, as tills and several platforms export them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.tables.values.times import at_time_of_day, read_times
from recsys.types import DataError
from tests.support.shops.handmade import calm
from tests.support.shops.shop_tables import an_event, read_rows

MORE = '[data.events]\npaths = ["events.parquet"]\ntime_of_day = "hours"\ntimezone = "Europe/Berlin"\nday_first = false\n'
NINE = datetime(2026, 7, 14, 7, 5, tzinfo=UTC)
MIDNIGHT = datetime(2026, 7, 13, 22, tzinfo=UTC)


def read(folder: Path, day: Any, hours: Any, more: str = MORE) -> datetime | None:
    """When the only event happened."""
    [found] = read_rows(folder, [an_event(timestamp=day, hours=hours)], more).events.collect()["timestamp"].to_list()
    moment: datetime | None = found
    return moment


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-07-14", "09:05"),
        ("2026-07-14", "9:05:00 AM"),
        ("07/14/26", "9:05 am"),
        ("Jul 14, 2026", "9:05 AM"),
        ("2026-07-14", "09:05:00.000"),
        ("2026-07-14 00:00:00", "09:05"),
        ("2026-07-14T00:00:00.000Z", "09:05"),
        (datetime(2026, 7, 14, tzinfo=UTC), "09:05"),
        ("7/14/2026 12:00:00 AM", "9:05 AM"),
        ("20260714", "090500"),
        ("20260714", "905"),
        ("2026-07-14", "0905.0"),
        ("2026-07-14", "1899-12-31 09:05:00"),
        (date(2026, 7, 14), time(9, 5)),
        (datetime(2026, 7, 14), datetime(1899, 12, 31, 9, 5)),  # noqa: DTZ001 (as a spreadsheet has them)
        (20260714, 90500),
        ("2026-07-14", "07:05Z"),
        ("2026-07-14 09:05", "11:30"),
    ],
)
def test_a_day_and_its_hours_are_one_moment(tmp_path: Path, day: Any, hours: Any) -> None:
    """In the table's zone, however the two are written; a day that has hours already keeps them."""
    assert read(tmp_path, day, hours) == NINE


@pytest.mark.parametrize("hours", [None, "", "  ", "NULL"])
def test_a_day_without_hours_begins(tmp_path: Path, hours: str | None) -> None:
    """What stands in no row of the second column changes nothing."""
    assert read(tmp_path, "2026-07-14", hours, MORE + 'null_values = ["NULL"]\n') == MIDNIGHT


def test_hours_that_cannot_be_read_are_no_midnight(tmp_path: Path) -> None:
    """The row is a bad one, and is told."""
    with pytest.raises(DataError, match=r"timestamp \+ hours .*2026-07-14, xxxx"):
        read(tmp_path, "2026-07-14", "late")


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Its settings would otherwise let all of a day happen when it begins."""
    with pytest.raises(DataError, match="time_of_day"):
        read_rows(tmp_path, [an_event()], MORE)


@calm
@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)), st.sampled_from(["%H:%M:%S", "%I:%M:%S %p", "%H%M%S"]))  # noqa: DTZ001
def test_any_moment_comes_together(moment: datetime, form: str) -> None:
    """To the second, as it was written in two."""
    written = pl.DataFrame({"day": [moment.strftime("%Y-%m-%d")], "hours": [moment.strftime(form)]})
    text = written.select(at_time_of_day(pl.col("day"), pl.col("hours"))).to_series()
    assert read_times(text).to_list() == [moment.replace(microsecond=0, tzinfo=UTC)]
