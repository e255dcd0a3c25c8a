"""Notation of a table's columns: decimal mark, unit of times, words, told by the settings or else proved by all values of the column.

Nothing is guessed from one row. Guesses by values are handed back, each with its evidence and the setting that pins it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby

import polars as pl

from recsys import clock
from recsys.settings.tables import Table
from recsys.tables.schema import Column
from recsys.tables.values.numbers import EITHER_POINT, Mark, Proofs, currency_beside, prove, shared_sign_beside
from recsys.tables.values.plausible import short_years
from recsys.tables.values.times import (
    DAYS_TO_1904,
    EXCEL_ZERO,
    ISO,
    LONE_DIGIT,
    MICROSECONDS,
    NUMBER,
    SHORT_YEAR,
    TimeNotation,
    Unit,
)

_NUMBERS, _TIMES = ("number", "money", "stock"), ("time", "date")
_PLAIN = r"^-?[0-9]+(?:\.[0-9]+)?$"
_SURE = r"^-?(?:[0-9]+|[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,})|(?:0[0-9]*|[0-9]{4,})\.[0-9]{3})$"
"""A plain number that cannot be anything else: `_PLAIN`, which Polars reads, and not `_EITHER`."""
_EITHER = EITHER_POINT.replace("^", "^-?")
"""What could be read either way, of a sum that was given back too."""
_NUMERIC = r"^\s*-?\d{1,19}(?:\.\d+)?\s*$"
_PROVES_POINT = r"\.(?:\d{1,2}|\d{4,})\s*$"
_DAY = r"(?:19|20|21)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_DATE_NUMBER = rf"^{_DAY}(?:(?:[01]\d|2[0-3])(?:[0-5]\d){{0,2}})?$"
_PADDED, _LATE_WEEK = r"^\d{4}[-/.](?:0\d|1[3-9]|[2-5]\d)[-/.]\d$", r"^\d{4}[-/.](?:1[3-9]|[2-5]\d)[-/.]\d$"
_LATE_DAY = r"^\d{4}[-/.]\d\d?[-/.](?:[12]\d|3[01])(?:\D|$)"
_SINCE, _UNTIL = (datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1e6 for year in (1990, 2100))
_FIRST_DAY, _LAST_DAY = (EXCEL_ZERO + micros / 86_400e6 for micros in (_SINCE, _UNTIL))
_UNITS: Mapping[Unit, str] = {
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
    "date": "dates without dashes",
    "excel": "days of a spreadsheet",
    "excel1904": "days of a spreadsheet that counts from 1904",
}
_MARKS: Mapping[Mark, str] = {
    ",": "numbers with a decimal comma",
    ".": "numbers with a decimal point",
    "": "numbers that prove neither a decimal comma nor a point for all; one that could be either is dropped",
}


@dataclass(frozen=True, slots=True)
class Notation:
    """Notation of the values of one column.

    plain: its numbers are what Polars reads anyway · mark, strict, units: as `numbers.read_number` · currencies: some stand beside the
    numbers · time: as `times.read_times` · yes, no: the table's own words · between: what stands between several words or categories,
    levels: between the levels of one (empty: it is canonical).
    """

    plain: bool = False
    mark: Mark = "."
    strict: bool = False
    units: tuple[str, ...] = ()
    currencies: bool = False
    time: TimeNotation = ISO
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    between: str = "|"
    levels: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """One of the shop's columns that a canonical one is read from: its frame, its value (null where there is none), its type, and
    whether days that are numbers count from 1904."""

    column: Column
    own: str
    frame: pl.LazyFrame
    value: pl.Expr
    dtype: pl.DataType
    from_1904: bool = False


@dataclass(frozen=True, slots=True)
class Guess:
    """Guess about a column: the reading, the evidence, and the setting that pins it."""

    table: str
    column: str
    read_as: str
    evidence: str
    pin: str


@dataclass(frozen=True, slots=True)
class _Written:
    """Numbers of a column as they are written: `plain` as Polars reads them, or with the proofs of their texts, of so many `given`."""

    plain: bool = False
    currencies: bool = False
    proofs: Proofs = field(default_factory=Proofs)
    given: int = 0

    @property
    def thousands_only(self) -> bool:
        """All are such as `1,000`: whole pieces with three decimals, or a thousand pieces in every row."""
        return self.given > 1 and self.proofs.either == self.given and not self.proofs.pointed


def notation_of_settings(table: Table) -> Notation:
    """Return what a table's settings say, before a value is looked at."""
    formats = (table.date_format,) if isinstance(table.date_format, str) else table.date_format
    time = TimeNotation(table.time_unit, table.timezone, table.day_first, tuple(form for form in formats if form))
    between = table.categories_between or "|"
    mark, strict = table.decimal or ".", bool(table.decimal)
    return Notation(False, mark, strict, table.units, False, time, table.yes, table.no, between, table.category_separator)


