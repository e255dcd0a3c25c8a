"""The report's section on data health: volumes by day, days without events, and sudden stops, falls and rises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import betainc, ndtri, stdtr

from recsys import clock
from recsys.categories import split_category
from recsys.clock import DAY
from recsys.tables.shop import ShopTables
from recsys.types import EVENT_TYPES, Mask

Floats: TypeAlias = NDArray[np.float64]
Dimension = Literal["shop", "brand", "category"]
Key: TypeAlias = tuple[str, str]
"""Event type and name."""
Daily: TypeAlias = tuple[Floats, datetime]
"""Counts by day float64[35], the newest first, and the last event."""

WINDOW, WEEKS = 7, 4
"""Days at the end that are looked at, and weeks before them that say what to expect."""
FALSE_ALARMS = 0.01
"""Bound on the chance that a shop in which nothing changed gets any alarm at all."""
MIN_EVENTS = 20
"""Events of a series in the five weeks, fewest that are looked at."""
MIN_CHANGE = 2.0
"""A fall to a half or a rise to the double is worth an alarm; less is not, however certain."""
DAILY_EVENTS = 10
"""A type with so many events on half of the days is missed on a day without any."""
CLOSED_SHARE = 0.8
"""A weekday without events in this share of the weeks is a day on which the shop is closed."""


@dataclass(frozen=True)
class Volume:
    """Events of one type: counts int64[d] for every day from the first of the shop to the last."""

    event_type: str
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """All events of the type."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class Gap:
    """Days in a row without events of a type (empty: of any), `first` and `last` among them."""

    first: date
    last: date
    event_type: str = ""

    @property
    def days(self) -> int:
        """Return how many."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class Change:
    """Count of the last `days` beside the expected one; `chance` of as much by chance, of this one test."""

    kind: Literal["stopped", "fell", "rose"]
    days: int
    seen: int
    expected: float
    chance: float


@dataclass(frozen=True)
class Alarm:
    """A series that changed: events of one type in the shop, of a brand or in a category, the last of them, and how."""

    dimension: Dimension
    event_type: str
    name: str
    last: datetime
    found: Change


@dataclass(frozen=True)
class Health:
    """The state of the tables; `series` is how many were looked at for alarms (None: there is too little past)."""

    first: date
    last: date
    volumes: tuple[Volume, ...]
    closed: tuple[int, ...]
    gaps: tuple[Gap, ...]
    alarms: tuple[Alarm, ...]
    series: int | None

    @property
    def missing(self) -> int:
        """Days without any event on which the shop is not closed."""
        return sum(gap.days for gap in self.gaps if not gap.event_type)


def check_health(shop: ShopTables, before: datetime) -> Health | None:
    """Look at the tables up to `before`; None if there is no event."""
    until = clock.to_microseconds(before)
    age = ((until - 1 - pl.col("timestamp").dt.epoch("us")) // DAY).alias("age")
    daily = shop.events.group_by(pl.col("timestamp").dt.date().alias("day"), "event_type").len()
    names = _names(shop.items)
    recent = (
        shop.events.select("event_type", "item_id", "timestamp", age)
        .filter(pl.col("age") < WINDOW * (WEEKS + 1))
        .join(names.lazy(), on="item_id", how="left")
        .group_by("event_type", "brand", "category", "age")
        .agg(pl.len(), pl.col("timestamp").max().alias("last"))
    )
    days, late = pl.collect_all([daily, recent], engine="streaming")
    if days.is_empty():
        return None
    first, volumes = _volumes(days)
    closed, gaps = gaps_of(first, volumes)
    enough = (before.date() - first).days >= WINDOW * (WEEKS + 1)
    alarms, series = _alarms(late) if enough else ((), None)
    last = first + timedelta(days=len(volumes[0].counts) - 1)
    return Health(first, last, tuple(volumes), closed, tuple(gaps), alarms, series)


def _names(items: pl.DataFrame) -> pl.DataFrame:
    """Brand and root category of every item."""
    texts = items["category"].drop_nulls().unique().to_list()
    roots = pl.DataFrame(
        {"path": texts, "category": [(split_category(text) or ("",))[0] for text in texts]},
        schema={"path": pl.String, "category": pl.String},
    )
    named = items.select("item_id", "brand", path="category")
    return named.join(roots, on="path", how="left").select("item_id", "brand", "category")


def _volumes(days: pl.DataFrame) -> tuple[date, list[Volume]]:
    first, last = days["day"].min(), days["day"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    found = []
    for kind in EVENT_TYPES:
        rows = days.filter(pl.col("event_type") == kind)
        if rows.height:
            counts = np.zeros((last - first).days + 1, np.int64)
            counts[(rows["day"] - first).dt.total_days().to_numpy()] = rows["len"].to_numpy()
            found.append(Volume(kind, counts))
    return first, found


def gaps_of(first: date, volumes: Sequence[Volume]) -> tuple[tuple[int, ...], list[Gap]]:
    """Weekdays on which the shop is closed, and the other days without events, the longest runs first.

    A type that has `DAILY_EVENTS` on half of the days is missed too where others have events, between its first and last day.
    """
    total = np.sum([volume.counts for volume in volumes], axis=0)
    weekday = (np.arange(len(total)) + first.weekday()) % 7
    closed = tuple(day for day in range(7) if len(total) >= 28 and (total[weekday == day] == 0).mean() >= CLOSED_SHARE)
    off = np.isin(weekday, closed)
    gaps = _runs(first, (total == 0) & ~off, off, "")
    for volume in volumes:
        if len(volumes) > 1 and np.median(volume.counts[total > 0]) >= DAILY_EVENTS:
            active = np.flatnonzero(volume.counts)
            inside = (np.arange(len(total)) > active[0]) & (np.arange(len(total)) < active[-1])
            gaps += _runs(first, inside & (volume.counts == 0) & (total > 0) & ~off, off, volume.event_type)
    return closed, sorted(gaps, key=lambda gap: (-gap.days, gap.first))


def _runs(first: date, missing: Mask, off: Mask, event_type: str) -> list[Gap]:
    """The runs of missing days bool[d]; days off do not end a run."""
    gaps: list[Gap] = []
    for place in np.flatnonzero(missing).tolist():
        day = first + timedelta(days=place)
        if gaps and off[(gaps[-1].last - first).days + 1 : place].all():
            gaps[-1] = Gap(gaps[-1].first, day, event_type)
        else:
            gaps.append(Gap(day, day, event_type))
    return gaps


def _alarms(late: pl.DataFrame) -> tuple[tuple[Alarm, ...], int]:
    """Test the shop's series and those of its brands and root categories; the least likely by chance come first."""
    shop = _series(late.with_columns(pl.lit("").alias("shop")), "shop")
    total = {kind: counts for (kind, _), (counts, _) in shop.items()}
    tested: list[Alarm] = []
    dimensions: tuple[tuple[Dimension, dict[Key, Daily]], ...]
    dimensions = ("shop", shop), ("brand", _series(late, "brand")), ("category", _series(late, "category"))
    series = 0
    for dimension, found in dimensions:
        for (kind, name), (counts, last) in found.items():
            if counts.sum() < MIN_EVENTS:
                continue
            series += 1
            reference = _weekdays(counts) if dimension == "shop" else total[kind]
            tested += [Alarm(dimension, kind, name, last, change) for change in changes(counts, reference)]
    bound = FALSE_ALARMS / max(3 * series, 1)
    certain = [alarm for alarm in tested if alarm.found.chance <= bound]
    once = {(alarm.dimension, alarm.event_type, alarm.name): alarm for alarm in reversed(certain)}
    return tuple(sorted(once.values(), key=lambda alarm: (alarm.found.chance, -alarm.found.expected, alarm.name))), series


