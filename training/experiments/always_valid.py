"""Intervals that hold however often one looks: a sequence of intervals that covers the truth at all times together.

Normal mixture, as of Johari, Koomen, Pekelis, Walsh, "Peeking at A/B Tests" (KDD 2017), with variances that are estimated: the
asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences" (Annals of Statistics 2024).
"""

from __future__ import annotations

import math

TIGHTEST_AT = 20_000
"""Units at which the intervals are tightest; they hold at any number."""
LEAST_UNITS = 1_000
"""Units that both arms together need before an interval is told: it rests on sums being about normal."""


def half_width(variance: float, units: int, alpha: float) -> float:
    """Half the width of the interval around an estimate of this variance made from so many units; infinite while there are too few.

    With V = variance, n = units and ρ² of the mixture: √(V · (nρ² + 1) / (nρ²) · (ln(nρ² + 1) − 2 ln α)).
    """
    if units < LEAST_UNITS or not math.isfinite(variance):
        return math.inf
    spread = units * _mixture(alpha)
    return math.sqrt(variance * (spread + 1) / spread * (math.log(spread + 1) - 2 * math.log(alpha)))


def _mixture(alpha: float) -> float:
    """ρ² of the mixture that makes intervals tightest at `TIGHTEST_AT` units, as Waudby-Smith et al. approximate it."""
    chance = -2 * math.log(alpha)
    return (chance + math.log(chance) + 1) / TIGHTEST_AT
