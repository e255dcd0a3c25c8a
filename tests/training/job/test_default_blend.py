"""The default blend: what is held back to learn it from, when it is learned, and who has the last word."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from recsys import clock
from recsys.engine.pipeline import Engine
from recsys.settings import BehaviourSettings, Settings
from recsys.settings.placements import BlendSettings
from recsys.snapshot.histories import Events
from recsys.types import EventType
from tests.conftest import NOW, Shop, ago, ask, event, shown
from tests.support.shops.handmade import World, numbered_items, world
from training.gate.config_validation import laid_over
from training.job.default_blend import (
    LEAST_SHOPPERS,
    Cut,
    LearnedBlend,
    as_given,
    cut_of,
    default_blend,
    rounded,
    segments_learned,
)
from training.job.job import Fitted

ITEMS = numbered_items(60)
DEFAULT = BlendSettings()
EVENINGS = LEAST_SHOPPERS + 40
EARLIER, MINUTES = timedelta(hours=2), timedelta(minutes=3)


def walks(n_users: int, steps: int = 8) -> list[dict[str, Any]]:
    """Shoppers who buy one item a day from the same first day on: half of the time the one after the last, else any."""
    random, rows = np.random.default_rng(3), []
    for user in range(n_users):
        walk = [int(random.integers(60))]
        while len(walk) < steps + user % 3:
            item = (walk[-1] + 1) % 60 if random.random() < 0.5 else int(random.integers(60))
            walk += [] if item in walk else [item]
        rows += [
            event(f"u{user:03}", f"i{item:02}", "purchase", ago(40 - day), order_id=f"{user}-{day}")
            for day, item in enumerate(walk)
        ]
    return rows


def cut_from(made: World, days: int = 28, kind: EventType = EventType.PURCHASE) -> Cut | None:
    """The cut of a world's events by what was bought, or looked at."""
    return cut_of(made.tables.events, made.tables.as_of, made.catalog.n_items, days, 20, BehaviourSettings(), kind)


def days_of(cut: Cut | None) -> tuple[int, int]:
    """How many days before NOW the last event that remains happened, and the moment that is asked for."""
    assert cut is not None
    last = int(cut.remaining.times.max())
    return (clock.to_microseconds(NOW) - last) // clock.DAY, (clock.to_microseconds(NOW) - cut.moment) // clock.DAY


def test_the_last_days_are_held_back_where_enough_shoppers_bought_in_them() -> None:
    """In a shop that lives, the past ends 28 days before its end, and what known shoppers bought since is to be found."""
    rows = [
        event(f"u{user}", f"i{(user + at) % 60:02}", "purchase", ago(days), order_id=f"{user}-{at}")
        for user in range(LEAST_SHOPPERS)
        for at, days in enumerate((60, 45, 20, 5))
    ]
    cut = cut_from(world([*rows, event("new", "i00", "purchase", ago(3), order_id="new")], ITEMS))
    assert cut is not None
    assert days_of(cut) == (45, 28)
    assert len(cut.bought) == 2 * LEAST_SHOPPERS
    assert len(cut.owned) == 0


