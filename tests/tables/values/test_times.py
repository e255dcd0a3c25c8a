"""Points in time and days: zones and their seams, orders of day and month, compact dates, units of numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.tables.values.times import TimeNotation, at_a_seam, read_days, read_times
from tests.support.shops.handmade import calm

BERLIN = TimeNotation(zone="Europe/Berlin")


def times(*values: Any, **notation: Any) -> list[datetime | None]:
    """Values as points in time."""
    return read_times(pl.Series(values), TimeNotation(**notation)).to_list()


def utc(*parts: int) -> datetime:
    """A moment in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_times_without_a_zone_are_local_to_the_tables() -> None:
    """Text, dates and typed times alike; what names its zone keeps it, and numbers are since 1970 everywhere."""
    assert times("2026-07-01 12:00", "2026-07-01T12:00:00Z", "2026-07-01", zone="Europe/Berlin") == [
        utc(2026, 7, 1, 10),
        utc(2026, 7, 1, 12),
        utc(2026, 6, 30, 22),
    ]
    naive = datetime(2026, 7, 1, 12)  # noqa: DTZ001
    assert times(naive, zone="Asia/Tokyo") == [utc(2026, 7, 1, 3)]
    assert times(date(2026, 7, 1), zone="Asia/Tokyo") == [utc(2026, 6, 30, 15)]
    assert times(1_774_958_400, unit="s", zone="Asia/Tokyo") == [utc(2026, 3, 31, 12)]


def test_times_of_feeds_logs_and_languages() -> None:
    """RFC 822 with GMT or an offset, a comma before the fraction, and the zone's name behind its offset."""
    noon = utc(2026, 6, 8, 12)
    assert times("Mon, 08 Jun 2026 12:00:00 GMT", "Mon, 08 Jun 2026 14:00:00 +0200") == [noon, noon]
    assert times("2026-06-08 12:00:00,000", "2026-06-08T14:00:00+02:00[Europe/Paris]") == [noon, noon]


def test_words_for_zones_and_years_and_other_digits() -> None:
    """CEST and MEZ mean one offset, IST and CST several; the word for a year says nothing; digits of any script are digits."""
    assert times("2026-07-01 12:00:00 CEST", "2026-01-01 12:00 MEZ", "2026-07-01 12:00 IST") == [
        utc(2026, 7, 1, 10),
        utc(2026, 1, 1, 11),
        None,
    ]
    assert times("2026-07-01 12:00:00 CET", zone="Asia/Tokyo") == [utc(2026, 7, 1, 11)]
    assert times("2026-07-01 12:00 MESZ", "2026-01-01 12:00 MEZ") == [utc(2026, 7, 1, 10), utc(2026, 1, 1, 11)]
    assert (
        times("01.07.2026 12:00 CEST", "1. Juli 2026 12:00 MESZ", zone="Asia/Tokyo", day_first=True)
        == [utc(2026, 7, 1, 10)] * 2
    )
    assert at_a_seam(pl.Series(["2026-03-29 02:30:00 CEST"]), BERLIN).to_list() == [False]
    assert read_days(pl.Series(["01.07.1990 00:00 MESZ"]), TimeNotation(day_first=True)).to_list() == [date(1990, 7, 1)]
    assert times("5 мая 2026 г. 10:30", "5 maja 2026 r. 10:30") == [utc(2026, 5, 5, 10, 30)] * 2
    assert times("٢٠٢٦/٠٥/٠١ ٠٩:٤٧", "२०२६-०५-०१", "２０２６年５月１日") == [
        utc(2026, 5, 1, 9, 47),
        utc(2026, 5, 1),
        utc(2026, 5, 1),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Sat Aug 07 1982 00:00:00 GMT+0200 (Central European Summer Time)",
        "07 Aug 1982 00:30:00 +0200",
        "Sat, 07 Aug 1982 00:30:00 +0200",
        "1982-08-07T00:30:00+02:00",
        "Aug 7, 1982 12:30 AM +02:00",
    ],
)
def test_a_birthday_with_a_zone_keeps_its_day(text: str) -> None:
    """Midnight there is the day before in UTC, on which nobody was born."""
    assert read_days(pl.Series([text])).to_list() == [date(1982, 8, 7)]


