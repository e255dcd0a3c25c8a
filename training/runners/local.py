"""Partitions of a shop's events: sets of shoppers whose events are mapped and settled one set after the other, laid end to end.

A partition is a range of users in the order of their ids, after anonymous ids were joined, so that partitions laid end to end are
what all events at once would have been mapped to (docs/decisions/0015-training-in-partitions.md). All files are temporary and have
no name: they are gone with the arrays that read them, or with the process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import IO

import polars as pl

from recsys.disk import let_go
from recsys.orders import bounded, settle
from recsys.recommenders import RECOMMENDERS
from recsys.recommenders.base import RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events, Tables, joined
from recsys.tables.checks.survey import MAPPED
from recsys.tables.sources.spool import scan_copies
from recsys.types import Arrays
from training.runners.base import Parts, Settled, Summed
from training.runners.files import EventFiles, arrays_of_events, in_files
from training.runners.rows import map_events, map_rows

PARTITION = "partition"
"""Column of a row's partition, from 0."""


@dataclass(frozen=True)
class LocalParts:
    """Partitions of events that lie on this machine, one after another."""

    count: int

    def map(self, functions: Mapping[str, Summed], tables: Tables, catalog: Arrays) -> Callable[[str], list[Arrays]]:
        """Apply a function to each range of users when it is asked for; see `Parts`."""

        def answers(name: str) -> list[Arrays]:
            found = [functions[name](part) for part in tables.cut(self.count)]
            let_go(arrays_of_events(tables.events).values())
            return found

        return answers

    def keep(self, arrays: Arrays) -> Arrays:
        """Keep arrays in memory, or of several partitions in files; see `Parts`."""
        return in_files(arrays) if self.count > 1 else arrays


class LocalRunner:
    """This machine."""

    def settled(self, rows: pl.LazyFrame, catalog: Arrays, behaviour: BehaviourSettings, partitions: int) -> Settled:
        """Map and settle one partition after another; see `Runner`."""
        return settled_events(rows, Catalog(catalog), behaviour, partitions)


def settled_events(rows: pl.LazyFrame, catalog: Catalog, behaviour: BehaviourSettings, partitions: int) -> Settled:
    """Map canonical events, but for nobody's, and settle them; of several partitions, the arrays are mapped from files.

    Raises:
        DataError: if there is no room on the disk.
    """
    if partitions == 1:
        events, user_ids = map_events(rows, catalog)
        return Settled(settle(events, behaviour), user_ids, int(events.times.max()) if len(events) else None, LocalParts(1))
    known = rows.drop_nulls("user_id")
    users = numbered_users(known, partitions)
    files = EventFiles()
    for _, part in sorted(_split(known, users).items()):
        files.append(settle(map_rows(part.collect(engine="streaming"), catalog), behaviour))
    return Settled(files.events(), users["user_id"].to_list(), newest_of(users), LocalParts(partitions))


def fits_in_parts(
    chosen: Mapping[str, RecommenderSettings], tables: Tables, catalog: Arrays, behaviour: BehaviourSettings, parts: Parts
) -> dict[str, Callable[[], Arrays]]:
    """Of each chosen recommender, what fits it as its `fit` does, with what its `partial` needs for one partition at a time;
    `catalog`: as of `Parts.map`."""
    sums = {
        name: partial(RECOMMENDERS[name].partial, behaviour=behaviour, settings=settings)
        for name, settings in chosen.items()
    }
    summed = parts.map(sums, tables, catalog)

    def fit(name: str) -> Arrays:
        return RECOMMENDERS[name].merge(summed(name), tables.without_events, behaviour, chosen[name])

    return {name: partial(fit, name) for name in chosen}


def newest_events(events: Events, behaviour: BehaviourSettings, partitions: int) -> Events:
    """Each user's newest settled events, as `orders.bounded` chooses them, one partition after another."""
    parts = [bounded(part, behaviour) for part in events.cut(partitions)]
    return joined(parts) if len(parts) > 1 else bounded(events, behaviour)


def numbered_users(known: pl.LazyFrame, partitions: int) -> pl.DataFrame:
    """Every user by id: user_id, its row `user`, its `PARTITION`, and the newest time; partitions have about as many events each."""
    time = pl.col("timestamp").dt.epoch("us").max().alias("newest")
    users = known.group_by("user_id").agg(pl.len().cast(pl.Int64).alias("events"), time).collect(engine="streaming")
    before = pl.col("events").cum_sum() - pl.col("events")
    return users.sort("user_id").with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("user"),
        (before * partitions // pl.col("events").sum()).cast(pl.Int32).alias(PARTITION),
    )


def newest_of(users: pl.DataFrame) -> int | None:
    """The time of the newest event of `numbered_users` (microseconds)."""
    newest = users["newest"].max()
    return None if newest is None else int(str(newest))


def of_partitions(known: pl.LazyFrame, users: pl.DataFrame) -> pl.LazyFrame:
    """The columns that fits read, with the users' rows in place of their ids, and the partition of each row."""
    columns = [name for name in MAPPED if name != "user_id"]
    return known.join(users.lazy().select("user_id", "user", PARTITION), on="user_id").select("user", *columns, PARTITION)


def _split(known: pl.LazyFrame, users: pl.DataFrame) -> Mapping[int, pl.LazyFrame]:
    """The events of each partition that has any, with the users' rows in place of their ids."""
    files: dict[int, list[IO[bytes]]] = {}

    def new_file(place: pl.io.partition.FileProviderArgs) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115
        files.setdefault(place.partition_keys[PARTITION][0], []).append(file)
        return file

    into = pl.PartitionBy("", key=PARTITION, include_key=False, file_path_provider=new_file, approximate_bytes_per_file=None)
    of_partitions(known, users).sink_parquet(into, compression="lz4")
    for copies in files.values():
        for copy in copies:
            copy.seek(0)
    return {number: scan_copies(copies) for number, copies in files.items()}