def read_notations(name: str, table: Table, places: Sequence[Place]) -> tuple[dict[str, Notation], list[Guess]]:
    """Tell by all of its values how each canonical column is written; what the settings pin is not looked at."""
    stated, found, guesses = notation_of_settings(table), dict[str, Notation](), list[Guess]()
    looked_at = [place for place in places if _is_open(place)]
    tallied = _tallies(looked_at, _counts)
    unsure = {place.column for place, tally in zip(looked_at, tallied, strict=True) if tally.get("unsure")}
    again = [at for at, place in enumerate(looked_at) if place.column in unsure]
    for at, tally in zip(again, _tallies([looked_at[at] for at in again], _marks), strict=True):
        tallied[at] = tally
    of_column = {
        column: [(place, tally) for place, tally in zip(looked_at, tallied, strict=True) if place.column == column]
        for column in dict.fromkeys(place.column for place in places)
    }
    values = {column: _written(stated, mine) for column, mine in of_column.items() if mine and column.kind in _NUMBERS}
    for column, mine in of_column.items():
        found[column.name] = stated
        if column in values:
            beside = [each.proofs for other, each in values.items() if other != column]
            found[column.name], guess = _numbers(name, stated, mine[0][0], values[column], beside)
            guesses += [guess] if guess else []
        elif mine:
            if not stated.time.unit:
                found[column.name], guess = _times(name, stated, mine)
                guesses += [guess] if guess else []
            for settled in (_years, _lone_digits):
                found[column.name], guess = settled(name, found[column.name], mine)
                guesses += [guess] if guess else []
    return found, guesses


def _is_open(place: Place) -> bool:
    if place.column.kind in _NUMBERS:
        return place.dtype == pl.String
    return place.column.kind in _TIMES and (place.dtype == pl.String or place.dtype.is_numeric())


def _tallies(places: Sequence[Place], of: Callable[[Place], Iterator[tuple[str, pl.Expr]]]) -> list[dict[str, float]]:
    """Return what is counted in each place, with one look at each frame."""
    tallies: list[dict[str, float]] = []
    for _, group in groupby(places, key=lambda place: id(place.frame)):
        mine = list(group)
        counts = [count.alias(f"{at}.{key}") for at, place in enumerate(mine) for key, count in of(place)]
        row = mine[0].frame.select(counts).collect(engine="streaming").row(0, named=True)
        for at in range(len(mine)):
            named = {key.partition(".")[2]: value for key, value in row.items() if key.startswith(f"{at}.")}
            tallies.append({key: value or 0 for key, value in named.items()})
    return tallies


def _counts(place: Place) -> Iterator[tuple[str, pl.Expr]]:
    if place.column.kind in _NUMBERS:
        yield "unsure", (~place.value.str.contains(_SURE)).sum()
        return
    yield "given", place.value.is_not_null().sum()
    if place.dtype == pl.String:
        text = place.value.str.strip_chars()
        yield "short", text.str.contains(SHORT_YEAR).sum()
        yield "lone", text.str.contains(LONE_DIGIT).sum()
        yield "padded", text.str.contains(_PADDED).sum()
        yield "days", text.str.contains(_LATE_DAY).sum()
        yield "weeks", text.str.contains(_LATE_WEEK).sum()
    yield "numbers", (place.value.str.contains(_NUMERIC) if place.dtype == pl.String else place.value.is_not_null()).sum()


