"""Statistics of an experiment: differences between arms with their intervals.

tea-tasting does the arithmetic on means, variances and covariances of each arm: Welch's test for means; the delta method for ratios
(Deng, Knoblich, Lu 2018); CUPED with what was known before (Deng, Xu, Kohavi, Walker 2013). Relative differences are those of
logarithms, so that their intervals hold where the control's mean is uncertain too. The interval for those who look every day is in
`always_valid`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
import tea_tasting as tt
from tea_tasting.aggr import Aggregates, read_aggregates
from tea_tasting.metrics.mean import MeanResult

from recsys.experiments.assignment import expected_shares
from recsys.settings.experiments import Experiment
from training.experiments.always_valid import LEAST_UNITS, LEAST_VALUED, half_width, power_at, units_for, valued
from training.experiments.measures import Measure, measures_of

CONFIDENCE = 0.95
POWER = 0.8
CONTROL = "the control"
_Z = 1.959963984540054


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one arm against the control; relative figures are shares of the control's.

    `low` and `high` are the interval of the relative difference where one looks once; `always_low` and `always_high` hold however
    often one looks, and are infinite while there are too few units, or too few with a value. `p` belongs to the first; `adjusted_p`
    takes in how many measures and arms were read. `without` names the arm that has nothing of the measure at all where chance would
    have given it some: of that there is no interval.
    """

    measure: str
    arm: str
    control: float
    value: float
    relative: float
    low: float
    high: float
    always_low: float
    always_high: float
    p: float
    adjusted_p: float | None = None
    without: str = ""


def aggregates(units: pl.DataFrame, measures: Sequence[Measure]) -> dict[str, Aggregates]:
    """Sum a table of units up, an entry an arm: all that the measures need, one measure after another, since summing up writes
    several columns for each that is read."""
    found: dict[str, Aggregates] = {}
    for each in measures:
        wanted = {**_metric(each).aggr_cols._asdict(), "has_count": True}
        read: dict[Any, Aggregates] = read_aggregates(units, "arm", **wanted)
        found = {str(arm): _beside(found.get(str(arm)), sums) for arm, sums in read.items()}
    return found


def _beside(one: Aggregates | None, other: Aggregates) -> Aggregates:
    """Sums of two measures of the same units as one."""
    if one is None:
        return other
    return Aggregates(other.count_, one.mean_ | other.mean_, one.var_ | other.var_, one.cov_ | other.cov_)


def difference(
    measure: Measure, arm: str, control: Aggregates, treatment: Aggregates, alpha: float = 1 - CONFIDENCE
) -> Difference:
    """Compare an arm with the control; figures that cannot be told are NaN. `alpha` is the chance at most that the interval for those
    who look often ever leaves out the truth."""
    found = _analyzed(measure, control, treatment)
    centre = _log1p(found.rel_effect_size)
    error = _error(found)
    both = control + treatment
    fewest = _valued(measure, both) * min(control.count(), treatment.count()) / both.count()
    without = _without(measure, arm, control, treatment) if fewest >= LEAST_VALUED else ""
    wide = math.inf if without else half_width(error**2, both.count(), fewest, alpha)
    return Difference(
        measure=measure.name,
        arm=arm,
        without=without,
        control=float(found.control),
        value=float(found.treatment),
        relative=float(found.rel_effect_size),
        low=float(found.rel_effect_size_ci_lower),
        high=float(found.rel_effect_size_ci_upper),
        always_low=math.expm1(centre - wide) if math.isfinite(wide) else -math.inf,
        always_high=math.expm1(centre + wide) if math.isfinite(wide) else math.inf,
        p=float(found.pvalue),
    )


def _without(measure: Measure, arm: str, control: Aggregates, treatment: Aggregates) -> str:
    """Name which of the two has nothing where the other has some; empty: neither."""
    nothing = [not sums.mean(measure.numerator) for sums in (control, treatment)]
    return {(True, False): CONTROL, (False, True): arm}.get((nothing[0], nothing[1]), "")


