"""Strategy: rules are data, every condition that is set must hold, and the first rule that holds wins."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from recsys.engine.strategy import first_rule, holds
from recsys.settings.placements import PLACEMENTS, Placement, Rule
from recsys.settings.when import When
from recsys.types import Profile
from tests.conftest import ago, event
from tests.support.shops.handmade import world

STRANGER = world([]).profile("nobody")
SHOPPER = world([event("ann", "sofa-1", at=ago(1))]).profile("ann", focus_share=1.0)


def shopper(**known: Any) -> Profile:
    """A known shopper who leans to nothing, but for what is given."""
    plain = {"intent": "browser", "focus": -1, "brand": -1, "lifecycle": "lead", "dormant": False}
    return msgspec.structs.replace(SHOPPER, **{**plain, **known})


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ({"known": True}, shopper(), STRANGER),
        ({"known": False}, STRANGER, shopper()),
        ({"intent": "buyer"}, shopper(intent="buyer"), shopper()),
        ({"focus": True}, shopper(focus=0), shopper()),
        ({"focus": False}, shopper(), shopper(focus=3)),
        ({"brand": True}, shopper(brand=0), shopper()),
        ({"brand": False}, shopper(), shopper(brand=2)),
        ({"dormant": True}, shopper(dormant=True), shopper()),
        ({"dormant": False}, shopper(), shopper(dormant=True)),
        ({"lifecycle": ("active", "first_time")}, shopper(lifecycle="active"), shopper(lifecycle="defecting")),
    ],
)
def test_each_condition(when: dict[str, Any], yes: Profile, no: Profile) -> None:
    """A condition holds for whom it describes, and for nobody else."""
    assert holds(When(**when), yes, has_context=False)
    assert not holds(When(**when), no, has_context=False)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_context_condition(wanted: bool, given: bool) -> None:
    """A rule may ask for items on the page, or for none."""
    assert holds(When(context=wanted), shopper(), has_context=given) == (wanted == given)


def test_no_condition_always_holds_and_all_must() -> None:
    """A rule without conditions is for everybody; of several, one that fails is enough."""
    assert holds(When(), STRANGER, has_context=False)
    assert holds(When(), shopper(intent="buyer", dormant=True), has_context=True)
    both = When(intent="buyer", focus=True)
    assert holds(both, shopper(intent="buyer", focus=1), has_context=False)
    assert not holds(both, shopper(intent="buyer"), has_context=False)
    assert not holds(both, shopper(focus=1), has_context=False)


def test_the_first_rule_that_holds_wins() -> None:
    """Rules are read in order; where none holds there is none, and the fallback chain answers."""
    rules = (Rule(name="dormant", when=When(dormant=True)), Rule(name="first", when=When(known=True)), Rule(name="second"))
    placement = Placement(rules=rules)
    chosen = [first_rule(placement, profile, False) for profile in (shopper(dormant=True), shopper(), STRANGER)]
    assert [rule.name if rule else None for rule in chosen] == ["dormant", "first", "second"]
    assert first_rule(Placement(rules=rules[:2]), STRANGER, False) is None
    assert first_rule(Placement(rules=()), shopper(), False) is None


@pytest.mark.parametrize(
    ("profile", "rule", "recommenders"),
    [
        (STRANGER, "new_shopper", set()),
        (shopper(intent="buyer", focus=0, brand=0, dormant=True), "category_buyer", {"bestsellers"}),
        (shopper(intent="buyer", brand=0, dormant=True), "brand_lover", {"brands"}),
        (shopper(focus=0, brand=0, dormant=True), "brand_lover", {"brands"}),
        (shopper(intent="buyer", dormant=True), "dormant", {"bought_together"}),
    ],
)
def test_who_leads_at_home(profile: Profile, rule: str, recommenders: set[str]) -> None:
    """A buyer with a focus gets its bestsellers, a brand's friend its popular items, the dormant complements."""
    chosen = first_rule(PLACEMENTS["home"], profile, has_context=False)
    assert chosen is not None
    assert (chosen.name, set(chosen.recommenders)) == (rule, recommenders)


def test_who_leads_otherwise() -> None:
    """Everybody else gets the blend."""
    chosen = first_rule(PLACEMENTS["home"], shopper(focus=0), has_context=False)
    assert chosen is not None
    assert (chosen.name, chosen.blend) == ("blend", True)


@pytest.mark.parametrize(("placement", "rule"), [("pdp", "similar"), ("cart", "completes_cart")])
def test_the_page_leads_where_it_has_items(placement: str, rule: str) -> None:
    """On a product page or in the cart its items lead; without them the shopper does, as at home."""
    with_page = first_rule(PLACEMENTS[placement], shopper(dormant=True), has_context=True)
    without = first_rule(PLACEMENTS[placement], shopper(dormant=True), has_context=False)
    assert [chosen.name if chosen else None for chosen in (with_page, without)] == [rule, "dormant"]
