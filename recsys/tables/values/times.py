"""Points in time and days as shops write them: typed, ISO 8601, other orders of day and month, or numbers; null where it is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from recsys.tables.schema import TIME
from recsys.tables.values.clocks import plain_clocks
from recsys.tables.values.digits import with_plain_digits
from recsys.tables.values.months import year_first

Unit = Literal["", "s", "ms", "us", "ns", "date", "excel", "excel1904", "none"]
"""What numbers are: since 1970 in this unit, dates such as 20260331, or days of a spreadsheet (45,000.5 is noon of 15 March 2023, or
of four years and a day later where it counts from 1904);
`none`: no time at all; empty: each told by its size."""
EXCEL_ZERO, DAYS_TO_1904 = 25_569, 1_462
"""Days of a spreadsheet at the start of 1970, and those by which one that counts from 1904 has fewer."""
MICROSECONDS: Mapping[str, float] = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
ZONE_WORDS: Mapping[str, str] = {
    "CEST|MESZ": "Etc/GMT-2",
    "CET|MEZ": "Etc/GMT-1",
    "EEST": "Etc/GMT-3",
    "EET": "Etc/GMT-2",
    "WEST": "Etc/GMT-1",
    "WET": "UTC",
    "BRT": "Etc/GMT+3",
}
"""Words for zones that mean one offset each (`Etc/GMT-2` is two hours ahead of UTC); IST, CST, EST and BST do not."""
_OFFSET = r"(:\d\d(?:\.\d+)?(?:\s*[AaPp]\.?[Mm]\.?)?)\s*(?:GMT|UTC)?[+-]\d\d:?\d\d(?:\s*\([^()\d]*\))?\s*$"
NUMBER = r"^(-?\d{1,19}(?:\.\d+)?)$"
_ZONE_WORD = r"(\d)\s*(?:" + "|".join(ZONE_WORDS) + ")"
_NAIVE = pl.Datetime("us")
_FIRST_YEAR = datetime(1000, 1, 1)  # noqa: DTZ001 (it is compared with local times)
_COMPACT = r"^((?:19|20|21)\d\d)(\d\d)(\d\d)[T ]?(\d\d)?(\d\d)?(\d\d)?(?:\.0+)?(Z?)$"
_CLOCK = r"(?:[,;]?[\sT]+(\d{1,2})[:.h](\d\d)(?:[:.](\d\d))?(?:[.,]\d+)?\s*([AaPp]\.?[Mm]\.?)?)?$"
_YEAR_FIRST = r"^(\d{4})(?:[-/]|\.\s?)(\d{1,2})(?:[-/]|\.\s?)(\d{1,2})\.?" + _CLOCK
_YEAR_LAST = r"^(\d{1,2})(?:[-/]|\.\s?)(\d{1,2})(?:[-/]|\.\s?)(\d{4}|\d{2})\.?" + _CLOCK
_NAMED_DAY = r"(?:\d{1,2}[^\d:]{1,5}[^\W\d_]{3,}|(?:[^\W\d_]{2,}\.?,?\s+)?[^\W\d_]{3,}[^\d:]{1,3}\d{1,2})\D{1,5}\d{2}"
MIDNIGHT = r"(?i)[,T\s]+(?:0?0:00(?::00(?:\.0+)?)?|12:00(?::00)?\s*a\.?m\.?)(?:\s?(?:Z|UTC|[+-]00:?00))?$"
"""Midnight after a day, as a spreadsheet or a database writes days."""
_HOURS_AFTER_DAY = r"\d[,T\s]+\d{1,2}:\d\d"
_OF_MINUTES = 4
"""Digits of a time of day without seconds."""
_SHEET_DAY = r"^1(?:899|900|904)-\d\d-\d\d[T\s]"
"""The day before the first one of a spreadsheet, which stands before a time of day alone."""
SHORT_YEAR = rf"^(\d{{1,2}}(?:[-/]|\.\s?)\d{{1,2}}(?:[-/]|\.\s?)\d{{2}}|{_NAMED_DAY})\.?(?:[,;T\s]|$)"
"""A day with a year of two digits at the start of a text."""
LONE_DIGIT = r"^\d{4}[-/.](?:0\d|[1-9]\d)[-/.]\d$"
"""A year, a number of two digits, and one of a single digit: a day, the week of a month, or the day of a week."""


@dataclass(frozen=True, slots=True)
class TimeNotation:
    """Notation of the times of a column: the unit of numbers, the zone of those that name none, the order of day and month, formats
    that go before all others, whether years may have two digits, and days one behind a month of two."""

    unit: Unit = ""
    zone: str = "UTC"
    day_first: bool | None = None
    formats: tuple[str, ...] = ()
    short_years: bool = True
    lone_digits: bool = True


ISO = TimeNotation()


def read_times(series: pl.Series, notation: TimeNotation = ISO) -> pl.Series:
    """Points in time as UTC. A time without a zone is local to the notation's; a text that is no time becomes null."""
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime):
        micros = series.dt.cast_time_unit("us")
        return micros.dt.convert_time_zone("UTC") if dtype.time_zone else localized(micros, notation.zone)
    if dtype == pl.Date:
        return localized(series.cast(_NAIVE), notation.zone)
    if dtype.is_numeric():
        return _from_numbers(series, notation)
    if dtype == pl.String:
        return _from_text(series, notation)
    return _none(series)


