"""Plans of campaigns: worked out once, and mended where an item changes that their filters look at."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.merchandising.attribute_filters import FilterMasks
from recsys.engine.merchandising.campaigns import Campaigns
from recsys.engine.merchandising.plans import Plan
from recsys.item_updates import ItemUpdate
from recsys.settings import Settings
from recsys.settings.campaigns import Campaign
from recsys.settings.placements import Placement
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.changes import KEPT, Changes, KeptUp
from recsys.snapshot.put.overlay import overlay
from tests.snapshot.test_put_items import ARRAYS, changes
from tests.support.shops.handmade import calm, world

FILTERS: tuple[dict[str, Any], ...] = (
    {"brand": {"any": ["Norr", "Nova"]}},
    {"brand": {"none": ["Oakly"]}},
    {"category": {"any": ["Clothes"]}, "price": {"min": 4}},
    {"category": {"all": ["Clothes", "Home"]}},
    {"category": {"none": ["Garden"]}},
    {"stock": {"max": 2}},
    {"tags": {"all": ["wool", "new"]}},
    {"tags": {"none": ["felt"]}, "size": {"any": [3.0]}},
    {"size": {"none": [3.0]}},
    {"age": {"max": 10}},
    {"lost": {"any": ["x"]}},
)
ACTIONS = st.one_of(
    st.builds(lambda kind, found: {kind: {"filter": found}}, st.sampled_from(["exclude", "only"]), st.sampled_from(FILTERS)),
    st.builds(
        lambda kind, found: {kind: {"factor": 2, "filter": found}},
        st.sampled_from(["boost", "bury"]),
        st.sampled_from(FILTERS),
    ),
    st.builds(lambda found: {"share": {"min": 0.5, "within": 4, "filter": found}}, st.sampled_from(FILTERS)),
    st.builds(lambda by: {"limit": {"by": by, "max": 2}}, st.sampled_from(["brand", "category", "group"])),
    st.builds(lambda item: {"pin": {"item_id": item, "place": 1}}, st.sampled_from(["a", "x", "y"])),
)


NOBODY = world([]).profile()


def campaigns_of(catalog: Catalog, actions: list[Any]) -> Campaigns:
    """Campaigns over a catalogue, of which one runs on the home page."""
    found = Campaigns(catalog, FilterMasks(catalog), Settings())
    found.put({"a": msgspec.convert({"placements": ["home"], "actions": actions}, Campaign)})
    return found


def plan_in(campaigns: Campaigns, now: int = 0) -> Plan:
    """What holds for anybody on the home page."""
    plan = campaigns.plan("home", Placement(), now, NOBODY, False)
    assert plan is not None
    return plan


def numbers(plan: Plan) -> list[Any]:
    """Everything that a plan says of items."""
    masks = [*(each.items for each in plan.boosts), *(each.items for each in plan.shares)]
    arrays = [plan.kept, plan.factors, plan.boosted_by, *masks, *plan.rules]
    return [None if each is None else np.asarray(each).tolist() for each in arrays] + [plan.pinned_by]


@calm
@given(actions=st.lists(ACTIONS, min_size=1, max_size=5), updates=st.lists(changes, min_size=1, max_size=8))
def test_a_plan_after_updates_is_that_of_a_new_engine(actions: list[Any], updates: list[ItemUpdate]) -> None:
    """Whatever was put and changed, and however often the plan was asked for in between."""
    catalog = Catalog(ARRAYS)
    kept = campaigns_of(catalog, actions)
    for number, each in enumerate(updates, 1):
        plan_in(kept)
        overlay(catalog, each, number)
        assert numbers(plan_in(kept)) == numbers(plan_in(campaigns_of(catalog, actions)))


def test_an_update_that_no_filter_looks_at_leaves_the_plan() -> None:
    """A plan on brands is the same object after a price changes, at any hour; one on prices is another, and shares what stays."""
    catalog = Catalog(ARRAYS)
    brands, prices = (
        campaigns_of(catalog, [{"boost": {"factor": 2, "filter": found}}, {"exclude": {"filter": FILTERS[1]}}])
        for found in ({"brand": {"any": ["Norr"]}}, {"price": {"min": 4}})
    )
    before, dear = plan_in(brands), plan_in(prices)
    overlay(catalog, ItemUpdate("a", price=2.0, stock=1.0), 1)
    assert plan_in(brands, now=10**12) is before
    after = plan_in(prices)
    assert after.factors is not None
    assert dear.factors is not None
    assert (dear.factors[catalog.row("a")], after.factors[catalog.row("a")]) == (2, 1)
    assert after.kept is dear.kept


def test_more_changes_than_are_told_are_worked_out_anew() -> None:
    """What was kept is made again when the log of changes is shorter than what it missed."""
    log, made = Changes(), count(1)
    kept = KeptUp(log, frozenset({"price"}), lambda: next(made), lambda value, rows: value + 100 * len(rows))
    log.add(1, ["price"])
    log.add(2, ["stock"])
    assert kept.get() == 101
    for _ in range(3 * KEPT):
        log.add(3, ["price"])
    assert kept.get() == 2
    assert kept.get() == 2
