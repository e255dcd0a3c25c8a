"""The ranker's features of a window are those of that day: told again from that day's tables, one that looks ahead is found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from recsys.clock import DAY, to_datetime
from recsys.engine.ranker.trees import RANK_TASKS
from recsys.settings import Settings
from tests.conftest import NOW, Shop, event
from tests.support.shops.fashion import DAYS, fashion_shop, with_ranker
from training.gate.config_validation import nothing_ahead
from training.job.job import Prepared, past_of, prepare
from training.job.ranker.examples import truth_of
from training.job.ranker.probe import probe_of
from training.job.ranker.ranker import Window

SOURCES = ("item_item",)


def test_a_window_is_told_what_that_day_s_tables_tell(fashion: tuple[Shop, Settings, Prepared]) -> None:
    """Read anew up to the window's first moment, the tables give every candidate the same features, byte for byte, and the probe that
    the gate looks at finds nothing."""
    pytest.importorskip("lightgbm")
    _, settings, prepared = fashion
    start = prepared.as_of - DAYS * DAY
    past, cut = (past_of(each, settings, now=NOW) for each in (prepared, at_the_time(fashion)))
    truth = truth_of(past.events_until(prepared.as_of), start, past.n_users, past.n_items, 20, 20)
    whole, then = (Window.at(each, start, truth) for each in (past, cut))
    for task in RANK_TASKS:
        stated = then.examples(task, SOURCES, 20).matrix
        assert whole.examples(task, SOURCES, 20).matrix.tobytes() == stated.tobytes()
    probe = probe_of(whole.engine, whole.facts, past.events_until(start + DAY))
    assert len(probe.users) == 20
    assert nothing_ahead(probe, at_the_time(fashion), then.engine).passed


@pytest.mark.parametrize(
    ("facts", "engine", "seen"),
    [(1, 0, {"item_sold_7", "item_trend_7", "item_unsold_days"}), (0, 1, {"shopper_days_since_order", "bought_days"})],
)
def test_a_feature_that_peeks_one_day_ahead_is_found(
    fashion: tuple[Shop, Settings, Prepared], facts: int, engine: int, seen: set[str]
) -> None:
    """What items sell, or what shoppers do, on the day after a window begins: the gate names the features that knew it."""
    pytest.importorskip("lightgbm")
    _, settings, prepared = fashion
    start = prepared.as_of - DAYS * DAY
    past, then = past_of(prepared, settings, now=NOW), past_of(at_the_time(fashion), settings, now=NOW).engine_at(start)
    nobody = truth_of(past.events_until(start), start, past.n_users, past.n_items, 1, 20)
    stated = {days: Window.at(past, start + days * DAY, nobody) for days in (facts, engine)}
    probe = probe_of(stated[engine].engine, stated[facts].facts, past.events_until(start + 2 * DAY))
    found = nothing_ahead(probe, at_the_time(fashion), then)
    assert not found.passed
    assert all(name in found.said for name in seen)


def at_the_time(fashion: tuple[Shop, Settings, Prepared]) -> Prepared:
    """The shop as it was read when the last window began."""
    _, settings, prepared = fashion
    return prepare(settings, now=NOW, before=to_datetime(prepared.as_of - DAYS * DAY))


def test_whom_the_window_made_known_is_no_leak(tmp_path: Path) -> None:
    """Shoppers who sign in during the window bring what they did before it along, which that day's tables have as a stranger's. Many
    may, and the gate refuses nothing; who was known by then is looked at."""
    pytest.importorskip("lightgbm")
    shop = fashion_shop(tmp_path)
    start = NOW - timedelta(days=DAYS)
    for user in range(0, 140, 2):
        shop.add(event(f"device-{user}", "i1", "view", start - timedelta(days=3, minutes=user)))
    links = [(f"device-{user}", f"u{user}", start + timedelta(days=1 if user % 4 else -1)) for user in range(0, 140, 2)]
    shop.toml += "[data.identities]\npaths = ['links.parquet']\n"
    shop.write()
    names = ["anonymous_id", "user_id", "timestamp"]
    pl.DataFrame(links, schema=names, orient="row").write_parquet(tmp_path / "links.parquet")
    settings = with_ranker(shop.settings)
    prepared = prepare(settings, now=NOW)
    cut = at_the_time((shop, settings, prepared))
    at = prepared.as_of - DAYS * DAY
    past, then = past_of(prepared, settings, now=NOW), past_of(cut, settings, now=NOW).engine_at(at)
    window = Window.at(past, at, truth_of(past.events_until(at), at, past.n_users, past.n_items, 1, 20))
    probe = probe_of(window.engine, window.facts, past.events_until(at + DAY))
    later = {user for _, user, when in links if when > start}
    assert len(probe.users) == 20
    assert not later & {*probe.users}
    assert {user for _, user, _ in links} & {*probe.users}
    assert nothing_ahead(probe, cut, then).passed
