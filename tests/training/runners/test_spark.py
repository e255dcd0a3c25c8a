"""Partitions on Spark: a real cluster makes the same snapshot as this machine, whatever becomes of an executor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsys.settings.load import parse_settings
from recsys.settings.spark import SparkTable
from recsys.settings.training import TrainingSettings
from recsys.tables.sources.spark import checked_options
from recsys.types import DataError, SettingsError
from simulator import make_shop, shop_settings
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import ROOT
from tests.support.servers.spark import running_cluster
from tests.support.servers.spark_tables import spark_tables
from training.cli.memory import planned
from training.job.job import fit

END = datetime(2026, 3, 15, 14, 30, tzinfo=UTC)
TABLES = ("events", "items", "users", "identities")
REST = '\n[ranker]\nmode = "off"\n'
NAPS = 0.05

FIT = """
import sys
from datetime import datetime
from pathlib import Path

from recsys.settings.load import load_settings
from training.cli.memory import planned
from training.job.job import fit

fitted = fit(load_settings(sys.argv[1]), now=datetime.fromisoformat(sys.argv[2]))
print(fitted.shop.partitions, fitted.shop.counts["events"].kept, fitted.manifest.content_hash)
"""
"""A driver: it fits a shop, and says how many partitions and events it had, and what came of them."""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_cluster_that_loses_an_executor_makes_the_same_snapshot(tmp_path: Path) -> None:
    """Tables are read by Spark, from Parquet, Delta, Iceberg and PostgreSQL, events settled and summed up in executors, of which one
    is killed while it works: the content hash is that of this machine, and the folder of rows on their way is empty in the end."""
    make_shop(tmp_path / "data", users=120, end=END)
    stated, aside = shop_settings(tables=TABLES), tmp_path / "aside"
    aside.mkdir()
    whole = fit(parse_settings(stated + REST, tmp_path), now=END)
    with running_cluster(tmp_path) as cluster, spark_tables(tmp_path, cluster.environment) as written:
        events = f'format = "parquet"\noptions = {{ path = "file://{tmp_path}/data/events-*.parquet" }}'
        shop = "".join(f"[data.{name}.spark]\n{asked}\n" for name, asked in {"events": events, **written.tables}.items())
        folder = f'folder = "file://{aside}"\n[training.spark.conf]\n{written.conf}'
        (tmp_path / "settings.toml").write_text(shop + REST + cluster.settings.replace("[training.spark.conf]", folder))
        command = [sys.executable, "-c", FIT, str(tmp_path / "settings.toml"), END.isoformat()]
        said, variables = (tmp_path / "driver.log").open("wb"), {**cluster.environment, **written.environment}
        with said, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, env=variables, cwd=ROOT) as driver:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (executor := cluster.executor_at_work()) is None:
                assert driver.poll() is None, (tmp_path / "driver.log").read_text()
                assert time.monotonic() < deadline, "no executor has work"
                time.sleep(NAPS)
            os.kill(executor, signal.SIGKILL)
            answer, _ = driver.communicate(timeout=PATIENCE_SECONDS)
    expected = f"5 {whole.shop.counts['events'].kept} {whole.manifest.content_hash}\n"
    assert answer.decode() == expected, (tmp_path / "driver.log").read_text()
    assert os.listdir(aside) == []


def test_spark_always_has_partitions() -> None:
    """Each takes the memory of one task, 1 GB where nothing says it; one partition would leave the cluster idle."""
    spark = TrainingSettings(runner="spark")
    assert [spark.partitions_of(rows) for rows in (0, 2_500_000, 5_000_001)] == [2, 2, 4]
    assert TrainingSettings(runner="spark", partitions=1).partitions_of(1) == 2
    assert TrainingSettings(runner="spark", memory_gb=0.5).partitions_of(5_000_000) == 4


def test_the_command_line_goes_before_the_settings(tmp_path: Path) -> None:
    """`--spark` runs partitions on the cluster that it names, else on that of the settings; memory is not this machine's then."""
    stated = parse_settings('[training.spark]\nmaster = "spark://a:7077"\n', tmp_path)
    here, there, other = (planned(stated, master=master).training for master in (None, "", "local[2]"))
    assert (here.runner, there.runner, other.runner) == ("local", "spark", "spark")
    assert (there.spark.master, other.spark.master) == ("spark://a:7077", "local[2]")
    assert (there.memory_gb, other.memory_gb) == (0, 0)


def test_what_spark_reads_is_named_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table or a format, one of them; a password comes from a variable, and a variable that is not set is named."""
    monkeypatch.setenv("SHOP_PASSWORD", "abc")
    monkeypatch.delenv("NOBODY", raising=False)
    jdbc = {"url": "jdbc:postgresql://db/shop", "dbtable": "events", "password": "$SHOP_PASSWORD"}
    assert checked_options(SparkTable(format="jdbc", options=jdbc), "data.events") == {**jdbc, "password": "abc"}
    with pytest.raises(SettingsError, match=r"^data.events.spark: needs a `table` or a `format`, one of them"):
        checked_options(SparkTable(), "data.events")
    with pytest.raises(SettingsError, match=r"^data.events.spark.options.password: holds a secret") as raised:
        checked_options(SparkTable(format="jdbc", options={**jdbc, "password": "xyz"}), "data.events")
    assert "xyz" not in str(raised.value)
    for name, value in (
        ("url", "jdbc:postgresql://db/shop?password=xyz"),
        ("path", "s3a://key:xyz@shop/events"),
        ("apiKey", "xyz"),
    ):
        with pytest.raises(SettingsError, match=rf"^data.events.spark.options.{name}: holds a secret"):
            checked_options(SparkTable(format="jdbc", options={name: value}), "data.events")
    with pytest.raises(DataError, match="NOBODY"):
        checked_options(SparkTable(format="jdbc", options={**jdbc, "user": "$NOBODY"}), "data.events")


def test_a_table_stands_in_one_place(tmp_path: Path) -> None:
    """Files and a table of Spark's at once are refused by name, before Spark starts."""
    toml = '[data.events]\npaths = ["events.csv"]\n[data.events.spark]\ntable = "shop.events"\n'
    with pytest.raises(SettingsError, match="`paths` and `spark` do not go together"):
        fit(parse_settings(toml, tmp_path), now=END)
