"""Truth of moments: users who count as due, purchases that count afterwards, and how sure a share is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from benchmarks.moments.moments_truth import RIVALS, SLATE, Draws, Past, between, judge, looks_before
from recsys.live.databases import log_in
from recsys.settings.moments import MomentsSettings
from recsys.settings.placements import Placement, Rule
from tests.conftest import NOW, Shop, busy_events, event
from training.job.job import prepare

LOOK = datetime(2026, 3, 1, tzinfo=UTC)
HELD = 28
REGULARS = [f"regular-{n:02}" for n in range(12)]
"""They bought soap three times, every thirty days, the last time five days more than that ago."""
LATER: list[tuple[str, str, float]] = [
    ("regular-00", "soap-1", 0),
    ("regular-01", "soap-1", 13.9),
    ("regular-02", "soap-1", 14),
    ("regular-03", "soap-2", 20),
    ("regular-04", "soap-1", 10),
    ("fresh", "soap-1", 20),
    ("once", "lamp-1", 15),
    ("lost", "lamp-1", 5),
    ("lost", "bag-1", 27),
]
"""Who bought what, so many days after the look."""


def bought(user: str, item: str, days: float, kind: str = "purchase") -> dict[str, Any]:
    """A purchase, or its refund, so many days after the look; an order a day."""
    return event(user, item, kind, LOOK + timedelta(days=days), order_id=f"{user} {days // 1}", quantity=1.0, price=5.0)


@pytest.fixture
def truth(shop: Shop) -> Shop:
    """A shop that has people to judge, and what they did before and after the look."""
    shop.add(*busy_events(), *(bought(user, "soap-1", -days) for user in REGULARS for days in (35, 65, 95)))
    shop.add(
        bought("fresh", "soap-2", -40),
        bought("fresh", "soap-1", -10),
        bought("once", "sofa-1", -15),
        bought("lost", "sofa-1", -100),
    )
    shop.add(*(bought(*each) for each in LATER))
    shop.add({**bought("regular-04", "soap-1", 12, "refund"), "order_id": "regular-04 10"})
    shop.write()
    return shop


@pytest.fixture
def past(truth: Shop, tmp_path: Path) -> Iterator[Past]:
    """The shop at the look."""
    moments = MomentsSettings(consent="assumed", items=12)
    placements = {"blend": Placement(rules=(Rule(name="blend", blend=True),))}
    settings = msgspec.structs.replace(truth.settings, moments=moments, placements=placements)
    whole = prepare(settings, now=NOW, before=LOOK + timedelta(days=HELD))
    state = log_in(tmp_path / "state")
    yield Past(settings, NOW, LOOK, whole, state)
    state.close()


def of_item(past: Past, item: str) -> dict[int, dict[str, Any]]:
    """The pairs with an item, by the customer's row."""
    return {row["user"]: row for row in past.pairs().filter(pl.col("item_id") == item).iter_rows(named=True)}


def test_pairs_say_what_is_due_and_what_was_bought_again(past: Past, truth: Shop) -> None:
    """An item is due by its usual gap. From the moment of the look on a purchase counts, at the end of a span not any more, given
    back never, and of the leaf category any item; a span that the data do not hold is not known."""
    users = sorted({row["user_id"] for row in truth.events})
    soap = {users[row]: pair for row, pair in of_item(past, "soap-1").items()}
    regulars = [soap[user] for user in REGULARS]
    assert all(each["due"] and each["told"] and each["orders"] == 3 for each in regulars)
    assert {each["gaps"] for each in regulars} == {each["own_gaps"] for each in regulars} == {35 / 30}
    assert [each["item_14"] for each in regulars[:5]] == [True, True, False, False, False]
    assert [each["item_28"] for each in regulars[:5]] == [True, True, True, False, False]
    assert [each["leaf_28"] for each in regulars[:5]] == [True, True, True, True, False]
    assert {each["item_90"] for each in regulars} == {None}
    fresh = soap["fresh"]
    assert (fresh["due"], fresh["told"], fresh["orders"], fresh["own_gaps"]) == (False, False, 1, None)
    assert fresh["gaps"] == pytest.approx(10 / 30)
    assert (fresh["item_14"], fresh["item_28"]) == (False, True)


def test_customers_stand_where_their_last_order_put_them(past: Past) -> None:
    """Who is due for a second order, who is defecting since when, and who of all bought again."""
    found = {row.pop("user_id"): row for row in past.customers().iter_rows(named=True)}
    once, lost, fresh = found["once"], found["lost"], found["fresh"]
    assert (once["orders"], once["age"], once["second"], once["stage"], once["away"]) == (1, 15, True, "active", 15)
    assert (lost["age"], lost["second"], lost["stage"], lost["away"]) == (100, False, "defecting", 10)
    assert (fresh["second"], fresh["stage"]) == (False, "active")
    assert [(once[f"again_{days}"], lost[f"again_{days}"]) for days in (14, 28, 90)] == [
        (False, True),
        (True, True),
        (None, None),
    ]


