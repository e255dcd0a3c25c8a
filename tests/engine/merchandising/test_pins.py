"""Pins that stand, move up or give way: what stands is named, and what does not is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from recsys.engine.pipeline import Engine
from tests.conftest import ask, shown
from tests.engine.merchandising.test_merchandising import ITEMS, brand, campaign, explanation_of, market, without_campaigns

__all__ = ["market", "without_campaigns"]


def pin(item: str, place: int) -> dict[str, Any]:
    """Pin an item."""
    return {"pin": {"item_id": item, "place": place}}


def named(engine: Engine) -> Mapping[str, str | None]:
    """The campaign that each item of a list of eight is there for."""
    slate = ask(engine, "nobody", limit=8)
    return dict(zip(shown(engine, slate), (each.campaign for each in slate.reasons), strict=True))


def test_a_reason_names_the_campaign_whose_pin_stands(market: Engine) -> None:
    """Another one, whose pin of the same item another item has taken the place of, did not put it there."""
    market.campaigns.put({"A": campaign(pin("p05", 1)), "a": campaign(pin("p30", 1)), "b": campaign(pin("p30", 4))})
    assert named(market)["p30"] == "b"


def test_a_pin_behind_the_list_is_no_reason(market: Engine) -> None:
    """Its item stands where it would have stood anyway, or where a boost lifted it."""
    market.campaigns.put({"a": campaign(pin("p03", 20))})
    assert set(named(market).values()) == {None}
    market.campaigns.put({"a": campaign(pin("p03", 20)), "b": campaign({"boost": {"factor": 5, "filter": brand("B3")}})})
    assert named(market)["p03"] == "b"


def test_a_pin_that_moved_up_is_a_reason(market: Engine) -> None:
    """In a list that ends before its place."""
    market.campaigns.put({"a": campaign(pin("p04", 12))})
    slate = ask(market, "nobody", limit=12, brands=("B0",))
    assert (shown(market, slate)[-1], slate.reasons[-1].campaign) == ("p04", "a")
    market.campaigns.put({"a": campaign(pin("p08", 20)), "b": campaign(pin("p08", 11))})
    slate = ask(market, "nobody", limit=12, brands=("B0",))
    assert (shown(market, slate)[-1], slate.reasons[-1].campaign) == ("p08", "b")


@pytest.mark.parametrize("place", [1, 4])
def test_explain_says_which_pin_stands_and_which_does_not(market: Engine, place: int) -> None:
    """Of two campaigns that pin one item each has its line."""
    market.campaigns.put({"a": campaign(pin("p30", 1)), "b": campaign(pin("p30", place))})
    effects = explanation_of(market, "p30", limit=8).campaigns
    assert [(effect.campaign, "is not at" in effect.said) for effect in effects] == [("a", False), ("b", True)]


def test_a_pin_gives_way_to_the_share_that_needs_it(market: Engine) -> None:
    """Not to one that is met already."""
    market.campaigns.put(
        {
            "a": campaign({"share": {"min": 0.5, "within": 2, "filter": brand("B0")}}, pin("p00", 1)),
            "b": campaign({"share": {"min": 0.75, "within": 4, "filter": brand("B3")}}),
            "c": campaign(pin("p01", 2)),
        }
    )
    assert "campaign b needs it for its share" in explanation_of(market, "p01", limit=8).said


def test_a_pin_that_moves_up_breaks_no_limit(market: Engine) -> None:
    """It stood behind the places that the limit counts; in a list that ends before its place it gives way, and says why."""
    one = {"limit": {"by": "category", "max": 1, "within": 10}}
    market.campaigns.put({"a": campaign(one), "b": campaign(pin("p08", 14))})
    for brands in ("B0",), ():
        slate = ask(market, "nobody", limit=15, brands=brands)
        leaves = [market.catalog.item(row)["category"] for row in slate.items[:10]]
        assert len(leaves) == len(set(leaves))
    assert "campaign a lets at most 1 of one category" in explanation_of(market, "p08", limit=15, brands=("B0",)).said


def test_the_place_of_a_pin_that_falls_is_the_next_ones(market: Engine) -> None:
    """Of two pins of one place, and of two of one item, the second stands where a limit refuses the first."""
    first = {"limit": {"by": "brand", "max": 1, "within": 2}}
    market.campaigns.put({"a": campaign(first, pin("p00", 1), pin("p04", 2)), "b": campaign(pin("p05", 2), pin("p04", 5))})
    slate = ask(market, "nobody", limit=8)
    assert [shown(market, slate)[at] for at in (0, 1, 4)] == ["p00", "p05", "p04"]
    assert [slate.reasons[at].campaign for at in (0, 1, 4)] == ["a", "b", "b"]


def test_the_place_of_a_pin_that_a_share_needs_is_the_next_ones(market: Engine) -> None:
    """Where the second one is for the share."""
    share = {"share": {"min": 1.0, "within": 2, "filter": brand("B3")}}
    market.campaigns.put({"a": campaign(share, pin("p00", 1)), "b": campaign(pin("p23", 1))})
    slate = ask(market, "nobody", limit=8)
    assert (shown(market, slate)[0], slate.reasons[0].campaign) == ("p23", "b")


def test_a_pin_that_falls_where_the_list_ends_keeps_nothing_from_it(market: Engine) -> None:
    """Neither the place that another campaign has for its item, nor items of its kind."""
    one, own = {"limit": {"by": "category", "max": 1, "within": 12}}, {"limit": {"by": "brand", "max": 1, "within": 12}}
    market.campaigns.put({"a": campaign(one, own, pin("p05", 14)), "b": campaign(pin("p05", 1))})
    slate = ask(market, "nobody", limit=15)
    assert (shown(market, slate)[0], slate.reasons[0].campaign) == ("p05", "b")
    assert "the list would end before it" in explanation_of(market, "p05", limit=15).said
    market.campaigns.put({"a": campaign(one, own, pin("p05", 14))})
    assert len(shown(market, ask(market, "nobody", limit=15))) == 4


def test_a_pin_that_may_not_move_up_yet_waits_for_its_place(market: Engine) -> None:
    """The next one moves up in its stead, so that the list goes on as far as its place."""
    one = {"limit": {"by": "category", "max": 1, "within": 4}}
    market.campaigns.put({"a": campaign(one, pin("p05", 5), pin("p01", 6), pin("p02", 7), pin("p03", 8))})
    there = ["p00", "p01", "p02", "p03", "p05", "p10", "p15"]
    gone = tuple(item for item in map(market.catalog.item_id, range(ITEMS)) if item not in there)
    assert shown(market, ask(market, "nobody", limit=8, exclude=gone)) == there


def test_explain_says_what_a_share_brought(market: Engine) -> None:
    """Of an item that counts for it within its places, and of no other."""
    market.campaigns.put({"a": campaign({"share": {"min": 0.5, "within": 4, "filter": brand("B3")}})})
    assert (
        "counts for the 50% of the first 4 that campaign a asks for: place 4 → 3"
        in explanation_of(market, "p03", limit=8).said
    )
    assert [each.action for each in explanation_of(market, "p07", limit=8).campaigns] == ["share"]
    assert not explanation_of(market, "p11", limit=12).campaigns
    assert not explanation_of(market, "p00", limit=8).campaigns
