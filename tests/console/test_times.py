"""Moments in the fields of forms, and what else is written into fields and cells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import clock
from recsys.moments.context import day_of
from recsys.web.console.answers import csv_response
from recsys.web.console.page import Cell, Table
from recsys.web.console.render import time_text
from recsys.web.console.times import in_utc, picked
from recsys.web.http.parameters import LAST_MOMENT
from recsys.web.http.times import microseconds


@given(st.integers(0, LAST_MOMENT), st.timezones())
def test_a_moment_comes_back_from_its_field(at: int, zone: tzinfo) -> None:
    """To the millisecond, which is as fine as the field of a browser is."""
    try:
        moment = clock.to_datetime(at).astimezone(zone)
    except OverflowError:  # the last hours of the year 9999, east of Greenwich
        return
    assert microseconds(in_utc(picked(moment))) == at - at % 1000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        (None, ""),
        (datetime(2026, 12, 1, 8, tzinfo=UTC), "2026-12-01T08:00"),
        ("2026-12-01T08:00:05+02:00", "2026-12-01T06:00:05"),
        ("2026-12-01T08:00", "2026-12-01T08:00"),
        ("1796112000000000", "2026-12-01T08:00"),
        ("9" * 18, "9" * 18),
        ("soon", "soon"),
    ],
)
def test_what_a_field_shows(text: datetime | str | None, value: str) -> None:
    """A text that is no moment stays as it was typed."""
    assert picked(text) == value


@pytest.mark.parametrize("text", ["2026-12-01", "2026-12-01T08:00Z", "2026-12-01T08:00+01:00", "soon", "1796112000000000"])
def test_only_a_day_with_an_hour_is_taken_as_utc(text: str) -> None:
    """All else is read, or refused, as a call does."""
    assert in_utc(f" {text} ") == text


def test_the_last_hours_of_the_calendar_are_shown() -> None:
    """A campaign may end there, in a zone in which they are no day of ours."""
    assert time_text(datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-14)))) == "9999-12-31 23:59"


@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_the_last_moment_is_of_a_day(name: str) -> None:
    """In every zone, so that whoever asks as of then gets an answer."""
    begins, ends = day_of(LAST_MOMENT, name)
    assert begins < ends


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), ("Lamp;=1+1;x", "Lamp;'=1+1;x"), ("\t@x", "'\t@x"), ("＝1", "'＝1"), ("a-b", "a-b"), (5, 5)],
)
def test_no_cell_is_a_formula(text: Cell, cell: Cell) -> None:
    """Whichever sign a spreadsheet takes for the end of a cell."""
    answer = csv_response(Table(name="t", title="", columns=("a",), rows=((text,),))).get_data(as_text=True)
    assert answer == f"\ufeffa\r\n{cell}\r\n"
