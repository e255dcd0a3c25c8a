"""Settings of the benchmark of training: on this machine and on Spark the same, so that both make the same snapshot."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.http.bench import SETTINGS
from benchmarks.job.training import settings_of
from recsys.settings.load import load_settings
from tests.support.servers.spark import Cluster


def test_partitions_are_all_that_is_worked_on(tmp_path: Path) -> None:
    """Neither a ranker nor a blend is learned, here or on a cluster, and but for the runner nothing differs."""
    (tmp_path / "settings.toml").write_text(SETTINGS)
    cluster, found = Cluster("spark://127.0.0.1:7077", {}, (), "1g"), []
    for text in (settings_of(tmp_path), settings_of(tmp_path, cluster.settings)):
        (file := tmp_path / "chosen.toml").write_text(text)
        found.append(load_settings(file))
    here, spark = found
    assert (here.training.runner, spark.training.runner) == ("local", "spark")
    assert {(each.ranker.mode, each.training.learn_blend) for each in found} == {("off", "off")}
    assert msgspec.structs.replace(spark, training=here.training) == here
