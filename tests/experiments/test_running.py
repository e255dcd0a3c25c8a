"""Running experiments: an arm changes its placement and nothing else, and is named only where it could change the answer."""

from __future__ import annotations

import cProfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.engine.choice import Answered, answered
from recsys.engine.inspection.replay import logged, replayed, same_bytes
from recsys.engine.pipeline import Engine, answer
from recsys.engine.slate_json import slate_json
from recsys.experiments.arms import check_experiments, runnable
from recsys.experiments.assignment import arm_of, is_held_out
from recsys.experiments.exposures import FirstExposures
from recsys.experiments.running import RunningExperiments
from recsys.live.databases import log_in
from recsys.live.erasure import Erased
from recsys.live.experiments import Exposure
from recsys.live.log import EventLog
from recsys.live.slate_log import LoggedSlate
from recsys.settings import Settings
from recsys.settings.campaigns import Campaign
from recsys.settings.experiments import MAX_EXPERIMENTS, Experiment, HoldoutSettings
from recsys.settings.placements import Placement
from recsys.snapshot.store import open_snapshot
from recsys.types import NO_HISTORY, Assignment, Bought, Query, SettingsError
from tests.conftest import NOW, micros
from tests.engine.test_pipeline import another_version

SHOPPERS = [f"user-{number}" for number in range(30)]
NOWHERE = Path("there-is-no-such-folder")
LEADS = {"rules": [{"name": "item_item", "recommenders": {"item_item": 1.0}}]}


class Alone:
    """Shoppers of whom no two ids are one person's, but for those that are named."""

    def __init__(self, owners: dict[str, str] = {}) -> None:  # noqa: B006 (only read)
        self._owners = owners

    def owner_of(self, user_id: str) -> str:
        """Whose an id is."""
        return self._owners.get(user_id, user_id)

    def ids_of(self, user_id: str) -> list[str]:
        """All ids of a user."""
        return [user_id, *(each for each, owner in self._owners.items() if owner == user_id)]


def experiment(change: dict[str, Any] | None = None, share: float = 0.5, **more: Any) -> Experiment:
    """Two arms on home, the second with a change."""
    arms = [
        {"name": "control", "share": 1 - share},
        {"name": "changed", "share": share, "change": LEADS if change is None else change},
    ]
    return msgspec.convert({"placement": "home", "arms": arms, **more}, Experiment)


@pytest.fixture(scope="module")
def engine(artifacts: Path) -> Engine:
    """The busy shop, with no experiment."""
    return opened(artifacts)


def opened(artifacts: Path, settings: Settings | None = None) -> Engine:
    """The busy shop's engine."""
    return Engine(open_snapshot(artifacts, (artifacts / "CURRENT").read_text().strip()), settings or Settings())


def ask(
    engine: Engine, running: RunningExperiments, user: str | None, identities: Alone | None = None, **more: Any
) -> Answered:
    """Ask as the service does."""
    query = Query(now=micros(NOW), user_id=user, **more)
    history = engine.snapshot.histories.of(user or "")
    return answered(running.choose(identities or Alone(), query, history), query, history)


def started(engine: Engine, trials: Mapping[str, Experiment], state: EventLog | None = None) -> RunningExperiments:
    """Experiments that run over an engine; without a log nobody was exposed before."""
    return RunningExperiments(engine, trials, FirstExposures((state or log_in(NOWHERE)).experiments))


def expose(engine: Engine, running: RunningExperiments, user: str, identities: Alone | None = None) -> str | None:
    """Ask and write the exposure down, as the service does; tells the arm."""
    found = ask(engine, running, user, identities)
    running.exposed(found.exposures, 1)
    return found.slate.experiments[0].arm if found.slate.experiments else None


def arms(engine: Engine, trial: Experiment, shoppers: Sequence[str] = SHOPPERS, **more: Any) -> dict[str, str | None]:
    """The arm that each slate names."""
    running = started(engine, {"trial": trial})
    slates = {user: ask(engine, running, user, **more).slate for user in shoppers}
    return {user: slate.experiments[0].arm if slate.experiments else None for user, slate in slates.items()}


def test_an_arm_answers_as_settings_of_its_own_would(engine: Engine, artifacts: Path) -> None:
    """Those of the changed arm see what a service with its rules shows; the control sees what it always did."""
    trial = experiment()
    running = started(engine, {"trial": trial})
    home = msgspec.structs.replace(engine.placement("home"), rules=trial.arms[1].change.rules)
    other = opened(artifacts, Settings(placements={"home": home}))
    for user in SHOPPERS:
        found = ask(engine, running, user)
        arm = arm_of("trial", trial, user)
        expected = answer({"control": engine, "changed": other}[arm or ""], found.query, found.history)
        assert (found.slate.items, found.slate.strategy) == (expected.items, expected.strategy)
        assert found.slate.experiments in ((), (Assignment("trial", arm or ""),))


