"""Customer value: the models against slow integrals and simulated customers, what they read against cases worked out by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, expit, log_expit
from scipy.stats import gamma, ttest_1samp

from benchmarks.lists.customer_value import deciles, hold_back, scores, shares
from recsys.engine.pipeline import Engine
from recsys.snapshot.store import publish
from tests.conftest import ITEMS, NOW, Shop, ago, busy_events, event, micros
from tests.support.shops.handmade import calm, world
from training.job.customer_value import (
    MIN_CUSTOMERS,
    Fit,
    Past,
    PurchaseModel,
    Seen,
    SpendModel,
    Spent,
    Values,
    fit_models,
    past_of,
    predict,
    value_arrays,
)
from training.report import write_report
from training.report.value import sum_up_value

CDNOW = PurchaseModel(0.243, 4.414, 0.793, 2.426)
"""The estimates of Fader, Hardie and Lee (2005); time in weeks."""
LOYAL = PurchaseModel(1.4, 22.0, 0.07, 42.0)
MODELS = [CDNOW, PurchaseModel(1.4, 22.0, 0.3, 42.0), PurchaseModel(0.8, 60.0, 1.0, 3.0), PurchaseModel(2.0, 30.0, 0.4, 0.6)]
"""Of these the third has a = 1 and the fourth a + b = 1."""
PASTS = [(0, 0.0, 38.86), (1, 3.0, 38.86), (2, 30.43, 38.86), (7, 29.43, 38.86), (40, 38.0, 39.0)]
SPENDING = SpendModel(6.25, 3.74, 15.44)
"""The estimates of Fader and Hardie (2013) for CDNOW."""
DAYS = 24 * 3600 * 10**6


def seen(*pasts: tuple[float, float, float]) -> Seen:
    """Customers of these frequencies, recencies and ages."""
    return Seen(*np.array(pasts, np.float64).T)


def integrate(
    model: PurchaseModel, past: tuple[float, float, float], of: Callable[[Values, Values, Values, Values], Values]
) -> float:
    """The integral, over all rates λ and chances p to leave, of a function of λ, p, and the likelihoods of having bought like this
    and stayed, and of having left at the last transaction; by the trapezoidal rule in log λ and logit p."""
    x, recency, age = past
    logs, logits = np.linspace(-140, 12, 3041)[:, None], np.linspace(-80, 60, 561)[None, :]
    rate, chance, stays = np.exp(logs), expit(logits), expit(-logits)
    density = gamma.pdf(rate, model.r, scale=1 / model.alpha) * rate
    density = density * np.exp(model.a * log_expit(logits) + model.b * log_expit(-logits) - betaln(model.a, model.b))
    stayed = stays**x * rate**x * np.exp(-rate * age)
    left = chance * stays ** (x - 1) * rate**x * np.exp(-rate * recency) if x else 0 * stayed
    step = (logs[1, 0] - logs[0, 0]) * (logits[0, 1] - logits[0, 0])
    return float((of(rate, chance, stayed, left) * density).sum() * step)


def simulate(model: PurchaseModel, ages: Values, ahead: float, seed: int) -> tuple[Seen, Values]:
    """Customers who buy as the model says: what is seen of them at their ages, and their transactions in the time ahead."""
    rng, n = np.random.default_rng(seed), len(ages)
    rate, chance = rng.gamma(model.r, 1 / model.alpha, n), rng.beta(model.a, model.b, n)
    time, frequency, recency, later, there = (np.zeros(n) for _ in range(5))
    staying = np.flatnonzero(there == 0)
    while len(staying):
        time[staying] += rng.exponential(1 / rate[staying])
        staying = staying[time[staying] <= ages[staying] + ahead]
        before = staying[time[staying] <= ages[staying]]
        frequency[before] += 1
        recency[before] = time[before]
        later[staying] += time[staying] > ages[staying]
        staying = staying[rng.random(len(staying)) >= chance[staying]]
    return Seen(frequency, recency, ages), later


def spend(model: SpendModel, transactions: Values, seed: int) -> Spent:
    """The mean values of so many transactions of customers who spend as the model says."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(model.q, 1 / model.gamma, len(transactions))
    return Spent(transactions, rng.gamma(model.p * transactions, 1 / rate) / transactions)


def past(seen: Seen, spent: Spent) -> Past:
    """Of customers who all have an order."""
    return Past(seen.frequency + 1, np.ones(len(seen.age)), seen, spent)