def _marks(place: Place) -> Iterator[tuple[str, pl.Expr]]:
    """Count what tells how numbers are written of which some could be something else."""
    yield "given", place.value.is_not_null().sum()
    yield "odd", (~place.value.str.contains(_PLAIN)).sum()
    yield "either", place.value.str.strip_chars().str.contains(_EITHER).sum()
    yield "point", place.value.str.contains(_PROVES_POINT).sum()


def _written(stated: Notation, mine: Sequence[tuple[Place, dict[str, float]]]) -> _Written:
    """Look at the distinct texts of a column, unless Polars reads them all."""
    total = {key: sum(tally.get(key, 0) for _, tally in mine) for key in ("odd", "either", "point", "given")}
    if not stated.strict and not total["odd"] and (total["point"] or not total["either"]):
        return _Written(plain=True)
    texts = [place.frame.select(place.value.alias("text")).drop_nulls().group_by("text").len() for place, _ in mine]
    distinct = pl.concat([each.collect(engine="streaming") for each in texts])
    beside = pl.coalesce(currency_beside(pl.col("text")), shared_sign_beside(pl.col("text")))
    currencies = distinct.filter(beside.is_not_null()).height > 0
    proofs = Proofs() if stated.strict else prove(distinct["text"], distinct["len"])
    return _Written(currencies=currencies, proofs=proofs, given=int(total["given"]))


def _numbers(
    name: str, stated: Notation, place: Place, mine: _Written, beside: Sequence[Proofs]
) -> tuple[Notation, Guess | None]:
    """Settle the decimal mark of a column: what its values prove, else what those of the table's other columns do."""
    if mine.plain:
        return replace(stated, plain=True), None
    if stated.strict:
        return replace(stated, currencies=mine.currencies), None
    proofs, open_still = mine.proofs, mine.proofs.either and not mine.proofs.comma and not mine.proofs.point
    borrowed = sum(each.comma for each in beside) if open_still and not any(each.point for each in beside) else 0
    mark = "," if borrowed > 1 else proofs.mark(money=place.column.kind == "money")
    if borrowed <= 1 and place.column.name == "quantity" and mine.thousands_only:
        mark = ""
    return replace(stated, mark=mark, currencies=mine.currencies), _mark_guess(name, place, proofs, mark, borrowed)


def _mark_guess(name: str, place: Place, proofs: Proofs, mark: Mark, borrowed: int) -> Guess | None:
    if not (proofs.comma or proofs.either):
        return None
    parts = []
    if proofs.comma or proofs.point:
        parts.append(f"{proofs.comma:,} values prove a comma and {proofs.point:,} a point, for instance “{proofs.example}”")
    if borrowed > 1:
        parts.append(f"{borrowed:,} values of the table's other columns prove a comma")
    if proofs.either:
        parts.append(f"{proofs.either:,} could be either, for instance “{proofs.open_example}”")
    return Guess(
        name,
        _named(place),
        _MARKS[mark],
        "; ".join(parts),
        f'data.{name}.decimal = "{mark}"' if mark else f'data.{name}.decimal = "," or "."',
    )


def _times(name: str, stated: Notation, mine: Sequence[tuple[Place, dict[str, float]]]) -> tuple[Notation, Guess | None]:
    place, numeric = mine[0][0], [place for place, tally in mine if tally["numbers"]]
    given = sum(tally["given"] for _, tally in mine)
    tallies = [_fitting(each) for each in numeric]
    total = {key: sum(tally[key] for tally in tallies) for key in ("numbers", *_UNITS)}
    if not total["numbers"]:
        return stated, None
    unit: Unit = max(
        _UNITS, key=lambda each: (total[each], each == "date")
    )  # seconds that read as dates lie in 2033 and after
    fits, numbers = int(total[unit]), int(total["numbers"])
    if place.column.kind == "date" and unit not in ("date", "excel", "excel1904"):
        return stated, None
    if fits * 2 <= numbers or (fits == 1 and given > 1):
        pin = f'data.{name}.time_unit = "s", "ms", "us", "ns", "date", "excel" or "excel1904"'
        evidence = f"{fits:,} of {numbers:,} numbers lie between 1990 and 2100 in any one unit"
        read_as = "no times, where it has plain numbers"
        return replace(stated, time=replace(stated.time, unit="none")), Guess(name, _named(place), read_as, evidence, pin)
    evidence = f"{fits:,} of {numbers:,} numbers fit{_span(unit, tallies)}"
    pin = f'data.{name}.time_unit = "{unit}"'
    return replace(stated, time=replace(stated.time, unit=unit)), Guess(name, _named(place), _UNITS[unit], evidence, pin)


