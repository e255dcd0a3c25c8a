"""Customer value models: BG/NBD for orders, Gamma-Gamma for the money of one (docs/customer_value.md).

A transaction is a UTC day on which a customer placed orders, however many; the first is no repeat. BG/NBD is that of Fader, Hardie
and Lee, "Counting Your Customers the Easy Way", Marketing Science 24(2), 2005; Gamma-Gamma that of Fader and Hardie, "The
Gamma-Gamma Model of Monetary Value", 2013 (brucehardie.com/notes/025).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit, gammaln, hyp2f1

from recsys.behaviour import PURCHASE
from recsys.clock import DAY
from recsys.snapshot.histories import Events
from recsys.types import Arrays

Values: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

HORIZON_DAYS = 90.0
MIN_CUSTOMERS = 100
"""Fewest customers with a repeat transaction that a model is fitted on."""
_MAX_CUSTOMERS = 20_000
"""Customers that a model is fitted on, at most: of more, every second, third …; parameters are certain to a few percent then."""
_ANY = 1e-4, 1e6
_BOUNDS = (1e-4, 1e3), (1.0, 1e6), _ANY, _ANY
"""Of r, α (days), a and b: beyond them customers are alike or never leave, and ₂F₁ may overflow."""
_STEP = 1e-6
_UNKNOWN = math.nan


class Seen(NamedTuple):
    """Inputs of BG/NBD, arrays of one length c.

    frequency float64[c]: repeat transactions · recency, age float64[c]: days from the first transaction to the last, and to the
    moment of the fit.
    """

    frequency: Values
    recency: Values
    age: Values


class Spent(NamedTuple):
    """Inputs of Gamma-Gamma: how many repeat transactions have a known value, float64[c], and their mean value
    in the shop's currency, float64[c]."""

    transactions: Values
    mean: Values


class PurchaseModel(NamedTuple):
    """BG/NBD: a customer buys at the rate λ ~ Gamma(r, α) a day and leaves after each repeat transaction with the chance
    p ~ Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, seen: Seen) -> Values:
        """Log-likelihood float64[c] of each customer's past (Fader, Hardie and Lee, 2005, equation 6)."""
        r, alpha, a, b = self
        x, _, age = seen
        buying = gammaln(r + x) - gammaln(r) + r * math.log(alpha) - (r + x) * np.log(alpha + age)
        staying = betaln(a, b + x) - betaln(a, b)
        likely: Values = buying + staying + np.logaddexp(0, self._log_odds_gone(seen))
        return likely

    def alive(self, seen: Seen) -> Values:
        """Chance float64[c] that a customer has not left for good (Fader, Hardie and Lee, "Computing P(alive) Using the BG/NBD
        Model", 2008); 1 without a repeat transaction, for only these are followed by leaving."""
        chances: Values = expit(-self._log_odds_gone(seen))
        return chances

    def expected(self, seen: Seen, days: float) -> Values:
        """Transactions float64[c] to be expected in the next days (equation 10); at a = 1 and at a + b = 1 it is 0 / 0, and a steps
        past them."""
        r, alpha, a, b = self
        x, _, age = seen
        while min(abs(a - 1), abs(a + b - 1)) < _STEP:
            a += 2 * _STEP
        ahead = days / (alpha + age + days)
        stopping = (1 - ahead) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, ahead)
        expected: Values = (a + b + x - 1) / (a - 1) * (1 - stopping) * self.alive(seen)
        return expected

    def _log_odds_gone(self, seen: Seen) -> Values:
        """The second part of equation 6 over the first, as a logarithm."""
        r, alpha, a, b = self
        x, recency, age = seen
        rarer = math.log(a) - np.log(b + np.maximum(x, 1) - 1)
        return np.where(x > 0, rarer + (r + x) * np.log((alpha + age) / (alpha + recency)), -np.inf)


class SpendModel(NamedTuple):
    """Gamma-Gamma: a transaction's value ~ Gamma(p, ν), with ν ~ Gamma(q, γ) for each customer, whatever the frequency."""

    p: float
    q: float
    gamma: float

    def log_likelihood(self, spent: Spent) -> Values:
        """Log-likelihood float64[c] of each customer's mean value (Fader and Hardie, 2013, equation 1a)."""
        p, q, gamma = self
        x, mean = spent
        shape = p * x
        shapes = gammaln(shape + q) - gammaln(shape) - gammaln(q)
        likely: Values = (
            shapes
            + q * math.log(gamma)
            + (shape - 1) * np.log(mean)
            + shape * np.log(x)
            - (shape + q) * np.log(gamma + x * mean)
        )
        return likely

    def expected(self, spent: Spent) -> Values:
        """Value float64[c] to be expected of a transaction (equation 5): between the customer's mean and that of all, who
        alone speak for a customer without a known one."""
        p, q, gamma = self
        x, mean = spent
        values: Values = p * (gamma + np.where(x > 0, x * mean, 0)) / (p * x + q - 1)
        return values