# --- BG/NBD


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("one", PASTS)
def test_purchases_are_what_the_integrals_say(model: PurchaseModel, one: tuple[float, float, float]) -> None:
    """Likelihood, chance to be still a customer and expected transactions equal the integrals that they solve."""
    likelihood = integrate(model, one, lambda _rate, _chance, stayed, left: stayed + left)
    stayed = integrate(model, one, lambda _rate, _chance, stayed, _left: stayed)
    ahead = integrate(model, one, lambda rate, chance, stayed, _left: -np.expm1(-rate * chance * 13) / chance * stayed)
    assert model.log_likelihood(seen(one))[0] == pytest.approx(np.log(likelihood), abs=1e-6)
    assert model.alive(seen(one))[0] == pytest.approx(stayed / likelihood, rel=1e-6)
    assert model.expected(seen(one), 13.0)[0] == pytest.approx(ahead / likelihood, rel=1e-5)


@pytest.mark.parametrize("model", [CDNOW, LOYAL])
def test_expected_transactions_come_true(model: PurchaseModel) -> None:
    """Customers simulated by the model buy what it expects: all of them, and those of each frequency, within chance."""
    found, later = simulate(model, np.linspace(1, 60, 40_000), 20.0, seed=3)
    expected = model.expected(found, 20.0)
    for frequency in ("all", 0.0, 1.0, 2.0, 5.0):
        chosen = np.ones(len(later), bool) if frequency == "all" else found.frequency == frequency
        assert chosen.sum() > 100
        assert ttest_1samp(later[chosen] - expected[chosen], 0).pvalue > 0.001, frequency


def test_a_model_is_found_again() -> None:
    """Fitted on 20,000 customers simulated over 39 weeks, CDNOW's parameters come back, and what they foretell."""
    ages = np.linspace(27, 39, 20_000)
    found, later = simulate(CDNOW, ages, 39.0, seed=4)
    fitted = fit_models(past(found, Spent(np.zeros_like(ages), np.full_like(ages, np.nan)))).purchases
    assert fitted is not None
    assert fitted[:2] == pytest.approx(CDNOW[:2], rel=0.1)
    assert fitted.a / (fitted.a + fitted.b) == pytest.approx(CDNOW.a / (CDNOW.a + CDNOW.b), rel=0.1)
    assert fitted.expected(found, 39.0).sum() == pytest.approx(later.sum(), rel=0.05)
    assert fitted.log_likelihood(found).sum() >= CDNOW.log_likelihood(found).sum()


@calm
@given(
    st.builds(PurchaseModel, st.floats(1e-3, 10), st.floats(1, 1e4), st.floats(1e-4, 1e4), st.floats(1e-4, 1e6)),
    st.integers(0, 3000),
    st.floats(0, 3000),
    st.floats(0, 1),
    st.floats(1, 90),
)
def test_no_past_breaks_the_formulas(model: PurchaseModel, frequency: int, more: float, part: float, days: float) -> None:
    """Whatever was seen, chances lie in 0 … 1, and nobody is expected to buy more than somebody who never leaves, or less in a
    longer time."""
    age = frequency + more
    one = seen((frequency, age * part if frequency else 0.0, age))
    alive, soon, later = model.alive(one)[0], model.expected(one, days)[0], model.expected(one, 2 * days)[0]
    loyal = (model.r + frequency) * days / (model.alpha + age)
    assert 0 <= alive <= 1
    assert -1e-9 <= soon <= loyal * (1 + 1e-4)
    assert soon <= later * (1 + 1e-4) + 1e-9
    assert np.isfinite(model.log_likelihood(one)[0])


def test_silence_lowers_the_chance_to_be_still_a_customer() -> None:
    """The longer the last transaction is ago the lower, sooner for frequent buyers; without a repeat transaction it is 1."""
    silent = CDNOW.alive(seen(*((10, 20, age) for age in (20, 25, 30, 60))))
    assert (np.diff(silent) < 0).all()
    rare, frequent = CDNOW.alive(seen((1, 20, 60), (10, 20, 60)))
    assert frequent < rare
    assert CDNOW.alive(seen((0, 0, 1000)))[0] == 1


# --- Gamma-Gamma


@pytest.mark.parametrize(("transactions", "mean"), [(1.0, 20.0), (2.0, 300.0), (30.0, 45.0)])
def test_spending_is_what_the_integrals_say(transactions: float, mean: float) -> None:
    """Likelihood and expected value equal integrals over the customers' rates ν: the mean of x values ~ Gamma(p, ν) is
    Gamma(p x, ν x)."""
    p, q, scale = SPENDING
    rate = np.exp(np.linspace(-40, 10, 20_001))
    weight = gamma.pdf(rate, q, scale=1 / scale) * rate * (50 / 20_000)
    likely = gamma.pdf(mean, p * transactions, scale=1 / (rate * transactions)) * weight
    one = Spent(np.array([transactions]), np.array([mean]))
    assert SPENDING.log_likelihood(one)[0] == pytest.approx(np.log(likely.sum()), abs=1e-8)
    assert SPENDING.expected(one)[0] == pytest.approx((p / rate * likely).sum() / likely.sum(), rel=1e-8)