def _years(name: str, stated: Notation, mine: Sequence[tuple[Place, dict[str, float]]]) -> tuple[Notation, Guess | None]:
    """Take years of two digits for none where nearly all of them would have to be plausible, and are not."""
    places = [place for place, tally in mine if tally.get("short")]
    if not places or stated.time.formats or not stated.time.short_years:
        return stated, None
    column = places[0].column
    seen = short_years([(each.frame, each.value) for each in places], stated.time, any_year=column.kind == "date")
    if seen.are_times or not seen.plausible:
        return stated, None
    evidence = f"{seen.plausible:,} of {seen.given:,} values such as 24.05.12 can be days of a shop"
    read_as, pin = "no times, where it has a year of two digits", f'data.{name}.date_format = "%d.%m.%y" if they are days'
    return replace(stated, time=replace(stated.time, short_years=False)), Guess(
        name, _named(places[0]), read_as, evidence, pin
    )


def _lone_digits(
    name: str, stated: Notation, mine: Sequence[tuple[Place, dict[str, float]]]
) -> tuple[Notation, Guess | None]:
    """Take 2024-01-1 for a day only where the column also has days above 9, and nothing in it is the number of a week."""
    count = {key: int(sum(tally.get(key, 0) for _, tally in mine)) for key in ("lone", "padded", "days", "weeks")}
    if not count["padded"] or stated.time.formats or (count["days"] and not count["weeks"]):
        return stated, None
    said = f"{count['weeks']:,} have a number above 12" if count["weeks"] else "none has a day above 9"
    evidence = f"of {count['lone']:,} values such as 2024-01-1, which may name a week or the day of one, {said}"
    read_as, pin = "no times, where a day has one digit", f'data.{name}.date_format = "%Y-%m-%d" if they are days'
    return replace(stated, time=replace(stated.time, lone_digits=False)), Guess(
        name, _named(mine[0][0]), read_as, evidence, pin
    )


def _fitting(place: Place) -> dict[str, float]:
    """Return how many numbers of a place fit each unit, with the first and the last that do; zero is no number of a time."""
    text = place.value.str.strip_chars().str.extract(NUMBER) if place.dtype == pl.String else place.value
    dates = text if place.dtype == pl.String else text.cast(pl.Int64, strict=False).cast(pl.String)
    columns = place.frame.select(
        text.cast(pl.Float64, strict=False).alias("size"), dates.str.contains(_DATE_NUMBER).alias("date")
    )
    size, counts = pl.col("size"), [(pl.col("size") != 0).sum().alias("numbers"), pl.col("date").sum()]
    for unit, factor in MICROSECONDS.items():
        fits = size.is_between(_SINCE / factor, _UNTIL / factor, closed="left")
        counts += [fits.sum().alias(unit), size.filter(fits).min().alias(f"{unit}.first")]
        counts.append(size.filter(fits).max().alias(f"{unit}.last"))
    later, days = (DAYS_TO_1904, "excel1904") if place.from_1904 else (0, "excel")
    counts.append(size.is_between(_FIRST_DAY - later, _LAST_DAY - later, closed="left").sum().alias(days))
    row = columns.select(counts).collect(engine="streaming").row(0, named=True)
    return {"excel": 0, "excel1904": 0} | {key: value or 0 for key, value in row.items()}


def _span(unit: Unit, tallies: Sequence[dict[str, float]]) -> str:
    if unit not in MICROSECONDS:
        return ""
    factor = MICROSECONDS[unit]
    first = min(tally[f"{unit}.first"] for tally in tallies if tally[unit])
    last = max(tally[f"{unit}.last"] for tally in tallies if tally[unit])
    days = [f"{clock.to_datetime(round(size * factor)):%Y-%m-%d}" for size in (first, last)]
    return f", from {days[0]} to {days[1]}"


def _named(place: Place) -> str:
    canonical = place.column.name
    return canonical if place.own == canonical else f"{place.own} ({canonical})"