def test_without_experiments_and_on_other_placements_nothing_changes(engine: Engine) -> None:
    """The bytes are those of before: where none runs, where one is stopped, on another placement, and for nobody in particular."""
    for trials in (
        {},
        {"trial": experiment(stopped=True)},
        {"trial": experiment({"rules": LEADS["rules"]}, placement="cart")},
    ):
        running = started(engine, trials)
        for user in (None, *SHOPPERS):
            found = ask(engine, running, user)
            plain = slate_json(engine.catalog, answer(engine, found.query, found.history))
            assert slate_json(engine.catalog, found.slate) == plain
            assert b'"experiments"' not in plain
    assert not ask(engine, started(engine, {"trial": experiment()}), None).slate.experiments


def test_an_arm_is_named_only_where_it_could_change_the_answer(engine: Engine) -> None:
    """Where all arms answer alike the slate is the plain one: rules that lead alike, a filter that the query overrides."""
    assert set(arms(engine, experiment({"rules": msgspec.to_builtins(engine.placement("home").rules)})).values()) == {None}
    assert set(arms(engine, experiment()).values()) == {"control", "changed"}
    assert set(arms(engine, experiment({"variety": 0.5})).values()) == {"control", "changed"}
    assert set(arms(engine, experiment({"variety": 0.0})).values()) == {None}
    filters = experiment({"bought": "allow"})
    assert set(arms(engine, filters).values()) == {"control", "changed"}
    assert set(arms(engine, filters, bought=Bought("hide")).values()) == {None}


def test_an_audience_is_for_whom_it_says(engine: Engine) -> None:
    """Shoppers for whom the conditions do not hold are answered as without the experiment."""
    assert set(arms(engine, experiment(when={"known": True}), ["stranger", "nobody"]).values()) == {None}
    assert None not in arms(engine, experiment({"fallback": ["bestsellers"]}, when={"known": True})).values()


def test_the_global_holdout_is_in_nothing(engine: Engine, artifacts: Path) -> None:
    """Held out shoppers have no arm of any experiment; the others do."""
    held = opened(artifacts, Settings(holdout=HoldoutSettings(share=0.5)))
    found = set(arms(held, experiment({"fallback": ["bestsellers"]})).values())
    assert found == {None, "control", "changed"}
    assert None not in arms(engine, experiment({"fallback": ["bestsellers"]})).values()


def test_a_linked_visitor_is_the_user(engine: Engine) -> None:
    """An id that belongs to a user has the user's arm."""
    running = started(engine, {"trial": experiment({"fallback": ["bestsellers"]})})
    for user in SHOPPERS:
        linked = Alone({f"visitor-of-{user}": user})
        under_both = {ask(engine, running, each, linked).slate.experiments for each in (user, f"visitor-of-{user}")}
        assert len(under_both) == 1


def test_a_visitor_who_signs_in_keeps_the_first_arm(engine: Engine, tmp_path: Path) -> None:
    """Of the ids of a person the one that was exposed first decides, for all of them, whatever the others would draw."""
    state = log_in(tmp_path)
    trial = experiment({"fallback": ["bestsellers"]})
    running = started(engine, {"trial": trial}, state)
    visitors = [f"visitor-{number}" for number in range(20)]
    before = {each: expose(engine, running, each) for each in visitors}
    assert {*before.values()} == {"control", "changed"}
    for visitor, user in zip(visitors, SHOPPERS, strict=False):
        running.people_changed()
        for each in (user, visitor):
            assert expose(engine, running, each, Alone({visitor: user})) == before[visitor]
    assert len([each for batch in state.experiments.exposures("trial") for each in batch]) == len(visitors)


def test_who_was_exposed_before_stays_out_of_the_holdout(artifacts: Path, tmp_path: Path) -> None:
    """A visitor whom an arm answered keeps it after signing in as a user of the holdout; that user has none without."""
    held, state = opened(artifacts, Settings(holdout=HoldoutSettings(share=0.5))), log_in(tmp_path)
    running = started(held, {"trial": experiment({"fallback": ["bestsellers"]})}, state)
    user = next(each for each in SHOPPERS if is_held_out(held.settings.holdout, each))
    assert expose(held, running, user) is None
    visitor = next(f"visitor-{n}" for n in range(20) if not is_held_out(held.settings.holdout, f"visitor-{n}"))
    arm = expose(held, running, visitor)
    assert arm is not None
    running.people_changed()
    for each in (user, visitor):
        assert expose(held, running, each, Alone({visitor: user})) == arm


