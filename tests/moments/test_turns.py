"""The next look at a user: polls find the same, however often they come and whatever was looked at before."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.pipeline import Engine
from recsys.item_updates import ItemUpdate
from recsys.live.item_changes import Change, Standing
from recsys.moments.context import FOREVER
from recsys.moments.finder import Finder
from recsys.moments.kinds import KINDS, next_turn
from recsys.settings.moments import MomentKind
from recsys.snapshot.store import open_snapshot
from tests.conftest import NOW, ago, event, micros
from tests.support.shops.handmade import calm
from tests.support.shops.moment_shop import MomentShop, Worker, birth, born, did, user, user_context, with_settings

MakeEngine = Callable[[], Engine]
PEOPLE = ("zoe", "ann", "tim")
ITEMS = ("sofa-1", "lamp-1", "soap-1", "soap-2", "gone-1", "bag-1")
KINDS_OF_EVENT = ("view", "view", "cart_add", "cart_remove", "purchase", "refund", "home_view")
MONTHLY_FIGS = [
    event(f"fig-{n}", "soap-2", "purchase", ago(days=30 * order), order_id=f"f-{n}-{order}")
    for n in range(12)
    for order in range(1, 4)
]


@pytest.fixture(scope="module")
def make_engine(tmp_path_factory: pytest.TempPathFactory) -> MakeEngine:
    """Open the shop of three people with a past, each time with a catalogue of its own: a customer who owns what is due soon, one who
    ordered once, and somebody new."""
    folder = tmp_path_factory.mktemp("turns")
    past = [
        event("ann", "soap-1", "purchase", ago(days=29.9), order_id="a"),
        event("ann", "soap-2", "purchase", ago(days=29.5), order_id="b"),
        event("ann", "sofa-1", at=ago(days=6)),
        event("tim", "lamp-1", "purchase", ago(days=13.5), order_id="c", price=10_000.0),
        event("tim", "sofa-2", "cart_add", ago(days=29)),
    ]
    people = [user(name, birthday=birth(4, 1 + place)) for place, name in enumerate(PEOPLE)]
    shop = MomentShop(folder, *past, *MONTHLY_FIGS, people=people)
    version = shop.publish()
    return lambda: Engine(open_snapshot(folder / "artifacts", version), shop.settings)


@pytest.fixture(scope="module")
def engine(make_engine: MakeEngine) -> Engine:
    """That shop opened once, for tests that change nothing of it."""
    return make_engine()


# ---- one by one


def test_a_poll_during_the_visit_hides_nothing(make_engine: MakeEngine, tmp_path: Path) -> None:
    """Who looks at an item that runs low is due once the visit has ended, polled before or not."""
    worker = Worker(with_settings(make_engine(), kinds=("low_stock",)), tmp_path)
    worker.state.add_items([ItemUpdate("sofa-1", stock=1.0)], 1)
    worker.post(event("zoe", "sofa-1", at=ago(minutes=1)))
    assert [worker.find("low_stock", NOW + timedelta(minutes=minutes)) for minutes in (0, 5, 28, 35)] == [0, 0, 0, 1]
    assert [line["user_id"] for line in worker.lines("low_stock")] == ["zoe"]


def test_a_day_of_two_messages_has_two(make_engine: MakeEngine, tmp_path: Path) -> None:
    """With `per_day = 2` the second item that is due again is found by the next poll of the same day, and no third."""
    worker = Worker(with_settings(make_engine(), kinds=("replenish",), per_day=2), tmp_path)
    later = NOW + timedelta(days=1)
    assert [worker.find("replenish", later + timedelta(minutes=minutes)) for minutes in (0, 1, 2)] == [1, 1, 0]
    assert [line["anchors"] for line in worker.lines("replenish")] == [["soap-1"], ["soap-2"]]


def test_whoever_is_kept_back_is_found_as_soon_as_that_ends(make_engine: MakeEngine, tmp_path: Path) -> None:
    """The next poll after the more urgent kind was polled finds the other one, by whichever worker."""
    engine = with_settings(make_engine(), kinds=("cart", "editorial"), per_day=2)
    one, other = Worker(engine, tmp_path), Worker(engine, tmp_path)
    one.post(event("zoe", "sofa-1", "cart_add", ago(minutes=45)))
    assert (one.find("editorial"), other.find("cart")) == (0, 1)
    assert one.find("editorial", NOW + timedelta(seconds=1)) == 1


def test_a_full_day_ends_at_midnight(make_engine: MakeEngine, tmp_path: Path) -> None:
    """Who had the day's message is due again from the first moment of their next day."""
    worker = Worker(with_settings(make_engine(), kinds=("replenish",)), tmp_path)
    later = NOW + timedelta(days=1)
    midnight = later.replace(hour=22)  # in Berlin
    polls = [later, later + timedelta(minutes=1), midnight - timedelta(microseconds=1), midnight]
    assert [worker.find("replenish", each) for each in polls] == [1, 0, 0, 1]


