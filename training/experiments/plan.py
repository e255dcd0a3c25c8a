"""Plan of an experiment to which nobody was exposed yet: how many shoppers it takes, and how many days, by who came lately."""

from __future__ import annotations

import math
from typing import NamedTuple

import polars as pl

from recsys.clock import DAY
from recsys.settings.experiments import INTERLEAVED, Experiment
from training import console
from training.experiments.always_valid import LEAST_UNITS
from training.experiments.ledger import PLAN_DAYS, Ledger
from training.experiments.measures import MEASURES
from training.experiments.statistics import POWER, aggregates, units_needed
from training.experiments.units import unit_table


class Plan(NamedTuple):
    """Size of an experiment, by the persons of the last `PLAN_DAYS` as if they had been exposed then.

    came: persons, all of whom may not be asked on the placement · base: mean of the deciding measure · needed: persons of the control
    and the smallest arm beside it, together, at least as many as a verdict takes · days: until there are so many.
    """

    came: int
    base: float
    needed: float
    days: float


def plan_of(ledger: Ledger, chosen: Experiment) -> Plan:
    """Work out how large an experiment has to be to show its smallest effect; what cannot be told is infinite or NaN."""
    persons = ledger.came.with_columns(pl.lit("all").alias("arm"))
    if persons.height < 2:
        return Plan(persons.height, math.nan, math.inf, math.inf)
    measure = MEASURES[chosen.metric]
    everybody = aggregates(unit_table(ledger, persons, ledger.as_of, chosen.winsorize), [measure])["all"]
    below = everybody.mean(measure.denominator) if measure.denominator else 1.0
    base = everybody.mean(measure.numerator) / below if below else math.nan
    control, smallest = chosen.arms[0].share, min(arm.share for arm in chosen.arms[1:])
    needed = math.inf
    if control and smallest:
        needed = max(LEAST_UNITS, units_needed(measure, everybody, chosen.smallest_effect, smallest / control))
    share = chosen.traffic * (1 - chosen.holdout) * (control + smallest)
    return Plan(persons.height, base, needed, _days(ledger.came, needed / share if share else math.inf))


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
    days = max(math.ceil(plan.days), 1)
    return [
        f"{takes} {effect}: about {days} day{'s' if days > 1 else ''}, if all who came lately are asked on {chosen.placement}"
    ]


def _days(came: pl.DataFrame, persons: float) -> float:
    """Days in which so many persons came for the first time in the last weeks; infinite if fewer did."""
    if persons > came.height:
        return math.inf
    at = came["at"].sort()
    return float(at[max(math.ceil(persons), 1) - 1] - at[0]) / DAY