def read_days(series: pl.Series, notation: TimeNotation = ISO) -> pl.Series:
    """Days: of a moment with a zone the day there, not the day in UTC."""
    if isinstance(series.dtype, pl.Datetime):
        return series.dt.date()
    if series.dtype == pl.Date:
        return series
    unzoned = replace(notation, zone="UTC")
    if series.dtype != pl.String:
        return read_times(series, unzoned).dt.date()
    iso = series.str.strip_chars().str.extract(r"^(\d{4}-\d\d-\d\d)(?:[T\s].*)?$").str.to_date("%Y-%m-%d", strict=False)
    left = series.zip_with(iso.is_null(), pl.Series([None], dtype=pl.String).new_from_index(0, len(series)))
    bare = left.str.replace(rf"{_ZONE_WORD}\s*$", "${1}").str.replace(_OFFSET, "${1}")
    return iso.fill_null(read_times(bare, unzoned).dt.date())


def at_time_of_day(day: pl.Expr, clock: pl.Expr) -> pl.Expr:
    """Texts of days with the texts of their time of day, such as `9:05 PM`, `09:05:00`, `0905` or a spreadsheet's day with one; a day
    without one stays as it is, and so does one that has hours other than midnight."""
    bare = day.str.strip_chars().str.replace(MIDNIGHT, "")
    named = bare.str.replace(r"^((?:19|20|21)\d\d)(\d\d)(\d\d)$", "${1}-${2}-${3}")
    digits = clock.str.strip_chars().str.replace(r"\.0+$", "")
    padded = digits.str.zfill(pl.when(digits.str.len_chars() > _OF_MINUTES).then(6).otherwise(_OF_MINUTES))
    of_digits = padded.str.replace(r"^(\d\d)(\d\d)(\d\d)?$", "${1}:${2}:${3}").str.strip_chars_end(":")
    hours = pl.when(digits.str.contains(r"^\d{3,6}$")).then(of_digits).otherwise(digits.str.replace(_SHEET_DAY, ""))
    whole = clock.is_null() | bare.str.contains(_HOURS_AFTER_DAY)
    return pl.when(whole).then(day).otherwise(pl.concat_str(named, hours, separator=" "))


def at_a_seam(series: pl.Series, notation: TimeNotation) -> pl.Series:
    """Tell whether each is a local time that its zone skipped, when the clocks were put forward: bool."""
    utc = replace(notation, zone="UTC")
    shown = read_times(series, notation).dt.convert_time_zone(notation.zone).dt.replace_time_zone(None)
    naive = read_times(series, utc).dt.replace_time_zone(None)
    return (shown != naive).fill_null(False) & ~_zoned(series)


