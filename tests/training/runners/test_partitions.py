"""Training in partitions: the same snapshot as with all events in memory, and nothing that stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.disk import let_go
from recsys.recommenders import RECOMMENDERS
from recsys.settings import BehaviourSettings, Settings
from recsys.settings.training import MAX_PARTITIONS, TrainingSettings
from recsys.snapshot.catalog import catalog_arrays
from recsys.snapshot.histories import Events
from recsys.tables.items import finish_items
from recsys.tables.shop import read_shop
from recsys.tables.sources import spool
from recsys.types import Arrays, DataError
from tests.conftest import ITEMS, NOW, Shop, ago, event
from tests.support.servers.running import ROOT
from tests.support.shops.handmade import canonical, item_frame
from tests.support.shops.synthetic import END
from tests.support.training import cut, train
from training.cli.memory import free_bytes, planned, said_of
from training.evaluation.split import Fold, split
from training.job.job import Fitted, fit, prepare
from training.runners.finished import FOLDER
from training.runners.local import LocalParts, LocalRunner

TRAIN_AND_WAIT = """
import sys
from datetime import datetime
from pathlib import Path

import msgspec

from recsys.settings import Settings
from tests.support.training import train

def watch(step):
    print(step, flush=True)
    if step == "gate: recipe":
        sys.stdin.read()

train(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings), now=datetime.fromisoformat(sys.argv[2]), watch=watch)
"""
"""A program that trains on a shop, and waits before its gate measures the recipe."""


def fitted(shop: Settings, partitions: int) -> Fitted:
    """Fit with so many partitions."""
    return fit(cut(shop, partitions), now=END)


@cache
def catalog() -> Arrays:
    """The catalogue of the small shop."""
    return catalog_arrays(finish_items(item_frame(ITEMS), None), None)


def finished_in(artifacts: Path) -> dict[str, int]:
    """The finished parts that a training left, each with the time at which it was written."""
    return {place.name: place.stat().st_mtime_ns for place in artifacts.glob(f"{FOLDER}/*/[!.]*")}


def same_arrays(one: Events, other: Events) -> bool:
    """Tell whether two sets of events are the same bytes."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in Events.__slots__]
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.long
@pytest.mark.parametrize("partitions", [2, 7])
def test_a_snapshot_is_the_same_in_any_number_of_partitions(synthetic: Settings, partitions: int) -> None:
    """Content hash, data fingerprint, counts and findings do not depend on the number of partitions."""
    whole, parts = fitted(synthetic, 1), fitted(synthetic, partitions)
    assert (whole.shop.partitions, parts.shop.partitions) == (1, partitions)
    assert parts.manifest.content_hash == whole.manifest.content_hash
    assert parts.manifest.data_fingerprint == whole.manifest.data_fingerprint
    assert parts.manifest.counts == whole.manifest.counts
    assert parts.shop.findings == whole.shop.findings
    assert parts.shop.counts == whole.shop.counts


@pytest.mark.long
def test_what_crosses_partitions_is_settled_before_the_cut(tmp_path: Path) -> None:
    """Rows that are told twice, an anonymous id that became a user, orders of nobody, unknown items and a refund after a year."""
    shop = Shop(tmp_path)
    shop.toml += "[data.identities]\npaths = ['links.parquet']\n"
    links = {"anonymous_id": ["device-1", "device-2"], "user_id": ["user-8", "user-1"], "timestamp": [ago(9), ago(4)]}
    pl.DataFrame(links).write_parquet(tmp_path / "links.parquet")
    shop.add(*(event(device, "sofa-2", "view", ago(days)) for device in ("device-1", "device-2") for days in (2, 6, 12)))
    for number in range(9):
        who = f"user-{number}"
        shop.add(event(who, "sofa-1", "view", ago(number + 1)), event(who, "gone-1", "view", ago(number + 2)))
        shop.add(event(who, "soap-1", "purchase", ago(400 - number), quantity=2.0, price=3.0))
        shop.add(event(who, "soap-1", "refund", ago(number + 1), quantity=1.0))
    shop.add(*shop.events[:5])
    shop.add(*(event("guest", "soap-1", "purchase", ago(3), order_id=f"till-{n}", price=3.0) for n in range(4)))
    shop.write()
    hashes = {fit(cut(shop.settings, n), now=NOW).manifest.content_hash for n in (1, 2, 5, 40)}
    assert len(hashes) == 1