def test_who_was_exposed_stays_when_traffic_falls(engine: Engine, tmp_path: Path) -> None:
    """Less traffic lets nobody new in, and puts nobody out."""
    state = log_in(tmp_path)
    before = {user: expose(engine, started(engine, {"trial": experiment(LEADS)}, state), user) for user in SHOPPERS}
    after = started(engine, {"trial": experiment(LEADS, traffic=0.0)}, state)
    assert {user: expose(engine, after, user) for user in SHOPPERS} == before
    assert expose(engine, after, "new") is None


def test_nobody_changes_arm_whatever_happens(engine: Engine, tmp_path: Path) -> None:
    """A ramp from 1 % over 30 % to all, a retrained snapshot, a rollback, a restart, a link and an erasure: each person stays where
    the first answer was, and has one exposure."""
    state, trained = log_in(tmp_path), Engine(another_version(engine.snapshot), engine.settings)
    people = [f"shopper-{number}" for number in range(150)]
    first: dict[str, str] = {}
    for traffic, over in ((0.01, engine), (0.3, engine), (0.3, trained), (1.0, trained), (1.0, engine), (1.0, engine)):
        running = started(over, {"trial": experiment({"fallback": ["bestsellers"]}, traffic=traffic)}, state)
        found = {user: arm for user in people if (arm := expose(over, running, user))}
        assert {user: found.get(user) for user in first} == first
        first |= found
    assert (len(first), {*first.values()}) == (len(people), {"control", "changed"})
    visitor, user = next((one, other) for one in people for other in people if one < other and first[one] != first[other])
    linked = Alone({visitor: user})
    for over in (engine, trained):
        running = started(over, {"trial": experiment({"fallback": ["bestsellers"]})}, state)
        assert expose(over, running, visitor, linked) == expose(over, running, user, linked) == first[visitor]
    state.forget([Erased("1:0", people[-1], 0, micros(NOW) + 1)], micros(NOW))
    running.people_changed()
    assert expose(engine, running, people[-1]) == arm_of("trial", experiment(), people[-1])
    rows = [each for batch in state.experiments.exposures("trial") for each in batch]
    assert {each.unit: each.arm for each in rows} == first
    assert len(rows) == len(people)


def test_what_is_kept_of_a_person_lasts_until_ids_change(engine: Engine, tmp_path: Path) -> None:
    """Of who is in, and of who takes no part, the log is asked once; it is asked again when ids were joined or erased."""
    state = log_in(tmp_path)
    running = started(engine, {"trial": experiment({"fallback": ["bestsellers"]}, traffic=0.0)}, state)
    assert expose(engine, running, "user-1") is None
    state.experiments.expose([Exposure("trial", "user-1", "changed", 1)], 1)
    assert expose(engine, running, "user-1") is None
    running.people_changed()
    assert expose(engine, running, "user-1") == "changed"
    state.forget([Erased("1:0", "user-1", 0, 2)], 3)
    assert expose(engine, running, "user-1") == "changed"
    running.people_changed()
    assert expose(engine, running, "user-1") is None


def test_an_exposure_is_told_until_it_is_written(engine: Engine, tmp_path: Path) -> None:
    """Of each shopper once, in the worker that wrote it and in every other; under another salt again."""
    state = log_in(tmp_path)
    trial = {"trial": experiment(LEADS)}
    running, other = started(engine, trial, state), started(engine, trial, state)
    first = ask(engine, running, "user-1").exposures
    assert [(each.experiment, each.unit, each.at) for each in first] == [("trial", "user-1", micros(NOW))]
    assert ask(engine, running, "user-1").exposures == first
    assert running.exposed(first, 1) == list(first)
    assert other.exposed(first, 1) == []
    assert ask(engine, running, "user-1").exposures == ask(engine, started(engine, trial, state), "user-1").exposures == ()
    assert (
        ask(engine, started(engine, {"trial": experiment(LEADS, salt="2")}, state), "user-1").exposures[0].experiment
        == "trial/2"
    )


def test_experiments_add_up(engine: Engine) -> None:
    """Two that change different things of a placement answer together, each with an arm of its own."""
    two = {"filters": experiment({"bought": "allow"}), "leads": experiment()}
    running = started(engine, two)
    found = {ask(engine, running, user).slate.experiments for user in SHOPPERS}
    assert {tuple(each.id for each in one) for one in found} == {("filters", "leads")}
    assert len({tuple(each.arm for each in one) for one in found}) == 4