def test_without_a_known_value_the_mean_of_all_speaks() -> None:
    """It is p γ / (q - 1), about 35 dollars for CDNOW; one dear order moves the expectation less than many."""
    none, one, many = SPENDING.expected(Spent(np.array([0.0, 1, 50]), np.array([np.nan, 200, 200])))
    assert none == pytest.approx(6.25 * 15.44 / 2.74)
    assert none < one < many < 200


def test_spending_is_found_again_in_any_currency() -> None:
    """Fitted on simulated customers the parameters come back; in cents only γ is a hundred times larger."""
    spent = spend(SPENDING, np.tile([1.0, 2, 3, 8], 3000), seed=5)
    always = Seen(spent.transactions, np.full(12_000, 100.0), np.full(12_000, 100.0))
    euros, cents = (fit_models(past(always, Spent(spent.transactions, spent.mean * unit))).spending for unit in (1, 100))
    assert euros is not None
    assert cents is not None
    assert euros == pytest.approx(SPENDING, rel=0.1)
    assert cents == pytest.approx(euros._replace(gamma=100 * euros.gamma), rel=1e-2)


# --- what the models read


def test_pasts_are_those_worked_out_by_hand() -> None:
    """Orders of one day are one transaction, which counts on the day of its first kept line; the first is no repeat; what was
    refunded counts nowhere; lines without a price leave the others; a line without a quantity is one piece."""
    day = NOW.replace(hour=0)
    bought = [
        event("anna", "soap-1", "purchase", day - timedelta(days=40), order_id="1", quantity=2.0, price=10.0),
        event("anna", "soap-2", "purchase", day - timedelta(days=30), order_id="2", quantity=1.0, price=5.0),
        event("anna", "soap-1", "purchase", day - timedelta(days=30, hours=-20), order_id="3", quantity=None, price=7.0),
        event("anna", "bag-1", "purchase", day - timedelta(days=30), order_id="3", quantity=3.0, price=None),
        event("anna", "soap-1", "purchase", day - timedelta(days=10), order_id="4", quantity=1.0, price=30.0),
        event("anna", "soap-2", "purchase", day - timedelta(days=9), order_id="1", quantity=1.0, price=1.0),
        event("anna", "soap-2", "purchase", day - timedelta(days=5), order_id="5", quantity=1.0, price=99.0),
        event("anna", "soap-2", "refund", day - timedelta(days=4), order_id="5"),
        event("bob", "soap-1", "purchase", day - timedelta(days=7), order_id="6", quantity=1.0, price=None),
        event("cleo", "soap-1", "view", day),
    ]
    tables = world(bought).tables
    found = past_of(tables.events, micros(day), tables.n_users)
    assert found.orders.tolist() == [4, 1, 0]
    np.testing.assert_array_equal(found.revenue, [63.0, np.nan, np.nan])
    np.testing.assert_array_equal(np.stack(found.seen, axis=1), [[2, 30, 40], [0, 0, 7], [np.nan] * 3])
    np.testing.assert_array_equal(np.stack(found.spent, axis=1), [[2, 21.0], [0, np.nan], [0, np.nan]])


def test_a_shop_without_events_has_no_values() -> None:
    """Nobody is expected to do anything, and nothing fails."""
    tables = world([]).tables
    arrays, fit = value_arrays(tables.events, micros(NOW), 2)
    assert {name: array.shape for name, array in arrays.items() if name != "fit"} == dict.fromkeys(
        ("orders", "revenue", "p_alive", "expected_orders", "expected_value"), (2,)
    )
    assert (fit.customers, arrays["orders"].tolist()) == (0, [0, 0])
    assert np.isnan(arrays["expected_value"].astype(float)).all()


# --- a shop's values


def regulars(shop: Shop, customers: int, priced: bool = True) -> Shop:
    """Customers who order every 5, 6, … 14 days; the last one of ten was never seen again after the second order."""
    for number in range(customers):
        gap = 5 + number % 10
        for back in range(190 - number % 20, 0, -gap)[: 2 if number % 10 == 9 else None]:
            order = {"order_id": f"{number}-{back}", "quantity": 1.0, "price": 10.0 + number % 7 if priced else None}
            shop.add(event(f"user-{number:03}", "soap-1", "purchase", ago(back), **order))
    return shop