def compare(table: pl.DataFrame, chosen: Experiment, only: str = "") -> list[Difference]:
    """Every measure of every arm against the control, or one of them, as far as both have somebody and the table has its columns."""
    measures = [each for each in measures_of(table.columns) if only in ("", each.name)]
    sums, control = aggregates(table, measures), chosen.arms[0].name
    others = [arm for arm in expected_shares(chosen) if arm != control and arm in sums and sums[arm].count() > 1]
    if control not in sums or sums[control].count() <= 1:
        return []
    found = [
        difference(each, arm, sums[control], sums[arm], alpha_of(chosen) if each.name == chosen.metric else 1 - CONFIDENCE)
        for arm in others
        for each in measures
    ]
    return adjusted(found, chosen.metric)


def judged(chosen: Experiment) -> list[str]:
    """The arms of which a verdict is told: those beside the control that are drawn."""
    return [arm.name for arm in chosen.arms[1:] if arm.share > 0]


def alpha_of(chosen: Experiment) -> float:
    """Chance at most that the verdict of an arm is ever wrong where there is no difference: that of all arms together is 5 %."""
    return (1 - CONFIDENCE) / max(len(judged(chosen)), 1)


def adjusted(differences: Sequence[Difference], decides: str) -> list[Difference]:
    """Adjust the p-values of the measures that do not decide, together: Benjamini and Yekutieli, whatever their dependence."""
    others = {at: each for at, each in enumerate(differences) if each.measure != decides and not math.isnan(each.p)}
    results = {at: tt.experiment.ExperimentResult({each.measure: {"pvalue": each.p}}) for at, each in others.items()}
    result: Mapping[Any, Any] = tt.adjust_fdr(results, arbitrary_dependence=True) if results else {}
    found = {at: float(result[at][each.measure]["pvalue_adj"]) for at, each in others.items()}
    return [msgspec.structs.replace(each, adjusted_p=found.get(at)) for at, each in enumerate(differences)]


def units_needed(
    measure: Measure, everybody: Aggregates, effect: float, ratio: float = 1.0, alpha: float = 1 - CONFIDENCE
) -> float:
    """Units of a control and one arm together whose verdict shows a relative difference with a power of 80 %, as many at least as any
    verdict takes; infinite: no number does.

    `ratio` is how many times as large as the control the arm is: of one variance, two halves need (1 + ratio)² / (4 · ratio) times
    fewer.
    """
    share = _valued(measure, everybody) / int(everybody.count())
    if not share > 0:
        return math.inf
    smaller = min(1.0, ratio) / (1 + ratio)
    shown: float = units_for(POWER, _spread(measure, everybody, effect, ratio), alpha)
    return max(LEAST_UNITS, LEAST_VALUED / share / smaller, shown)


def power_of(measure: Measure, everybody: Aggregates, effect: float, units: int) -> float:
    """Power of a verdict to show a relative difference with so many units of a control and one arm together, half of them in each."""
    return power_at(units, _spread(measure, everybody, effect, 1.0), 1 - CONFIDENCE)


def _spread(measure: Measure, everybody: Aggregates, effect: float, ratio: float) -> float:
    """Variance of the logarithm of two arms' ratio, for one unit of both together, over the square of a relative difference's."""
    both = _error(_analyzed(measure, everybody, everybody)) ** 2
    return both / 2 * int(everybody.count()) * (1 + ratio) ** 2 / ratio / math.log1p(effect) ** 2


def _metric(measure: Measure, **more: Any) -> tt.RatioOfMeans:
    if measure.denominator:
        return tt.RatioOfMeans(measure.numerator, measure.denominator, confidence_level=CONFIDENCE, **more)
    return tt.Mean(measure.numerator, measure.covariate, confidence_level=CONFIDENCE, **more)


def _analyzed(measure: Measure, control: Aggregates, treatment: Aggregates) -> MeanResult:
    """Return what tea-tasting says; of arms in which nothing varies, nothing."""
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            return _metric(measure).analyze_aggregates(control, treatment)
    except (ValueError, ZeroDivisionError):
        return MeanResult(*[math.nan] * len(MeanResult._fields))


def _error(found: MeanResult) -> float:
    """Standard error of the logarithm of the arms' ratio."""
    return (_log1p(found.rel_effect_size_ci_upper) - _log1p(found.rel_effect_size_ci_lower)) / (2 * _Z)


def _valued(measure: Measure, sums: Aggregates) -> float:
    return valued(sums.count(), sums.mean(measure.numerator), sums.var(measure.numerator))


def _log1p(value: float) -> float:
    return math.log1p(value) if value > -1 else math.nan
