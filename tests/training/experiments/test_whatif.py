"""Estimates for other settings: from lists that the engine drew to figures that hold the planted truth, and refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from recsys.engine.choice import Answered
from recsys.engine.inspection.replay import logged, take_updates
from recsys.engine.pipeline import Engine, answer
from recsys.item_updates import ItemUpdate
from recsys.live.databases import open_log, open_slates
from recsys.live.slate_log import LoggedSlate
from recsys.settings.load import parse_settings
from recsys.settings.placements import BlendSettings
from recsys.snapshot.store import Snapshot, current_version, open_snapshot
from recsys.types import NO_HISTORY, DataError, Query, SettingsError
from tests.conftest import NOW, SETTINGS, Shop, ago, busy_events, event, micros
from tests.engine.test_pipeline import another_version
from training.experiments.before_a_test.explored import Pair, answered_again
from training.experiments.before_a_test.whatif import Asked, whatif

PLACES = 4
DRAWN = "exploration = {{ places = 4, temperature = {}, least = 0.05 }}"
LOGGED = "[placements.home]\n" + DRAWN.format(0.5)
SHARPER = "[placements.home]\n" + DRAWN.format(0.15)
OTHERS = '[placements.home]\nfilter = { brand = { any = ["Norr"] } }\n' + DRAWN.format(0.5)
SHOPPERS, BEGAN = 2400, ago(days=30)
WORTH = {"sofa-1": 0.7, "sofa-2": 0.1, "lamp-1": 0.5, "bag-1": 0.4}
"""Chance that an item is clicked at the first place; that of others is 0.2."""


def with_settings(shop: Shop, lines: str) -> Shop:
    """The same folder under other settings."""
    return Shop(shop.folder, shop.events, toml=SETTINGS + lines)


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose home page was drawn for many shoppers, who clicked by a chance of item and place, and bought after half of it."""
    shop = Shop(tmp_path_factory.mktemp("whatif"), busy_events(), toml=SETTINGS + LOGGED)
    version = shop.publish()
    engine = Engine(open_snapshot(shop.folder / "artifacts", version), shop.settings)
    notes = [note_of(engine, f"shopper {number}") for number in range(SHOPPERS)]
    open_slates(shop.settings).write(notes)
    rows = [row for note in notes for row in answers(note, np.random.default_rng(int(note.recommendation_id[:8], 16)))]
    shop.write()
    tables = pl.DataFrame([*shop.events, *rows], infer_schema_length=None)
    tables.write_parquet(shop.folder / "events.parquet")
    return shop


def note_of(engine: Engine, user: str) -> LoggedSlate:
    """What is logged of a home page."""
    query = Query(now=micros(BEGAN), user_id=user, limit=5)
    return logged(Answered(engine, query, NO_HISTORY, answer(engine, query, NO_HISTORY), ()), query.now)


def worth(item: str, place: int) -> float:
    """Chance that an item is clicked at a place from 0."""
    return WORTH.get(item, 0.2) / (1 + place)


