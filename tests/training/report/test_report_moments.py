"""Costs of offers, worked out by hand, and as the report says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.clock import DAY
from tests.conftest import NOW, Shop, ago, event, micros
from training.report import write_report
from training.report.moments import estimate_leakage


def hesitant(user: str, days: float, *, bought_after: float | None = None) -> list[dict[str, object]]:
    """Somebody who ordered once, looked again so many days ago, and bought so many days after the offer was due."""
    rows = [event(user, "sofa-1", "purchase", ago(days=60), order_id=user), event(user, "lamp-1", "view", ago(days=days))]
    if bought_after is not None:
        rows.append(event(user, "lamp-1", "purchase", ago(days=days - 2 - bought_after), order_id=f"{user} again"))
    return rows


@pytest.mark.parametrize(
    ("rows", "due", "bought"),
    [
        (hesitant("a", 20), 1, 0),
        (hesitant("a", 20, bought_after=13.9), 1, 1),
        (hesitant("a", 20, bought_after=14.1), 1, 0),
        (hesitant("a", 20, bought_after=-0.5), 0, 0),
        (hesitant("a", 16), 1, 0),
        (hesitant("a", 15.9), 0, 0),
        (hesitant("a", 43.9), 1, 0),
        (hesitant("a", 44), 0, 0),
        ([event("a", "lamp-1", "view", ago(days=20))], 0, 0),
        ([*hesitant("a", 20), event("a", "bag-1", "purchase", ago(days=30), order_id="second")], 0, 0),
    ],
)
def test_leakage_counts_offers_and_who_bought_anyway(
    shop: Shop, rows: list[dict[str, object]], due: int, bought: int
) -> None:
    """Due 48 hours after a visit in the 28 days before the last 14; bought in the 14 days after; only who would get one."""
    shop.add(*rows, event("clock", None, "home_view", NOW))
    found = estimate_leakage(shop.engine(), micros(NOW))
    assert (found.due, found.bought) == (due, bought) if found else due == 0


def test_leakage_is_a_share_of_all(shop: Shop) -> None:
    """Of several people, and several visits of one, each offer counts."""
    shop.add(*hesitant("a", 20, bought_after=3), *hesitant("b", 20), event("b", "lamp-2", "view", ago(days=25)))
    found = estimate_leakage(shop.engine(), micros(NOW) - DAY // 2)
    assert found is not None
    assert (found.due, found.bought, found.share) == (3, 1, 1 / 3)


def test_the_report_says_it(shop: Shop, tmp_path: Path) -> None:
    """A paragraph under Customers; none where nobody was due."""
    shop.toml += "[evaluation]\ndays = 2\nresamples = 100\n"
    shop.add(*hesitant("a", 20, bought_after=3), *hesitant("b", 20), event("clock", None, "home_view", NOW))
    shop.publish()
    text = write_report(shop.settings, NOW).read_text()
    assert "What offers would give away" in text
    assert "<strong>50" in text