def test_items_that_can_be_bought_again_wake_their_owners(make_engine: MakeEngine, tmp_path: Path) -> None:
    """Who owns an item that is due but sold out is found as soon as it is there again."""
    worker = Worker(with_settings(make_engine(), kinds=("replenish",)), tmp_path)
    later = NOW + timedelta(days=1)
    worker.state.add_items([ItemUpdate("soap-1", available=False), ItemUpdate("soap-2", available=False)], 1)
    assert worker.find("replenish", later) == 0
    worker.state.add_items([ItemUpdate("soap-2", available=True)], 2)
    assert worker.find("replenish", later + timedelta(minutes=1)) == 1
    assert worker.lines("replenish")[0]["anchors"] == ["soap-2"]


def test_an_event_that_is_ahead_of_the_poll_is_waited_for(make_engine: MakeEngine, tmp_path: Path) -> None:
    """What was written down while a poll was at it, and is later than its moment, counts from its own moment on."""
    worker = Worker(with_settings(make_engine(), kinds=("low_stock",)), tmp_path)
    worker.state.add_items([ItemUpdate("sofa-1", stock=1.0)], 1)
    worker.post(event("zoe", "sofa-1", "cart_add", ago(minutes=40)))
    assert [worker.find("low_stock", NOW - timedelta(minutes=minutes)) for minutes in (41, 0)] == [0, 1]


def test_what_somebody_leans_to_turns_as_old_events_leave_the_window(make_engine: MakeEngine, tmp_path: Path) -> None:
    """Bags of thirty days ago stood against a focus on sofas; once they do not count any more, the visit has a focus."""
    worker = Worker(with_settings(make_engine(), kinds=("editorial",)), tmp_path)
    bags = [event("zoe", bag, at=ago(days=29.9, minutes=place)) for place, bag in enumerate(("bag-1", "bag-2", "bag-1"))]
    worker.post(*bags, event("zoe", "sofa-1", at=ago(days=20)), event("zoe", None, "home_view", ago(minutes=60)))
    assert [worker.find("editorial", NOW + timedelta(hours=hours)) for hours in (0, 1, 3)] == [0, 0, 1]


# ---- for any shopper

Row = dict[str, Any]


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """What a shopper did, in the last minutes, days or years."""
    scale = st.sampled_from([30.0, 60 * 24.0, 60 * 24 * 60.0, 60 * 24 * 800.0])
    steps = st.tuples(scale, st.floats(0, 1), st.sampled_from(ITEMS), st.sampled_from(KINDS_OF_EVENT))
    rows = [did(item, kind, minutes=most * share) for most, share, item, kind in draw(st.lists(steps, max_size=8))]
    return sorted(rows, key=lambda row: row["timestamp"])