def values_of(shop: Shop) -> tuple[dict[str, Values], Fit]:
    """What is made of a shop's events, as floats."""
    made = world(shop.events, [{**row, "price": None} for row in ITEMS])
    arrays, fit = value_arrays(made.tables.events, micros(NOW), made.tables.n_users)
    assert {array.dtype for name, array in arrays.items() if name != "fit"} == {np.dtype(np.float32)}
    return {name: array.astype(np.float64) for name, array in arrays.items()}, fit


def test_values_stand_in_the_rows_of_the_users(shop: Shop) -> None:
    """A regular is expected to go on, somebody long silent is not; a shopper without an order has no values; a snapshot
    holds the fit in one array."""
    regulars(shop, 200).add(event("a lead", "soap-1", "view", ago(1)))
    found, fit = values_of(shop)
    assert (found["orders"][0], fit.customers, fit.repeating, fit.reason) == (0, 200, 200, None)
    assert all(np.isnan(found[name][0]) for name in ("revenue", "p_alive", "expected_orders", "expected_value"))
    regular, silent = 1, 10
    assert (found["orders"][regular], found["revenue"][regular]) == (38, 380.0)
    assert found["expected_orders"][regular] > 10 > 1 > found["expected_orders"][silent]
    assert found["p_alive"][regular] > 0.9 > found["p_alive"][silent]
    assert found["expected_value"][regular] == pytest.approx(10.5 * found["expected_orders"][regular], rel=0.1)
    assert Fit(*found["fit"].tolist()) == fit


def test_too_few_customers_make_no_model(shop: Shop) -> None:
    """Below the least number of returning customers everything expected is unknown, and the reason says how many there are."""
    found, fit = values_of(regulars(shop, MIN_CUSTOMERS - 1))
    assert all(np.isnan(found[name]).all() for name in ("p_alive", "expected_orders", "expected_value"))
    assert fit.reason == "Only 99 customers ordered on two days or more; 100 are needed."
    assert values_of(regulars(Shop(shop.folder), MIN_CUSTOMERS))[1].reason is None


def test_without_prices_only_orders_are_expected(shop: Shop) -> None:
    """Revenue and its expectation are unknown, and the reason says so."""
    found, fit = values_of(regulars(shop, 120, priced=False))
    assert np.isfinite(found["expected_orders"]).all()
    assert np.isnan(found["revenue"]).all()
    assert np.isnan(found["expected_value"]).all()
    assert fit.reason == "Only 0 returning customers have orders of known value; 100 are needed."


@pytest.mark.long
def test_many_customers_are_fitted_on_some() -> None:
    """Of 60,000 customers a third is fitted on, which foretells the others' transactions as well."""
    found, later = simulate(LOYAL, np.linspace(100, 400, 60_000), 90.0, seed=6)
    everybody = past(found, spend(SPENDING, np.maximum(found.frequency, 1), seed=7))
    fit = fit_models(everybody)
    _, orders, value = predict(fit, everybody)
    assert fit.customers == 60_000
    assert np.isfinite(value).all()
    assert orders.sum() == pytest.approx(later.sum(), rel=0.02)
    assert abs(fit.correlation) < 0.02


# --- the report


def judged(shop: Shop) -> Engine:
    """Four customers and a lead of a shop; the values are made up."""
    for user, back in (("active", 5), ("active", 20), ("defecting", 100), ("first", 10), ("inactive", 500)):
        shop.add(event(user, "soap-1", "purchase", ago(back), order_id=f"{user}-{back}", quantity=1.0, price=10.0))
    fitted = shop.add(event("lead", "soap-1", "view", ago(1))).fit()
    fit = Fit(90.0, 4.0, 150.0, 120.0, 0.1, 1.0, 30.0, 0.5, 9.5, 6.0, 4.0, 15.0)
    names = ("orders", "revenue", "p_alive", "expected_orders", "expected_value")
    rows = [[2, 20, 1, 3, 60], [1, 10, 0.5, 1, 10], [1, 10, 1, 1, 30], [1, 10, 0.1, 0, 0], [0, *[np.nan] * 4]]
    values = dict(zip(names, np.array(rows, np.float32).T, strict=True))
    groups = {**fitted.groups, "value": {**values, "fit": np.array(fit)}}
    publish(shop.folder / "artifacts", fitted.manifest, groups)
    fitted.groups["value"] = groups["value"]
    return Engine(fitted.snapshot(), shop.settings)


