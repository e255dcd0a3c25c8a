"""Logged slates: what is logged can be answered again byte for byte."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.choice import Choice, answered
from recsys.engine.inspection.replay import drawn, logged, replayed, same_bytes
from recsys.engine.pipeline import Engine, answer
from recsys.engine.slate_json import slate_json
from recsys.item_updates import ItemUpdate
from recsys.live.slate_log import LoggedSlate
from recsys.reasons import LOCALES
from recsys.settings import ProfileSettings, Settings
from recsys.snapshot.put.overlay import overlay
from recsys.snapshot.store import open_snapshot
from recsys.types import NO_HISTORY as NO
from recsys.types import Query
from tests.conftest import NOW, Shop, busy_events, micros
from tests.support.shops.handmade import calm


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of a small shop, with one version."""
    shop = Shop(tmp_path_factory.mktemp("replay"), busy_events())
    shop.publish()
    return shop.folder / "artifacts"


def fresh(artifacts: Path) -> Engine:
    """The shop's engine, opened anew."""
    version = (artifacts / "CURRENT").read_text().strip()
    return Engine(open_snapshot(artifacts, version), Settings())


def note_of(engine: Engine, query: Query) -> LoggedSlate:
    """What is logged of the answer to a query."""
    history = engine.snapshot.histories.of(query.user_id or "")
    return logged(answered(Choice(engine), query, history), micros(NOW))


def again(note: LoggedSlate, artifacts: Path, updates: list[tuple[int, ItemUpdate]] = []) -> bool:  # noqa: B006 (only read)
    """Read the note back from its file form and answer it with a new process' view of the snapshot."""
    read = msgspec.json.decode(msgspec.json.encode(note), type=LoggedSlate)
    engine, slate = replayed(read, open_snapshot(artifacts, read.snapshot), updates)
    assert slate.recommendation_id == read.recommendation_id
    return same_bytes(read, engine, slate)


@pytest.mark.long
@calm
@given(st.data())
def test_any_slate_is_answered_again_byte_for_byte(published: Path, data: st.DataObject) -> None:
    """Whoever asked, on whatever placement, in whatever language, with whatever filters: the note is all that it takes."""
    engine = fresh(published)
    users = [engine.snapshot.histories.users.text(row) for row in range(len(engine.snapshot.histories.users))]
    query = Query(
        now=micros(NOW) - data.draw(st.integers(0, 10**12)),
        user_id=data.draw(st.sampled_from([None, "stranger", *users])),
        placement=data.draw(st.sampled_from(engine.settings.placement_names())),
        limit=data.draw(st.integers(1, 12)),
        context_items=tuple(data.draw(st.lists(st.sampled_from(["sofa-1", "lamp-2", "none"]), max_size=2))),
        locale=data.draw(st.sampled_from(LOCALES)),
    )
    assert again(note_of(engine, query), published)


def test_item_updates_of_then_are_laid_over(published: Path) -> None:
    """What was patched before the answer counts again; what came later does not."""
    engine = fresh(published)
    query = Query(now=micros(NOW), placement="home")
    shown = engine.catalog.item_id(answer(engine, query, NO).items[0])
    overlay(engine.catalog, ItemUpdate(shown, price=1.5), 7)
    later = ItemUpdate(shown, available=False)
    note = note_of(engine, query)
    assert b'"price":1.5' in slate_json(engine.catalog, answer(engine, query, NO))
    assert again(note, published, [(7, ItemUpdate(shown, price=1.5)), (9, later)])
    _, without = replayed(note, open_snapshot(published, note.snapshot), [])
    assert without.recommendation_id != note.recommendation_id


def test_a_change_of_policy_does_not_change_the_past(published: Path) -> None:
    """Placements and profile settings of then are in the note, not those of now."""
    version = (published / "CURRENT").read_text().strip()
    engine = Engine(open_snapshot(published, version), Settings(profile=ProfileSettings(brand_share=0.01, brand_events=1)))
    users = engine.snapshot.histories.users
    for row in range(len(users)):
        assert again(note_of(engine, Query(now=micros(NOW), user_id=users.text(row))), published)


@calm
@given(st.binary(min_size=12, max_size=12), st.floats(0, 1))
def test_the_same_slate_is_always_drawn_or_never(raw: bytes, share: float) -> None:
    """The share is decided by the id: all at 1, none at 0, and more where the share is larger."""
    assert drawn(raw.hex(), 1.0)
    assert not drawn(raw.hex(), 0.0)
    assert drawn(raw.hex(), share) <= drawn(raw.hex(), min(1.0, share + 0.1))
