"""Snapshot line: another snapshot ranks what the one that serves may show, as if it served itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from recsys.engine.choice import Choice, answered
from recsys.engine.inspection.explain import explain
from recsys.engine.inspection.replay import logged, replayed, same_bytes
from recsys.engine.pipeline import Engine, answer
from recsys.engine.snapshot_line import SnapshotLine
from recsys.item_updates import ItemUpdate, WholeItem
from recsys.settings.campaigns import Action, Campaign, Pin
from recsys.snapshot.put.overlay import overlay
from recsys.snapshot.store import Snapshot
from recsys.types import Assignment, Query, Slate, SnapshotError
from tests.conftest import ITEMS, NOW, Shop, busy_events, micros
from tests.engine.test_pipeline import another_version

USERS = [f"user-{number}" for number in range(30)]
PLACEMENTS = ("home", "email_weekly", "bestsellers")
OTHER = """
[recommenders.bestsellers]
half_life_days = 2.0
[recommenders.item_item]
neighbours = 3
[blend.lead]
item_item = 1.0
[blend.customer]
ease = 1.0
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The busy shop, which serves."""
    return Shop(tmp_path_factory.mktemp("serves"), busy_events()).engine()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Another training: other settings, a title and a category that changed, items that came and one that is gone."""
    items: list[dict[str, Any]] = [{**each} for each in ITEMS if each["item_id"] != "soap-2"]
    items[0]["title"] = "Old sofa"
    items += [{"item_id": f"art-{n}", "title": f"Art {n}", "category": "Art", "available": False} for n in range(3)]
    shop = Shop(tmp_path_factory.mktemp("ranks"), busy_events(), items)
    shop.toml += OTHER
    return shop.engine()


def ids(engine: Engine, slate: Slate) -> list[str]:
    """What is shown."""
    return [engine.catalog.item_id(row) for row in slate.items]


def ranked(engine: Engine, snapshot: Snapshot) -> Engine:
    """The engine in an arm for which another snapshot ranks."""
    line = SnapshotLine(engine, snapshot)
    under = line.ranks_for(engine)
    return under.in_arms(under.settings, under.blend, (Assignment("trial", "other", line.version),))


def asked(engine: Engine, user: str | None, **more: Any) -> Slate:
    """An answer to a shopper by what the serving snapshot knows of the shopper."""
    return answer(engine, Query(now=micros(NOW), user_id=user, **more), engine.snapshot.histories.of(user or ""))


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_same_snapshot_ranks_the_same(engine: Engine, placement: str) -> None:
    """By way of a line every item, score, source and reason is that of the snapshot itself; the id says that a line ranked."""
    under = ranked(engine, engine.snapshot)
    for user in (*USERS, None):
        for context in ((), ("sofa-1",)):
            plain, found = (asked(each, user, placement=placement, context_items=context) for each in (engine, under))
            assert (found.items, found.scores, found.sources, found.reasons) == (
                plain.items,
                plain.scores,
                plain.sources,
                plain.reasons,
            )
            assert found.recommendation_id != plain.recommendation_id


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_another_snapshot_ranks_as_it_would_itself(engine: Engine, other: Engine, placement: str) -> None:
    """Each list of somebody who knows no item that it lacks is as the other one's, whose rows are others; some differ from the serving
    one's."""
    under, differs = ranked(engine, other.snapshot), 0
    for user in (*USERS[::2], None):
        for context in ((), ("sofa-1",)):
            query = {"placement": placement, "context_items": context, "limit": 4}
            expected, found = asked(other, user, **query), asked(under, user, **query)
            assert (ids(under, found), found.sources) == (ids(other, expected), expected.sources)
            assert found.scores == expected.scores
            differs += found.items != asked(engine, user, **query).items
    assert differs


def test_only_what_the_serving_snapshot_may_show_is_shown(engine: Engine, other: Engine) -> None:
    """A list is as long as ever: what the other one does not know stands last; what it knows alone, or what is sold out, nowhere."""
    under = ranked(engine, other.snapshot)
    for user in (*USERS, None):
        plain, found = (asked(each, user, limit=100) for each in (engine, under))
        assert {*found.items} == {*plain.items}
        assert "gone-1" not in ids(under, found)
        assert list(found.scores) == sorted(found.scores, reverse=True) or found.fallback
        if "soap-2" in ids(under, found):
            assert ids(under, found)[-1] == "soap-2"