def test_everybody_s_last_order_is_held_back_where_times_are_positions() -> None:
    """Of sequences that all begin on one day the last days tell of few; the last order of everybody is held back, and whatever its
    shopper did after it."""
    made = world(
        [*walks(LEAST_SHOPPERS), event("u000", "i59", "view", ago(1)), event("one", "i00", "purchase", ago(1))],
        ITEMS,
        ago(1),
    )
    cut = cut_from(made)
    assert cut is not None
    assert cut.moment == made.tables.as_of
    assert len(cut.bought) == len(np.unique(cut.bought // made.catalog.n_items)) == LEAST_SHOPPERS
    assert len(cut.remaining) == len(made.tables.events) - LEAST_SHOPPERS - 1
    assert cut.customers[cut.bought // made.catalog.n_items].all()


def test_the_visit_that_ended_in_the_last_order_is_held_back_with_it() -> None:
    """What led to an order minutes before would tell it; what was looked at on an earlier visit stays."""
    ordered = ago(33)
    looks = [event("u000", item, "view", ordered - before) for item, before in (("i58", EARLIER), ("i59", MINUTES))]
    made = world([*walks(LEAST_SHOPPERS), *looks], ITEMS, ago(1))
    cut = cut_from(made)
    assert cut is not None
    viewed = cut.remaining.items[cut.remaining.kinds == EventType.VIEW]
    assert [made.catalog.item_id(row) for row in viewed.tolist()] == ["i58"]


def test_visitors_who_never_bought_do_not_count_for_the_last_days() -> None:
    """In a shop of many visitors the last days are held back as they are without these."""
    rows = [
        event(f"u{user}", f"i{(user + at) % 60:02}", "purchase", ago(days), order_id=f"{user}-{at}")
        for user in range(LEAST_SHOPPERS)
        for at, days in enumerate((60, 5))
    ]
    visitors = [event(f"v{user}", "i00", "view", ago(50)) for user in range(8 * LEAST_SHOPPERS)]
    assert days_of(cut_from(world([*rows, *visitors], ITEMS)))[1] == 28


def test_no_weight_is_rounded_away() -> None:
    """A recommender that was measured with a tiny weight, which fills what others leave, is asked as well when it serves."""
    assert rounded(("als", "ease", "trending"), np.array([0.00001234, 0.99998766, 0.0])) == {"als": 0.0000123, "ease": 1.0}


def test_a_part_is_held_back_where_there_is_no_order() -> None:
    """Of shoppers whose events all have one time, about a fifth of what each bought is drawn, the same again."""
    rows = [{**row, "timestamp": ago(3), "order_id": row["user_id"]} for row in walks(2 * LEAST_SHOPPERS)]
    made = world(rows, ITEMS)
    cut, again = cut_from(made), cut_from(made)
    assert cut is not None
    assert again is not None
    assert len(cut.bought) == pytest.approx(0.2 * len(made.tables.events), rel=0.2)
    assert len(cut.remaining) + len(cut.bought) <= len(made.tables.events)
    assert cut.bought.tolist() == again.bought.tolist()


def evenings(apart: float, repeated: bool = False) -> list[dict[str, Any]]:
    """Shoppers who take ten items on each of two evenings long ago, each line so many minutes after the last."""
    return [
        event(
            f"u{user}",
            f"i{(user + at + (0 if repeated else 10) * evening) % 60:02}",
            "purchase",
            ago(60 - evening, -apart * at),
        )
        for user in range(EVENINGS)
        for evening in (0, 1)
        for at in range(10)
    ]


def test_of_ratings_the_last_is_held_back() -> None:
    """Orders told at many times, of items taken once each, are evenings of ratings: the next one is asked for, not an evening."""
    cut = cut_from(world([*evenings(1), event("one", "i00", "view", ago(1))], ITEMS))
    assert cut is not None
    assert len(cut.bought) == len(np.unique(cut.bought // len(ITEMS))) == EVENINGS


def test_of_views_the_last_is_held_back() -> None:
    """A site that sells nothing, or next to nothing, asks for what is looked at next."""
    views = [{**row, "event_type": "view", "order_id": None} for row in walks(2 * LEAST_SHOPPERS)]
    made = world([*views, event("one", "i00", "purchase", ago(1))], ITEMS, ago(1))
    cut = cut_from(made, kind=EventType.VIEW)
    assert cut is not None
    assert len(cut.bought) == len(np.unique(cut.bought // len(ITEMS))) == 2 * LEAST_SHOPPERS
    assert cut_from(made) is None


def test_a_part_is_held_back_where_the_settings_ask_for_it() -> None:
    """`random` draws from the whole past, for tests that do; it says nothing of what comes next."""
    made = world(walks(LEAST_SHOPPERS + 40), ITEMS)
    cut = cut_from(made, days=0)
    assert cut is not None
    assert len(cut.bought) == pytest.approx(0.2 * len(made.tables.events), rel=0.2)


@pytest.mark.parametrize(("apart", "repeated"), [(0, False), (1, True)], ids=["one time", "bought again"])
def test_baskets_are_no_bursts(apart: float, repeated: bool) -> None:
    """Lines that are paid at one time, or that are bought again, are orders; the last of them is held back."""
    cut = cut_from(world([*evenings(apart, repeated), event("one", "i00", "view", ago(1))], ITEMS))
    assert cut is not None
    assert len(cut.bought) == 10 * EVENINGS


def test_of_few_shoppers_nothing_is_held_back() -> None:
    """Where either way fewer than the least number of shoppers are left, there is nothing to learn from."""
    assert cut_from(world(walks(LEAST_SHOPPERS - 1), ITEMS)) is None


@cache
def sequences(folder: Path, more: str = "") -> tuple[Engine, Fitted]:
    """A shop of sequences, fitted untuned."""
    shop = Shop(folder, walks(300), ITEMS)
    shop.toml += more
    fitted = shop.fit()
    return Engine(fitted.snapshot(), shop.settings), fitted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for it."""
    return tmp_path_factory.mktemp("sequences")


def test_untuned_sequences_are_led_by_order(folder: Path) -> None:
    """Where order tells, customers' blend listens to next_item most, the manifest says that it was learned, and the next item of the
    last one leads the list."""
    engine, fitted = sequences(folder)
    weights = fitted.manifest.blend.customer
    assert fitted.manifest.learned_segments == ("customer", "repeat")
    assert max(weights, key=weights.__getitem__) == "next_item"
    assert sum(weights.values()) == pytest.approx(1, abs=0.01)
    assert fitted.manifest.blend.lead == DEFAULT.lead
    hits = []
    for user in range(300):
        history = engine.snapshot.histories.of(f"u{user:03}").items.tolist()
        following = (int(engine.catalog.item_id(history[-1])[1:]) + 1) % 60
        if engine.catalog.row(f"i{following:02}") not in history:
            hits.append(shown(engine, ask(engine, f"u{user:03}", limit=1)) == [f"i{following:02}"])
    assert np.mean(hits) > 0.9


@pytest.mark.parametrize("buyers", [0, 1, LEAST_SHOPPERS - 1])
def test_where_too_few_buy_order_leads_visitors_too(tmp_path: Path, buyers: int) -> None:
    """Fewer buyers than a fold needs do not tell what visitors want, and views are what the weights of leads are learned on; of
    customers nothing is learned from them."""
    views = [{**row, "event_type": "view", "order_id": None} for row in walks(300)]
    bought = [event(f"buyer{each}", "i00", "purchase", ago(day)) for each in range(buyers) for day in (50, 1)]
    fitted = Shop(tmp_path, [*views, *bought], ITEMS).fit()
    lead = fitted.manifest.blend.lead
    assert fitted.manifest.learned_segments == ("lead",)
    assert max(lead, key=lead.__getitem__) == "next_item"


@pytest.mark.parametrize(
    "more",
    ["[training]\nlearn_blend = 'off'\n", "[training]\nlearn_blend_events = 100\n"],
    ids=["off", "more events than allowed"],
)
def test_the_defaults_stay_where_nothing_is_to_be_learned(folder: Path, more: str) -> None:
    """`off`, and more events than the setting allows, keep the default weights, and nothing is said to be learned."""
    manifest = sequences(folder, more)[1].manifest
    assert (manifest.blend, manifest.learned_segments) == (DEFAULT, ())


def not_fitted(_remaining: Events, _moment: int) -> Engine:
    """Stand for a fit that nothing asks for."""
    raise AssertionError


def test_nothing_is_fitted_where_only_thin_segments_are_left() -> None:
    """Where customers' weights were set or tuned, and hardly any visitor bought for the first time, no fit is spent on them."""
    made, customers = world(walks(LEAST_SHOPPERS), ITEMS, ago(1)), {"item_item": 1.0, "ease": 0.2}
    blend = msgspec.structs.replace(DEFAULT, customer=customers, repeat=customers)
    learned = default_blend(made.tables.events, made.tables.as_of, 60, Settings(blend=blend), not_fitted)
    assert learned == LearnedBlend(blend)


@pytest.mark.parametrize("questions", [0, 100, 310])
def test_a_segment_that_is_not_learned_in_time_keeps_its_weights(folder: Path, questions: int) -> None:
    """However far it was when the time was over: asking, or climbing. It is named, and so is every one after it."""
    engine, _ = sequences(folder)
    made, ticks = world(walks(300), ITEMS), iter(range(10**9))
    learned = default_blend(
        made.tables.events, made.tables.as_of, 60, Settings(), lambda *_: engine, lambda: next(ticks) >= questions
    )
    assert learned == LearnedBlend(DEFAULT, (), ("customer", "repeat"))


def test_the_summary_says_where_time_was_over(folder: Path) -> None:
    """A bound of no time at all is told in the manifest, and the default weights answer."""
    manifest = sequences(folder, "[training]\nlearn_blend_minutes = 1e-9\n")[1].manifest
    assert (manifest.blend, manifest.learned_segments, manifest.stopped_segments) == (DEFAULT, (), ("customer", "repeat"))


def test_weights_that_were_set_stay(folder: Path) -> None:
    """A segment that somebody set or tuned is never learned while training."""
    manifest = sequences(folder, "[blend]\ncustomer = { item_item = 1.0, ease = 0.2 }\n")[1].manifest
    assert manifest.blend.customer == {"item_item": 1.0, "ease": 0.2}
    assert manifest.learned_segments == ("repeat",)


@pytest.mark.long
def test_the_same_shop_learns_the_same(folder: Path) -> None:
    """Learned twice, also in several partitions, the blend and the hash are the same."""
    once, again = (sequences(folder, more)[1].manifest for more in ("", "[training]\npartitions = 3\n"))
    assert once.blend == again.blend
    assert once.content_hash == again.content_hash


def test_the_gate_learns_it_anew(folder: Path) -> None:
    """A recipe that is measured on days past has the weights that were set, so that what the live snapshot learned of these days is
    not taken for known before them."""
    manifest = sequences(folder)[1].manifest
    recipe = laid_over(Shop(folder).settings, manifest)
    assert recipe.blend == DEFAULT
    assert as_given(manifest.blend, ()) == manifest.blend
    changed = msgspec.structs.replace(DEFAULT, lead={"als": 1.0})
    assert segments_learned(DEFAULT, changed) == ("lead",)
    assert as_given(changed, ("lead",)) == DEFAULT
