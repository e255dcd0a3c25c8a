"""Error rates of the gate's rule between new settings and live ones, by simulation: `make benchmark-gate`.

Shoppers' paired differences of NDCG@10 are drawn as they were measured on two real shops: many are 0, the others are as wide as they
were, those of the blend and of the home page go together, those of the two tasks half so. A recipe is truly better or worse by a
share of the live mean. Made by hand, it was looked at nowhere before; tuned, it is the best of `TRIALS` on the windows before, all
of them truly as good or bad. The rule is that of `training.gate.decision`; beside it stands one that wants proof, with no loss
beyond the margin left possible.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from recsys.settings import EvaluationSettings, GateSettings
from training.evaluation.metrics import Bootstrap
from training.gate.decision import Change, goes_live, in_the_window

Values: TypeAlias = NDArray[np.float64]

BUYERS = (100, 500, 5_000)
EFFECTS = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1)
"""True mean difference as a share of the live mean."""
TRIALS = 25
RESAMPLES = 400
_TOGETHER, _BETWEEN_TASKS = 0.95, 0.5
"""Correlation of a shopper's differences: blend with home on one task, and one task with the other."""
_ALIKE = 0.5
"""Correlation of the differences of two trials of one tuning."""


class Measured(NamedTuple):
    """Measurement of one task on a real shop: the live mean, the share of shoppers whose NDCG@10 differs at all, and the
    standard deviation of theirs."""

    live: float
    differing: float
    spread: float


Tasks: TypeAlias = tuple[Measured, Measured]
"""What was measured of `repeat` and of `new`."""


SHOPS: dict[str, Tasks] = {
    "online_retail": (Measured(0.38, 0.70, 0.09), Measured(0.13, 0.50, 0.11)),
    "completejourney": (Measured(0.058, 0.23, 0.13), Measured(0.028, 0.10, 0.13)),
}
"""`repeat` and `new` of a shop whose lists hit often, and of one whose lists hit rarely; half-lives were changed, 1,300 and 1,600
buyers asked."""


class Rates(NamedTuple):
    """Shares of the drawn recipes that the rule let through, as it is and where it wanted proof."""

    by_rule: float
    by_proof: float


def main() -> int:
    """Draw, decide, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400, help="recipes of each row (default: 400)")
    parser.add_argument("--seed", type=int, default=20)
    chosen = parser.parse_args()
    shown = Table(
        "shop", "recipe", "truly", *(f"{buyers:,} buyers" for buyers in BUYERS), title="let through, in brackets: with proof"
    )
    for shop, recipe, effect, rates in simulate(chosen.draws, chosen.seed):
        shown.add_row(shop, recipe, f"{effect:+.0%}", *(f"{each.by_rule:.0%} ({each.by_proof:.0%})" for each in rates))
    Console(width=120).print(shown)
    return 0


def simulate(draws: int, seed: int) -> Iterator[tuple[str, str, float, list[Rates]]]:
    """Every row of the table: shop, recipe, effect, and the rates by number of buyers."""
    for shop, tasks in SHOPS.items():
        for recipe, trials in (("by hand", 1), ("tuned", TRIALS)):
            for effect in EFFECTS:
                yield shop, recipe, effect, [rates(tasks, effect, buyers, trials, draws, seed) for buyers in BUYERS]


def rates(tasks: Tasks, effect: float, buyers: int, trials: int, draws: int, seed: int) -> Rates:
    """Draw so many recipes of one effect and let the rule decide."""
    rng, shoppers = np.random.default_rng(seed), buyers * EvaluationSettings().folds
    bootstrap, margin = Bootstrap(buyers, RESAMPLES, seed), GateSettings().largest_loss
    passed = proven = 0
    for _ in range(draws):
        before = effect + best_noise(tasks, shoppers, trials, rng)
        window = [
            Change(name, bootstrap.interval(each), live) for name, each, live in differences(tasks, effect, buyers, rng)
        ]
        outcome = in_the_window(window, margin)
        passed += goes_live(outcome, before, margin)
        proven += outcome == "no worse"
    return Rates(passed / draws, proven / draws)


def differences(tasks: Tasks, effect: float, buyers: int, rng: Generator) -> Iterator[tuple[str, Values, float]]:
    """Paired differences float64[buyers] of the blend and of home on both tasks, each with its name and the live mean."""
    shopper = rng.standard_normal(buyers)
    for task, measured in zip(("repeat", "new"), tasks, strict=True):
        differs = rng.random(buyers) < measured.differing
        both = _mixed(shopper, rng.standard_normal(buyers), _BETWEEN_TASKS)
        for subject in ("blend", "home"):
            noise = measured.spread * _mixed(both, rng.standard_normal(buyers), _TOGETHER)
            shift = effect * measured.live / measured.differing
            yield f"{subject} on {task}", np.where(differs, noise + shift, 0.0), measured.live


def best_noise(tasks: Tasks, shoppers: int, trials: int, rng: Generator) -> float:
    """Return what chance adds to the mean relative difference over so many shoppers, of the luckiest of so many trials.

    A mean over hundreds of shoppers is drawn as the normal deviate that it nearly is.
    """
    widths = [measured.spread * np.sqrt(measured.differing) / measured.live for measured in tasks]
    shared = 2 * _BETWEEN_TASKS * np.sqrt(tasks[0].differing * tasks[1].differing) * widths[0] * widths[1]
    width = np.sqrt((widths[0] ** 2 + widths[1] ** 2 + shared) / 4 / shoppers)
    noise = _mixed(rng.standard_normal(1), rng.standard_normal(trials), _ALIKE)
    return float(width * noise.max())


def _mixed(one: Values, other: Values, correlation: float) -> Values:
    """Deviates that correlate so much with others that share `one`."""
    mixed: Values = np.sqrt(correlation) * one + np.sqrt(1 - correlation) * other
    return mixed


if __name__ == "__main__":
    raise SystemExit(main())
