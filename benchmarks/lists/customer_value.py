"""Does customer value come true? Predicted against held-back purchases: `RECSYS_DATA=… make benchmark-value`.

The last days of each shop are held back. What the models of training/job/customer_value.py expect of every customer
known by then, fitted on what came before, stands beside what they bought, and beside three rules that need no model.
Orders of one day are one. Intervals are the middle 95 % of resamples of customers (Efron, 1979).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsys.clock import DAY
from recsys.settings import Settings
from recsys.settings.load import load_settings
from training import console
from training.cli.evaluation_commands import last_event
from training.evaluation.metrics import Interval
from training.job.customer_value import Fit, Past, Values, fit_models, past_of, predict
from training.job.job import Prepared, prepare

OUT = Path("benchmarks/out")
SHOPS = ("completejourney", "foodmart", "online_retail")
SEED = 20
RESAMPLES = 1000
MODEL = "model"


class Held(NamedTuple):
    """A shop's window: the fit before it, what was bought in it, and what model and rules said, float64[c] each, of orders and
    of money (no entry: the model is not fitted)."""

    at: datetime
    days: int
    fit: Fit
    actual: Mapping[str, Values]
    predicted: Mapping[str, Mapping[str, Values]]


class Score(NamedTuple):
    """Accuracy of one predictor: total predicted over total bought, mean absolute and root mean squared error, and both over
    the model's on the same customers (above 1: the model is better)."""

    quantity: str
    predictor: str
    total: Interval
    absolute: Interval
    squared: Interval
    absolute_ratio: Interval
    squared_ratio: Interval


class Decile(NamedTuple):
    """A tenth of the customers, by what the model expects: mean predicted and bought."""

    quantity: str
    tenth: int
    customers: int
    predicted: float
    actual: Interval


