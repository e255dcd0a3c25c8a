"""Plan of an experiment to which nobody was exposed yet: how many shoppers it takes, and how many days, by who came lately."""

from __future__ import annotations

import math
from typing import NamedTuple

import polars as pl

from recsys.clock import DAY
from recsys.settings.experiments import INTERLEAVED, Experiment
from training import console
from training.experiments.ledger import PLAN_DAYS, Ledger
from training.experiments.measures import MEASURES
from training.experiments.statistics import POWER, aggregates, alpha_of, units_needed
from training.experiments.units import unit_table


class Plan(NamedTuple):
    """Size of an experiment, by the persons of the last `PLAN_DAYS` as if it had begun with the first of them.

    came: persons, all of whom may not be asked on the placement · base: mean of the deciding measure by then · needed: persons of the
    control and the smallest arm beside it, together, at least as many as a verdict takes · days: until there are so many.
    """

    came: int
    base: float
    needed: float
    days: float


def plan_of(ledger: Ledger, chosen: Experiment) -> Plan:
    """Work out how large an experiment has to be to show its smallest effect; what cannot be told is infinite or NaN.

    Persons who came late have had less time to buy, so each day is looked at as the read-out of that day would: it lasts until the
    first on which enough have come for what those of that day tell.
    """
    persons = ledger.came.with_columns(pl.lit("all").alias("arm"))
    if persons.height < 2:
        return Plan(persons.height, math.nan, math.inf, math.inf)
    first = int(persons["at"].min())  # type: ignore[arg-type]
    last = max(math.ceil((ledger.as_of - first) / DAY), 1)
    share = chosen.traffic * (1 - chosen.holdout) * (chosen.arms[0].share + _smallest(chosen))
    for day in range(1, last + 1):
        until = min(first + day * DAY, ledger.as_of)
        table = unit_table(ledger, persons, until, chosen.winsorize)
        base, needed = _size(table, chosen)
        if table.height * share >= needed:
            return Plan(persons.height, base, needed, day)
    return Plan(persons.height, base, needed, math.inf)


def _smallest(chosen: Experiment) -> float:
    return min((arm.share for arm in chosen.arms[1:] if arm.share > 0), default=0.0)


def _size(table: pl.DataFrame, chosen: Experiment) -> tuple[float, float]:
    """The mean of the deciding measure, and the persons that it takes."""
    measure, control, smallest = MEASURES[chosen.metric], chosen.arms[0].share, _smallest(chosen)
    if table.height < 2:
        return math.nan, math.inf
    everybody = aggregates(table, [measure])["all"]
    below = everybody.mean(measure.denominator) if measure.denominator else 1.0
    base = everybody.mean(measure.numerator) / below if below else math.nan
    if not control or not smallest:
        return base, math.inf
    return base, units_needed(measure, everybody, chosen.smallest_effect, smallest / control, alpha_of(chosen))


def show_plan(name: str, chosen: Experiment, plan: Plan) -> None:
    """Print what an experiment takes."""
    rows = [
        ("persons who came in the last four weeks", plan.came),
        (f"{chosen.metric} of each", "not known" if math.isnan(plan.base) else f"{plan.base:.4g}"),
        ("takes part", f"{chosen.traffic:.1%}"),
        ("smallest difference that matters", f"{chosen.smallest_effect:.1%}"),
    ]
    console.facts(f"Experiment {name} on {chosen.placement}: nobody was exposed to it yet", rows)
    for text in plan_words(chosen, plan):
        console.say(f"• {text}")


def plan_words(chosen: Experiment, plan: Plan) -> list[str]:
    """Say in sentences what an experiment takes."""
    if chosen.kind == INTERLEAVED:
        return ["an interleaved experiment takes far fewer shoppers than a split; how many is told once some have clicked"]
    if not math.isfinite(plan.needed):
        return [f"how many persons it takes cannot be told: nobody had any {chosen.metric.replace('_', '-')} lately"]
    takes = f"it takes about {math.ceil(plan.needed):,} persons in the control and the smallest arm"
    effect = f"to show {chosen.smallest_effect:.1%} with a power of {POWER:.0%}"
    if not math.isfinite(plan.days):
        return [
            f"{takes} {effect}: more than came in {PLAN_DAYS} days; let more in, wait for months, or look for a larger difference",
        ]
    days = f"{plan.days:.0f} day{'s' if plan.days > 1 else ''}"
    return [f"{takes} {effect}: about {days}, if all who came lately are asked on {chosen.placement}"]