class Fit(NamedTuple):
    """Fitted parameters, and the customers they were fitted on; a snapshot keeps it as one array, `Fit(*array)`.

    customers: with an order · repeating: with a repeat transaction · priced: with one of known value above nothing ·
    correlation: of these customers' mean value with their frequency, which Gamma-Gamma takes for 0 · then the parameters, NaN
    where nothing was fitted.
    """

    horizon_days: float
    customers: float
    repeating: float
    priced: float
    correlation: float = _UNKNOWN
    r: float = _UNKNOWN
    alpha: float = _UNKNOWN
    a: float = _UNKNOWN
    b: float = _UNKNOWN
    p: float = _UNKNOWN
    q: float = _UNKNOWN
    gamma: float = _UNKNOWN

    @property
    def purchases(self) -> PurchaseModel | None:
        """The model of purchases; None: not fitted."""
        return None if math.isnan(self.r) else PurchaseModel(self.r, self.alpha, self.a, self.b)

    @property
    def spending(self) -> SpendModel | None:
        """The model of money; None: not fitted."""
        return None if math.isnan(self.p) else SpendModel(self.p, self.q, self.gamma)

    @property
    def reason(self) -> str | None:
        """Return why nothing is expected of orders, or of money; None: both are."""
        if self.purchases is None:
            return f"Only {self.repeating:,.0f} customers ordered on two days or more; {MIN_CUSTOMERS} are needed."
        if self.spending is None:
            return f"Only {self.priced:,.0f} returning customers have orders of known value; {MIN_CUSTOMERS} are needed."
        return None


class Past(NamedTuple):
    """Sums of every user's orders, arrays of one length u, NaN where unknown.

    orders float64[u] · revenue float64[u] over all time · seen, spent: as the models read them.
    """

    orders: Values
    revenue: Values
    seen: Seen
    spent: Spent


def value_arrays(events: Events, as_of: int, n_users: int, horizon_days: float = HORIZON_DAYS) -> tuple[Arrays, Fit]:
    """Sum up what every user brought and expect what they will bring in the `horizon_days` after `as_of` (microseconds).

    Returns float32[u] each: orders, revenue (NaN: no order of known value), p_alive, expected_orders, expected_value (NaN: no
    order, or too few customers to fit on), and `fit`, float64[12].
    """
    past = past_of(events, as_of, n_users)
    fit = fit_models(past, horizon_days)
    alive, orders, value = predict(fit, past)
    found = {
        "orders": past.orders,
        "revenue": past.revenue,
        "p_alive": alive,
        "expected_orders": orders,
        "expected_value": value,
    }
    return {**{name: array.astype(np.float32) for name, array in found.items()}, "fit": np.array(fit)}, fit


