"""Lists that a ranker learns clicks from: which of the logged ones, how they are described, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
import pytest

from recsys.clock import DAY
from recsys.live.databases import open_slates
from recsys.live.slate_log import LoggedEvent, LoggedSlate
from recsys.settings import ProfileSettings, Settings
from recsys.types import EventType, Query
from tests.conftest import NOW, Shop, ago, event, micros
from tests.support.shops.fashion import DAYS, fashion_shop, with_ranker
from tests.support.training import train
from training.job.job import Prepared, learn_ranker, past_of, prepare
from training.job.ranker.budget import Size
from training.job.ranker.clicked_lists import OF_ONE, ClickedList
from training.job.ranker.clicks import Clicks
from training.job.ranker.examples import truth_of
from training.job.ranker.ranker import Window

WEEK = (micros(ago(days=7)), micros(NOW))
SOURCES = ("item_item",)


def note(name: str, user: str | None, at: datetime, *items: str, history: Any = (), **query: Any) -> LoggedSlate:
    """A list as it is logged."""
    return LoggedSlate(
        recommendation_id=name,
        answered_at=micros(at),
        user_id=user,
        snapshot="v",
        items_sequence=0,
        query=Query(now=micros(at), user_id=user, **query),
        placements={},
        profile=ProfileSettings(),
        history=history,
        sha256="",
        shown=tuple((item, "ease") for item in items),
    )


def click(name: str, user: str, item: str, at: datetime, kind: str = "click") -> dict[str, Any]:
    """An event that names its list."""
    return event(user, item, kind, at, recommendation_id=name)


def write(shop: Shop) -> None:
    """Write the tables, with the list that an event names."""
    shop.write()
    pl.DataFrame(shop.events, infer_schema_length=None).write_parquet(shop.folder / "events.parquet")


def found(shop: Shop, *notes: LoggedSlate, max_n: int = 100) -> list[ClickedList]:
    """The clicked lists of the last week."""
    open_slates(shop.settings).write(notes)
    write(shop)
    (lists,) = past_of(prepare(shop.settings, now=NOW), shop.settings, now=NOW).clicked([WEEK], max_n)
    return [*lists]


def test_clicks_carts_and_purchases_of_a_list_count(shop: Shop) -> None:
    """Whatever was done with an item of the list before the window ended; looking at it is none of it, nor is what came later."""
    at = ago(days=3)
    kinds = {"sofa-1": "click", "sofa-2": "cart_add", "soap-1": "purchase", "lamp-1": "view"}
    shop.add(
        *(click("a", "ann", item, at, kind) for item, kind in kinds.items()), click("late", "bob", "sofa-1", ago(days=1))
    )
    lists = found(shop, note("a", "ann", at, *kinds), note("late", "bob", ago(days=8), "sofa-1", "sofa-2"))
    assert [(each.note.recommendation_id, each.clicked, each.seen) for each in lists] == [
        ("a", frozenset(("sofa-1", "sofa-2", "soap-1")), None)
    ]
    earlier = (micros(ago(days=14)), micros(ago(days=7)))
    past = past_of(prepare(shop.settings, now=NOW), shop.settings, now=NOW)
    assert [[*each] for each in past.clicked([earlier, WEEK], 9)] == [[], lists]


def test_lists_that_cannot_teach_are_left_out(shop: Shop) -> None:
    """Nobody's own, on the page of an item, of a single item, of staff, without a click, or no longer logged."""
    at, two = ago(days=3), ("sofa-1", "sofa-2")
    shop.toml += '[data]\nstaff = ["tester"]\n'
    notes = (
        note("nobody", None, at, *two),
        note("page", "ann", at, *two, context_items=("lamp-1",)),
        note("single", "ann", at, "sofa-1"),
        note("unclicked", "ann", at, *two),
        note("tested", "tester", at, *two),
        note("by staff", "ann", at, *two),
    )
    names = ("nobody", "page", "single", "gone")
    shop.add(*(click(name, "ann", "sofa-1", at) for name in names))
    shop.add(*(click(name, "tester", "sofa-1", at) for name in ("tested", "by staff")))
    assert found(shop, *notes) == []