@pytest.mark.parametrize("partitions", [1, 3])
def test_orders_read_alone_are_those_of_all_events(synthetic: Settings, partitions: int) -> None:
    """Purchases and refunds, and the items that are never shown, are the same whether or not the other events are looked at."""
    stated = cut(synthetic, partitions)
    whole, alone = (read_shop(stated, before=END, only_orders=only) for only in (False, True))
    orders = whole.rows.filter(pl.col("event_type").is_in(["purchase", "refund"])).collect()
    assert 300 < orders.height < whole.rows.select(pl.len()).collect().item()
    assert alone.rows.collect().equals(orders)
    assert alone.never.equals(whole.never)


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_fold_is_the_same_out_of_what_was_prepared(synthetic: Settings, partitions: int) -> None:
    """What was judged and settled with all that came later gives the fold that reading the files as of then gives."""
    stated, fold = cut(synthetic, partitions), Fold(END - timedelta(days=7), 7)
    later = prepare(stated, now=END)
    again, shared = (split(stated, fold, END, whole=each) for each in (None, later))
    assert len(shared.prepared.events) > 3000
    assert same_arrays(shared.prepared.events, again.prepared.events)
    assert shared.prepared.user_ids == again.prepared.user_ids
    assert shared.prepared.shop.items.equals(again.prepared.shop.items)
    assert shared.truth.users == again.truth.users
    assert shared.truth.items.tolist() == again.truth.items.tolist()


def test_a_shop_without_users_has_no_partition_to_fit(tmp_path: Path) -> None:
    """Where only nobody bought, partitions are empty, and the snapshot is that of one."""
    shop = Shop(tmp_path).add(event("guest", "soap-1", "purchase", ago(1), price=3.0))
    shop.write()
    one, three = (fit(cut(shop.settings, n), now=NOW).manifest for n in (1, 3))
    assert one.counts["users"] == 0
    assert one.content_hash == three.content_hash


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 50), st.sampled_from(["view", "purchase", "refund"])),
        max_size=40,
    ),
    partitions=st.integers(2, 9),
)
def test_partitions_laid_end_to_end_are_all_events_at_once(rows: list[tuple[int, int, int, str]], partitions: int) -> None:
    """Users keep their rows, events their order, and orders their numbers, whatever the events are and wherever they are cut."""
    events = [
        event(f"u{user}", ITEMS[item]["item_id"], kind, NOW - timedelta(minutes=minutes))
        for user, item, minutes, kind in rows
    ]
    whole, parts = (LocalRunner().settled(canonical(events), catalog(), BehaviourSettings(), n) for n in (1, partitions))
    assert parts.user_ids == whole.user_ids
    assert parts.newest == whole.newest
    assert same_arrays(parts.events, whole.events)


@pytest.mark.long
def test_a_killed_run_is_gone_on_with(synthetic: Settings, tmp_path: Path) -> None:
    """Of a run killed in its gate, temporary files are gone; mapped partitions and finished fits stay beside the snapshots. The
    next run makes none of them again, publishes what a single partition does, and leaves nothing."""
    stated = cut(synthetic, 3)
    stated = msgspec.structs.replace(
        stated, snapshot=msgspec.structs.replace(stated.snapshot, artifacts=str(tmp_path / "artifacts"))
    )
    aside = tmp_path / "aside"
    aside.mkdir()
    (tmp_path / "settings.json").write_bytes(msgspec.json.encode(stated))
    arguments = [sys.executable, "-c", TRAIN_AND_WAIT, str(tmp_path / "settings.json"), END.isoformat()]
    environment = {**os.environ, "TMPDIR": str(aside)}
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert "gate: recipe\n" in iter(process.stdout.readline, "")
        process.send_signal(signal.SIGKILL)
    assert os.listdir(aside) == []
    left = finished_in(stated.artifacts)
    assert len(left) >= 3 + len(RECOMMENDERS)
    found: list[dict[str, int]] = []
    published = train(
        stated, now=END, watch=lambda step: found.append(finished_in(stated.artifacts)) if step == "gate: recipe" else None
    )
    assert found == [left]
    assert published.manifest.content_hash == fitted(synthetic, 1).manifest.content_hash
    assert not (stated.artifacts / FOLDER).exists()