@pytest.mark.long
@pytest.mark.parametrize("kind", list(KINDS))
@calm
@given(rows=histories(), share=st.floats(0, 1), minutes=st.sampled_from([10.0, 60 * 24.0, 60 * 24 * 90.0]))
def test_a_rule_says_the_same_until_it_turns(
    engine: Engine, kind: MomentKind, rows: list[Row], share: float, minutes: float
) -> None:
    """From now to the next turn a rule yields the same for the same reasons, whenever between them it is asked."""
    low = engine.catalog.available.copy()
    changes = [
        Change("gone-1", micros(ago(days=3)), "back_in_stock"),
        Change("lamp-1", micros(ago(days=6.5)), "price_drop", 9_999.0, 80.0),
        Change("sofa-1", micros(ago(days=1)), "back_in_stock"),
    ]

    def keys(at: int) -> set[tuple[str, int]]:
        now = NOW + timedelta(microseconds=at - micros(NOW))
        one = user_context(engine, *rows, now=now, person=born(4, 2), changes=changes, runs_low=low, high_spend=50.0)
        return {(each.key, each.since) for each in KINDS[kind].rule(one)}

    def turn(at: int) -> int:
        now = NOW + timedelta(microseconds=at - micros(NOW))
        one = user_context(engine, *rows, now=now, person=born(4, 2), changes=changes, runs_low=low, high_spend=50.0)
        return next_turn(kind, one)

    now = micros(NOW) + int(share * minutes * 60e6)
    for _ in range(3):
        end = min(turn(now), now + int(400 * 86400e6))
        between = {now + int((end - now) * part) for part in (0.001, 0.1, 0.5, 0.9)} | {end - 1}
        assert all(keys(at) == keys(now) for at in between)
        if end == FOREVER:
            break
        now = end


class Step(NamedTuple):
    """What happens so many minutes after the step before: an event, an item update, or nothing but polls."""

    minutes: float
    row: tuple[str, str, str] | None
    update: ItemUpdate | None
    kind: MomentKind


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([0.0, 0.5, 5.0, 9.0, 15.0, 31.0, 180.0, 60 * 13.0, 60 * 24.0, 60 * 24 * 3.0]),
        st.none() | st.tuples(st.sampled_from(PEOPLE), st.sampled_from(ITEMS), st.sampled_from(KINDS_OF_EVENT)),
        st.none()
        | st.builds(ItemUpdate, st.sampled_from(ITEMS), available=st.sampled_from([None, True, False]))
        | st.builds(ItemUpdate, st.sampled_from(ITEMS), stock=st.sampled_from([0.0, 1.0, 900.0]))
        | st.builds(ItemUpdate, st.sampled_from(ITEMS), price=st.sampled_from([5.0, 8.0, 9.0])),
        st.sampled_from(list(KINDS)),
    ),
    max_size=25,
)


def notified(worker: Worker) -> list[tuple[str, str, tuple[str, ...]]]:
    """Everybody who was notified of anything so far."""
    lines = [line for kind in KINDS for line in worker.lines(kind)]
    return sorted((line["moment_id"], line["user_id"], tuple(line["anchors"])) for line in lines)


def happened(worker: Worker, number: int, step: Step, now: int) -> None:
    """Write down what a step says."""
    if step.row is not None:
        who, item, kind = step.row
        at = NOW + timedelta(microseconds=now - micros(NOW))
        worker.post(event(who, item, kind, at, order_id=f"o-{number}" if kind == "purchase" else None))
    if step.update is not None:
        worker.serving.catch_up()
        standing = Standing(worker.engine.catalog, worker.state.last(), now)
        worker.state.add_items([step.update], now, standing)


@pytest.mark.long
@calm
@given(
    steps=STEPS, per_day=st.sampled_from([1, 2, 9]), kinds=st.lists(st.sampled_from(list(KINDS)), unique=True, min_size=1)
)
def test_what_was_looked_at_before_changes_nothing(
    make_engine: MakeEngine, steps: Sequence[Step], per_day: int, kinds: list[MomentKind]
) -> None:
    """A worker that remembers whom it looked at finds after every poll what one finds that looks at everybody each time."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        folders = Path(one), Path(other)
        engines = [with_settings(make_engine(), kinds=tuple(kinds), per_day=per_day) for _ in folders]
        remembers, forgets = (Worker(engine, folder) for engine, folder in zip(engines, folders, strict=True))
        now = micros(NOW)
        for number, step in enumerate(steps):
            now += int(step.minutes * 60e6)
            for worker in (remembers, forgets):
                happened(worker, number, step, now)
            kind = step.kind if step.kind in kinds else kinds[0]
            forgets.finder = Finder(forgets.serving, forgets.state, forgets.answer)
            found = [worker.finder.find(kind, now, 100, now) for worker in (remembers, forgets)]
            assert found[0] == found[1], (number, kind)
        assert notified(remembers) == notified(forgets)
