"""The read-out of an interleaved experiment: credits of who picked, a ratio whose interval holds the planted truth, and a verdict."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.engine.choice import answered
from recsys.engine.inspection.replay import logged
from recsys.engine.pipeline import Engine
from recsys.experiments.exposures import FirstExposures
from recsys.experiments.running import RunningExperiments
from recsys.live.databases import open_log, open_slates
from recsys.live.slate_log import Beside, SlateHead
from recsys.settings import Settings
from recsys.settings.placements import BlendSettings, Placement
from recsys.snapshot.store import open_snapshot
from recsys.types import Assignment, Query
from tests.conftest import NOW, SETTINGS, Shop, ago, busy_events, event, micros
from tests.experiments.test_running import Alone
from training.experiments.interleaved import CLICKS, ORDERS, credited, preference
from training.experiments.ledger import Ledger
from training.experiments.readout import experiment

TRIAL = """
[experiments.trial]
placement = "home"
kind = "interleaved"
metric = "click_through"
[[experiments.trial.arms]]
name = "control"
share = 0.5
[[experiments.trial.arms]]
name = "popular"
share = 0.5
change = { rules = [{ name = "popular", recommenders = { bestsellers = 1.0 } }] }
"""


def test_clicks_and_orders_credit_the_one_that_picked(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From lists of the service to the files: each person counts, whoever clicked nothing too."""
    shop = Shop(tmp_path, busy_events(), toml=SETTINGS + TRIAL)
    shop.write()
    engine = Engine(open_snapshot(artifacts, (artifacts / "CURRENT").read_text().strip()), Settings())
    running = RunningExperiments(engine, shop.settings.experiments, FirstExposures(open_log(shop.settings).experiments))
    began, rows, expected = ago(days=20), [], {CLICKS: [0, 0], ORDERS: [0, 0]}
    for number in range(30):
        query = Query(now=micros(began), user_id=f"user-{number}", limit=6)
        history = engine.snapshot.histories.of(str(query.user_id))
        found = answered(running.choose(Alone(), query, history), query, history)
        running.exposed(found.exposures, micros(began))
        if not found.slate.teams:
            continue
        open_slates(shop.settings).write([logged(found, query.now)])
        item, team = found.slate.items[number % 6], found.slate.teams[number % 6]
        if number % 3:
            clicked, name = began + timedelta(minutes=1), engine.catalog.item_id(item)
            rows.append(event(str(query.user_id), name, "click", clicked, recommendation_id=found.slate.recommendation_id))
            expected[CLICKS][team] += 1
            if number % 2:
                more = {"order_id": f"o{number}", "price": 5.0, "quantity": 1.0}
                rows.append(event(str(query.user_id), name, "purchase", clicked + timedelta(days=1), **more))
                expected[ORDERS][team] += 1
    frame = pl.DataFrame([*shop.events, *rows], infer_schema_length=None)
    frame.write_parquet(shop.folder / "events.parquet")
    assert experiment(shop.settings, "trial", NOW, None) == 0
    stated = json.loads((shop.settings.artifacts / "experiments" / "trial.json").read_text())
    (persons,) = stated["units"].values()
    assert (stated["metric"], stated["expected_shares"]) == (CLICKS, {"interleaved": 1.0})
    by_measure = {each["measure"]: each for each in stated["differences"]}
    for measure, (first, second) in expected.items():
        assert by_measure[measure]["control"] * persons == pytest.approx(first)
        assert by_measure[measure]["value"] * persons == pytest.approx(second)
    assert sum(expected[CLICKS]) > 10
    assert stated["verdicts"]["popular"] in " ".join(capsys.readouterr().out.split())


def test_intervals_hold_the_planted_preference() -> None:
    """Over 400 experiments of 1,500 persons each: 95 % hold the ratio, and those that look daily are wider."""
    rng, held, runs = np.random.default_rng(1), 0, 400
    for _ in range(runs):
        liveliness = rng.gamma(1.0, 1.0, 1_500)
        credits = np.stack([rng.poisson(0.3 * liveliness), rng.poisson(0.36 * liveliness)], axis=1).astype(float)
        stated = preference(CLICKS, "popular", credits)
        held += stated.low <= 0.2 <= stated.high
        assert stated.always_low < stated.low
        assert stated.always_high > stated.high
        assert (stated.p < 0.05) == (stated.low > 0 or stated.high < 0)
    assert held / runs == pytest.approx(0.95, abs=0.035)


def test_too_few_credits_tell_nothing() -> None:
    """Nobody, one person, or a ranking that nobody clicked: figures that cannot be told, no error."""
    for credits in (np.empty((0, 2)), np.ones((1, 2)), np.array([[1.0, 0.0]] * 5)):
        stated = preference(ORDERS, "popular", credits)
        assert np.isnan([stated.relative, stated.low, stated.high, stated.p]).all()
        assert stated.always_high == np.inf


def test_what_was_clicked_before_the_first_exposure_credits_nobody() -> None:
    """Lists of an experiment of the same name that ended, with another salt, do not count for the one that runs."""
    head = SlateHead(
        "old",
        "snapshot",
        0,
        Query(now=10, user_id="ann"),
        experiments=(Assignment("trial", "interleaved"),),
        shown=(("a", "x"), ("b", "x")),
        beside=Beside(Placement(), BlendSettings(), (0, 1)),
    )
    clicks = pl.DataFrame({"unit": ["ann"] * 2, "time": [11, 1011], "recommendation_id": ["old"] * 2, "item_id": ["b", "a"]})
    numbers = dict.fromkeys(("amount", "units", "returned"), pl.Float64)
    lines = pl.DataFrame(schema={"unit": pl.String, "time": pl.Int64, "item_id": pl.String, "order": pl.Int64, **numbers})
    persons = pl.DataFrame({"unit": ["ann"], "arm": ["interleaved"], "at": [1000]})
    found = credited(Ledger(lines, clicks.drop("item_id"), clicks, pl.DataFrame(), None), persons, [head], "trial")
    assert found.clicks.sum(axis=0).tolist() == [1, 0]