def test_arrays_in_files_are_the_same_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large array of any shape is mapped from a file without a name, also after its pages were let go; a small one stays in memory,
    and so does all that is learned from a single partition."""
    rows = np.random.default_rng(3).integers(-9, 9, (700, 300)).astype(np.int64)
    arrays: Arrays = {"rows": rows, "turned": rows.T, "few": np.arange(5)}
    kept = LocalParts(2).keep(arrays)
    let_go(kept.values())
    assert {name: (each.dtype, each.tolist()) for name, each in kept.items()} == {
        name: (each.dtype, each.tolist()) for name, each in arrays.items()
    }
    assert kept["few"] is arrays["few"]
    assert not kept["rows"].flags.writeable
    assert LocalParts(1).keep(arrays) is arrays
    monkeypatch.setattr(spool, "LEAST_FREE", 1 << 60)
    with pytest.raises(DataError, match="set TMPDIR"):
        LocalParts(2).keep(arrays)


def test_a_full_disk_is_said(synthetic: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where temporary files would fill the disk, the error names the folder and how to choose another."""
    monkeypatch.setattr(spool, "LEAST_FREE", 1 << 60)
    with pytest.raises(DataError, match=r"^events: needs more room .* set TMPDIR"):
        fitted(synthetic, 2)


def test_partitions_grow_with_the_rows() -> None:
    """`auto` cuts so that the rows of one partition fit the memory, and doubles the number where it grows; a number is taken as it is;
    without a memory there is one."""
    some = TrainingSettings(memory_gb=1.0)
    assert [some.partitions_of(rows) for rows in (0, 2_500_000, 2_500_001, 10_000_000, 10_000_001)] == [1, 1, 2, 4, 8]
    assert some.partitions_of(10**12) == MAX_PARTITIONS
    assert TrainingSettings().partitions_of(10**12) == 1
    assert TrainingSettings(partitions=3, memory_gb=1.0).partitions_of(1) == 3


def test_memory_is_half_of_what_is_free(tmp_path: Path) -> None:
    """A container's limit counts where it is less than the machine's free memory; `max` is no limit."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable:    4000000 kB\n")
    assert free_bytes(tmp_path) == 4_096_000_000
    limit = tmp_path / "sys/fs/cgroup/memory.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("max\n")
    assert free_bytes(tmp_path) == 4_096_000_000
    limit.write_text("3000000000\n")
    assert free_bytes(tmp_path) == 3_000_000_000


def test_memory_is_what_the_control_group_has_left(tmp_path: Path) -> None:
    """Limits of the own group and of those above it count, less what they take already, but for pages of files."""
    own = tmp_path / "sys/fs/cgroup/shop.slice/train.scope"
    own.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/shop.slice/train.scope\n")
    (tmp_path / "proc/meminfo").write_text("MemAvailable:    4000000 kB\n")
    (own / "memory.max").write_text("max\n")
    (own.parent / "memory.max").write_text("3000000000\n")
    (own.parent / "memory.current").write_text("2500000000\n")
    (own.parent / "memory.stat").write_text("anon 7\ninactive_file 1500000000\nactive_file 9\n")
    assert free_bytes(tmp_path) == 2_000_000_000
    (tmp_path / "proc/self/cgroup").write_text("5:memory,cpu:/one\n4:pids:/two\n")
    old = tmp_path / "sys/fs/cgroup/memory/one"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("1000000000\n")
    (old / "memory.usage_in_bytes").write_text("400000000\n")
    (old / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 100000000\n")
    assert free_bytes(tmp_path) == 700_000_000


def test_training_says_its_partitions(synthetic: Settings) -> None:
    """What the command line asks for goes before the settings; what was chosen is said with the rows and the memory."""
    asked = planned(cut(synthetic, 5), 2)
    assert asked.training.partitions == 2
    assert planned(synthetic).training.memory_gb > 0
    assert planned(msgspec.structs.replace(synthetic, training=TrainingSettings(memory_gb=3.0))).training.memory_gb == 3
    small = msgspec.structs.replace(synthetic, training=TrainingSettings(memory_gb=0.002))
    shop = fit(small, now=END).shop
    rows = shop.counts["events"].read
    least = -(-rows * 400 // 2_000_000)
    assert 1 < least <= shop.partitions < 2 * least
    assert said_of(small.training, shop) == f"{shop.partitions} of {rows:,} rows of events, which may take 0.0 GB at a time"
    whole = msgspec.structs.replace(synthetic, training=TrainingSettings())
    assert said_of(whole.training, shop) == f"1: all {rows:,} rows of events were in memory"