def test_the_arabic_decimal_mark_is_a_point_in_times() -> None:
    """Between a second and its parts, between day, month and year, and in numbers that are times."""
    assert times("٢٠٢٥-١٢-٠١ ١٠:٠٠:٠٠٫١٢٣", "١٧٦٤٥٨٣٢٠٠٫٥") == [
        utc(2025, 12, 1, 10, 0, 0, 123_000),
        utc(2025, 12, 1, 10, 0, 0, 500_000),
    ]
    assert times("٠١٫١٢٫٢٠٢٥", day_first=True) == [utc(2025, 12, 1)]
    assert read_days(pl.Series(["٠١٫١٢٫٢٠٢٥"]), TimeNotation(day_first=True)).to_list() == [date(2025, 12, 1)]


def test_seams_of_a_zone_have_one_rule() -> None:
    """Of the hour that comes twice the first is taken; the one that does not exist is as much later as was skipped."""
    autumn, spring = "2026-10-25 02:30:00", "2026-03-29 02:30:00"
    assert times(autumn, spring, zone="Europe/Berlin") == [utc(2026, 10, 25, 0, 30), utc(2026, 3, 29, 1, 30)]
    assert times("2026-10-04 02:10:00", zone="Australia/Lord_Howe") == [utc(2026, 10, 3, 15, 40)]
    assert times("2011-12-30 05:00:00", zone="Pacific/Apia") == [utc(2011, 12, 30, 15)]
    assert at_a_seam(pl.Series([autumn, spring, "2026-03-29T02:30:00Z", None]), BERLIN).to_list() == [
        False,
        True,
        False,
        False,
    ]


@calm
@given(
    st.datetimes(min_value=datetime(1995, 1, 1), max_value=datetime(2037, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"]),
)
def test_a_local_time_shows_in_its_zone_as_it_was_written(naive: datetime, zone: str) -> None:
    """Unless its zone skipped it: then it shows as much later as was skipped; of two, fold=0 is taken."""
    naive = naive.replace(microsecond=0)
    [read] = times(naive.isoformat(" "), zone=zone)
    assert read is not None
    assert read == naive.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("13/6/2026 23:05:00", utc(2026, 6, 13, 23, 5), None),
        ("05/06/2026", utc(2026, 6, 5), utc(2026, 5, 6)),
        ("09.06.2026", utc(2026, 6, 9), utc(2026, 9, 6)),
        ("10.06.26, 17:08", utc(2026, 6, 10, 17, 8), utc(2026, 10, 6, 17, 8)),
        ("5-6-2026 3:05 PM", utc(2026, 6, 5, 15, 5), utc(2026, 5, 6, 15, 5)),
        ("5/6/2026 12:05 am", utc(2026, 6, 5, 0, 5), utc(2026, 5, 6, 0, 5)),
        ("31.02.2026", None, None),
        ("1/2/2026 25:00", None, None),
    ],
)
def test_the_order_of_day_and_month_is_never_guessed(text: str, first: datetime | None, last: datetime | None) -> None:
    """Without `day_first` there is no date in it, even where only one order can be meant."""
    assert [times(text, day_first=order)[0] for order in (True, False, None)] == [first, last, None]


def test_years_of_two_digits() -> None:
    """69 is 1969 and 68 is 2068, as in POSIX."""
    assert times("1.2.69", "1.2.68", day_first=True) == [utc(1969, 2, 1), utc(2068, 2, 1)]


def test_formats_of_the_settings_come_first() -> None:
    """With or without a clock; what they do not fit is read as ever."""
    formats = ("%d %b %Y %H:%M", "%Y.%d.%m")
    assert times("01 Sep 2026 10:00", "2026.05.06", "2026-01-02", formats=formats) == [
        utc(2026, 9, 1, 10),
        utc(2026, 6, 5),
        utc(2026, 1, 2),
    ]