def main() -> int:
    """Predict, compare, print and write customer_value.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=90, help="length of the held-back window")
    parser.add_argument("--before", type=datetime.fromisoformat, help="its end, with an offset (default: that of the data)")
    parser.add_argument("--shops", nargs="+", default=SHOPS, choices=SHOPS)
    chosen = parser.parse_args()
    missing = [shop for shop in chosen.shops if not Path(os.environ.get("RECSYS_DATA") or "/nowhere", shop).is_dir()]
    if missing:
        console.complain(f"set RECSYS_DATA to the folder that holds {', '.join(missing)}")
        return 1
    written = {}
    for shop in chosen.shops:
        held = hold_back(
            load_settings(Path("examples", shop, "settings.toml")), datetime.now(UTC), chosen.days, chosen.before
        )
        found, tenths = scores(held), deciles(held)
        _show(shop, held, found, tenths)
        written[shop] = _plain(held, found, tenths)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "customer_value.json").write_text(json.dumps(written, indent=1) + "\n")
    return 0


def hold_back(settings: Settings, now: datetime, days: int, before: datetime | None = None) -> Held:
    """Fit on what came before the last days, counted from `before` or the midnight after the newest event, and read what came in
    them."""
    until = before or last_event(settings, now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    at = until - timedelta(days=days)
    known, whole = (prepare(settings, now=now, before=moment) for moment in (at, until))
    past = past_of(known.events, known.as_of, len(known.user_ids))
    lately = past_of(known.events.since(known.as_of - days * DAY - 1), known.as_of, len(known.user_ids))
    fit = fit_models(past, days)
    customers = past.orders > 0
    actual = _bought(_window(whole, known, days))
    return Held(
        at=at,
        days=days,
        fit=fit,
        actual={name: values[customers] for name, values in actual.items()},
        predicted={
            name: {predictor: values[customers] for predictor, values in each.items()}
            for name, each in _predictions(fit, past, _bought(lately)).items()
        },
    )


def scores(held: Held) -> list[Score]:
    """Judge every predictor of orders and of money."""
    found = []
    for quantity, predictors in held.predicted.items():
        actual = held.actual[quantity]
        absolute = {name: np.abs(values - actual) for name, values in predictors.items()}
        for name, values in predictors.items():
            ours, theirs = absolute[MODEL], absolute[name]
            total, mean, square, ratio, square_ratio = shares(
                np.stack([values, theirs, theirs**2, theirs, theirs**2], axis=1),
                np.stack([actual, np.ones_like(actual), np.ones_like(actual), ours, ours**2], axis=1),
            )
            found.append(Score(quantity, name, total, mean, _root(square), ratio, _root(square_ratio)))
    return found


def deciles(held: Held) -> list[Decile]:
    """Return what each tenth of the customers was expected to bring, the least first, and what it brought."""
    found = []
    for quantity, predictors in held.predicted.items():
        tenths = np.array_split(np.argsort(predictors[MODEL], kind="stable"), 10)
        for number, tenth in enumerate(tenths, 1):
            bought = held.actual[quantity][tenth]
            [mean] = shares(bought[:, None], np.ones((len(bought), 1)))
            found.append(Decile(quantity, number, len(tenth), float(predictors[MODEL][tenth].mean()), mean))
    return found


def shares(top: Values, below: Values) -> list[Interval]:
    """Σ top / Σ below of each column float64[c, columns], with its interval over the same resampled customers."""
    rng, n = np.random.default_rng(SEED), len(top)
    both = np.concatenate([top, below], axis=1)
    sums = np.stack([both.sum(axis=0), *(np.bincount(rng.integers(0, n, n), minlength=n) @ both for _ in range(RESAMPLES))])
    upper, lower = np.split(sums, 2, axis=1)
    ratios = np.divide(upper, lower, out=np.full(upper.shape, np.nan), where=lower > 0)
    low, high = np.nanpercentile(ratios[1:], (2.5, 97.5), axis=0)
    return [Interval(*map(float, each)) for each in zip(ratios[0], low, high, strict=True)]


def _window(whole: Prepared, known: Prepared, days: int) -> Past:
    """Return what the customers known before the window bought in it, in their rows of then."""
    row_of = {user: row for row, user in enumerate(known.user_ids)}
    later = whole.events.since(known.as_of - 1)
    rows = np.array([row_of.get(user, -1) for user in whole.user_ids], np.int32)[later.users]
    return past_of(replace(later, users=rows).where(rows >= 0), known.as_of + days * DAY, len(row_of))


def _bought(past: Past) -> dict[str, Values]:
    """Days with orders, and their revenue as far as values are known."""
    return {"orders": np.nan_to_num(past.seen.frequency + 1), "value": np.nan_to_num(past.revenue)}


def _predictions(fit: Fit, past: Past, lately: Mapping[str, Values]) -> dict[str, dict[str, Values]]:
    _, orders, value = predict(fit, past)
    before, span = _bought(past), fit.horizon_days
    customers = past.orders > 0
    found = {}
    for name, modelled in (("orders", orders), ("value", value)):
        if not np.isnan(modelled[customers]).all():
            found[name] = {
                MODEL: modelled,
                "own rate": before[name] / np.maximum(past.seen.age, span) * span,
                "the last days again": lately[name],
                "everybody alike": np.full(len(customers), lately[name][customers].mean()),
            }
    return found


def _root(squares: Interval) -> Interval:
    return Interval(*np.sqrt(squares).tolist())


def _show(shop: str, held: Held, found: Sequence[Score], tenths: Sequence[Decile]) -> None:
    title = f"{shop}: {held.days} days from {held.at:%Y-%m-%d}, {held.fit.customers:,.0f} customers"
    fitted = [(name, f"{value:.4g}") for name, value in held.fit._asdict().items()]
    console.facts(title, [*fitted, ("not fitted", held.fit.reason or "nothing")])
    for quantity in held.predicted:
        rows = [_row(each) for each in found if each.quantity == quantity]
        console.table(quantity, ("predicted by", "total", "MAE", "RMSE", "MAE / model's", "RMSE / model's"), rows)
        lines = [
            (each.tenth, each.customers, f"{each.predicted:.2f}", _said(each.actual))
            for each in tenths
            if each.quantity == quantity
        ]
        console.table(f"{quantity} by tenth of what is expected", ("tenth", "customers", "predicted", "bought"), lines)


def _row(score: Score) -> tuple[str, ...]:
    compared = ("", "") if score.predictor == MODEL else (_said(score.absolute_ratio), _said(score.squared_ratio))
    return score.predictor, _said(score.total), f"{score.absolute.mean:.2f}", f"{score.squared.mean:.2f}", *compared


def _said(value: Interval) -> str:
    return f"{value.mean:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _plain(held: Held, found: Sequence[Score], tenths: Sequence[Decile]) -> dict[str, Any]:
    return {
        "at": held.at.isoformat(),
        "days": held.days,
        "fit": {name: None if np.isnan(value) else value for name, value in held.fit._asdict().items()},
        "scores": [each._asdict() for each in found],
        "deciles": [each._asdict() for each in tenths],
    }


if __name__ == "__main__":
    sys.exit(main())
