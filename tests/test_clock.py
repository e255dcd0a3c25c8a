"""Moments as microseconds: exact both ways, whatever the zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from recsys import clock
from tests.support.shops.handmade import calm

zones = st.sampled_from([UTC, timezone(timedelta(hours=-9.5))])
moments = st.datetimes(timezones=zones).filter(lambda moment: 1 < moment.year < 9999)


@calm
@given(moments)
def test_no_microsecond_is_lost(moment: datetime) -> None:
    """Numbers with a fraction, as `datetime.timestamp` gives, would lose the last ones."""
    assert clock.to_datetime(clock.to_microseconds(moment)) == moment


@calm
@given(st.integers(-(10**16), 10**17))
def test_a_number_comes_back(microseconds: int) -> None:
    """From the year 1653 to 5138."""
    assert clock.to_microseconds(clock.to_datetime(microseconds)) == microseconds


def test_units_are_of_one_another() -> None:
    """A day has its hours, minutes and seconds; now lies between two readings of the system's clock."""
    assert clock.to_datetime(clock.DAY + 2 * clock.HOUR + 3 * clock.MINUTE + 4 * clock.SECOND + 5) == datetime(
        1970, 1, 2, 2, 3, 4, 5, UTC
    )
    before = datetime.now(UTC)
    now = clock.to_datetime(clock.now())
    assert before <= now <= datetime.now(UTC)