def localized(naive: pl.Series, zone: str) -> pl.Series:
    """Local times of a zone as UTC: the first of two that read the same, and one that the zone skipped as much later as it skipped."""
    if zone == "UTC":
        return naive.dt.replace_time_zone("UTC")
    found = _in_zone(naive, zone)
    skipped = found.is_null() & naive.is_not_null()
    if not skipped.any():
        return found
    day = timedelta(days=1)
    return found.fill_null(_in_zone(naive - day, zone) + day)


def _in_zone(naive: pl.Series, zone: str) -> pl.Series:
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def _zoned(series: pl.Series) -> pl.Series:
    if series.dtype == pl.String:
        return series.str.contains(rf"(?:Z|UTC|GMT|{_ZONE_WORD}|[:T]\d\d.*?[+-]\d\d:?\d\d)\s*$").fill_null(False)
    typed = isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None
    return pl.Series([typed or series.dtype.is_numeric()]).new_from_index(0, len(series))


def _none(series: pl.Series) -> pl.Series:
    return pl.Series(series.name, [None], dtype=TIME).new_from_index(0, len(series))


def _from_numbers(series: pl.Series, notation: TimeNotation) -> pl.Series:
    if notation.unit == "none":
        return _none(series)
    if notation.unit == "date":
        return _from_compact(series.cast(pl.Int64, strict=False).cast(pl.String), notation)
    if notation.unit == "":
        return _by_size(series)
    if notation.unit in ("excel", "excel1904"):
        later = DAYS_TO_1904 if notation.unit == "excel1904" else 0
        return localized(_from_days(series, later), notation.zone)
    value = pl.col("n")
    if series.dtype.is_integer():
        per = {"s": value * 1_000_000, "ms": value * 1_000, "us": value, "ns": value // 1_000}[notation.unit]
        fits = value.abs() <= int(7.3e15 / MICROSECONDS[notation.unit])
    else:
        per, fits = (value * MICROSECONDS[notation.unit]).round(0), value.abs() * MICROSECONDS[notation.unit] < 7.3e15
    return _moments(series, pl.when(fits).then(per))


def _from_days(series: pl.Series, later: int) -> pl.Series:
    """Local times of a spreadsheet's days, to the millisecond that its numbers are good for."""
    days = series.cast(pl.Float64, strict=False).to_frame("n").select(pl.when(pl.col("n").is_between(0, 200_000)).then("n"))
    millis = ((days.to_series() + (later - EXCEL_ZERO)) * 86_400_000).round(0).cast(pl.Int64, strict=False)
    return (millis * 1_000).cast(_NAIVE).alias(series.name)


def _by_size(series: pl.Series) -> pl.Series:
    value, size = pl.col("n"), pl.col("n").abs()
    unit = pl.when(size < 1e11).then(1_000_000).when(size < 1e14).then(1_000).otherwise(1)
    micro = value * unit if series.dtype.is_integer() else (value.cast(pl.Float64) * unit).round(0)
    return _moments(series, pl.when(size < 1e17).then(micro).otherwise(value // 1000))


def _moments(series: pl.Series, micro: pl.Expr) -> pl.Series:
    times = series.to_frame("n").select(micro.cast(pl.Int64, strict=False).cast(_NAIVE)).to_series()
    return times.dt.replace_time_zone("UTC").alias(series.name)


def _from_text(series: pl.Series, notation: TimeNotation) -> pl.Series:
    bare = series.str.strip_chars()
    found = _usual(bare, notation)
    if found.null_count() == bare.null_count():
        return found
    text = with_plain_digits(bare).str.replace(r"\s*(?:UTC|GMT)$", "Z").str.replace(r"^(\d{4}-\d\d-\d\d) +", "${1}T")
    if not notation.short_years:
        text = pl.select(pl.when(~text.str.contains(SHORT_YEAR)).then(text)).to_series()
    if not notation.lone_digits:
        text = pl.select(pl.when(~text.str.contains(LONE_DIGIT)).then(text)).to_series()
    text = text.str.replace(r"(\d\d:\d\d:\d\d),(\d{1,9})", "${1}.${2}").str.replace(r"\[[A-Za-z_]+(?:/[\w+-]+)*\]$", "")
    found = _filled(_in_worded_zones(found, bare, notation), text, notation)
    left = found.is_null() & text.is_not_null()
    if not left.any():
        return found
    unread = pl.select(pl.when(left).then(text)).to_series()
    plain = plain_clocks(unread)
    return _filled(found, plain, notation) if (plain != unread).any() else found


def _in_worded_zones(found: pl.Series, text: pl.Series, notation: TimeNotation) -> pl.Series:
    """The times that were found, and those that one of `ZONE_WORDS` stands behind, read without it as local to that zone."""
    worded = pl.select(pl.when(text.str.contains(f"{_ZONE_WORD}$")).then(text)).to_series()
    for words, zone in ZONE_WORDS.items() if worded.count() else ():
        own = worded.str.extract(rf"^(.*\d)\s*(?:{words})$")
        if own.count():
            found = found.zip_with(own.is_null(), _from_text(own, replace(notation, zone=zone)))
    return found


def _filled(found: pl.Series, text: pl.Series, notation: TimeNotation) -> pl.Series:
    """The times that were found, and for what has none those of its text."""
    for read in _readers(text, notation):
        left = found.is_null() & text.is_not_null()
        if not left.any():
            break
        found = found.zip_with(~left, read(pl.select(pl.when(left).then(text)).to_series()))
    return found


def _usual(text: pl.Series, notation: TimeNotation) -> pl.Series:
    """The commonest forms by a short way, if the first text has one of them; what is left is read by the long one."""
    first = text.drop_nulls().head(1)
    for form, zone in (("%Y-%m-%dT%H:%M:%SZ", "UTC"), ("%Y-%m-%d %H:%M:%S", notation.zone)):
        if not notation.formats and first.str.to_datetime(form, time_unit="us", strict=False).count():
            return localized(_of_four_digits(text.str.to_datetime(form, time_unit="us", strict=False)), zone)
    return _none(text)


def _readers(text: pl.Series, notation: TimeNotation) -> list[Callable[[pl.Series], pl.Series]]:
    """The ways to read, those first that fit the first text: they exclude one another, so that the order costs time only."""
    ways = [_pattern(form, notation) for form in _FORMS]
    first = text.drop_nulls().head(1).str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").any()
    iso = ways if first else [*ways[1:], ways[0]]
    numbers = text.drop_nulls().head(1).str.contains(NUMBER).any()
    more: list[Callable[[pl.Series], pl.Series]] = [
        lambda left: _from_digits(left, notation),
        lambda left: _from_compact(left.str.extract(r"^(\d{8}T\d{2,6}Z?)$"), notation),
        lambda left: _from_fields(left, _YEAR_FIRST, (1, 2, 3), notation),
        lambda left: _from_names(left, notation),
    ]
    if notation.day_first is not None:
        order = (3, 2, 1) if notation.day_first else (3, 1, 2)
        more.append(lambda left: _from_fields(left, _YEAR_LAST, order, notation))
    own = [_pattern(form, notation) for form in notation.formats]
    return [*own, *more[:1], *iso, *more[1:]] if numbers else [*own, *iso, *more]


def _pattern(form: str, notation: TimeNotation) -> Callable[[pl.Series], pl.Series]:
    def read(text: pl.Series) -> pl.Series:
        if "%H" not in form and "%I" not in form and form != "%+":
            return localized(_of_four_digits(text.str.to_date(form, strict=False).cast(_NAIVE)), notation.zone)
        times = text.str.to_datetime(form, time_unit="us", strict=False)
        dtype = times.dtype
        zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone
        return times.dt.convert_time_zone("UTC") if zoned else localized(_of_four_digits(times), notation.zone)

    return read


def _of_four_digits(times: pl.Series) -> pl.Series:
    """Local times but for those of a year such as 3, which `03-09-26` is in none of a shop's notations."""
    first = pl.lit(_FIRST_YEAR).cast(times.dtype)
    return times.to_frame("t").select(pl.when(pl.col("t") >= first).then("t").alias(times.name)).to_series()


_FORMS = (
    "%+",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%d",
    "%a, %d %b %Y %H:%M:%S%#z",
    "%a, %d %b %Y %H:%M:%S %#z",
)


def _from_digits(text: pl.Series, notation: TimeNotation) -> pl.Series:
    digits = text.str.extract(NUMBER)
    if notation.unit == "date":
        return _from_compact(digits, notation)
    whole = digits.str.contains(".", literal=True).any()
    return _from_numbers(digits.cast(pl.Float64 if whole else pl.Int64, strict=False), notation)


def _from_compact(text: pl.Series, notation: TimeNotation) -> pl.Series:
    """20260331, 2026033109, 202603310930 and 20260331093000, with a T between if any."""
    parts = text.str.extract_groups(_COMPACT).struct
    fields = [parts.field(str(at)) for at in range(1, 7)]
    times = _built(fields[:3], fields[3:], None)
    utc = parts.field("7") == "Z"
    local = localized(times, notation.zone)
    return local.zip_with(~utc.fill_null(False), times.dt.replace_time_zone("UTC"))


def _from_names(text: pl.Series, notation: TimeNotation) -> pl.Series:
    """Times whose month is a name, or whose fields are: `Sep 1, 2026`."""
    named = year_first(text)
    local = _from_fields(named, _YEAR_FIRST, (1, 2, 3), notation)
    return local.fill_null(_pattern("%+", notation)(named)) if named.str.contains("T", literal=True).any() else local


def _from_fields(text: pl.Series, pattern: str, order: tuple[int, int, int], notation: TimeNotation) -> pl.Series:
    """Times cut into fields by a pattern, of which `order` are year, month and day."""
    parts = text.str.extract_groups(pattern).struct
    day = [parts.field(str(at)) for at in order]
    clock = [parts.field(str(at)) for at in (4, 5, 6)]
    return localized(_built(day, clock, parts.field("7")), notation.zone)


def _built(day: list[pl.Series], clock: list[pl.Series], half: pl.Series | None) -> pl.Series:
    """Naive times from texts: a year of two digits is from 1969 to 2068; 12 am is 0 o'clock."""
    year, month, date = day
    short = year.cast(pl.Int32, strict=False)
    full = pl.select(
        pl.when(year.str.len_chars() > 2).then(short).when(short < 69).then(short + 2000).otherwise(short + 1900)
    )
    hour, minute, second = (each.fill_null("0").cast(pl.Int32, strict=False) for each in clock)
    if half is not None:
        pm = half.str.to_lowercase().str.starts_with("p")
        turned = pl.select(pl.when(pm.is_null()).then(hour).when(pm).then(hour % 12 + 12).otherwise(hour % 12)).to_series()
        hour = turned.zip_with(
            pm.is_null() | hour.is_between(1, 12), pl.Series([99], dtype=pl.Int32).new_from_index(0, len(hour))
        )
    fields = pl.DataFrame(
        [
            full.to_series().alias("y"),
            month.alias("m"),
            date.alias("d"),
            hour.alias("H"),
            minute.alias("M"),
            second.alias("S"),
        ]
    )
    text = pl.concat_str(
        [pl.col("y").cast(pl.String), *(pl.col(name).cast(pl.String).str.zfill(2) for name in "mdHMS")], separator=" "
    )
    return (
        fields.select(text.str.to_datetime("%Y %m %d %H %M %S", time_unit="us", strict=False)).to_series().alias(year.name)
    )
