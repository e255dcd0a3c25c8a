"""Intervals that hold however often one looks: a sequence of intervals that covers the truth at all times together.

Normal mixture, as of Johari, Koomen, Pekelis, Walsh, "Peeking at A/B Tests" (KDD 2017), with variances that are estimated: the
asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences" (Annals of Statistics 2024).
"""

from __future__ import annotations

import math
from statistics import NormalDist

TIGHTEST_AT = 20_000
"""Units at which the intervals are tightest; they hold at any number."""
LEAST_UNITS = 1_000
"""Units that both arms together need before an interval is told: it rests on sums being about normal."""
LEAST_VALUED = 50
"""Units with a value, as `valued` counts them, that the smaller arm would have if both were alike, before an interval is told: with a
handful of buyers an arm is worse by chance. An arm that has fewer because it is worse is told."""
_MOST_UNITS, _EXACT = 1e15, 1 + 1e-9


def valued(count: int, mean: float, variance: float) -> float:
    """Units of an arm that carry its sum, (Σ x)² / Σ x² (Kish): those with a value where all of these are alike, else fewer."""
    squares = mean**2 + variance * (count - 1) / count if count else 0.0
    return count * mean**2 / squares if squares > 0 else 0.0


def half_width(variance: float, units: int, least_valued: float, alpha: float) -> float:
    """Half the width of the interval around an estimate of this variance made from so many units; infinite while there are too few,
    or too few with a value for the smaller arm."""
    if units < LEAST_UNITS or round(least_valued, 6) < LEAST_VALUED or not math.isfinite(variance):
        return math.inf
    return errors_wide(units, alpha) * math.sqrt(variance)


def errors_wide(units: float, alpha: float) -> float:
    """Half the width of an interval in standard errors.

    With n units and ρ² of the mixture: √((nρ² + 1) / (nρ²) · (ln(nρ² + 1) − 2 ln α)).
    """
    spread = units * _mixture(alpha)
    return math.sqrt((spread + 1) / spread * (math.log(spread + 1) - 2 * math.log(alpha)))


def power_at(units: float, spread: float, alpha: float) -> float:
    """Chance that an interval leaves out zero with so many units, on the side where the truth is; `spread` is the variance that an
    estimate of one unit would have, over the squared truth."""
    return NormalDist().cdf(math.sqrt(units / spread) - errors_wide(units, alpha))


def units_for(power: float, spread: float, alpha: float) -> float:
    """Units from which on an interval leaves out zero with this power; infinite: no number does."""
    if not 0 < spread < _MOST_UNITS:
        return math.inf
    low, high = float(LEAST_UNITS), _MOST_UNITS
    if power_at(low, spread, alpha) >= power:
        return low
    while high / low > _EXACT:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if power_at(middle, spread, alpha) < power else (low, middle)
    return high if high < _MOST_UNITS else math.inf


def _mixture(alpha: float) -> float:
    """ρ² of the mixture that makes intervals tightest at `TIGHTEST_AT` units, as Waudby-Smith et al. approximate it."""
    chance = -2 * math.log(alpha)
    return (chance + math.log(chance) + 1) / TIGHTEST_AT
