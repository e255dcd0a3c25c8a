"""Read-out of an experiment: every measure of every arm against the control, guards, the verdict, segments, and the curve by day.

`make experiment ID=home_lead` prints it, and writes ID.json and ID.csv.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from recsys.clock import DAY, to_datetime, to_microseconds
from recsys.experiments.assignment import expected_shares, key_of
from recsys.experiments.read_outs import READ_OUTS, Answered, Compared, Point, ReadOut, Segment
from recsys.experiments.sizes import sizes_p
from recsys.live.databases import open_log, open_slates
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.settings.experiments import INTERLEAVED, Experiment
from recsys.types import DataError
from training import console
from training.experiments.answer_times import answer_times
from training.experiments.interleaved import CLICKS, ORDERS, Credited, credited, deciding, preference
from training.experiments.interleaved import pace as pace_of_persons
from training.experiments.ledger import Ledger, read_ledger
from training.experiments.measures import MARGIN, MEASURES, SHOWN
from training.experiments.plan import plan_of, show_plan
from training.experiments.printed import show, write
from training.experiments.segments import segments_of
from training.experiments.shown_lists import ShownLists, of_lists, shown_lists
from training.experiments.statistics import Difference, adjusted, aggregates, alpha_of, compare, judged, units_needed
from training.experiments.units import exposed, unit_table
from training.experiments.verdict import Pace, moves_of, verdict, verdict_without, warnings_of

MOST_POINTS = 30
"""Points of the curve."""
_ALL_PLACEMENTS = (
    "click_through counts the lists of all placements, so that what an arm changes looks smaller than it is; with"
    " state.slate_share = 1 it counts those of the experiment alone"
)
Timer = Callable[[], int]
"""Counts nanoseconds of processor."""


def experiment(
    settings: Settings,
    name: str,
    now: datetime,
    out: Path | None,
    erasure_keys: ErasureKeys | None = None,
    timer: Timer | None = None,
) -> int:
    """Print the read-out of an experiment and write it to a folder; where nobody was exposed yet, print what it takes.

    Raises:
        DataError: if there is no such experiment; else as reading the tables does.
        StateError: if the log cannot be read.
    """
    trial = open_trial(settings, name, now, erasure_keys)
    if trial.persons.is_empty():
        show_plan(name, trial.chosen, plan_of(trial.ledger, trial.chosen))
        return 0
    found = read(trial, settings, timer)
    show(found)
    for path in write(found, out or settings.artifacts / READ_OUTS):
        console.say(f"✓ {path}")
    return 0


class Trial(NamedTuple):
    """An experiment with what its read-out is made of, up to a moment.

    persons: those who count, as of `exposed` · exposures: ids by arm · left_out: persons who do not count, by why.
    """

    name: str
    chosen: Experiment
    ledger: Ledger
    persons: pl.DataFrame
    crossed: int
    exposures: Mapping[str, int]
    left_out: Mapping[str, int]
    until: datetime


def open_trial(settings: Settings, name: str, now: datetime, erasure_keys: ErasureKeys | None = None) -> Trial:
    """Read what is known of an experiment; raises as `experiment` does."""
    log = open_log(settings).experiments
    known = {each: declared.experiment for each, declared in log.declared().items()} | dict(settings.experiments)
    if name not in known:
        raise DataError(f"ID {name!r}: there is no such experiment; there are {', '.join(sorted(known)) or 'none'}")
    ledger = read_ledger(settings, now, erasure_keys)
    persons, crossed, ids = exposed(log.exposures(key_of(name, known[name])), ledger.owners)
    kept, left_out = counted(persons, {"staff": ledger.staff, "machines": ledger.machines - ledger.staff})
    until = min(now, to_datetime(ledger.as_of)) if settings.web.clock == "events" else now
    return Trial(name, known[name], ledger, kept, crossed, ids, left_out, until)


def read_out(
    settings: Settings, name: str, now: datetime, erasure_keys: ErasureKeys | None = None, timer: Timer | None = None
) -> ReadOut:
    """Work out what an experiment says.

    Raises:
        DataError: if there is no such experiment, or nobody was exposed to it yet; else as reading the tables does.
    """
    trial = open_trial(settings, name, now, erasure_keys)
    if trial.persons.is_empty():
        placement = trial.chosen.placement
        raise DataError(f"ID {name!r}: nobody was exposed to it yet; ask for lists on {placement!r} while it runs")
    return read(trial, settings, timer)


def read(trial: Trial, settings: Settings, timer: Timer | None = None) -> ReadOut:
    """Work out what an experiment says to which somebody was exposed; without a timer nothing is said of answer times."""
    slates = open_slates(settings)
    if trial.chosen.kind == INTERLEAVED:
        return _read_interleaved(trial, credited(trial.ledger, trial.persons, slates.heads(), trial.name))
    shown = shown_lists(slates.heads(), trial.name, trial.ledger, trial.persons)
    times = {} if timer is None else answer_times(settings, trial.name, trial.chosen, slates, timer)
    if settings.state.slate_share < 1:
        return _read(trial, shown, times, () if trial.ledger.seen.is_empty() else (_ALL_PLACEMENTS,))
    return _read(trial._replace(ledger=of_lists(trial.ledger, shown.names)), shown, times)


def counted(persons: pl.DataFrame, excluded: Mapping[str, Collection[str]]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the persons who count, and how many do not, by why."""
    left_out = {}
    for why, ids in excluded.items():
        kept = persons.filter(~pl.col("unit").is_in(sorted(ids)))
        if kept.height < persons.height:
            left_out[why] = persons.height - kept.height
        persons = kept
    return persons, left_out


