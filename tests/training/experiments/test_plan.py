"""The plan of an experiment: how many shoppers it takes and how long, by who came lately and what they had done by then."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import polars as pl
import pytest

from recsys.clock import DAY
from recsys.settings.experiments import Experiment
from tests.training.experiments.test_experiment import LINES, NO_OWNERS, NOTHING, TWO_ARMS
from training.experiments.always_valid import LEAST_UNITS, LEAST_VALUED
from training.experiments.ledger import Ledger
from training.experiments.plan import plan_of
from training.experiments.readout import pace
from training.experiments.units import unit_table


def trial(**more: object) -> Experiment:
    """Two halves on home."""
    return msgspec.convert({"placement": "home", "arms": TWO_ARMS, **more}, Experiment)


def visited(n: int, days: int, rate: float) -> Ledger:
    """Persons who came evenly over so many days; each day, a share of those who have not bought yet buys."""
    rng = np.random.default_rng(9)
    at = np.arange(n) * days * DAY // n
    bought = (at + rng.exponential(1 / rate, n) * DAY).astype(np.int64)
    came = pl.DataFrame({"unit": [f"u{number}" for number in range(n)], "at": at})
    lines = [
        (f"u{number}", int(bought[number]), "sofa", number, 10.0, 1.0, 0.0) for number in np.flatnonzero(bought < days * DAY)
    ]
    ledger = pl.DataFrame(lines, schema=LINES.schema, orient="row")
    return Ledger(ledger, NOTHING, NOTHING, NO_OWNERS, None, came=came, as_of=days * DAY)


def test_a_plan_knows_how_many_come() -> None:
    """A thousand shoppers a day, a tenth of whom buy at once: of those who take part, so many days as it takes to have enough."""
    n = 20_000
    lines = [(f"u{number}", number * DAY // 1000, "sofa", number, 10.0, 1.0, 0.0) for number in range(0, n, 10)]
    came = pl.DataFrame({"unit": [f"u{number}" for number in range(n)], "at": [number * DAY // 1000 for number in range(n)]})
    bought = pl.DataFrame(lines, schema=LINES.schema, orient="row")
    ledger = Ledger(bought, NOTHING, NOTHING, NO_OWNERS, None, came=came, as_of=20 * DAY)
    plan = plan_of(ledger, trial(traffic=0.8, smallest_effect=0.25))
    assert (plan.came, round(plan.base, 3)) == (n, 0.1)
    once = 4 * (1.96 + 0.84) ** 2 * 0.9 / 0.1 / math.log(1.25) ** 2
    assert 1.9 * once < plan.needed < 2.6 * once
    assert plan.days == math.ceil(plan.needed / 0.8 / 1000)
    assert plan_of(ledger, trial(traffic=0.01)).days == math.inf
    large = plan_of(ledger, msgspec.structs.replace(trial(traffic=0.5), smallest_effect=2.0))
    assert large.needed == pytest.approx(max(LEAST_UNITS, 2 * LEAST_VALUED / large.base))
    assert large.days == 2


def test_a_plan_is_that_of_the_day_on_which_it_ends() -> None:
    """Who came a day ago has hardly bought: on the day that the plan names, the read-out asks for no more than there are."""
    ledger, chosen = visited(60_000, 28, 0.02), trial(smallest_effect=0.2)
    plan = plan_of(ledger, chosen)
    assert 1 < plan.days < 28
    until = int(plan.days * DAY)
    arms = pl.Series(["control", "changed"]).gather(np.arange(60_000) % 2)
    table = unit_table(ledger, ledger.came.with_columns(arm=arms), until, chosen.winsorize)
    then = pace(table, chosen, "changed", until)
    assert then.needed == pytest.approx(plan.needed)
    assert then.units >= then.needed
