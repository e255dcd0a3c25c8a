"""Tuning: what is searched, that it resumes, that it sees nothing from the test window, and that training takes it up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import optuna
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.recommenders import RECOMMENDERS, configure
from recsys.settings import Settings
from recsys.settings.load import load_settings, parse_settings
from recsys.settings.placements import BlendSettings
from recsys.types import DataError, SettingsError
from simulator import make_shop, shop_settings
from tests.support.shops.evaluated import Run
from tests.support.shops.handmade import calm
from tests.support.shops.synthetic import END
from training.cli.tuning_progress import TuningProgress
from training.evaluation.blend_weights import learn_blend
from training.evaluation.tune import BEHAVIOUR, Tuned, current, rounded, space, tune, with_values, write_tuned

TEXT = shop_settings(".")
FEW = TEXT + "[evaluation]\nfolds = 1\nresamples = 100\n"
BEFORE = END - timedelta(days=28)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic shop of 400 users."""
    folder = tmp_path_factory.mktemp("tune")
    make_shop(folder, users=400, end=END)
    (folder / "settings.toml").write_text(FEW)
    return folder


def tuned(folder: Path, journal: str, **more: Any) -> Tuned:
    """Tune item_item in this shop."""
    chosen: dict[str, Any] = {"only": ["item_item"], "trials": 3, **more}
    return tune(load_settings(folder / "settings.toml"), BEFORE, datetime.now(UTC), folder / journal, **chosen)