def _read_interleaved(trial: Trial, found: Credited) -> ReadOut:
    chosen, persons = trial.chosen, trial.persons
    until, decides, arm = to_microseconds(trial.until), deciding(chosen), chosen.arms[1].name
    by_measure = {CLICKS: found.clicks, ORDERS: found.orders}
    adjusted_differences = adjusted([preference(measure, arm, each) for measure, each in by_measure.items()], decides)
    first = next(each for each in adjusted_differences if each.measure == decides)
    progress = pace_of_persons(persons, by_measure[decides], chosen.smallest_effect, until)
    return ReadOut(
        id=trial.name,
        key=key_of(trial.name, chosen),
        placement=chosen.placement,
        metric=decides,
        since=_day(int(persons["at"].min())),  # type: ignore[arg-type]
        until=trial.until,
        currency=trial.ledger.currency,
        units={INTERLEAVED: persons.height},
        expected_shares=expected_shares(chosen),
        sizes_p=1.0,
        crossed=0,
        verdicts={arm: verdict(first, progress, chosen.smallest_effect, 1.0)},
        differences=tuple(_finite(each) for each in adjusted_differences),
        left_out=trial.left_out,
    )


def _read(trial: Trial, shown: ShownLists, times: Mapping[str, float], notes: Sequence[str] = ()) -> ReadOut:
    chosen, ledger, persons, until = trial.chosen, trial.ledger, trial.persons, to_microseconds(trial.until)
    shares = expected_shares(chosen)
    counts = {arm: int(persons.filter(pl.col("arm") == arm).height) for arm in shares}
    sizes = sizes_p(counts, shares)
    table = unit_table(ledger, persons, until, chosen.winsorize)
    adjusted_differences = compare(_with_lists(table, shown), chosen)
    return ReadOut(
        id=trial.name,
        key=key_of(trial.name, chosen),
        placement=chosen.placement,
        metric=chosen.metric,
        since=_day(int(persons["at"].min())),  # type: ignore[arg-type]
        until=trial.until,
        currency=ledger.currency,
        units=counts,
        expected_shares=shares,
        sizes_p=sizes,
        crossed=trial.crossed,
        verdicts=_verdicts(trial, table, adjusted_differences, sizes, shown.loses_exposures),
        differences=tuple(_finite(each) for each in adjusted_differences),
        curve=tuple(_curve(ledger, persons, chosen, until)),
        segments=tuple(_segments(table, ledger, chosen)),
        arms={
            arm: Answered(
                exposures=trial.exposures.get(arm, 0),
                lists=shown.lists.get(arm, 0),
                coverage=shown.coverage.get(arm),
                milliseconds=times.get(arm),
            )
            for arm in shares
        },
        left_out=trial.left_out,
        unexposed=shown.unexposed,
        warnings=tuple(warnings_of(adjusted_differences)),
        notes=(*moves_of(adjusted_differences), *_passed_over(trial), *_notes(table, ledger, shown), *notes),
    )


def _verdicts(
    trial: Trial, table: pl.DataFrame, adjusted_differences: Sequence[Difference], sizes: float, loses_exposures: bool
) -> dict[str, str]:
    """One sentence on every arm that is drawn, also where there is nobody to compare."""
    chosen, until = trial.chosen, to_microseconds(trial.until)
    decides = {each.arm: each for each in adjusted_differences if each.measure == chosen.metric}
    control = chosen.arms[0]
    found = {}
    for arm in judged(chosen):
        if arm in decides:
            progress = pace(table, chosen, arm, until)
            found[arm] = verdict(decides[arm], progress, chosen.smallest_effect, sizes, loses_exposures)
        else:
            found[arm] = verdict_without(arm, control.share, sizes, loses_exposures)
    return found