def test_parts_have_their_shares_of_what_was_and_will_be(shop: Shop) -> None:
    """By lifecycle stage and by tenth, leads left out, worked out by hand."""
    found = sum_up_value(judged(shop), micros(NOW))
    assert found is not None
    assert (found.everybody.people, found.everybody.orders, found.everybody.money) == (4, 5.0, 100.0)
    stages = {each.name: (each.people, each.share, each.revenue_share, each.money_share) for each in found.stages}
    assert stages == {
        "first_time": (1, 0.25, 0.2, 0.3),
        "active": (1, 0.25, 0.4, 0.6),
        "defecting": (1, 0.25, 0.2, 0.1),
        "inactive": (1, 0.25, 0.2, 0.0),
    }
    assert [each.money for each in found.tenths] == [60.0, 30.0, 10.0, 0.0]
    assert found.richest is not None
    assert (found.richest.share, found.richest.revenue_share) == (0.25, 0.4)


def text_of(shop: Shop) -> str:
    """The report's text, spaces joined, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", write_report(shop.settings, NOW).read_text()).replace("\xa0", " ").split())


def test_the_page_says_who_brings_what(shop: Shop) -> None:
    """Sentences of the richest, the table of the stages, and the parameters in words."""
    judged(shop)
    text = text_of(shop)
    for sentence in (
        "25 % of customers, those who spent most, brought 40 % of revenue.",
        "can expect about 5.0 orders worth 100.00 in the next 90 days, 60 % of that from the best tenth",
        "Active several orders, the last not older than 90 days 1 25 % 25 % of customers 20.00 40 % 3.00 60.00 60 %",
        "orders on 1.00 of 30 days, and after each further order 5.0 % leave for good",
    ):
        assert sentence in text, sentence


def test_the_page_says_why_nothing_is_expected(busy_shop: Shop) -> None:
    """With too few customers the revenue so far is told, and the reason."""
    fitted = busy_shop.fit()
    made = world(busy_events())
    fitted.groups["value"], _ = value_arrays(made.tables.events, micros(NOW), made.tables.n_users)
    publish(busy_shop.folder / "artifacts", fitted.manifest, fitted.groups)
    assert "What they will bring is not told. Only 0 customers ordered on two days or more" in text_of(busy_shop)


def test_a_snapshot_without_values_has_no_such_section(shop: Shop) -> None:
    """As of one made before there were values, or of a shop in which nobody ordered."""
    engine = judged(shop)
    values = engine.snapshot.groups["value"]
    for group in (None, {**values, "orders": np.zeros(5, np.float32)}):
        engine.snapshot.groups = {**engine.snapshot.groups, **({"value": group} if group else {"value": {}})}
        assert sum_up_value(engine, micros(NOW)) is None


# --- the benchmark


def test_a_window_is_held_back(shop: Shop) -> None:
    """Predicted from what came before, compared with the days and the revenue that the customers of then brought in the window;
    who came later does not count."""
    regulars(shop, 120).add(event("new", "soap-1", "purchase", ago(40), order_id="new", quantity=1.0, price=5.0))
    shop.write()
    held = hold_back(shop.settings, NOW, 30, datetime(2026, 3, 1, tzinfo=UTC))
    assert (held.at, held.fit.customers) == (datetime(2026, 1, 30, tzinfo=UTC), 120)
    first = [row for row in shop.events if row["user_id"] == "user-000" and held.at <= row["timestamp"]]
    inside = [row for row in first if row["timestamp"] < held.at + timedelta(days=30)]
    assert (held.actual["orders"][0], held.actual["value"][0]) == (len(inside), 10.0 * len(inside))
    assert 0 < len(inside) < len(first)
    assert held.predicted["orders"]["the last days again"][0] == 6
    assert held.predicted["orders"]["own rate"][0] == pytest.approx(26 / 130 * 30)
    found = {(each.quantity, each.predictor): each for each in scores(held)}
    assert found["orders", "model"].absolute_ratio == pytest.approx((1, 1, 1))
    assert found["orders", "everybody alike"].absolute_ratio.low > 1
    assert [each.customers for each in deciles(held)] == [12] * 20


def test_ratios_have_intervals_over_customers() -> None:
    """Of ten thousand customers the ratio of sums is as certain as its standard error says; equal columns have none."""
    rng = np.random.default_rng(8)
    values = rng.exponential(1.0, (10_000, 1))
    mean, same = shares(np.hstack([values, values]), np.hstack([np.ones_like(values), values]))
    assert mean.mean == pytest.approx(values.mean())
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * values.std() / 100, rel=0.1)
    assert same == pytest.approx((1, 1, 1))
