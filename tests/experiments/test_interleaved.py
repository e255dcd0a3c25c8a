"""Interleaved experiments: one list of two arms for the same shopper, replayed byte for byte, and never in messages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from recsys.engine.choice import Answered, answered
from recsys.engine.inspection.explain import explain
from recsys.engine.inspection.replay import logged, replayed, same_bytes
from recsys.engine.merchandising.interleaving import NOTICE
from recsys.engine.pipeline import Engine, answer
from recsys.experiments.arms import check_experiments
from recsys.experiments.exposures import FirstExposures
from recsys.experiments.running import RunningExperiments
from recsys.item_filters import Condition
from recsys.live.databases import log_in
from recsys.live.slate_log import LoggedSlate
from recsys.settings import Settings
from recsys.settings.campaigns import Action, Campaign, Exclude, Pin
from recsys.settings.experiments import Experiment
from recsys.settings.load import parse_settings
from recsys.snapshot.store import open_snapshot
from recsys.types import Assignment, Query, SettingsError
from tests.conftest import NOW, micros
from tests.experiments.test_running import NOWHERE, SHOPPERS, Alone, experiment

BEST = {"rules": [{"name": "popular", "recommenders": {"bestsellers": 1.0}}]}
MIXED = (Assignment("trial", "interleaved"),)


@pytest.fixture
def engine(artifacts: Any) -> Engine:
    """The busy shop's engine; a test may put campaigns."""
    return Engine(open_snapshot(artifacts, (artifacts / "CURRENT").read_text().strip()), Settings())


def trial(change: dict[str, Any] | None = None, **more: Any) -> Experiment:
    """Two rankings of the home page."""
    return experiment(BEST if change is None else change, kind="interleaved", **more)


def ask(
    engine: Engine, user: str = "user-1", is_message: bool = False, chosen: Experiment | None = None, **more: Any
) -> Answered:
    """Ask as the service does."""
    running = RunningExperiments(engine, {"trial": chosen or trial()}, FirstExposures(log_in(NOWHERE).experiments))
    query = Query(now=micros(NOW), user_id=user, limit=6, **more)
    history = engine.snapshot.histories.of(user)
    return answered(running.choose(Alone(), query, history, is_message), query, history)


def alone(engine: Engine, found: Answered, arm: int) -> tuple[int, ...]:
    """The list of one arm for what was asked."""
    change = trial().arms[arm].change
    home = engine.placement("home")
    if change.rules is not None:
        home = msgspec.structs.replace(home, rules=change.rules)
    other = Engine(engine.snapshot, Settings(placements={"home": home}))
    return answer(other, found.query, found.history).items


def test_a_list_is_a_draft_of_both_arms(engine: Engine) -> None:
    """Each item is the best left of the arm that picked it; the slate names the experiment and says that two picked."""
    teams = []
    for user in SHOPPERS:
        found = ask(engine, user)
        slate, rankings = found.slate, [alone(engine, found, arm) for arm in (0, 1)]
        assert len(slate.items) == len({*slate.items}) == 6
        assert len(slate.items) == len(slate.scores) == len(slate.reasons) == len(slate.sources) == len(slate.teams)
        for place, (item, team) in enumerate(zip(slate.items, slate.teams, strict=True)):
            assert item == next(each for each in rankings[team] if each not in slate.items[:place])
        assert slate.experiments == MIXED
        assert NOTICE in slate.notices
        assert [each.arm for each in found.exposures] == ["interleaved"]
        teams.append(slate.teams[0])
    assert set(teams) == {0, 1}


def test_an_interleaved_list_is_replayed_byte_for_byte(engine: Engine, artifacts: Any) -> None:
    """From the note's file form, in a process that knows of no experiment, with who picked each item."""
    for user in SHOPPERS[:6]:
        found = ask(engine, user)
        note = msgspec.json.decode(msgspec.json.encode(logged(found, micros(NOW))), type=LoggedSlate)
        assert note.beside is not None
        assert note.beside.teams == found.slate.teams
        other, slate = replayed(note, open_snapshot(artifacts, note.snapshot), [])
        assert slate.recommendation_id == found.slate.recommendation_id
        assert same_bytes(note, other, slate)


def test_messages_are_never_interleaved(engine: Engine) -> None:
    """They are those of a service without the experiment, and expose nobody."""
    found = ask(engine, is_message=True)
    plain = answer(engine, found.query, found.history)
    assert (found.slate.items, found.slate.recommendation_id) == (plain.items, plain.recommendation_id)
    assert (found.slate.experiments, found.slate.teams, found.exposures) == ((), (), ())
    split = experiment(BEST)
    assert any(ask(engine, user, is_message=True, chosen=split).exposures for user in SHOPPERS)


def test_where_campaigns_say_what_stands_the_control_answers(engine: Engine) -> None:
    """A pin stays where it was pinned; what only keeps items out leaves both rankings their turns."""
    engine.campaigns.put({"pin": Campaign(placements=("home",), actions=(Action(pin=Pin(item_id="lamp-2", place=1)),))})
    found = ask(engine).slate
    assert engine.catalog.item_id(found.items[0]) == "lamp-2"
    assert found.teams == ()
    kept = Action(exclude=Exclude(filter={"brand": Condition(any=("Oakly",))}))
    engine.campaigns.put({"kept": Campaign(placements=("home",), actions=(kept,))})
    assert ask(engine).slate.teams


def test_nothing_is_drawn_in_interleaved_lists(artifacts: Any) -> None:
    """Exploration of the placement rests for those who take part."""
    settings = parse_settings("[placements.home]\nexploration = { places = 4 }\n", NOWHERE)
    engine = Engine(open_snapshot(artifacts, (artifacts / "CURRENT").read_text().strip()), settings)
    found = ask(engine).slate
    assert found.teams
    assert found.propensities == ()


def test_an_explanation_is_of_the_arm_that_picked(engine: Engine) -> None:
    """The rule is that of the arm whose item it is."""
    found = next(found for found in (ask(engine, user) for user in SHOPPERS) if 1 in found.slate.teams)
    for item, team in zip(found.slate.items, found.slate.teams, strict=True):
        stated = explain(found.engine, found.query, found.history, item)
        assert stated.recommendation_id == found.slate.recommendation_id
        assert stated.shown
        assert stated.rule is not None
        assert (stated.rule.name == "popular") == (team == 1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"holdout": 0.1}, "two arms with a share of 0.5 each, and no holdout"),
        ({"share": 0.2}, "two arms with a share of 0.5 each, and no holdout"),
        ({"change": {"limit": 4}}, "cannot change `limit`"),
    ],
)
def test_what_cannot_be_interleaved_is_refused(more: dict[str, Any], said: str) -> None:
    """It says what an interleaved experiment has."""
    with pytest.raises(msgspec.ValidationError, match=said):
        trial(**more)


def test_another_experiment_on_the_placement_needs_a_layer() -> None:
    """An interleaved list has no room for a third ranking."""
    other = experiment({"bought": "allow"})
    with pytest.raises(SettingsError, match="both on 'home', and one is interleaved; give them one `layer`"):
        check_experiments(Settings(), {"trial": trial(), "other": other})
    apart = {
        "trial": trial(layer="home", traffic=0.5),
        "other": experiment({"bought": "allow"}, layer="home", layer_start=0.5, traffic=0.5),
    }
    check_experiments(Settings(), apart)
