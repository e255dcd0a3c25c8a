"""Dates with the name of a month, in the languages of shops, and those of East Asia, written anew with their year first.

`Sep 1, 2026 1:05 PM`, `Sep-01-26`, `1. September 2026`, `1 de septiembre de 2026`, `01-SEP-26` and `2026年9月1日` name their fields,
so that nothing has to be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

_NAMES = (
    "jan january januar jänner jaen janvier janv enero ene gennaio gen janeiro januari ocak oca stycznia styczeń sty "
    "ledna leden tammikuuta tammikuu január января январь янв",
    "feb february februar feber février févr fevr fév fev febrero febbraio fevereiro februari şubat şub sub lutego "
    "luty lut února únor helmikuuta helmikuu február февраля февраль фев",
    "mar march marts märz mär mrz maerz mars marzo março maart mrt mart marca marzec března březen maaliskuuta maaliskuu "
    "március марта март мар",
    "apr april avril avr abril abr aprile nisan nis kwietnia kwiecień kwi dubna duben huhtikuuta huhtikuu április "
    "апреля апрель апр",
    "may mai mayo maggio mag maio mei maj mayıs maja května květen toukokuuta toukokuu május мая май",
    "jun june juni juin junio giugno giu junho haziran haz czerwca czerwiec cze června červen kesäkuuta kesäkuu "
    "június июня июнь июн",
    "jul july juli juillet juil julio luglio lug julho temmuz tem lipca lipiec lip července červenec heinäkuuta "
    "heinäkuu július июля июль июл",
    "aug august août aout agosto ago augustus augusti ağustos ağu agu sierpnia sierpień sie srpna srpen elokuuta "
    "elokuu augusztus августа август авг",
    "sep sept september septembre septiembre setiembre settembre set setembro eylül eyl września wrzesień wrz září "
    "syyskuuta syyskuu szeptember сентября сентябрь сен сент",
    "oct october oktober okt octobre octubre ottobre ott outubro out ekim eki października październik paź paz října "
    "říjen lokakuuta lokakuu október октября октябрь окт",
    "nov november novembre noviembre novembro kasım kas listopada listopad lis listopadu marraskuuta marraskuu ноября "
    "ноябрь ноя",
    "dec december desember des dezember dez décembre déc diciembre dic dicembre dezembro aralık ara grudnia grudzień gru prosince "
    "prosinec joulukuuta joulukuu декабря декабрь дек",
)
_MONTHS = {name: f"{month:02}" for month, names in enumerate(_NAMES, 1) for name in names.split()}
_WEEKDAY = r"^(?:[^\W\d_]{2,}\.?,?\s+)?"
_REST = (
    r"(?:,?\s+(?:at\s+|um\s+|à\s+|a las\s+)?(\d{1,2}[:.h]\d\d(?:[:.]\d\d)?(?:\.\d+)?(?:\s*[AaPp]\.?[Mm]\.?)?)"
    r"(?:\s*(?:[Uu]hr|uur|hs|hrs?|h)\.?)?)?"
)
_ZONE = r"\s*(?:(?:GMT|UTC)?([+-]\d\d):?(\d\d)|(Z))?(?:\s*\([^()\d]*\))?$"
_DAY_FIRST = (
    _WEEKDAY
    + r"(\d{1,2})(?:st|nd|rd|th|er|º|°|\.)?[\s/-]*(?:de\s+|of\s+)?([^\W\d_]{3,})\.?,?[\s/-]*(?:del?\s+)?(\d{4}|\d{2})"
    + r"(?:\s?(?:r|г|р|g)\.)?"
    + _REST
    + _ZONE
)
_MONTH_FIRST = _WEEKDAY + r"([^\W\d_]{3,})\.?[\s/-]+(\d{1,2})(?:st|nd|rd|th)?,?[\s/-]+(\d{4}|\d{2})" + _REST + _ZONE
_EAST = (
    r"^(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일]?\s*"
    r"(?:(\d{1,2})\s*[時时시:]\s*(\d\d?)(?:\s*[分분:]\s*(?:(\d\d?)\s*[秒초]?)?)?)?$"
)


def year_first(text: pl.Series) -> pl.Series:
    """Such dates as `2026/09/01 1:05 PM`, or as ISO 8601 where they name a zone; null where a text is none."""
    day_first, month_first, east = (_fields(pattern) for pattern in (_DAY_FIRST, _MONTH_FIRST, _EAST))
    clock = pl.concat_str([each.fill_null("0").str.zfill(2) for each in east[3:]], separator=":")
    dates = (
        _put_together(day_first[2], _month(day_first[1]), day_first[0], day_first[3:]),
        _put_together(month_first[2], _month(month_first[0]), month_first[1], month_first[3:]),
        pl.concat_str(east[:3], separator="/") + " " + clock,
    )
    return text.alias("t").to_frame().select(pl.coalesce(dates).alias(text.name)).to_series()


def _fields(pattern: str) -> list[pl.Expr]:
    groups = pl.col("t").str.extract_groups(pattern)
    return [groups.struct.field(str(at)) for at in range(1, re.compile(pattern).groups + 1)]


def _month(name: pl.Expr) -> pl.Expr:
    return name.str.to_lowercase().replace_strict(
        list(_MONTHS), list(_MONTHS.values()), default=None, return_dtype=pl.String()
    )


def _put_together(year: pl.Expr, month: pl.Expr, day: pl.Expr, rest: Sequence[pl.Expr]) -> pl.Expr:
    """A date of its fields, with the clock, the hours and minutes of the zone, and its letter."""
    full = pl.when(year.str.len_chars() > 2).then(year).when(year < "69").then("20" + year).otherwise("19" + year)
    clock, hours, minutes, utc = rest
    zone = pl.coalesce(utc, hours + ":" + minutes)
    zoned = pl.concat_str([full, pl.lit("-"), month, pl.lit("-"), day.str.zfill(2), pl.lit("T"), clock.str.zfill(8), zone])
    local = pl.concat_str([full, month, day], separator="/") + pl.coalesce(" " + clock, pl.lit(""))
    return pl.when(zone.is_not_null()).then(zoned).otherwise(local)