@pytest.mark.parametrize("unit", ["date", "", "none", "s"])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20260331T093000", utc(2026, 3, 31, 9, 30)),
        ("20260331T0930Z", utc(2026, 3, 31, 9, 30)),
        ("2026/3/31 9:30", utc(2026, 3, 31, 9, 30)),
        ("Tue, 31 Mar 2026 11:30:00 +0200", utc(2026, 3, 31, 9, 30)),
        ("2026-03-31 11:30:00 +0200", utc(2026, 3, 31, 9, 30)),
    ],
)
def test_forms_that_can_mean_one_thing_only(text: str, value: datetime, unit: Any) -> None:
    """They need no setting, whatever the numbers of the column are."""
    assert times(text, unit=unit) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20260331", utc(2026, 3, 31)),
        ("2026033109", utc(2026, 3, 31, 9)),
        ("202603310930", utc(2026, 3, 31, 9, 30)),
        ("20260331093015", utc(2026, 3, 31, 9, 30, 15)),
        ("20261331", None),
        ("711", None),
    ],
)
def test_dates_without_dashes(text: str, value: datetime | None) -> None:
    """As numbers and as text."""
    assert times(text, unit="date") == [value]
    assert times(int(text), unit="date") == [value]


def test_numbers_are_in_the_unit_of_their_column() -> None:
    """A number that leaves the calendar in that unit is no time, and so is every number of a column of none."""
    seconds = 1_774_958_400
    for unit, factor in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        assert times(seconds * factor, unit=unit) == times(str(seconds * factor), unit=unit) == [utc(2026, 3, 31, 12)]
        assert times(seconds, unit="none") == times(str(seconds), unit="none") == [None]
    assert times(seconds * 10**9, unit="s") == [None]


def test_a_birthday_keeps_its_day() -> None:
    """Whatever zone it was written in, and in every notation of a date."""
    texts = ["1990-05-31T00:00:00+02:00", "1990-05-31", "19900531", "31.05.1990", "1990-05-31T23:00:00-09:00", "soon"]
    days = read_days(pl.Series(texts), TimeNotation(unit="date", zone="Asia/Tokyo", day_first=True)).to_list()
    assert days == [date(1990, 5, 31)] * 5 + [None]
    typed = pl.Series([datetime(1990, 5, 31)]).dt.replace_time_zone("Europe/Berlin")  # noqa: DTZ001
    assert read_days(typed).to_list() == [date(1990, 5, 31)]
    assert read_days(pl.Series([19900531]), TimeNotation(unit="date")).to_list() == [date(1990, 5, 31)]


def test_days_before_1970_are_days() -> None:
    """People are older than computers."""
    assert read_days(pl.Series(["1931-01-02"])).to_list() == [date(1931, 1, 2)]
    assert read_days(pl.Series([-86_400])).to_list() == [date(1970, 1, 1) - timedelta(days=1)]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sep 1, 2026 1:05 PM", "2026-09-01T13:05"),
        ("Tue Sep 01 2026 13:05:00 GMT+0200 (CEST)", "2026-09-01T11:05"),
        ("Saturday, September 5, 2026 at 9:05 AM", "2026-09-05T09:05"),
        ("1. September 2026", "2026-09-01T00:00"),
        ("1er mars 2026 08h05", "2026-03-01T08:05"),
        ("1 de septiembre de 2026", "2026-09-01T00:00"),
        ("3 sierpnia 2026 13:05", "2026-08-03T13:05"),
        ("5 Eylül 2026 13:05", "2026-09-05T13:05"),
        ("01-SEP-26", "2026-09-01T00:00"),
        ("Sep-01-26 08:05:10 PDT", None),
        ("Sep-01-26", "2026-09-01T00:00"),
        ("1 de septiembre de 2026 08:05 hs.", "2026-09-01T08:05"),
        ("1. September 2026, 08:05 Uhr", "2026-09-01T08:05"),
        ("May 10, 20:30", None),
        ("2026年9月1日 13時05分", "2026-09-01T13:05"),
        ("2026년 9월 1일 13:05", "2026-09-01T13:05"),
        ("5 Foo 2026", None),
        ("March 2026", None),
        ("31 Feb 2026", None),
        ("12 pcs 2026", None),
    ],
)
def test_names_of_months_say_what_stands_first(text: str, moment: str | None) -> None:
    """A date whose month is a name is read in whatever order and language; what is no date stays none."""
    [read] = read_times(pl.Series([text]))
    assert read == (datetime.fromisoformat(f"{moment}Z") if moment else None)