def answers(note: LoggedSlate, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """Impression, clicks and purchases of one list."""
    user = str(note.user_id)
    yield event(user, note.shown[0][0], "impression", BEGAN, recommendation_id=note.recommendation_id)
    for place, (item, _) in enumerate(note.shown):
        if rng.random() < worth(item, place):
            clicked = BEGAN + timedelta(minutes=place + 1)
            yield event(user, item, "click", clicked, recommendation_id=note.recommendation_id)
            if rng.random() < 0.5:
                more = {"order_id": f"{user}/{item}", "price": 10.0, "quantity": 1.0}
                yield event(user, item, "purchase", clicked + timedelta(days=1), **more)


def answer_of(shop: Shop, lines: str, out: Path, asked: Asked = Asked()) -> dict[str, Any]:  # noqa: B008 (only read)
    """The figures of a candidate for the home page, as they are written."""
    candidate = with_settings(shop, lines).settings
    assert whatif(candidate, NOW, asked, out) == 0
    found = json.loads(out.read_text())
    (home,) = found["placements"]
    return {**home, "whole": found}


@pytest.mark.long
def test_what_a_candidate_would_earn_is_found(explored: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sharper draw earns what its chances at each item and place come to, which the intervals hold, in clicks and in orders."""
    found = answer_of(explored, SHARPER, tmp_path / "whatif.json")
    settings = with_settings(explored, SHARPER).settings
    heads = list(open_slates(settings).heads())
    lists = answered_again(settings, heads, lambda done, total: None).lists
    values = np.array([[worth(item, place) for place in range(PLACES)] for item in lists[0].items])
    truth = float(np.mean([(each.candidate * values).sum() for each in lists]))
    assert {each.items for each in lists} == {lists[0].items}
    for name, share in (("clicks", 1.0), ("orders", 0.5)):
        assert found[name]["refused"] == ""
        for each in found[name]["estimates"].values():
            # Four standard errors, which no draw misses by; of so many lists they are as narrow as the interval of a quarter of them.
            assert abs(each["value"] - truth * share) <= each["high"] - each["low"]
    assert found["support"]["lists"] == SHOPPERS
    assert found["support"]["share"] == pytest.approx(1.0)
    said = " ".join(capsys.readouterr().out.split())
    assert "clicks: the candidate would have earned" in said or "clicks: no difference" in said
    assert "NDCG@10" in said
    assert found["offline"]["lists"] > 100
    assert found["offline"]["difference"][0] == 0


def test_the_same_settings_earn_the_same(explored: Shop, tmp_path: Path) -> None:
    """Each list weighs once, and there is no difference."""
    found = answer_of(explored, LOGGED, tmp_path / "whatif.json")
    assert found["alike"] == 1.0
    assert found["support"]["largest"] == pytest.approx(1.0)
    for name in ("clicks", "orders"):
        assert found[name]["estimates"]["clipped"]["difference"] == pytest.approx(0, abs=1e-9)
        assert found[name]["estimates"]["clipped"]["value"] == pytest.approx(found[name]["logged"][0])


def test_a_sample_is_the_same_one_each_time(explored: Shop, tmp_path: Path) -> None:
    """Fewer lists, chosen by their ids."""
    some = [answer_of(explored, LOGGED, tmp_path / f"{n}.json", Asked(sample=450)) for n in range(2)]
    assert some[0] == some[1]
    assert some[0]["support"]["lists"] == 450


def test_other_items_are_refused(explored: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A candidate that shows what was never drawn gets no estimate, the reason, and exit code 1."""
    assert whatif(with_settings(explored, OTHERS).settings, NOW, Asked(sample=200), None) == 1
    assert "nothing can be said, support is too thin: the draw could have filled" in " ".join(
        capsys.readouterr().out.split()
    )


def test_too_few_lists_are_refused(explored: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """With the figure and what is needed."""
    assert whatif(with_settings(explored, SHARPER).settings, NOW, Asked(sample=50), None) == 1
    assert "50 persons, 100 are needed" in " ".join(capsys.readouterr().out.split())


def test_a_candidate_that_draws_nothing_is_told_so(explored: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Its gain holds what drawing costs."""
    whatif(with_settings(explored, "").settings, NOW, Asked(sample=9), None)
    assert "the candidate draws nothing" in " ".join(capsys.readouterr().out.split())


def test_settings_that_only_training_takes_in_are_told(explored: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """They change no answer over the snapshot of then."""
    whatif(
        with_settings(explored, LOGGED + "\n[recommenders.trending]\nhalf_life_days = 3.0\n").settings, NOW, Asked(), None
    )
    assert "what snapshots were trained with: that is not judged here" in " ".join(capsys.readouterr().out.split())


def test_a_placement_that_the_candidate_lacks_is_an_error(tmp_path: Path) -> None:
    """It names the placement and those that there are."""
    shop = Shop(tmp_path, busy_events(), toml=SETTINGS + LOGGED)
    snapshot = shop.published_engine().snapshot
    engine = Engine(snapshot, parse_settings("[placements.extra]\n" + DRAWN.format(0.5), tmp_path))
    query = Query(now=micros(BEGAN), user_id="ann", limit=5, placement="extra")
    slate = answer(engine, query, NO_HISTORY)
    open_slates(shop.settings).write([logged(Answered(engine, query, NO_HISTORY, slate, ()), query.now)])
    heads = list(open_slates(shop.settings).heads())
    with pytest.raises(SettingsError, match="placement: 'extra' is unknown; there are"):
        answered_again(shop.settings, heads, lambda done, total: None)


def test_item_updates_of_then_are_taken_in(tmp_path: Path) -> None:
    """A list from before an item was sold out and one from after it are both answered again as they were."""
    shop = Shop(tmp_path, busy_events(), toml=SETTINGS + LOGGED)
    engine = shop.published_engine()
    before = note_of(engine, "ann")
    sold = before.shown[0][0]
    update = ItemUpdate(item_id=sold, available=False)
    log = open_log(shop.settings)
    log.add_items([update], micros(NOW))

    updates = [(number, each) for number, _, each in log.item_updates(10)]
    take_updates(10, engine.snapshot, updates)
    after = note_of(engine, "ann")
    assert sold not in [item for item, _ in after.shown]
    open_slates(shop.settings).write([before, after])
    found = answered_again(shop.settings, list(open_slates(shop.settings).heads()), lambda done, total: None)
    assert (len(found.lists), dict(found.left_out)) == (2, {})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(days=0), "--days 0: allowed are 1 to 90"),
        (Asked(sample=50_001), "--sample 50001: allowed are 1 to 50,000"),
        (Asked(placement="cart"), "no list of 'cart' with exploration is logged in"),
        (Asked(days=60), "all 2,400 lists with exploration are too young"),
    ],
)
def test_what_cannot_be_said_is_an_error(explored: Shop, asked: Asked, said: str) -> None:
    """It says what is allowed, or what to do."""
    with pytest.raises(DataError, match=said):
        whatif(explored.settings, NOW, asked, None)


def test_a_snapshot_that_is_gone_is_told(explored: Shop, tmp_path: Path) -> None:
    """Where no other is left it is an error that names the setting."""
    folder = tmp_path / "gone"
    shutil.copytree(explored.folder, folder)
    version = str(current_version(folder / "artifacts"))
    shutil.rmtree(folder / "artifacts" / version)
    with pytest.raises(DataError, match=rf"2,400: snapshot {version} is gone\); `snapshot.keep` says"):
        whatif(Shop(folder, toml=SETTINGS + LOGGED).settings, NOW, Asked(), None)


def test_events_without_lists_are_an_error(tmp_path: Path) -> None:
    """Nobody told what was clicked."""
    shop = Shop(tmp_path, busy_events(), toml=SETTINGS + LOGGED)
    open_slates(shop.settings).write([note_of(shop.published_engine(), "ann")])
    with pytest.raises(DataError, match="no event names a list"):
        whatif(shop.settings, NOW, Asked(), None)


def test_a_blend_that_training_learned_is_the_candidates_too(busy_shop: Shop) -> None:
    """Where a candidate has the default weights it has those that its snapshot learned in their place, as when it serves; what it
    sets stays."""
    whole = busy_shop.engine().snapshot
    learned = BlendSettings(customer={"trending": 1.0}, repeat={"buy_again": 1.0})
    manifest = msgspec.structs.replace(whole.manifest, blend=learned, learned_segments=("customer", "repeat"))
    own = msgspec.structs.replace(busy_shop.settings, blend=BlendSettings(repeat={"ease": 1.0}))
    log = open_log(busy_shop.settings)
    pairs = [Pair(Snapshot(manifest, whole.groups), settings, log) for settings in (busy_shop.settings, own)]
    assert [pair.candidate.blend.customer for pair in pairs] == [learned.customer] * 2
    assert [pair.candidate.blend.repeat for pair in pairs] == [learned.repeat, {"ease": 1.0}]


def test_a_snapshot_of_the_neighbouring_version_is_asked_too(busy_shop: Shop) -> None:
    """A recommender that this program does not know, or that the snapshot does not, ends no run."""
    snapshot = another_version(busy_shop.engine().snapshot)
    assert Pair(snapshot, busy_shop.settings, open_log(busy_shop.settings)).candidate.snapshot is snapshot