def test_of_many_lists_a_sample_is_taken(shop: Shop) -> None:
    """One shopper brings a few, all together no more than are asked for, and which ones depends on nothing but their ids."""
    at, two = ago(days=3), ("sofa-1", "sofa-2")
    names = {f"{number:03}": f"u{number % 2 * number}" for number in range(60)}
    shop.add(*(click(name, user, "sofa-1", at + timedelta(minutes=int(name))) for name, user in names.items()))
    notes = [note(name, user, at, *two) for name, user in names.items()]
    lists = found(shop, *notes)
    assert sum(each.note.user_id == "u0" for each in lists) == OF_ONE
    assert len(lists) == OF_ONE + 30
    assert found(shop, *reversed(notes), max_n=7) == lists[:7]


# What is learned of them


class Listed(NamedTuple):
    """The shop of fashions with lists of a week's items, clicked from the first place down, as it was read."""

    shop: Shop
    settings: Settings
    prepared: Prepared


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Listed:
    """Five weeks with forty lists each; every second item that is in fashion is clicked if it stands high."""
    shop, draw = fashion_shop(tmp_path_factory.mktemp("listed")), Random(5)
    notes = []
    for week in range(3, 8):
        for user in range(40):
            at = ago(7 * (8 - week) - 2, minutes=user)
            items = [f"i{number}" for number in draw.sample(range(60), 6)]
            history = tuple(
                LoggedEvent(each["item_id"], EventType.PURCHASE, micros(each["timestamp"]), place, place, 1.0, 9.0)
                for place, each in enumerate(each for each in shop.events if each["user_id"] == f"u{user}")
                if each["timestamp"] < at
            )
            drawn = (0.5,) * 6 if user % 2 else ()
            name = f"{week}-{user}"
            notes.append(msgspec.structs.replace(note(name, f"u{user}", at, *items, history=history), propensities=drawn))
            clicked = [item for place, item in enumerate(items) if draw.random() < 0.7 / (place + 1)]
            shop.add(*(click(name, f"u{user}", item, at + timedelta(seconds=9)) for item in clicked))
    open_slates(shop.settings).write(notes)
    settings = with_ranker(shop.settings, clicked_lists=100)
    write(shop)
    return Listed(shop, settings, prepare(settings, now=NOW))


@pytest.mark.long
def test_what_came_of_clicks_is_said(listed: Listed) -> None:
    """The record has the lists, how many were drawn, the curve of positions and what they changed; the sentence tells it."""
    pytest.importorskip("lightgbm")
    record = learn_ranker(listed.prepared, listed.settings, now=NOW).serving.record
    for task in ("new", "repeat"):
        clicks = record.tasks[task].clicks
        assert clicks is not None
        assert 50 <= clicks.lists <= 160
        assert 0 < clicks.drawn < clicks.lists
        assert len(clicks.positions) == 6
        assert clicks.positions[0] == 1 > clicks.positions[5]
        assert f"Clicks on {clicks.lists:,} lists" in record.said


@pytest.mark.long
def test_purchases_judge_clicks(listed: Listed) -> None:
    """Clicks at random teach nothing of purchases: where they are not surely better, the ranker is that of purchases alone, byte for
    byte, and so it is where there are too few lists."""
    pytest.importorskip("lightgbm")
    alone = learn_ranker(listed.prepared, with_ranker(listed.settings), now=NOW).serving
    few = with_ranker(listed.settings, clicked_lists=1)
    said = {name: learn_ranker(listed.prepared, each, now=NOW) for name, each in (("all", listed.settings), ("few", few))}
    assert "only 4 lists" in said["few"].serving.record.said
    for found in (each.serving for each in said.values()):
        assert not any(each.clicks.used for each in found.record.tasks.values() if each.clicks)
        assert all(np.array_equal(found.arrays[name], array) for name, array in alone.arrays.items())
    assert {each.clicks for each in alone.record.tasks.values()} == {None}


