"""Days of cover: what they are, where they end, and how the report tells them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.snapshot.stock import at_risk, days_of_cover, units_missing, units_sold
from tests.conftest import ITEMS, NOW, ago, event, micros
from tests.support.shops.handmade import calm, world
from training.report.stock import sum_up_stock

pieces = st.integers(0, 10_000)
UNKNOWN = float("nan")


def one(value: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The figure of a single item."""
    return np.array([value], np.float32)


@pytest.mark.parametrize(
    ("stock", "sold", "days"),
    [
        (14, 28, 14),
        (10, 56, 5),
        (0, 1, 0),
        (-3, 1, 0),
        (1, 2, 14),
        (0.5, 28, 0.5),
        (5, 0, UNKNOWN),
        (0, 0, UNKNOWN),
        (UNKNOWN, 5, UNKNOWN),
    ],
)
def test_days_of_cover_are_stock_at_the_pace_of_28_days(stock: float, sold: float, days: float) -> None:
    """stock / (sold / 28); sold out, or oversold, is no day; unknown without a stock figure or without sales."""
    np.testing.assert_array_equal(days_of_cover(one(stock), one(sold)), one(days))


@pytest.mark.parametrize(
    ("stock", "sold", "risky", "missing"),
    [
        (14, 28, False, 0),
        (13, 28, True, 1),
        (15, 28, False, 0),
        (0, 1, True, 0.5),
        (-3, 2, True, 1),
        (0, 0, False, 0),
        (UNKNOWN, 28, False, UNKNOWN),
    ],
)
def test_at_risk_is_less_than_the_lead_time(stock: float, sold: float, risky: bool, missing: float) -> None:
    """Exactly the 14 days are enough; a day less is not, and lacks a day's pieces."""
    assert at_risk(one(stock), one(sold), 14).tolist() == [risky]
    np.testing.assert_array_equal(units_missing(one(stock), one(sold), 14), [missing])


@calm
@given(st.lists(st.tuples(pieces, pieces), min_size=1), st.integers(1, 400))
def test_who_is_at_risk_lacks_pieces(rows: list[tuple[int, int]], lead_days: int) -> None:
    """An item is at risk if and only if the lead time wants pieces beyond its stock: stock × 28 < sold × lead days."""
    stock, sold = np.array(rows, np.float32).T
    expected = [there * 28 < gone * lead_days for there, gone in rows]
    assert at_risk(stock, sold, lead_days).tolist() == expected
    missing = units_missing(stock, sold, lead_days)
    assert (missing > 1e-6).tolist() == expected
    np.testing.assert_allclose(
        missing, [max(gone * lead_days / 28 - there, 0) for there, gone in rows], rtol=1e-9, atol=1e-6
    )


@pytest.mark.parametrize(
    ("at", "counted"),
    [
        (ago(days=28), 0),
        (ago(days=28) + timedelta(microseconds=1), 1),
        (NOW, 1),
        (NOW + timedelta(microseconds=1), 0),
    ],
)
def test_the_window_is_open_below_and_closed_above(at: datetime, counted: int) -> None:
    """What was sold 28 days ago to the microsecond counts no more; what is sold this moment does."""
    made = world([event("ann", "sofa-1", "purchase", at)])
    assert units_sold(made.tables.events, made.catalog, micros(NOW)).sum() == counted


def test_pieces_are_those_that_were_kept() -> None:
    """Quantities add up, an unknown one is a piece; what was given back, only viewed, or is no item of the shop is none."""
    made = world(
        [
            event("ann", "sofa-1", "purchase", quantity=2.0),
            event("bob", "sofa-1", "purchase", quantity=None),
            event("cat", "lamp-1", "purchase", ago(2), quantity=5.0, order_id="1"),
            event("cat", "lamp-1", "refund", ago(1), quantity=4.0, order_id="1"),
            event("dan", "bag-1", "purchase", ago(2)),
            event("dan", "bag-1", "refund", ago(1)),
            event("eve", "soap-1", "view"),
            event("eve", "no such item", "purchase"),
        ]
    )
    sold = units_sold(made.tables.events, made.catalog, micros(NOW))
    assert sold.dtype == np.float32
    found = {made.catalog.item_id(row): sold[row] for row in np.flatnonzero(sold).tolist()}
    assert found == {"sofa-1": 3, "lamp-1": 1}
    np.testing.assert_array_equal(sold, made.catalog.sold)


# --- the report


STOCKED = [{**item, "stock": 5.0} for item in ITEMS]


def buys(item: str, count: int) -> list[dict[str, Any]]:
    """So many pieces sold, each to somebody else."""
    return [event(f"{item}-{number}", item, "purchase", ago(days=3)) for number in range(count)]


def test_the_report_sums_up_who_is_at_risk() -> None:
    """Items with a figure, those selling, those at risk, those sold out; the pieces and the revenue that will be missing."""
    items = [
        {**item, "stock": stock}
        for item, stock in zip(ITEMS, [0.0, 5.0, 1.0, None, 3.0, *[9.0] * (len(ITEMS) - 5)], strict=True)
    ]
    events = [*buys("sofa-1", 4), *buys("sofa-3", 6), *buys("sofa-4", 6), *buys("lamp-1", 6)]
    found = sum_up_stock(world(events, items).catalog, 14)
    assert found is not None
    assert (found.known, found.selling, found.at_risk, found.sold_out) == (11, 3, 2, 1)
    assert (found.missing, found.revenue) == (4, 2 * 900 + 2 * 1500)
    assert [(item["item_id"], item["revenue_at_risk"]) for item in found.worst] == [("sofa-3", 3000), ("sofa-1", 1800)]


def test_without_prices_there_is_no_revenue_at_risk() -> None:
    """What is at risk is still told, the most pieces first."""
    items = [{**item, "price": None, "stock": 0.0} for item in ITEMS]
    found = sum_up_stock(world([*buys("lamp-1", 2), *buys("bag-1", 3)], items).catalog, 14)
    assert found is not None
    assert found.revenue is None
    assert [item["item_id"] for item in found.worst] == ["bag-1", "lamp-1"]


def test_a_shop_without_stock_has_no_section() -> None:
    """No figure at all is None; figures without sales are a section that says that nothing runs out."""
    assert sum_up_stock(world(buys("sofa-1", 4)).catalog, 14) is None
    found = sum_up_stock(world([], STOCKED).catalog, 14)
    assert found is not None
    assert (found.known, found.selling, found.at_risk, found.worst) == (len(ITEMS), 0, 0, ())
