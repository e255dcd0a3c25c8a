"""Exploration: first places drawn with chances that are known exactly and bounded below, the same when a list is answered again."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import permutations
from math import prod
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.choice import Answered
from recsys.engine.inspection.explain import explain
from recsys.engine.inspection.replay import logged, replayed, same_bytes
from recsys.engine.merchandising.exploration import Explorer, chances_of
from recsys.engine.pipeline import Engine, answer
from recsys.engine.serving_state import ServingState
from recsys.experiments.exposures import FirstExposures
from recsys.experiments.running import RunningExperiments
from recsys.item_filters import Condition
from recsys.live.databases import log_in
from recsys.live.slate_log import LoggedSlate
from recsys.settings.campaigns import Action, Campaign, Exclude, Pin
from recsys.settings.experiments import Experiment
from recsys.settings.load import parse_settings
from recsys.settings.variety import Exploration
from recsys.snapshot.store import Snapshot
from recsys.types import NO_HISTORY, Query, Slate
from tests.conftest import NOW, Shop, busy_events, micros
from tests.support.shops.handmade import calm

PLACES, LEAST = 4, 0.02
LINE = f"exploration = {{ places = {PLACES}, temperature = 0.2, least = {LEAST} }}"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The busy shop's snapshot."""
    return Shop(tmp_path_factory.mktemp("explored"), busy_events()).engine().snapshot


def engine_with(snapshot: Snapshot, line: str = LINE) -> Engine:
    """The shop with one more setting of the home page."""
    return Engine(snapshot, parse_settings(f"[placements.home]\n{line}\n", Path()))


def asked(user: str | None = "ann", day: int = 0, limit: int = 5, placement: str = "home") -> Query:
    """A question for the home page on a day."""
    now = micros(NOW + timedelta(days=day))
    return Query(now=now, user_id=user, limit=limit, placement=placement)


def listed(engine: Engine, query: Query) -> Slate:
    """The list of a shopper of whom nothing is known."""
    return answer(engine, query, NO_HISTORY)


@pytest.mark.parametrize("in_experiment", [False, True])
def test_nothing_is_drawn_for_messages(snapshot: Snapshot, tmp_path: Path, in_experiment: bool) -> None:
    """Their lists are put together with other items and filled up later: they are those of a placement that never draws, also under
    an arm of an experiment and where its exposure cannot be written, and can be replayed."""
    engine, plain, log = engine_with(snapshot), engine_with(snapshot, ""), log_in(tmp_path)
    serving = ServingState(engine, log, None)
    if in_experiment:
        arms = [{"name": "one", "share": 0.5}, {"name": "two", "share": 0.5, "change": {"fallback": ["bestsellers"]}}]
        trials = {"trial": msgspec.convert({"placement": "home", "arms": arms}, Experiment)}
        serving.arms = RunningExperiments(engine, trials, FirstExposures(log.experiments))
    for user in (f"user-{number}" for number in range(5)):
        query = asked(user, limit=6)
        assert serving.answer(query).slate.propensities
        stated = serving.answer_message(query)
        assert (stated.slate.propensities, bool(stated.slate.experiments)) == ((), in_experiment)
        for found in (stated, serving.answer_without_arms(query, is_message=True)):
            expected = answer(plain, found.query, found.history)
            assert found.slate.items == expected.items or in_experiment
            note = msgspec.json.decode(msgspec.json.encode(logged(found, 1)), type=LoggedSlate)
            assert same_bytes(note, *replayed(note, snapshot, []))


@calm
@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=5))
def test_chances_are_those_of_plackett_and_luce(weights: list[float]) -> None:
    """Each item at each place: the sum over all orders that have it there, of the product of the draws."""
    stated = np.zeros((len(weights), len(weights)))
    for order in permutations(range(len(weights))):
        chance = prod(weights[item] / sum(weights[each] for each in order[at:]) for at, item in enumerate(order))
        for place, item in enumerate(order):
            stated[item, place] += chance
    np.testing.assert_allclose(chances_of(np.array(weights)), stated, atol=1e-9)


@calm
@given(
    relevance=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=10),
    temperature=st.floats(0.01, 10),
    least=st.floats(0.001, 0.1),
)
def test_chances_add_up_and_none_is_below_the_least(relevance: list[float], temperature: float, least: float) -> None:
    """Some item stands at each place and each item at some place, however cold the draw."""
    setting = Exploration(places=len(relevance), temperature=temperature, least=least)
    found = Explorer(None, setting, asked()).chances(relevance)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-9)
    assert found.min() >= least * (1 - 1e-9)