def test_an_arm_may_change_limits_and_rotation(engine: Engine, artifacts: Path) -> None:
    """It answers as a service with these limits would, or rotates; the control's list is that of before, and all can be replayed."""
    limits, n_arms = ({"by": "brand", "max": 1, "within": 4},), set()
    for change in ({"limits": limits}, {"rotate": 0.9}):
        home = msgspec.convert({**msgspec.to_builtins(engine.placement("home")), **change}, Placement)
        other = opened(artifacts, Settings(placements={"home": home}))
        running = started(engine, {"trial": experiment(change)})
        for user in SHOPPERS:
            found = ask(engine, running, user)
            arm = found.slate.experiments[0].arm
            expected = answer({"control": engine, "changed": other}[arm], found.query, found.history)
            assert found.slate.items == expected.items
            note = msgspec.json.decode(msgspec.json.encode(logged(found, micros(NOW))), type=LoggedSlate)
            assert same_bytes(note, *replayed(note, open_snapshot(artifacts, note.snapshot), []))
            n_arms.add((arm, str(change)))
    assert len(n_arms) == 4
    with pytest.raises(
        msgspec.ValidationError, match="by 'colour' is not allowed in an arm; allowed: brand, category, group"
    ):
        experiment({"limits": ({"by": "colour", "max": 1},)})
    with pytest.raises(msgspec.ValidationError, match="cannot change `limits`"):
        experiment({"limits": limits}, kind="interleaved")


def test_an_arm_may_change_the_filter(engine: Engine, artifacts: Path) -> None:
    """It shows what a placement with this filter shows, in place of its own; all can be replayed, and alike arms name nobody."""
    brand = engine.catalog.brands.text(0)
    change = {"filter": {"brand": {"any": [brand]}}}
    home = msgspec.convert({**msgspec.to_builtins(engine.placement("home")), **change}, Placement)
    narrow = opened(artifacts, Settings(placements={"home": home}))
    for own, there, wanted in ((engine, change, narrow), (narrow, {"filter": {}}, engine)):
        running, named = started(own, {"trial": experiment(there)}), set()
        for user in SHOPPERS:
            found = ask(own, running, user)
            arm = found.slate.experiments[0].arm
            expected = answer({"control": own, "changed": wanted}[arm], found.query, found.history)
            assert found.slate.items == expected.items
            note = msgspec.json.decode(msgspec.json.encode(logged(found, micros(NOW))), type=LoggedSlate)
            assert same_bytes(note, *replayed(note, open_snapshot(artifacts, note.snapshot), []))
            named.add(arm)
        assert named == {"control", "changed"}
    assert set(arms(engine, experiment({"filter": {}})).values()) == {None}


def test_a_filter_of_what_items_do_not_have_runs_for_nobody(engine: Engine) -> None:
    """The experiment is refused over this snapshot, and everybody is answered as without it: neither arm counts anybody."""
    trials = {"lost": experiment({"filter": {"colour": {"any": ["red"]}}}), "trial": experiment()}
    running = started(engine, trials)
    assert running.refused.keys() == {"lost"}
    assert "experiments.lost, arm changed: placements.home.filter: attributes.colour" in running.refused["lost"]
    assert {each.id for user in SHOPPERS for each in ask(engine, running, user).slate.experiments} == {"trial"}


@pytest.mark.parametrize("off", ["all", ["autumn"]])
def test_an_arm_may_turn_campaigns_off(artifacts: Path, off: Any) -> None:
    """Its list is that of a service without the campaign; an arm is named only while the campaign holds, for whom it holds."""
    engine, plain = opened(artifacts), opened(artifacts)
    item = engine.catalog.item_id(int(answer(plain, Query(now=micros(NOW), user_id=SHOPPERS[0]), NO_HISTORY).items[-1]))
    pinned = {"placements": ["home"], "actions": [{"pin": {"item_id": item, "place": 1}}], "when": {"known": True}}
    trial = experiment({"campaigns_off": off})
    assert set(arms(engine, trial).values()) == {None}, "no campaign holds"
    engine.campaigns.put({"autumn": msgspec.convert(pinned, Campaign)})
    running, named = started(engine, {"trial": trial}), set()
    for user in SHOPPERS:
        found = ask(engine, running, user)
        arm = found.slate.experiments[0].arm
        other = {"control": engine, "changed": plain}[arm]
        assert found.slate.items == answer(other, found.query, found.history).items
        note = msgspec.json.decode(msgspec.json.encode(logged(found, micros(NOW))), type=LoggedSlate)
        assert same_bytes(note, *replayed(note, open_snapshot(artifacts, note.snapshot), []))
        named.add(arm)
    assert named == {"control", "changed"}
    assert set(arms(engine, trial, ["stranger", "nobody"]).values()) == {None}, "it holds for those who are known"
    assert set(arms(engine, experiment({"campaigns_off": ["other"]})).values()) == {None}
    with pytest.raises(msgspec.ValidationError, match="cannot change `campaigns_off`"):
        experiment({"campaigns_off": off}, kind="interleaved")