def past_of(events: Events, as_of: int, n_users: int) -> Past:
    """Sum every user's kept purchases up, at `as_of` (microseconds)."""
    owners, days, values, orders = _transactions(events)
    transactions = np.bincount(owners, minlength=n_users)
    starts = np.cumsum(transactions) - transactions
    repeat = np.arange(len(owners)) > starts[owners]
    known, revenue = _sums(owners, values, n_users)
    repeat_known, repeat_revenue = _sums(owners[repeat], values[repeat], n_users)
    first, last = (np.full(n_users, np.nan) for _ in range(2))
    first[owners[~repeat]] = days[~repeat]
    last[owners] = days
    return Past(
        orders=np.bincount(owners, orders, n_users).astype(np.float64),
        revenue=np.where(known > 0, revenue, np.nan),
        seen=Seen(np.where(transactions > 0, transactions - 1.0, np.nan), last - first, as_of // DAY - first),
        spent=Spent(repeat_known, repeat_revenue / np.where(repeat_known > 0, repeat_known, np.nan)),
    )


def fit_models(past: Past, horizon_days: float = HORIZON_DAYS) -> Fit:
    """Fit both models by maximum likelihood, each if there are enough customers."""
    seen, spent = past.seen, past.spent
    customer, repeating, priced = past.orders > 0, seen.frequency > 0, (spent.transactions > 0) & (spent.mean > 0)
    fit = Fit(horizon_days, *(float(np.count_nonzero(mask)) for mask in (customer, repeating, priced)))
    if fit.repeating >= MIN_CUSTOMERS:
        purchases = _fit_purchases(Seen(*(_thinned(array[customer]) for array in seen)))
        fit = fit._replace(**purchases._asdict())
    if fit.priced >= MIN_CUSTOMERS:
        known = Spent(*(array[priced] for array in spent))
        spending = _fit_spending(Spent(*map(_thinned, known)))
        fit = fit._replace(correlation=_correlation(*known), **spending._asdict())
    return fit


def predict(fit: Fit, past: Past) -> tuple[Values, Values, Values]:
    """Chance that a customer is still one, transactions and money to be expected in the fit's horizon: float64[u] each."""
    nothing = np.full(len(past.orders), np.nan)
    if fit.purchases is None:
        return nothing, nothing, nothing
    alive, orders = fit.purchases.alive(past.seen), fit.purchases.expected(past.seen, fit.horizon_days)
    unknown = np.isnan(past.seen.frequency)
    alive[unknown] = np.nan
    return alive, orders, nothing if fit.spending is None else orders * fit.spending.expected(past.spent)


def _transactions(events: Events) -> tuple[Counts, Counts, Values, Values]:
    """Days with orders by user, then day: user, day, value (NaN: unknown) and how many orders, arrays of one length t.

    An order counts on the day of its first line that was kept.
    """
    bought = events.where(events.kinds == PURCHASE)
    bought = bought.where(np.lexsort((bought.times, bought.orders, bought.users)))
    starts = _changes(bought.users, bought.orders)
    known, total = _sums(np.cumsum(starts) - 1, bought.amounts, int(starts.sum()))
    owners, days = bought.users[starts].astype(np.int64), bought.times[starts] // DAY
    starts = _changes(owners, days)
    day_of, count = np.cumsum(starts) - 1, int(starts.sum())
    values = np.where(np.bincount(day_of, known, count) > 0, np.bincount(day_of, total, count), np.nan)
    orders = np.bincount(day_of, minlength=count).astype(np.float64)
    return owners[starts], days[starts], values, orders


def _changes(*keys: NDArray[np.int32] | Counts) -> NDArray[np.bool_]:
    """Return where any of these sorted keys differs from the one before: bool[n]."""
    starts = np.ones(len(keys[0]), bool)
    starts[1:] = np.any([np.diff(key) != 0 for key in keys], axis=0)
    return starts


def _sums(groups: Counts, values: Values, n_groups: int) -> tuple[Values, Values]:
    """Return how many known values a group has, and their sum: float64[g] each."""
    known = ~np.isnan(values)
    counts = np.bincount(groups[known], minlength=n_groups).astype(np.float64)
    return counts, np.bincount(groups[known], values[known], n_groups).astype(np.float64)


def _thinned(values: Values) -> Values:
    """Evenly chosen ones, if there are too many to fit on."""
    return values[:: -(-len(values) // _MAX_CUSTOMERS)]


def _fit_purchases(seen: Seen) -> PurchaseModel:
    """The likeliest model; customers of one past are weighed together."""
    distinct, weights = np.unique(np.stack(seen), axis=1, return_counts=True)
    together = Seen(*distinct)
    typical = float(seen.age.mean()) + 1
    starts = [(1.0, typical, a, b) for a, b in ((1.0, 1.0), (0.01, 0.1))]

    def likelihood(tried: Sequence[float]) -> Values:
        return PurchaseModel(*tried).log_likelihood(together)

    return PurchaseModel(*_likeliest(likelihood, weights.astype(np.float64), starts, _BOUNDS))


def _fit_spending(spent: Spent) -> SpendModel:
    """The likeliest model of which the mean exists: q > 1. Values are divided by their mean meanwhile."""
    unit = float(spent.mean.mean())
    scaled = Spent(spent.transactions, spent.mean / unit)

    def likelihood(tried: Sequence[float]) -> Values:
        return SpendModel(tried[0], 1 + tried[1], tried[2]).log_likelihood(scaled)

    p, above, gamma = _likeliest(likelihood, np.ones(len(spent.mean)), [(1.0, 1.0, 1.0)], (_ANY,) * 3)
    return SpendModel(p, 1 + above, gamma * unit)


def _likeliest(
    likelihood: Callable[[Sequence[float]], Values],
    weights: Values,
    starts: Sequence[Sequence[float]],
    bounds: Sequence[tuple[float, float]],
) -> list[float]:
    """The positive parameters with the largest weighted mean log-likelihood, found from the best of several starts."""
    from scipy.optimize import minimize  # a quarter of the time that a command takes to start

    def loss(logarithms: Values) -> float:
        return -float(np.average(likelihood(np.exp(logarithms).tolist()), weights=weights))

    found = [minimize(loss, np.log(start), method="L-BFGS-B", bounds=np.log(bounds)) for start in starts]
    best = min(found, key=lambda each: float(each.fun))
    likeliest: list[float] = np.exp(best.x).tolist()
    return likeliest


def _correlation(transactions: Values, mean: Values) -> float:
    """Pearson's correlation; 0 where one of them does not vary."""
    if np.ptp(transactions) == 0 or np.ptp(mean) == 0:
        return 0.0
    return float(np.corrcoef(transactions, mean)[0, 1])