def test_reasons_have_the_titles_that_are_shown(engine: Engine, other: Engine) -> None:
    """An evidence item is named as the serving snapshot names it, not as the other one did."""
    under = ranked(engine, other.snapshot)
    texts = [reason.text for user in USERS for reason in asked(under, user, context_items=("sofa-1",)).reasons]
    assert any("Oak sofa" in text for text in texts)
    assert not any("Old sofa" in text for text in texts)


def test_an_item_put_since_is_shown(other: Engine, tmp_path: Path) -> None:
    """What was put while serving is known to no training: it stands last, until the other one has it."""
    engine = Shop(tmp_path, busy_events()).engine()
    under = ranked(engine, other.snapshot)
    asked(under, "user-1")
    overlay(engine.catalog, ItemUpdate("art-2", True, item=WholeItem(title="Art")), 1)
    overlay(engine.catalog, ItemUpdate("new-1", True, item=WholeItem(title="New")), 2)
    found = ids(under, asked(under, "user-1", limit=100))
    assert {"art-2", "new-1"} <= {*found}
    assert found.index("new-1") > found.index("art-2")


def test_explanation_and_replay_are_of_the_line(engine: Engine, other: Engine) -> None:
    """Both say which snapshot ranked; a logged list is answered again byte for byte, and not at all without that snapshot."""
    under = ranked(engine, other.snapshot)
    for user in USERS[:6]:
        query = Query(now=micros(NOW), user_id=user)
        history = engine.snapshot.histories.of(user)
        found = answered(Choice(under), query, history)
        stated = explain(under, query, history, found.slate.items[0])
        assert (stated.place, stated.experiments) == (1, (Assignment("trial", "other", other.snapshot.version),))
        note = msgspec.json.decode(msgspec.json.encode(logged(found, 1)), type=type(logged(found, 1)))
        assert note.lines == {other.snapshot.version}
        again, slate = replayed(note, engine.snapshot, (), {other.snapshot.version: other.snapshot})
        assert same_bytes(note, again, slate)
        with pytest.raises(SnapshotError, match="which ranked for an arm, is gone"):
            replayed(note, engine.snapshot, ())


def test_a_neighbouring_versions_snapshot_ranks(engine: Engine) -> None:
    """A recommender that it was made without brings nothing, as if it served."""
    under = ranked(engine, another_version(engine.snapshot))
    assert "item_item" not in {source for user in USERS for source in asked(under, user).sources}


def test_the_serving_snapshot_is_not_touched(engine: Engine, other: Engine) -> None:
    """Titles that a line's catalogue is given stay there, and its arrays as they are mapped."""
    before = [other.catalog.title(row) for row in range(other.catalog.n_known)]
    under = ranked(engine, other.snapshot)
    for user in USERS:
        asked(under, user)
    assert [other.catalog.title(row) for row in range(other.catalog.n_known)] == before
    assert np.array_equal(engine.catalog.category, other.catalog.category) is False


def test_campaigns_hold_over_a_line(engine: Engine, other: Engine) -> None:
    """What a campaign pins stands where it is pinned, whether the line knows the item or not."""
    pins = tuple(Action(pin=Pin(item_id=item, place=place)) for item, place in (("soap-2", 1), ("bag-2", 3)))
    campaigns = {"spring": Campaign(placements=("home",), actions=pins)}
    engine = Engine(engine.snapshot, msgspec.structs.replace(engine.settings, campaigns=campaigns))
    under = ranked(engine, other.snapshot)
    found = asked(under, None, limit=6)
    assert [ids(under, found)[place] for place in (0, 2)] == ["soap-2", "bag-2"]
    for user in USERS:
        plain, found = (asked(each, user, limit=6) for each in (engine, under))
        pinned = [(place, item) for place, item in enumerate(ids(under, found)) if item in ("soap-2", "bag-2")]
        assert pinned == [(place, item) for place, item in enumerate(ids(engine, plain)) if item in ("soap-2", "bag-2")]
