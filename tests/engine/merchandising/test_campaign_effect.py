"""Effect of a campaign on logged lists: what it changes, for whom, and what relevance that costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from recsys.engine.choice import Answered
from recsys.engine.inspection.replay import logged
from recsys.engine.merchandising import campaign_effect
from recsys.engine.merchandising.campaign_effect import Effect, effect_of
from recsys.engine.pipeline import Engine, answer
from recsys.live.slate_log import LoggedSlate
from recsys.settings.campaigns import Campaign
from recsys.types import Assignment, Query
from tests.conftest import NOW, Shop, ask, busy_events, micros, shown

USERS = ("nobody", *(f"user-{n}" for n in range(6)))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The busy shop."""
    return Shop(tmp_path_factory.mktemp("busy"), busy_events()).engine()


@pytest.fixture(autouse=True)
def without_campaigns(engine: Engine) -> Iterator[None]:
    """Campaigns of one test are gone before the next."""
    yield
    engine.campaigns.put({})


def put(engine: Engine, *actions: dict[str, Any], **more: Any) -> None:
    """Put one campaign on the home page."""
    body = {"placements": ["home"], "actions": list(actions), **more}
    engine.campaigns.put({"autumn": msgspec.convert(body, Campaign)})


def notes(engine: Engine, placement: str = "home", limit: int = 4) -> list[LoggedSlate]:
    """The logged lists of some shoppers."""
    found = []
    for user in USERS:
        query = Query(now=micros(NOW), user_id=user, placement=placement, limit=limit)
        history = engine.snapshot.histories.of(user)
        found.append(logged(Answered(engine, query, history, answer(engine, query, history)), 1))
    return found


def effect(engine: Engine, *more: LoggedSlate) -> Effect:
    """What the campaign does to everybody's lists."""
    return effect_of(engine, "autumn", [*notes(engine), *more], lambda: None)


def test_a_campaign_that_changes_nothing_costs_nothing(engine: Engine) -> None:
    """A limit that no list reaches; lists of other placements are not looked at."""
    put(engine, {"limit": {"by": "brand", "max": 100}})
    found = effect(engine, *notes(engine, "bestsellers"))
    assert (found.held, found.lists, found.changed, found.relevance_lost) == (len(USERS), len(USERS), 0, 0.0)
    assert sum(each.lists for each in found.segments) == len(USERS)
    assert found.since == found.until == micros(NOW)


def test_it_counts_the_lists_that_are_other_ones(engine: Engine) -> None:
    """Those whose items or order differ, by segment of their shoppers; the more it costs the further what it shows stood behind."""
    lists = {user: shown(engine, ask(engine, user, limit=4)) for user in USERS}
    near, far = lists["nobody"][1], shown(engine, ask(engine, "nobody", limit=12))[-1]
    costs = []
    for item in (near, far):
        put(engine, {"pin": {"item_id": item, "place": 1}})
        pinned = {user: shown(engine, ask(engine, user, limit=4)) for user in USERS}
        found = effect(engine)
        assert found.changed == sum(pinned[user] != lists[user] for user in USERS)
        assert found.changed == sum(each.changed for each in found.segments)
        costs.append(found.relevance_lost or 0.0)
    assert 0 < costs[0] < costs[1] <= 1


def test_a_campaign_for_some_is_looked_at_on_all_lists_of_its_span(engine: Engine) -> None:
    """A share of all shoppers is told, those for whom it does not hold among them."""
    put(engine, {"pin": {"item_id": shown(engine, ask(engine, "nobody", limit=12))[-1], "place": 1}}, when={"known": False})
    found = effect(engine)
    assert (found.lists, found.changed) == (len(USERS), 1)


@pytest.mark.parametrize("off", [("autumn",), "all"])
def test_lists_of_an_arm_that_turns_it_off_do_not_count(engine: Engine, off: Any) -> None:
    """It held for nobody there, though what was logged tells all campaigns of the moment."""
    put(engine, {"pin": {"item_id": "top-3", "place": 1}})
    home = msgspec.structs.replace(engine.placement("home"), campaigns_off=off)
    settings = msgspec.structs.replace(engine.settings, placements={"home": home})
    of_arm = notes(engine.in_arms(settings, engine.blend, (Assignment("helps", "without"),)))
    assert [(tuple(each.campaigns), each.campaigns_on) for each in of_arm] == [(("autumn",), ())] * len(USERS)
    assert effect(engine, *of_arm) == effect(engine)


def test_the_sample_is_bounded_and_always_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order the lists were logged in."""
    monkeypatch.setattr(campaign_effect, "MAX_SAMPLE", 3)
    put(engine, {"pin": {"item_id": "lamp-2", "place": 1}})
    forwards, backwards = (effect_of(engine, "autumn", each, lambda: None) for each in (notes(engine), notes(engine)[::-1]))
    assert forwards == backwards
    assert (forwards.held, forwards.lists) == (len(USERS), 3)


def test_without_logged_lists_nothing_is_said(engine: Engine) -> None:
    """No share, no cost and no moment is made up."""
    put(engine, {"pin": {"item_id": "lamp-2", "place": 1}})
    assert effect_of(engine, "autumn", [], lambda: None) == Effect(0, 0, 0, None, (), None, None)