def test_lists_are_held_against_what_was_bought(past: Past) -> None:
    """The part of what somebody bought in a span that stands on a list; what they own alone holds nothing new."""
    customers = past.customers()
    lists = past.lists(customers.filter(pl.col("user_id") == "lost"))
    judged = {row["list"]: row for row in lists.iter_rows(named=True)}
    assert len(judged) == len(lists) == 5
    assert (judged["bestsellers"]["recall_14"], judged["bestsellers"]["recall_28"]) == (1, 1)
    assert (judged["what they own"]["hit_28"], judged["what they own"]["recall_28"]) == (0, 0)
    assert 0 <= judged[SLATE]["recall_28"] <= 1
    assert {row["hit_90"] for row in judged.values()} == {None}


@pytest.mark.long
def test_looks_are_laid_together(truth: Shop) -> None:
    """Every table has the cases of all looks, and nobody counts twice as a customer."""
    looks = [LOOK - timedelta(days=HELD), LOOK]
    both, *each = (judge(truth.settings, NOW, chosen) for chosen in (looks, looks[:1], looks[1:]))
    for title in ("replenish", "second order", "winback"):
        cases = Counter({line.label: line.cases for line in both[title]})
        assert cases == sum((Counter({line.label: line.cases for line in one[title]}) for one in each), Counter())
    soap = {line.label: line for line in both["replenish"]}
    assert (soap["due"].cases, soap["due"].means["item_28"].mean) == (12, 0.25)
    assert (soap["not due"].cases, soap["not due"].customers) == (15, 13)
    lost = next(line for line in both["winback"] if line.label == "defecting, 7 to 14 days")
    assert (lost.cases, lost.means["again_28"].mean) == (1, 1)
    assert [line.label for line in both["defecting, came back within 28 days"]] == [*RIVALS, SLATE]


def test_looks_leave_the_last_days() -> None:
    """The last look is 28 days before the end of the last day, the others as long before one another."""
    looks = looks_before(datetime(2026, 3, 28, 0, 0, 1, tzinfo=UTC))
    assert looks[-1] == LOOK
    assert {later - earlier for earlier, later in pairwise(looks)} == {timedelta(days=28)}


def test_spans_are_half_open() -> None:
    """A case lies in one group: the first bound is in, the second out."""
    groups = between("age", (0, 7, 14.5, np.inf), "days")
    assert list(groups) == ["0 to 7 days", "7 to 14.5 days", "14.5 or more days"]
    found = pl.DataFrame({"age": [-1.0, 0.0, 6.99, 7.0, 14.5, 900.0]}).select(**groups)
    assert found.sum().row(0) == (2, 1, 2)


def test_intervals_are_over_customers() -> None:
    """Five like cases of each customer are no surer than one, and a lift over oneself is 1."""
    rng = np.random.default_rng(7)
    hits = rng.random(2_000) < 0.2
    users = np.arange(2_000)
    draws = Draws(2_000)
    one = pl.DataFrame({"user": users, "hit": hits})
    alone, fivefold = (
        draws.compare(cases, {"all": pl.lit(True)}, ["hit"], "all")[0] for cases in (one, pl.concat([one] * 5))
    )
    assert (fivefold.cases, fivefold.customers) == (10_000, 2_000)
    assert fivefold.means["hit"] == pytest.approx(alone.means["hit"])
    assert alone.means["hit"].mean == pytest.approx(hits.mean())
    width = alone.means["hit"].high - alone.means["hit"].low
    assert width == pytest.approx(2 * 1.96 * np.sqrt(0.16 / 2_000), rel=0.15)
    assert alone.lifts["hit"] == (1, 1, 1)


def test_lifts_are_over_a_reference_that_has_some() -> None:
    """A lift is a ratio of shares; where a draw of the reference has none there is none, and unknown outcomes do not count."""
    users = np.arange(400)
    cases = pl.DataFrame(
        {
            "user": users,
            "half": users % 2 == 0,
            "hit": np.where(users % 2 == 0, users % 4 == 0, users % 20 == 1),
            "rare": users == 0,
            "gone": pl.Series([None] * 399 + [True], dtype=pl.Boolean),
        }
    )
    groups = {"a": ~pl.col("half"), "b": pl.col("half"), "nobody": pl.lit(False)}
    lines = {line.label: line for line in Draws(400).compare(cases, groups, ["hit", "rare", "gone"], "a")}
    assert set(lines) == {"a", "b"}
    assert lines["b"].lifts["hit"].mean == pytest.approx(5)
    assert lines["b"].lifts["hit"].low > 1
    assert "rare" not in lines["b"].lifts
    assert lines["a"].means["gone"].mean == 1
    assert "gone" not in lines["b"].means