@pytest.mark.parametrize("name", [*RECOMMENDERS, BEHAVIOUR])
def test_whatever_is_tried_is_allowed(name: str) -> None:
    """The search space follows the types: a hundred drawn settings all pass the check of the settings file."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=20))
    for _ in range(100):
        trial = study.ask()
        drawn = rounded({key: suggest(trial) for key, suggest in space(name).items()})
        settings = with_values(Settings(), name, drawn)
        configure(settings.recommenders)
        msgspec.convert(msgspec.to_builtins(settings.behaviour), type(settings.behaviour))
        assert {key: current(settings, name)[key] for key in drawn} == drawn


def test_costs_are_not_searched() -> None:
    """Threads, iterations and caps of size stay as the shop set them; what is accuracy is searched."""
    assert set(space("als")) == {"regularization", "alpha", "half_life_days", "history_items"}
    assert not {"most_items"} & {*space("item_item"), *space("ease")}
    assert "weighting" in space("item_item")
    assert set(space(BEHAVIOUR)) == {"view_weight", "cart_weight"}


@calm
@given(st.floats(1e-6, 1e6))
def test_rounded_to_three_digits(value: float) -> None:
    """Chosen numbers are those that the file will hold."""
    assert rounded({"x": value, "n": 3, "w": "bm25"})["x"] == pytest.approx(value, rel=5e-3)


@pytest.mark.long
def test_training_takes_up_what_was_found(shop: Path) -> None:
    """The file holds what the studies chose and the learned blend, and lies over the settings file from then on."""
    found = tuned(shop, "journal-a")
    file = shop / "tuned.toml"
    write_tuned(file, found)
    try:
        settings = load_settings(shop / "settings.toml")
        assert settings.blend == found.learned.blend
        assert settings.recommenders == found.settings.recommenders
        assert [(study.name, study.trials) for study in found.studies] == [("item_item", 3)]
        assert found.studies[0].after >= found.studies[0].before > 0
        assert "2026-01-18 + 28 days" in file.read_text()
    finally:
        file.unlink()


@pytest.mark.long
def test_a_second_run_keeps_what_the_first_found(shop: Path, tmp_path: Path) -> None:
    """Tuning one thing does not forget another."""
    file = tmp_path / "tuned.toml"
    file.write_text("[recommenders.als]\nalpha = 3.5\n[behaviour]\nview_weight = 0.7\n")
    write_tuned(file, tuned(shop, "journal-e", trials=1))
    settings = parse_settings(TEXT, tuned=file.read_bytes())
    assert settings.recommenders["als"] == {"alpha": 3.5}
    assert settings.behaviour.view_weight == 0.7


@pytest.mark.long
def test_goes_on_where_it_stopped(shop: Path) -> None:
    """A second run with the same journal tries only what is still missing, and one that is complete nothing."""
    seen: list[int] = []

    def tried(name: str, done: int, _of: int, _best: float) -> None:
        if name != "blend":
            seen.append(done)

    tuned(shop, "journal-b", trials=1, notify=tried)
    tuned(shop, "journal-b", trials=3, notify=tried)
    tuned(shop, "journal-b", trials=3, notify=tried)
    assert seen == [1, 2, 3]


def test_the_time_budget_ends_everything(shop: Path) -> None:
    """Without time no study begins and no weight is learned, and what was not tried is no part of the file."""
    found = tuned(shop, "journal-c", minutes=0)
    assert [(study.trials, study.wanted) for study in found.studies] == [(0, 3)]
    assert (found.learned.blend, found.learned.users) == (found.settings.blend, {})


def test_little_time_asks_fewer(run: Run) -> None:
    """Where time runs out while the blend is learned, fewer shoppers are asked, and the best weights so far stand."""
    names, ticks = ["trending", "item_item", "ease"], iter(range(100_000))
    rounds = [(run.engine, run.examination)]
    whole = learn_blend(rounds, names, BlendSettings(), 50, 20)
    short = learn_blend(rounds, names, BlendSettings(), 50, 20, lambda: max(120.0 - next(ticks), 0.0))
    late = learn_blend(rounds, names, BlendSettings(), 50, 20, lambda: 0.0)
    assert 0 < short.users["repeat"] < whole.users["repeat"]
    assert sum(short.blend.repeat.values()) == pytest.approx(1, abs=1e-3)
    assert (late.blend, set(late.users.values())) == (BlendSettings(), {0})


def test_progress_is_in_a_file(tmp_path: Path) -> None:
    """After each step the file holds all of it: the step, the minutes, and every study with its trials and its best."""
    file, said = tmp_path / "tuning" / "progress.json", list[str]()
    progress = TuningProgress(file, 30, said.append)
    assert msgspec.json.decode(file.read_bytes())["step"] == "reading the folds"
    progress.at("als", 1, 25, 0.12345)
    progress.at("als", 2, 25, 0.2)
    progress.at("blend", 0, 1, 0.0)
    stated = msgspec.json.decode(file.read_bytes())
    assert (stated["step"], stated["minutes"]) == ("blend: asking and climbing", 30)
    assert stated["studies"][0] == {"name": "als", "trials": 2, "wanted": 25, "best_ndcg10": 0.2}
    progress.end()
    assert msgspec.json.decode(file.read_bytes())["step"] == "done"
    assert said[1] == "als: 1 of 25 trials, best NDCG@10 0.1235"


@pytest.mark.long
def test_the_test_window_is_never_looked_at(shop: Path, tmp_path: Path) -> None:
    """Without the events from the window on, the same settings and weights are found."""
    for file in shop.glob("*.parquet"):
        frame = pl.read_parquet(file)
        if file.name.startswith("events"):
            frame = frame.filter(pl.col("timestamp") < BEFORE)
        frame.write_parquet(tmp_path / file.name)
    (tmp_path / "settings.toml").write_text(FEW)
    whole, cut = (tuned(folder, "journal-d", trials=2) for folder in (shop, tmp_path))
    assert msgspec.json.encode(whole.learned) == msgspec.json.encode(cut.learned)
    assert [study.chosen for study in whole.studies] == [study.chosen for study in cut.studies]


def test_a_tuned_file_cannot_change_the_shop(tmp_path: Path) -> None:
    """It may hold what is tuned and nothing else, and mistakes in it are named."""
    (tmp_path / "settings.toml").write_text(TEXT)
    (tmp_path / "tuned.toml").write_text("[web]\nauth = 'off'")
    with pytest.raises(SettingsError, match=r"tuned\.toml: web: a tuned file holds only behaviour, recommenders, blend"):
        load_settings(tmp_path / "settings.toml")
    (tmp_path / "tuned.toml").write_text("[blend.lead]\nitem_item = -1")
    with pytest.raises(SettingsError, match=r"tuned\.toml: .*blend"):
        load_settings(tmp_path / "settings.toml")


def test_a_tuned_file_overrides_single_settings() -> None:
    """Settings of the file that were not tuned stay."""
    text = "[recommenders.item_item]\nneighbours = 7\nhalf_life_days = 3\n[behaviour]\nview_weight = 2\n"
    over = "[recommenders.item_item]\nhalf_life_days = 9.5\n"
    settings = parse_settings(text, tuned=over)
    assert settings.recommenders["item_item"] == {"neighbours": 7, "half_life_days": 9.5}
    assert settings.behaviour.view_weight == 2


def sequences(folder: Path, shoppers: int, kind: str = "purchase") -> Settings:
    """Shoppers who buy an item a day, or look at one, from the same day on, mostly the one after the last; one buys for certain."""
    random, rows = np.random.default_rng(3), []
    for user in range(shoppers):
        at = int(random.integers(60))
        for day in range(6):
            at = (at + (1 if random.random() < 0.7 else int(random.integers(2, 50)))) % 60
            rows.append((f"u{user:03}", f"i{at:02}", datetime(2026, 1, 1 + day, tzinfo=UTC), kind))
    rows.append(("u000", "i00", datetime(2026, 1, 3, tzinfo=UTC), "purchase"))
    columns = ["user_id", "item_id", "timestamp", "event_type"]
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(folder / "events.parquet")
    return parse_settings(
        '[data.events]\npaths = ["events.parquet"]\n[web]\nclock = "events"\n[evaluation]\nresamples = 100\n', folder
    )


def test_sequences_are_tuned_on_everybody_s_last_order(tmp_path: Path) -> None:
    """No window of days has a known shopper in it where times are positions; what each took last is held back in its place, and
    nothing from the moment given on is read."""
    settings, now = sequences(tmp_path, 240), datetime.now(UTC)
    chosen: dict[str, Any] = {"only": ["next_item"], "trials": 2}
    found = tune(
        settings,
        datetime(2025, 12, 9, tzinfo=UTC),
        now,
        tmp_path / "j",
        last_before=datetime(2026, 1, 6, tzinfo=UTC),
        **chosen,
    )
    assert found.folds == ("the last orders up to 2026-01-06",)
    assert found.studies[0].trials == 2
    assert found.studies[0].after > 0
    assert found.learned.users["customer"] >= 200
    assert max(found.learned.blend.customer, key=found.learned.blend.customer.__getitem__) == "next_item"


@pytest.mark.parametrize(("shoppers", "kind"), [(20, "purchase"), (240, "view")])
def test_where_there_is_nobody_to_choose_on_it_is_said(tmp_path: Path, shoppers: int, kind: str) -> None:
    """No file is written that chose nothing, nor one that took looks for what a shop's few buyers want."""
    settings, now = sequences(tmp_path, shoppers, kind), datetime.now(UTC)
    end, last_before = datetime(2025, 12, 9, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)
    with pytest.raises(DataError, match="nobody who was known before bought in"):
        tune(settings, end, now, tmp_path / "j", only=["next_item"], trials=1, last_before=last_before)