def test_lists_are_drawn_as_often_as_is_said(snapshot: Snapshot) -> None:
    """Over many shoppers each item comes to each place with its propensity, within chance."""
    engine, runs = engine_with(snapshot), 2_000
    seen: Counter[tuple[int, int]] = Counter()
    chances: dict[tuple[int, int], float] = {}
    for number in range(runs):
        slate = listed(engine, asked(f"user {number}"))
        for place, chance in enumerate(slate.propensities):
            seen[slate.items[place], place] += 1
            chances[slate.items[place], place] = chance
    assert len(chances) == PLACES**2
    for pair, chance in chances.items():
        assert abs(seen[pair] / runs - chance) < 4.5 * (chance * (1 - chance) / runs) ** 0.5, pair


def test_only_the_first_places_are_drawn(snapshot: Snapshot) -> None:
    """The items are those of before, the others stay where they stood, and the slate says it; a short list shows some of those."""
    plain, exploring = engine_with(snapshot, ""), engine_with(snapshot)
    before, after = (listed(engine, asked("user 3")) for engine in (plain, exploring))
    assert sorted(after.items[:PLACES]) == sorted(before.items[:PLACES])
    assert after.items[PLACES:] == before.items[PLACES:]
    assert len(after.propensities) == PLACES
    assert min(after.propensities) >= LEAST
    assert after.notices == (f"exploration: the first {PLACES} places are drawn",)
    short = listed(exploring, asked("user 3", limit=2))
    assert short.items == after.items[:2]
    assert short.propensities == after.propensities[:2]


def test_a_list_is_the_same_for_a_day(snapshot: Snapshot) -> None:
    """Another day, another shopper and another placement draw anew."""
    engine = engine_with(snapshot)
    users = [f"user {number}" for number in range(20)]
    today = [listed(engine, asked(user)).items for user in users]
    assert [listed(engine, asked(user)).items for user in users] == today
    assert [listed(engine, asked(user, day=1)).items for user in users] != today
    assert len(set(today)) > 5


@pytest.mark.parametrize("query", [asked(None), asked("ann", placement="category")])
def test_elsewhere_nothing_is_drawn(snapshot: Snapshot, query: Query) -> None:
    """Not for nobody in particular, nor on a placement without the setting: the list is that of a shop without exploration."""
    before, after = (listed(engine, query) for engine in (engine_with(snapshot, ""), engine_with(snapshot)))
    assert (after.items, after.scores, after.notices, after.propensities) == (before.items, before.scores, (), ())


def test_where_campaigns_say_what_stands_nothing_is_drawn(snapshot: Snapshot) -> None:
    """A pin stays where it was pinned; what only keeps items out leaves the draw."""
    engine = engine_with(snapshot)
    engine.campaigns.put({"pin": Campaign(placements=("home",), actions=(Action(pin=Pin(item_id="lamp-2", place=1)),))})
    assert all(engine.catalog.item_id(listed(engine, asked(f"u{n}")).items[0]) == "lamp-2" for n in range(10))
    assert listed(engine, asked()).propensities == ()
    kept = Action(exclude=Exclude(filter={"brand": Condition(any=("Oakly",))}))
    engine.campaigns.put({"kept": Campaign(placements=("home",), actions=(kept,))})
    assert len(listed(engine, asked()).propensities) == PLACES


def test_a_drawn_list_is_replayed_byte_for_byte(snapshot: Snapshot) -> None:
    """With its propensities, which are logged."""
    engine, query = engine_with(snapshot), asked("user 3")
    slate = listed(engine, query)
    note = logged(Answered(engine, query, NO_HISTORY, slate, ()), query.now)
    assert note.propensities == slate.propensities
    again, found = replayed(note, snapshot, [])
    assert same_bytes(note, again, found)
    assert found.propensities == slate.propensities


def test_an_explanation_says_that_it_was_drawn(snapshot: Snapshot) -> None:
    """With the chance, and the place that it would have had."""
    engine = engine_with(snapshot)
    slate = listed(engine, asked("user 3"))
    found = explain(engine, asked("user 3"), NO_HISTORY, slate.items[0])
    assert found.recommendation_id == slate.recommendation_id
    assert [each.action for each in found.campaigns] == ["explore"]
    assert f"exploration drew it to place 1, where it comes with a chance of {slate.propensities[0]:.1%}" in found.said
    assert found.moved is not None
    assert found.moved.without == listed(engine_with(snapshot, ""), asked("user 3")).items.index(slate.items[0]) + 1
