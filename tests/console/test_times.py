"""Moments in the fields of forms."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import clock
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
