"""The benchmark that replays a shop through an experiment, on the busy shop: each visit is answered once and read out."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.experiments.replayed_experiment import NAME, replay, settings_of, visits_of
from tests.conftest import NOW, Shop, ago, busy_events
from training.experiments.readout import read_out


@pytest.mark.long
def test_what_is_replayed_is_read_out(tmp_path: Path, artifacts: Path) -> None:
    """Each shopper who came is in an arm, each visit saw a list, and clicks are on what the visit had."""
    shop = Shop(tmp_path, busy_events())
    shop.write()
    (tmp_path / "settings.toml").write_text(shop.toml)
    out = tmp_path / "out"
    out.mkdir()
    (out / "artifacts").symlink_to(artifacts)
    settings = settings_of(tmp_path / "settings.toml", out)
    visits = visits_of(settings, NOW, ago(days=4))
    replay(settings, visits)
    found = read_out(settings, NAME, NOW)
    assert {*found.units} == {"control", "item_item"}
    assert sum(found.units.values()) == len({visit.user_id for visit in visits})
    assert sum(each.lists for each in found.arms.values()) == len(visits)
    assert found.unexposed == 0
    clicks = next(each for each in found.differences if each.measure == "click_through")
    assert max(clicks.control or 0, clicks.value or 0) > 0