def test_nothing_after_a_list_is_told(listed: Listed) -> None:
    """A list is described as of its moment: whatever is bought from the window's beginning on, its features stay, byte for byte."""
    later = listed.prepared.events.times >= listed.prepared.as_of - DAYS * DAY
    items = listed.prepared.events.items
    changed = np.where(later & (items >= 0), (items + 7) % 60, items).astype(np.int32)
    other = replace(listed.prepared, events=replace(listed.prepared.events, items=changed))
    one, again = (gathered(each, listed.settings) for each in (listed.prepared, other))
    assert len(one)
    assert one.matrix.tobytes() == again.matrix.tobytes()
    assert np.array_equal(one.clicked, again.clicked)


def test_partitions_and_runs_give_the_same_clicks(listed: Listed) -> None:
    """Read again, and cut into several partitions, the tables give the same lists, of the same bytes."""
    training = msgspec.structs.replace(listed.settings.training, partitions=3)
    cut = prepare(msgspec.structs.replace(listed.settings, training=training), now=NOW)
    assert cut.shop.partitions == 3
    found = [gathered(each, listed.settings) for each in (listed.prepared, listed.prepared, cut)]
    for name in ("matrix", "clicked", "places", "lengths", "drawn"):
        assert len({getattr(each, name).tobytes() for each in found}) == 1


@pytest.mark.long
def test_a_snapshot_says_so(listed: Listed) -> None:
    """The manifest of what is published keeps the record."""
    pytest.importorskip("lightgbm")
    published = train(listed.settings, now=NOW, force="a shop made by hand")
    assert "Clicks" in published.manifest.ranker.said


def gathered(prepared: Prepared, settings: Settings) -> Clicks:
    """Clicks of the last week on `repeat`."""
    past, start = past_of(prepared, settings, now=NOW), prepared.as_of - DAYS * DAY
    (lists,) = past.clicked([(start, prepared.as_of)], 20)
    window = Window.at(past, start, truth_of(past.events_until(start), start, past.n_users, past.n_items, 1, 20))
    return window.rounds(lists, {"repeat": Size(SOURCES, 20, 10)})["repeat"].clicks


@pytest.mark.parametrize("clicked", [(), ("i1", "i2", "i3")])
def test_all_or_nothing_teaches_nothing(listed: Listed, clicked: tuple[str, ...]) -> None:
    """Who clicks everything, as a machine does, says nothing of any item; nor does a list without a click on what may be shown."""
    past, start = past_of(listed.prepared, listed.settings, now=NOW), listed.prepared.as_of - DAYS * DAY
    window = Window.at(past, start, truth_of(past.events_until(start), start, past.n_users, past.n_items, 1, 20))
    one = ClickedList(note("a", "u1", ago(days=3), "i1", "i2", "i3"), frozenset(clicked), None)
    assert not len(window.rounds([one], {"repeat": Size(SOURCES, 20, 10)})["repeat"].clicks)


def test_what_nobody_saw_is_no_refusal(listed: Listed) -> None:
    """Where impressions tell what was seen, the other items of the list are not among those that were passed over."""
    past, start = past_of(listed.prepared, listed.settings, now=NOW), listed.prepared.as_of - DAYS * DAY
    window = Window.at(past, start, truth_of(past.events_until(start), start, past.n_users, past.n_items, 1, 20))
    one = ClickedList(note("a", "u1", ago(days=3), "i1", "i2", "i3", "i4"), frozenset(["i3"]), frozenset(["i1"]))
    clicks = window.rounds([one], {"repeat": Size(SOURCES, 20, 10)})["repeat"].clicks
    assert sorted(zip(clicks.places.tolist(), clicks.clicked.tolist(), strict=True)) == [(1, False), (3, True)]