def test_an_arm_may_change_the_blend(engine: Engine) -> None:
    """Weights of a segment, over those that were published."""
    trial = experiment({"blend": {"customer": {"bestsellers": 1.0}}}, share=1.0)
    found = [ask(engine, started(engine, {"trial": trial}), user) for user in SHOPPERS]
    changed = [each.engine.blend for each in found if each.slate.experiments]
    assert changed
    assert all(each.customer == {"bestsellers": 1.0} for each in changed)
    assert all(each.lead == engine.snapshot.manifest.blend.lead for each in changed)


def test_slates_of_arms_are_replayed(engine: Engine, artifacts: Path) -> None:
    """What was logged of an arm's answer is answered again byte for byte, weights of the blend included."""
    trials = {"trial": experiment({**LEADS, "blend": {"customer": {"bestsellers": 1.0}}})}
    running = started(engine, trials)
    named = set()
    for user in SHOPPERS:
        note = logged(ask(engine, running, user), micros(NOW))
        read = msgspec.json.decode(msgspec.json.encode(note), type=LoggedSlate)
        assert same_bytes(read, *replayed(read, open_snapshot(artifacts, read.snapshot), []))
        named |= {each.arm for each in read.experiments}
    assert named == {"control", "changed"}


@pytest.mark.parametrize(
    ("trials", "says"),
    [
        ({"trial": experiment(placement="nowhere")}, "experiments.trial, arm control: placement: 'nowhere' is not allowed"),
        ({"trial": experiment({"fallback": ["als"]})}, "arm changed: placements.home.fallback"),
        ({"trial": experiment({"blend": {"lead": {"luck": 1.0}}})}, "arm changed: blend.lead: no recommender 'luck'"),
        ({"one": experiment(), "other": experiment()}, "experiments.one and experiments.other both change rules of 'home'"),
        ({"one": experiment(layer="l"), "other": experiment(layer="l")}, "overlap in the layer 'l'"),
    ],
)
def test_experiments_that_cannot_run_are_refused(trials: dict[str, Experiment], says: str) -> None:
    """Unknown placements and recommenders, chains that cannot fill a list, and two experiments that meet."""
    with pytest.raises(SettingsError, match=says):
        check_experiments(Settings(), trials)


def test_each_pair_is_looked_at_once() -> None:
    """As many as are kept run together, and what they cost grows with their pairs: workers look every few seconds."""
    n = MAX_EXPERIMENTS
    trials = {f"trial_{at}": experiment(layer="one", layer_start=at / n, traffic=0.9 / n) for at in range(n)}
    profile = cProfile.Profile()
    found, refused = profile.runcall(runnable, Settings(), trials)
    assert (len(found), refused) == (n, {})
    calls = {entry.code.co_name: entry.callcount for entry in profile.getstats() if not isinstance(entry.code, str)}
    assert calls["_check_pair"] == n * (n - 1) / 2
    assert calls["_check_arm"] == 2 * n


def test_experiments_side_by_side_are_allowed() -> None:
    """In one layer one after the other, on other placements, with other changes, or when one is stopped."""
    one = experiment(layer="l", traffic=0.5)
    for other in (
        experiment(layer="l", layer_start=0.5, traffic=0.5),
        experiment(placement="cart"),
        experiment({"bought": "allow"}),
        experiment(stopped=True),
    ):
        check_experiments(Settings(), {"one": one, "other": other})


def test_an_exposure_that_another_node_wrote_first_stands(tmp_path: Path) -> None:
    """Two workers draw different arms for one shopper, since shares changed in between: both go on with the one written first."""
    state = log_in(tmp_path / "state")
    one, other = FirstExposures(state.experiments), FirstExposures(state.experiments)
    assert one.write([Exposure("trial", "ann", "changed", 5)], 5)
    assert other.write([Exposure("trial", "ann", "control", 6)], 6) == []
    assert other.kept("trial", "ann") is None
    assert other.of("trial", ["ann"]) == one.kept("trial", "ann") == "changed"
