"""Nothing leaks: what happens in the window of an evaluation is in no list and in nothing that was learned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys import clock
from recsys.settings.load import parse_settings
from tests.conftest import event
from tests.support.shops.evaluated import FOLD, POPULAR, SETTINGS, WITHOUT_ITEMS, Run, questions
from tests.support.shops.synthetic import END
from training.evaluation.evaluate import TASKS, ask, fit_for, subjects
from training.evaluation.split import Fold

NOVELTY = "planted-novelty"
"""An item that is first seen in the window."""


def seldom(source: Path) -> str:
    """The item that is least often seen before the window, and at all."""
    before = pl.read_parquet(source / "events-*.parquet").filter(pl.col("timestamp") < FOLD.at)
    return str(before["item_id"].drop_nulls().value_counts().sort("count", "item_id")["item_id"][0])


def planted(source: Path, folder: Path, favourite: str) -> None:
    """Copy a shop and let everybody, and newcomers, look at and buy a novelty and a favourite again and again in the window."""
    events = pl.read_parquet(source / "events-*.parquet")
    buyers = [*events["user_id"].unique().sort().to_list(), *(f"newcomer-{n}" for n in range(30))]
    burst = [
        event(user, item, kind, FOLD.at + timedelta(days=day, minutes=place), price=1.0, quantity=1.0, currency="EUR")
        for place, user in enumerate(buyers)
        for day in (0, 20, 59)
        for item in (NOVELTY, favourite)
        for kind in ("view", "cart_add", "purchase")
    ]
    pl.concat([events, pl.DataFrame(burst)], how="diagonal_relaxed").write_parquet(folder / "events-0.parquet")
    for name in ("items", "identities"):
        pl.read_parquet(source / f"{name}.parquet").write_parquet(folder / f"{name}.parquet")


def cut(source: Path, folder: Path) -> None:
    """Copy a shop as if its history had ended when the window begins."""
    for name in ("events-0", "identities"):
        table = pl.read_parquet(source / f"{name}.parquet").filter(pl.col("timestamp") < FOLD.at)
        table.write_parquet(folder / f"{name}.parquet")
    pl.read_parquet(source / "items.parquet").write_parquet(folder / "items.parquet")


@pytest.mark.long
@pytest.mark.parametrize("toml", [SETTINGS, WITHOUT_ITEMS], ids=["item table", "items from events"])
def test_the_window_leaves_no_trace_in_any_list(shop_folder: Path, tmp_path: Path, toml: str) -> None:
    """Whatever happens in the window, every subject answers every shopper byte for byte as if it had never happened, and
    what was first seen there is in nobody's list, though it is in the truth."""
    whole, past = tmp_path / "whole", tmp_path / "past"
    whole.mkdir()
    past.mkdir()
    planted(shop_folder, whole, favourite := seldom(shop_folder))
    cut(whole, past)
    settings, ended = (parse_settings(f"{toml}[evaluation]\nusers = 80", folder) for folder in (whole, past))
    examination = questions(settings)
    knowing, innocent = fit_for(examination, settings, END), fit_for(questions(ended), ended, END)
    assert knowing.snapshot.manifest.content_hash == innocent.snapshot.manifest.content_hash
    shown = set()
    for task in TASKS:
        for subject in subjects(settings):
            lists = ask(knowing, examination, subject, task)
            unknowing = ask(innocent, examination, subject, task)
            assert lists.items.tobytes() == unknowing.items.tobytes(), subject
            assert lists.personal.tobytes() == unknowing.personal.tobytes(), subject
            shown |= {knowing.catalog.item_id(row) for row in np.unique(lists.items[lists.items >= 0]).tolist()}
    truth = examination.truths["repeat"]
    wanted = knowing.catalog.row(favourite)
    assert len(truth) == 80
    assert NOVELTY not in shown
    assert len(shown) > 100
    assert all(truth.sizes[user] > len(truth.of(user)) and wanted in truth.of(user) for user in range(len(truth)))


def test_the_planted_burst_is_loud(shop_folder: Path, tmp_path: Path) -> None:
    """Once the window is past, what was planted in it leads: had anything leaked, the test above would have seen it."""
    planted(shop_folder, tmp_path, favourite := seldom(shop_folder))
    settings = parse_settings(WITHOUT_ITEMS, tmp_path)
    window, after = questions(settings), questions(settings, Fold(END, 1))
    engine = fit_for(after, settings, END)
    leaders = ask(engine, replace(after, truths=window.truths), POPULAR, "repeat").items[:, :2]
    assert {engine.catalog.item_id(row) for row in np.unique(leaders).tolist()} == {NOVELTY, favourite}


def test_the_question_is_asked_as_the_window_begins(run: Run) -> None:
    """Everything that was learned is as of the split, and so is every question."""
    assert run.examination.now == run.engine.snapshot.as_of == clock.to_microseconds(FOLD.at)
    assert run.examination.split.prepared.events.times.max() < run.examination.now