def _passed_over(trial: Trial) -> Iterator[str]:
    """Sentences on persons who are in no figure, or in none yet."""
    persons, arms = trial.persons, {*expected_shares(trial.chosen)}
    gone = persons.filter(~pl.col("arm").is_in(sorted(arms)))
    if gone.height:
        names = ", ".join(sorted(gone["arm"].unique()))
        yield f"in no figure, since the experiment has no such arm by now ({names}): {gone.height:,} persons"
    later = persons.filter(pl.col("at") > to_microseconds(trial.until)).height
    if later:
        yield f"in no figure yet, since they were exposed after {trial.until:%Y-%m-%d %H:%M}: {later:,} persons"


def pace(table: pl.DataFrame, chosen: Experiment, arm: str, until: int) -> Pace:
    """Return how many persons the control and an arm have, need, and get a day."""
    control, shares = chosen.arms[0].name, expected_shares(chosen)
    both = table.filter(pl.col("arm").is_in([control, arm])).with_columns(pl.lit("all").alias("arm"))
    measure, needed = MEASURES[chosen.metric], math.inf
    if both.height > 1 and shares.get(control):
        everybody = aggregates(both, [measure])["all"]
        ratio = shares[arm] / shares[control]
        needed = units_needed(measure, everybody, chosen.smallest_effect, ratio, alpha_of(chosen))
    first = min(both["at"].to_list(), default=until)
    return Pace(both.height, needed, both.height / max((until - first) / DAY, 1.0))


def _with_lists(table: pl.DataFrame, shown: ShownLists) -> pl.DataFrame:
    """A table of units with their logged lists, where any are logged."""
    if shown.counts.is_empty():
        return table
    return table.join(shown.counts, on="unit", how="left").with_columns(pl.col(SHOWN).fill_null(0))


def _curve(ledger: Ledger, persons: pl.DataFrame, chosen: Experiment, until: int) -> list[Point]:
    """The deciding measure at the end of each day, or of so many of them evenly."""
    first = min(persons["at"].to_list())
    days = max(math.ceil((until - first) / DAY), 1)
    step = max(math.ceil(days / MOST_POINTS), 1)
    moments = [min(first + day * DAY, until) for day in (*range(step, days, step), days)]
    points = []
    for day, moment in {_day(each): each for each in moments}.items():
        table = unit_table(ledger, persons, moment, chosen.winsorize)
        units = dict(table.group_by("arm").len().iter_rows())
        for each in compare(table, chosen, chosen.metric):
            adjusted_differences = (each.relative, each.always_low, each.always_high)
            points.append(Point(day, each.arm, units[each.arm], *map(_number, adjusted_differences)))
    return points


def _segments(table: pl.DataFrame, ledger: Ledger, chosen: Experiment) -> Iterator[Segment]:
    for name, units, adjusted_differences in segments_of(table, ledger, chosen):
        figures = {
            each: _number(getattr(adjusted_differences, each)) for each in ("relative", "low", "high", "p", "adjusted_p")
        }
        yield Segment(segment=name, arm=adjusted_differences.arm, units=units, **figures)


def _notes(table: pl.DataFrame, ledger: Ledger, shown: ShownLists) -> Iterator[str]:
    """Sentences on what could not be told, and why."""
    if MARGIN not in table.columns:
        yield "margin is not known: the item table does not say what an item costs the shop"
    elif (known := _share_of_known_cost(ledger)) < 1:
        yield f"the cost is known of {known:.1%} of what was paid; the rest counts as without any margin"
    yield from _unpriced(table, ledger)
    if shown.counts.is_empty():
        yield "no list of it is logged, so that nothing is said of empty lists, coverage and new items (state.slate_share)"


def _unpriced(table: pl.DataFrame, ledger: Ledger) -> Iterator[str]:
    """A sentence on units that somebody kept after the exposure, and of which nobody knows what was paid."""
    theirs = ledger.lines.join(table.select("unit", "at"), on="unit").filter(pl.col("time") >= pl.col("at"))
    kept, unpriced = theirs["units"].sum(), theirs.filter(pl.col("amount").is_null())["units"].sum()
    if unpriced:
        yield f"{unpriced:,.0f} of {kept:,.0f} units bought have no price: they count as no revenue and no margin"


def _share_of_known_cost(ledger: Ledger) -> float:
    costly = ledger.items.drop_nulls("cost")["item_id"]
    paid = ledger.lines.select(
        all=pl.col("amount").sum(), known=pl.col("amount").filter(pl.col("item_id").is_in(costly.implode())).sum()
    ).row(0)
    return float(paid[1] / paid[0]) if paid[0] else 1.0


def _finite(adjusted_differences: Difference) -> Compared:
    return Compared(**{name: _number(getattr(adjusted_differences, name)) for name in Compared.__struct_fields__})


def _number(value: Any) -> Any:
    """A figure as JSON has it: what is not finite is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _day(moment: int) -> str:
    return to_datetime(moment).date().isoformat()
