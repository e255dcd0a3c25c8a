"""Lists of an experiment: what each arm showed, how long its answers take, and a node that forgets whom it answered."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.clock import DAY
from recsys.engine.choice import answered
from recsys.engine.inspection.replay import logged
from recsys.engine.pipeline import Engine
from recsys.experiments.exposures import FirstExposures
from recsys.experiments.running import RunningExperiments
from recsys.live.databases import open_log, open_slates
from recsys.live.experiments import Exposure
from recsys.live.slate_log import SlateHead
from recsys.snapshot.store import current_version, open_snapshot
from recsys.types import NO_HISTORY, Assignment, Query
from tests.conftest import NOW, SETTINGS, Shop, ago, busy_events, event, micros
from tests.experiments.test_running import Alone
from tests.training.experiments.test_experiment import AT, FOR_EVER, LINES, NO_OWNERS, NOTHING, TRIAL
from training.experiments.ledger import Ledger
from training.experiments.measures import NEW_DAYS, SHOWN
from training.experiments.readout import open_trial, read_out
from training.experiments.shown_lists import of_lists, shown_lists


def head(user: str, arm: str, name: str, *items: str, at: int = 10 * DAY) -> SlateHead:
    """A logged list of an arm."""
    query = Query(now=at, user_id=user)
    return SlateHead(name, "snapshot", 0, query, (), (Assignment("trial", arm),), tuple((item, "ease") for item in items))


def test_lists_tell_what_an_arm_showed() -> None:
    """Empty lists, new items and coverage, over as many lists of each arm, from the first exposure on."""
    costs = pl.Series("cost", [None] * 4, dtype=pl.Float64)
    since = [-90 * DAY, 9 * DAY, None, 0]
    items = pl.DataFrame({"item_id": ["old", "new", "other", "last"], "cost": costs, "since": since})
    owners = pl.DataFrame({"id": ["phone"], "unit": ["ann"]}).with_columns(**FOR_EVER)
    ledger = Ledger(LINES, NOTHING, NOTHING, owners, None, items)
    persons = pl.DataFrame({"unit": ["ann", "bob"], "arm": ["a", "b"], "at": [5 * DAY, 5 * DAY]})
    heads = [
        head("phone", "a", "r1", "old", "new", at=40 * DAY),
        head("ann", "a", "r2"),
        head("ann", "a", "r0", "last", at=4 * DAY),
        head("bob", "b", "r3", "new"),
        head("eve", "b", "r4", "other"),
        SlateHead("r5", "snapshot", 0, Query(now=10 * DAY, user_id="fay")),
    ]
    found = shown_lists(heads, "trial", ledger, persons)
    assert found.counts.sort("unit").select("unit", *SHOWN).rows() == [("ann", 2, 1, 2, 0), ("bob", 1, 0, 1, 1)]
    assert (dict(found.lists), dict(found.coverage)) == ({"a": 2, "b": 1}, {"a": 0.5, "b": 0.25})
    assert (found.answered, found.unexposed, found.loses_exposures) == (3, 1, False)
    assert shown_lists([*heads, head("gus", "a", "r6")], "trial", ledger, persons).loses_exposures


def test_clicks_of_other_placements_are_told_or_left_out(tmp_path: Path) -> None:
    """With all lists logged, only those that name the experiment count as seen and clicked; else all do, and a note says so."""
    trial = Shop(tmp_path, busy_events(), toml=SETTINGS + TRIAL)
    trial.write()
    for number in range(30):
        user = f"user-{number}"
        rows = [
            event(user, "sofa-1", kind, ago(days=5), recommendation_id=f"home-{number}") for kind in ("impression", "click")
        ]
        trial.add(*rows, event(user, "sofa-2", "impression", ago(days=5), recommendation_id=f"other-{number}"))
    pl.DataFrame(trial.events, infer_schema_length=None).write_parquet(trial.folder / "events.parquet")
    persons = [Exposure("trial", f"user-{number}", "control" if number % 2 else "changed", AT) for number in range(30)]
    open_log(trial.settings).experiments.expose(persons, AT)
    heads = [head(f"user-{number}", "control", f"home-{number}", "sofa-1", at=AT) for number in range(30)]
    opened = open_trial(trial.settings, "trial", NOW)
    shown = shown_lists(heads, "trial", opened.ledger, opened.persons)
    own = of_lists(opened.ledger, shown.names)
    assert [each.height for each in (opened.ledger.seen, own.seen, own.clicks)] == [60, 30, 30]
    assert any("lists of all placements" in note for note in read_out(trial.settings, "trial", NOW).notes)
    trial.toml += "\n[state]\nslate_share = 1.0\n"
    assert not any("lists of all placements" in note for note in read_out(trial.settings, "trial", NOW).notes)


def test_many_lists_are_counted_as_a_few_are() -> None:
    """Batch by batch, and the places of all lists together, as if each list were looked at by itself."""
    rng = np.random.default_rng(5)
    names = [f"item-{number}" for number in range(300)]
    ages = [None if rng.random() < 0.2 else int(rng.integers(0, 100)) * DAY for _ in names]
    items = pl.DataFrame({"item_id": names, "cost": [1.0] * len(names), "since": ages})
    arms = {f"user-{number}": "ab"[number % 3 == 0] for number in range(400)}
    persons = pl.DataFrame({"unit": [*arms], "arm": [*arms.values()], "at": [50 * DAY] * len(arms)})
    heads = []
    for number in range(12_000):
        user, shown = f"user-{rng.integers(420)}", rng.choice(names[:200], rng.integers(0, 5), replace=False)
        at = int(rng.integers(40, 100)) * DAY
        heads.append(head(user, arms.get(user, "a"), f"{rng.integers(2**60):015x}{number}", *map(str, shown), at=at))
    counts, lists, since = dict[str, list[int]](), dict[str, list[SlateHead]](), dict(zip(names, ages, strict=True))
    for each in heads:
        user, now = str(each.query.user_id), each.query.now
        if user in arms and now >= 50 * DAY:
            new = sum((since[item] or 0) > now - NEW_DAYS * DAY for item, _ in each.shown)
            more = (1, not each.shown, len(each.shown), new)
            counts[user] = [one + other for one, other in zip(counts.get(user, [0] * 4), more, strict=True)]
            lists.setdefault(arms[user], []).append(each)
    fewest = min(map(len, lists.values()))
    coverage = {}
    for arm, every in lists.items():
        sample = sorted(every, key=lambda each: each.recommendation_id)[:fewest]
        coverage[arm] = len({item for each in sample for item, _ in each.shown}) / len(names)
    found = shown_lists(heads, "trial", Ledger(LINES, NOTHING, NOTHING, NO_OWNERS, None, items), persons)
    assert {unit: row for unit, *row in found.counts.select("unit", *SHOWN).iter_rows()} == counts
    assert (found.lists, found.coverage) == ({arm: len(every) for arm, every in lists.items()}, coverage)
    assert (found.answered, found.unexposed) == (420, 20)


def test_without_logged_lists_nothing_is_said_of_them() -> None:
    """No figure, and no alarm."""
    persons = pl.DataFrame({"unit": ["ann"], "arm": ["a"], "at": [0]})
    found = shown_lists([], "trial", Ledger(LINES, NOTHING, NOTHING, NO_OWNERS, None), persons)
    assert (found.counts.height, dict(found.coverage), found.loses_exposures) == (0, {}, False)


@pytest.mark.parametrize("forgets", [False, True])
def test_a_node_that_forgets_exposures_is_found(tmp_path: Path, artifacts: Path, forgets: bool) -> None:
    """One of two nodes answers and writes nobody down: the arms keep their sizes, and the verdict is not to read it all the same."""
    shop = Shop(tmp_path, busy_events(), toml=SETTINGS + TRIAL)
    shop.write()
    shop.settings.artifacts.symlink_to(artifacts)
    engine = Engine(open_snapshot(artifacts, current_version(artifacts) or ""), shop.settings)
    log, slates = open_log(shop.settings), open_slates(shop.settings)
    nodes = [RunningExperiments(engine, shop.settings.experiments, FirstExposures(log.experiments)) for _ in range(2)]
    for number in range(60):
        query, node = Query(now=micros(ago(days=1)), user_id=f"user-{number}"), nodes[number % 2]
        found = answered(node.choose(Alone(), query, NO_HISTORY), query, NO_HISTORY)
        if not forgets or number % 2:
            node.exposed(found.exposures, 1)
        slates.write([logged(found, 1)])
    ticks = itertools.count(step=500_000)
    stated = read_out(shop.settings, "trial", NOW, timer=lambda: next(ticks))
    assert stated.sizes_p > 0.001
    assert (stated.unexposed, stated.verdicts["changed"].startswith("Do not read this: shoppers were answered")) == (
        30 * forgets,
        forgets,
    )
    assert {arm: each.milliseconds for arm, each in stated.arms.items()} == {"control": 0.5, "changed": 0.5}
    assert sum(each.lists for each in stated.arms.values()) == sum(stated.units.values()) == 60 - 30 * forgets
    assert {each.measure for each in stated.differences} >= {"empty_lists", "new_items"}