@pytest.mark.parametrize(
    "day", ["01.09.2026", "1. 9. 2026", "2026-09-01", "1. September 2026", "01.09.26", "1er sept. 2026"]
)
@pytest.mark.parametrize(
    ("clock", "hour", "minute"),
    [
        ("14 Uhr", 14, 0),
        ("14:05 Uhr", 14, 5),
        ("14.05 Uhr", 14, 5),
        ("14:05:00 Uhr", 14, 5),
        ("um 14 Uhr", 14, 0),
        ("um 14.05 Uhr", 14, 5),
        ("14 uur", 14, 0),
        ("à 14h05", 14, 5),
        ("14h", 14, 0),
        ("kl. 14.05", 14, 5),
        ("kl. 14", 14, 0),
        ("a las 14:05 hs.", 14, 5),
        ("alle ore 14:05", 14, 5),
        ("v 14 hod.", 14, 0),
        ("2 PM", 14, 0),
        ("2:05 p.m.", 14, 5),
    ],
)
@pytest.mark.parametrize("between", [" ", ", "])
def test_words_for_hours_stand_with_every_form_of_day_and_clock(
    day: str, clock: str, hour: int, minute: int, between: str
) -> None:
    """`Uhr` and its like say that a number is an hour, however day and minutes are written."""
    assert times(f"{day}{between}{clock}", day_first=True) == [utc(2026, 9, 1, hour, minute)]


@pytest.mark.parametrize("text", ["01.09.2026 25 Uhr", "01.09.2026 14", "14 Uhr", "1. 09.26 Uhr 5", "2026-09-01 h", "13 PM"])
def test_words_for_hours_make_no_time_of_what_is_none(text: str) -> None:
    """A number alone is no hour, and an hour alone no moment."""
    assert times(text, day_first=True) == [None]


def test_full_stops_may_have_blanks() -> None:
    """Czech and Hungarian shops write a blank after each full stop, and one after the last number."""
    texts = pl.Series(["1. 9. 2026 13:17", "1.9. 2026 13:17", "01.09.2026. 13:17"])
    assert read_times(texts, TimeNotation(day_first=True)).to_list() == [datetime(2026, 9, 1, 13, 17, tzinfo=UTC)] * 3
    assert read_times(texts).to_list() == [None] * 3
    years = pl.Series(["2026. 09. 01. 13:17", "2026.09.01. 13:17", "2026. 9. 1."])
    assert read_times(years).dt.date().to_list() == [date(2026, 9, 1)] * 3
    assert (
        read_times(pl.Series(["1. 9. 2026 1. 9.", "1 . 9", "12. 5"]), TimeNotation(day_first=True)).to_list() == [None] * 3
    )


def test_a_year_of_two_digits_is_no_year_of_antiquity() -> None:
    """`03-09-26` is 3 September 2026 where the day stands first, and no date without that, whatever stands beside it."""
    for texts in (["03.09.2026 10:00", "03-09-26", "3/9/2026"], ["03-09-26 14:16:22"], ["03-09-26"]):
        given = pl.Series(texts)
        assert read_times(given, TimeNotation(day_first=True)).dt.date().to_list() == [date(2026, 9, 3)] * len(texts)
        assert read_times(given).to_list() == read_days(given).to_list() == [None] * len(texts)
