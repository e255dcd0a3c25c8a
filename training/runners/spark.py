"""Spark as a runner: executors map, settle and sum up partitions with the very functions that this machine would run.

The driver sends each partition's rows as blobs through a folder that all reach. Settled events lie on the executors' disks for what
sums them up, and in files here for everything else. An executor that is lost takes nothing with it: Spark makes its partitions anew
from the folder.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from recsys.orders import settle
from recsys.settings import BehaviourSettings
from recsys.settings.spark import SparkSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events, Tables
from recsys.tables.sources.spark import session, spark_words
from recsys.types import Arrays
from training.runners.base import Fit, Settled, Summed
from training.runners.blobs import (
    COLUMNS,
    Blob,
    arrays_in_chunks,
    arrays_of,
    as_batch,
    by_part,
    frame_bytes,
    frame_of,
    of_batches,
)
from training.runners.files import EventFiles, arrays_of_events, events_of, in_files
from training.runners.local import PARTITION, LocalParts, firsts_of, newest_of, numbered_users, of_partitions
from training.runners.rows import item_rows, map_rows

ROWS_AT_A_TIME = 500_000
"""Rows that the driver sends at a time."""
Work = Callable[[int, list[bytes]], Iterator[tuple[str, Arrays]]]
"""What an executor makes of the data of a partition, whose number it is told: arrays by name."""


@dataclass(frozen=True)
class SparkRunner:
    """The executors of the session that the settings name."""

    settings: SparkSettings

    def settled(self, rows: pl.LazyFrame, catalog: Arrays, behaviour: BehaviourSettings, partitions: int) -> Settled:
        """Map and settle all partitions at once, as many as there are cores; see `Runner`."""
        known = rows.drop_nulls("user_id")
        users = numbered_users(known, partitions)
        files = EventFiles()
        if users.is_empty():
            return Settled(files.events(), [], None, firsts_of(users), LocalParts(1))
        with spark_words("Spark did not settle the events"):
            sent = self._sent(known, users, partitions)
            settled = _kept(_worked(sent, partial(_settled, catalog=catalog, behaviour=behaviour)))
            for arrays in _answers(settled):
                files.append(events_of(arrays))
        events, ranges = files.events(), _ranges(users)
        parts = SparkParts(settled, events, ranges)
        return Settled(events, users["user_id"].to_list(), newest_of(users), firsts_of(users), parts)

    def _sent(self, known: pl.LazyFrame, users: pl.DataFrame, partitions: int) -> Any:
        """The rows as a frame of Spark's, each partition in one of its own; their folder is deleted when the JVM ends."""
        spark = session(self.settings)
        folder = f"{self.settings.folder or f'file://{tempfile.gettempdir()}'}/recsys-{uuid.uuid4().hex}"
        _delete_at_the_end(spark, folder)
        for number, chunk in enumerate(of_partitions(known, users).collect_batches(chunk_size=ROWS_AT_A_TIME)):
            pieces = chunk.partition_by(PARTITION, include_key=False, as_dict=True)
            batch = as_batch(Blob(part, "", number, frame_bytes(rows)) for (part,), rows in sorted(pieces.items()))
            spark.createDataFrame(_table(batch)).write.mode("append").parquet(folder)
        return spark.read.schema(COLUMNS).parquet(folder).repartitionById(partitions, "part")


@dataclass(frozen=True)
class SparkParts:
    """Settled events on the disks of the executors: `events` are the same ones here, `ranges` each partition's first user and the one
    after its last."""

    settled: Any
    events: Events
    ranges: Mapping[int, tuple[int, int]]

    def learn(self, fits: Mapping[str, Fit], tables: Tables, catalog: Arrays) -> Iterator[Arrays]:
        """Sum up for all fits in one job, when the first is asked for; see `Parts`. Other events than those that were settled, such as
        those before an earlier moment, are only here, and so is the work on them."""
        if tables.events is not self.events:
            yield from LocalParts(len(self.ranges)).learn(fits, tables, catalog)
            return
        functions = {name: fit.partial for name, fit in fits.items()}
        shared = _Told(catalog, tables.as_of, tables.seed, self.ranges)
        work = partial(_summed, functions=functions, shared=shared)
        with spark_words("Spark did not sum the events up"):
            summed = _kept(_worked(self.settled, work))
        for name, fit in fits.items():
            with spark_words("Spark did not sum the events up"):
                sums = list(_answers(summed.where(summed["name"] == name)))
            yield self.keep(fit.merge(sums))

    def keep(self, arrays: Arrays) -> Arrays:
        """Keep arrays in files of the driver."""
        return in_files(arrays)


@dataclass(frozen=True)
class _Told:
    """Facts that executors are told beside the events."""

    catalog: Arrays
    as_of: int
    seed: int
    ranges: Mapping[int, tuple[int, int]]


def _settled(part: int, data: list[bytes], *, catalog: Arrays, behaviour: BehaviourSettings) -> Iterator[tuple[str, Arrays]]:
    rows = pl.concat([frame_of(each) for each in data])
    yield "", arrays_of_events(settle(map_rows(rows, item_rows(Catalog(catalog))), behaviour))


def _summed(part: int, data: list[bytes], *, functions: Mapping[str, Summed], shared: _Told) -> Iterator[tuple[str, Arrays]]:
    events, (start, end) = events_of(arrays_of(data)), shared.ranges[part]
    events = replace(events, users=events.users - np.int32(start))
    tables = Tables(events, Catalog(shared.catalog), end - start, shared.as_of, shared.seed)
    return ((name, function(tables)) for name, function in functions.items())


def _worked(frame: Any, work: Work) -> Any:
    return frame.mapInArrow(partial(_in_executor, work=work), COLUMNS)


def _in_executor(batches: Iterator[Any], *, work: Work) -> Iterator[Any]:
    for part, data in by_part(sorted(of_batches(batches), key=lambda blob: blob.part)):
        for name, arrays in work(part, data):
            for blob in arrays_in_chunks(part, name, arrays):
                yield as_batch([blob])


def _kept(frame: Any) -> Any:
    """The same frame, worked out on all executors at once and kept on their disks."""
    from pyspark import StorageLevel

    kept = frame.persist(StorageLevel.DISK_ONLY)
    kept.count()
    return kept


def _answers(frame: Any) -> Iterator[Arrays]:
    """Each partition's arrays, in the order of the partitions: Spark's n-th partition is the n-th of ours (`repartitionById`)."""
    blobs = (Blob(row.part, row.name, row.chunk, bytes(row.data)) for row in frame.toLocalIterator())
    return (arrays_of(data) for _, data in by_part(blobs))


def _ranges(users: pl.DataFrame) -> dict[int, tuple[int, int]]:
    """Each partition's first row of a user, and the one after its last."""
    edges = users.group_by(PARTITION).agg(pl.col("user").min(), pl.col("user").max().alias("last") + 1)
    return {part: (first, end) for part, first, end in edges.iter_rows()}


def _table(batch: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _delete_at_the_end(spark: Any, folder: str) -> None:
    """Have a folder deleted when Spark's JVM ends, which it does with this process, however that one ends."""
    context = spark.sparkContext
    path = context._jvm.org.apache.hadoop.fs.Path(folder)
    files = path.getFileSystem(context._jsc.hadoopConfiguration())
    files.mkdirs(path)
    files.deleteOnExit(path)
