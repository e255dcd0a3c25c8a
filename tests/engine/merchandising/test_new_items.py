"""Places for new items: what is new, where it stands, and what it may not push aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.engine.inspection.explain import explain
from recsys.engine.pipeline import Engine, answer
from recsys.settings.load import parse_settings
from recsys.snapshot.store import Snapshot
from recsys.types import Query, Slate
from tests.conftest import NOW, Shop, ago, event, micros

ITEMS: list[dict[str, Any]] = [
    *({"item_id": f"old-{n}", "title": f"teapot {n:02}", "category": f"Kitchen > Tea {n % 2}"} for n in range(12)),
    {"item_id": "never", "title": "teapot nobody touched", "category": "Kitchen > Tea 0"},
    {"item_id": "young", "title": "teapot of this week", "category": "Kitchen > Tea 0"},
    {"item_id": "stated", "title": "teapot published today", "category": "Kitchen > Tea 0", "published_at": ago(0.5)},
    {"item_id": "dead", "title": "teapot published long ago", "category": "Kitchen > Tea 0", "published_at": ago(400)},
    {"item_id": "other", "title": "armchair", "category": "Living > Chairs"},
    {"item_id": "twin", "title": "armchair green", "category": "Living > Chairs", "published_at": ago(400)},
]
NEW = {"never", "young", "stated"}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Twelve teapots that forty people buy again and again, and some that are new; ann looks at teapots."""
    rows = [
        event(f"u{user}", f"old-{(user + step) % 12}", "purchase", ago(60 + step), order_id=f"{user}-{step}")
        for user in range(40)
        for step in range(6)
    ]
    rows += [event("ann", f"old-{n}", "view", ago(40, minutes=n)) for n in range(3)]
    rows += [event("bob", "young", "view", ago(5)), event("eve", "other", "view", ago(5))]
    return Shop(tmp_path_factory.mktemp("new"), rows, ITEMS).engine().snapshot


def engine_with(snapshot: Snapshot, line: str) -> Engine:
    """The shop with one more setting of the blend alone."""
    return Engine(
        snapshot, parse_settings(f'[placements.here]\nrules = [{{ name = "blend", blend = true }}]\n{line}\n', Path())
    )


def listed(engine: Engine, user: str = "ann", limit: int = 8) -> Slate:
    """A shopper's list."""
    query = Query(now=micros(NOW), user_id=user, limit=limit, placement="here")
    return answer(engine, query, engine.snapshot.histories.of(user))


def ids(engine: Engine, slate: Slate) -> list[str]:
    """The items of a list."""
    return [engine.catalog.item_id(row) for row in slate.items]


def test_new_is_what_was_published_or_first_seen_lately_or_never_touched(snapshot: Snapshot) -> None:
    """What says when it was published goes by that alone."""
    new = np.flatnonzero(snapshot.catalog.new_since(micros(ago(28)))[: snapshot.catalog.n_known])
    assert {snapshot.catalog.item_id(row) for row in new.tolist()} == NEW | {"other"}


def test_places_are_given_to_what_is_new_and_alike(snapshot: Snapshot) -> None:
    """From the place of the setting on, in a list of the same length; the others keep their order, and scores never rise."""
    before, after = (engine_with(snapshot, line) for line in ("", "new_items = { places = 2, first = 3 }"))
    old, slate = ids(before, listed(before)), listed(after)
    found = ids(after, slate)
    assert not NEW & set(old)
    assert set(found[2:4]) <= NEW
    assert [*found[:2], *found[4:]] == old[:6]
    assert list(slate.scores) == sorted(slate.scores, reverse=True)
    assert slate.sources[2:4] == ("content", "content")
    assert "new_items: 2 of the items have their places because they are new" in slate.notices


def test_a_short_list_ends_with_them(snapshot: Snapshot) -> None:
    """Where the list has fewer items than the place of the first, its last one gives way."""
    engine = engine_with(snapshot, "new_items = { places = 1, first = 6 }")
    found = ids(engine, listed(engine, limit=3))
    assert len(found) == 3
    assert set(found) & NEW == {found[-1]}


def test_who_did_nothing_that_a_new_item_is_like_has_the_list_as_it_was(snapshot: Snapshot) -> None:
    """No new item is like a chair that nobody published lately, and of somebody unknown nothing is known."""
    before, after = (engine_with(snapshot, line) for line in ("", "new_items = { places = 2, first = 1 }"))
    for user in ("eve", "nobody"):
        assert listed(after, user).items == listed(before, user).items
        assert not [notice for notice in listed(after, user).notices if notice.startswith("new_items")]


def test_no_drawn_place_is_given_away(snapshot: Snapshot) -> None:
    """The chances that are logged stay those of the items that stand there."""
    line = "exploration = { places = 4, temperature = 0.2, least = 0.02 }"
    before, after = (engine_with(snapshot, each) for each in (line, f"{line}\nnew_items = {{ places = 1, first = 2 }}"))
    one, other = listed(before), listed(after)
    assert one.items[:4] == other.items[:4]
    assert one.propensities == other.propensities
    assert ids(after, other)[4] in NEW


def test_explain_says_it(snapshot: Snapshot) -> None:
    """The item is shown, its reason is what it is like, and a notice says why it stands there."""
    engine = engine_with(snapshot, "new_items = { places = 1, first = 1 }")
    query = Query(now=micros(NOW), user_id="ann", limit=8, placement="here")
    history = engine.snapshot.histories.of("ann")
    found = explain(engine, query, history, answer(engine, query, history).items[0])
    assert found.place == 1
    assert found.reason is not None
    assert [notice for notice in found.notices if notice.startswith("new_items: 1")]


def test_what_is_not_known_of_an_older_snapshot_is_not_new(snapshot: Snapshot) -> None:
    """One that was made before first events were kept knows only what says when it was published."""
    arrays = {name: each for name, each in snapshot.groups["catalog"].items() if name != "first_seen"}
    older = Snapshot(snapshot.manifest, {**snapshot.groups, "catalog": arrays})
    new = np.flatnonzero(older.catalog.new_since(micros(ago(28))))
    assert [older.catalog.item_id(row) for row in new.tolist()] == ["stated"]