def _series(late: pl.DataFrame, dimension: str) -> dict[Key, Daily]:
    grouped = (
        late.drop_nulls(dimension)
        .group_by("event_type", dimension, "age")
        .agg(pl.col("len").sum(), pl.col("last").max())
        .group_by("event_type", dimension)
        .agg("age", "len", pl.col("last").max())
        .sort("event_type", dimension)
    )
    found = {}
    for kind, name, ages, counts, last in grouped.iter_rows():
        days = np.zeros(WINDOW * (WEEKS + 1))
        days[ages] = counts
        found[kind, name] = (days, last.astimezone(UTC))
    return found


def _weekdays(counts: Floats) -> Floats:
    """Return what the four weeks before the last make of each weekday, for all five weeks."""
    return np.tile(counts[WINDOW:].reshape(WEEKS, WINDOW).mean(axis=0), WEEKS + 1)


def changes(counts: Floats, reference: Floats) -> list[Change]:
    """Test one series of daily counts float64[35], newest first; only what changed enough is returned.

    The days at the end are compared with the same weekdays of the four weeks before. If the series is Poisson with a rate
    proportional to `reference` (for the shop its own weekdays; for a brand or category what the whole shop did, so that a
    season or a slow day of the shop is not the brand's alarm), then of the n = x + b events in both parts x is binomial with
    share f = reference at the end / reference in both (the conditional test of two Poisson means: Przyborowski and
    Wilenski, Biometrika 1940). Real counts vary more than Poisson ones: x and n are divided by Pearson's dispersion of the
    four weeks where it is above 1 (quasi-Poisson; McCullagh and Nelder, Generalized Linear Models, 1989, ch. 6), and the
    binomial tail is continued to broken counts by the incomplete beta function. A dispersion found in 28 days is not known: of four
    weeks that happened to be without a burst it is too small, and the next burst looks like a rise. So the chance of a rise is that
    of Student's t with 27 degrees of freedom at as many standard deviations; falls need no such care.

    Three tests: silence since the last event, as a waiting time (one test however long it is, because the first length that
    would be an alarm decides), a fall and a rise over the last seven days. The caller holds each chance against a bound
    divided by three times the number of series (Bonferroni), so the chance of any false alarm is at most `FALSE_ALARMS` as far
    as the model holds.
    """
    dispersion = _dispersion(counts[WINDOW:], reference[WINDOW:])
    silent = int(np.flatnonzero(counts)[0]) if counts.any() else 0
    found: list[Change] = []
    for days in sorted({min(silent, WINDOW), WINDOW} - {0}):
        place = np.arange(days)
        seen, matched = counts[place].sum(), (place[:, None] + WINDOW * np.arange(1, WEEKS + 1)).ravel()
        before, ahead, past = counts[matched].sum(), reference[place].sum(), reference[matched].sum()
        if not past:
            continue
        share, expected = ahead / (ahead + past), before * ahead / past
        x, rest = seen / dispersion, before / dispersion
        if 0 < expected >= seen * MIN_CHANGE:
            chance = float(betainc(rest, x + 1, 1 - share))
            found.append(Change("stopped" if seen == 0 else "fell", days, int(seen), float(expected), chance))
        elif days == WINDOW and seen > 0 and seen >= expected * MIN_CHANGE:
            chance = float(betainc(x, rest + 1, share))
            if dispersion > 1:
                chance = float(stdtr(WINDOW * WEEKS - 1, ndtri(chance)))
            found.append(Change("rose", days, int(seen), float(expected), chance))
    return found


def _dispersion(counts: Floats, reference: Floats) -> float:
    """Pearson's statistic per degree of freedom of daily counts around their share of the reference, at least 1."""
    expected = reference * counts.sum() / max(reference.sum(), 1)
    likely = expected > 0
    if likely.sum() < 2:
        return 1.0
    return max(1.0, float(((counts - expected)[likely] ** 2 / expected[likely]).sum() / (likely.sum() - 1)))
