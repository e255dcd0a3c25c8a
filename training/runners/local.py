"""Partitions of a shop's events: sets of shoppers whose events are mapped and settled one set after the other, laid end to end.

A partition is a range of users in the order of their ids, after anonymous ids were joined, so that partitions laid end to end are
what all events at once would have been mapped to (docs/decisions/0015-training-in-partitions.md). Files are temporary and have no
name: they are gone with the arrays that read them, or with the process. Finished parts alone outlive a run that is killed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO

import numpy as np
import polars as pl

from recsys.disk import let_go
from recsys.orders import bounded, settle
from recsys.recommenders import RECOMMENDERS
from recsys.recommenders.base import RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events, Tables
from recsys.tables.checks.survey import MAPPED
from recsys.tables.sources.spool import scan_copies
from recsys.types import Arrays, Times
from training.runners.ahead import made_ahead
from training.runners.base import Fit, Parts, Settled
from training.runners.files import EventFiles, arrays_of_events, events_of, in_files
from training.runners.finished import NOTHING_KEPT, Finished, hash_of
from training.runners.rows import item_rows, map_events, map_rows

PARTITION = "partition"
"""Column of a row's partition, from 0."""
_HASHED_AT_ONCE = 2
"""Ranges of users that are hashed at a time, each on a core of its own."""
_SUMMED_AHEAD = 3
"""Fits whose partitions are summed up while one is merged: merges that need a single core stand side by side, and so do sums that take
longer than a merge."""
_ROW_HASH, _HASHES = "row_hash", ("high", "low")
"""Column of a row's hash, and those of the sums of its halves, which no order of rows changes."""


@dataclass(frozen=True)
class LocalParts:
    """Partitions of events that lie on this machine, one after another."""

    count: int
    finished: Finished = NOTHING_KEPT

    def learn(self, fits: Mapping[str, Fit], tables: Tables, catalog: Arrays) -> Iterator[Arrays]:
        """Sum ranges of users up for the next fits while one is merged; see `Parts`. Merges never run side by side, for they set how
        many threads algebra has. Sums and fits that are finished are taken up."""
        ranges = self._keys(tables, catalog)
        keys = {name: [hash_of(name, fit.settings, key) for key in ranges] for name, fit in fits.items()}
        missing = [name for name in fits if not self.finished.has(hash_of(keys[name]))]
        sums = (each for name in missing for each in self._sums(fits[name], tables, keys[name]))
        with closing(made_ahead(sums, _SUMMED_AHEAD * len(ranges))) as ahead:
            for name, fit in fits.items():
                theirs = list(islice(ahead, len(ranges))) if name in missing else []
                found = self.finished.taken(hash_of(keys[name]), partial(self._merged, fit, theirs, tables, keys[name]))
                for key in keys[name]:
                    self.finished.drop(key)
                del theirs  # of those ahead there are enough in memory
                yield self.keep(found)

    def _merged(self, fit: Fit, sums: list[Arrays], tables: Tables, keys: list[str]) -> Arrays:
        """Merge the sums, which are made where a fit that is finished is not as it was kept."""
        return fit.merge(sums or list(self._sums(fit, tables, keys)))

    def _sums(self, fit: Fit, tables: Tables, keys: Iterable[str]) -> Iterator[Arrays]:
        """The sums of every range of users."""
        for part, key in zip(tables.cut(self.count), keys, strict=True):
            yield self.finished.taken(key, partial(fit.partial, part))
            let_go(arrays_of_events(tables.events).values())  # what merges others meanwhile needs the room

    def _keys(self, tables: Tables, catalog: Arrays) -> list[str]:
        """A hash of everything that each range of users has to tell."""
        if not self.finished.keeps:
            return ["" for _ in tables.cut(self.count)]
        common = hash_of(tables.as_of, tables.seed, catalog=catalog, guests=arrays_of_events(tables.guest_orders))

        def key(part: Tables) -> str:
            return hash_of(common, part.n_users, events=arrays_of_events(part.events))

        found: list[Future[str]] = []
        with ThreadPoolExecutor(_HASHED_AT_ONCE) as beside:
            for part in tables.cut(self.count):  # a copy each: no more of them than are hashed
                if len(found) >= _HASHED_AT_ONCE:
                    wait(found[-_HASHED_AT_ONCE:], return_when=FIRST_COMPLETED)
                found.append(beside.submit(key, part))
        return [each.result() for each in found]

    def keep(self, arrays: Arrays) -> Arrays:
        """Keep arrays in memory, or of several partitions in files; see `Parts`."""
        return in_files(arrays) if self.count > 1 else arrays


@dataclass(frozen=True)
class LocalRunner:
    """This machine."""

    finished: Finished = NOTHING_KEPT

    def settled(self, rows: pl.LazyFrame, catalog: Arrays, behaviour: BehaviourSettings, partitions: int) -> Settled:
        """Map and settle one partition after another, but for those that are finished; see `Runner`."""
        if partitions == 1:
            return _settled_at_once(rows, Catalog(catalog), behaviour)
        known = rows.drop_nulls("user_id")
        users = numbered_users(known, partitions, hashed=self.finished.keeps)
        keys = self._keys(users, catalog, behaviour)
        missing = [part for part, key in keys.items() if not self.finished.has(key)]
        split, files, items = _split(known, users, missing), EventFiles(), item_rows(Catalog(catalog))

        def mapped(part: int) -> Events:
            rows = split.pop(part) if part in split else of_partitions(known, users, [part])
            return map_rows(rows.collect(engine="streaming"), items)

        def settled(part: int, ahead: Events | None) -> Arrays:
            events = mapped(part) if ahead is None else ahead  # none where one that is finished is not as it was kept
            return arrays_of_events(settle(events, behaviour))

        ahead = made_ahead(mapped(part) if part in split else None for part in keys)
        each = zip(keys.items(), ahead, strict=True)
        files.extend(events_of(self.finished.taken(key, partial(settled, part, events))) for (part, key), events in each)
        parts = LocalParts(partitions, self.finished)
        return Settled(files.events(), users["user_id"].to_list(), newest_of(users), firsts_of(users), parts)

    def _keys(self, users: pl.DataFrame, catalog: Arrays, behaviour: BehaviourSettings) -> dict[int, str]:
        """Each partition, in order, and a hash of everything that its settled events are made of."""
        sums = [pl.col(name).sum() for name in _HASHES if self.finished.keeps]
        sizes = users.group_by(PARTITION).agg(pl.col("user").min(), *sums).sort(PARTITION)
        if not self.finished.keeps:
            return dict.fromkeys(sizes[PARTITION].to_list(), "")
        common = hash_of(behaviour, catalog=catalog)
        self.finished.begin(common, sizes.rows())
        return {part: hash_of(common, *row) for part, *row in sizes.iter_rows()}


def _settled_at_once(rows: pl.LazyFrame, catalog: Catalog, behaviour: BehaviourSettings) -> Settled:
    events, user_ids = map_events(rows, catalog)
    firsts = events.times[np.unique(events.users, return_index=True)[1]]
    newest = int(events.times.max()) if len(events) else None
    return Settled(settle(events, behaviour), user_ids, newest, firsts, LocalParts(1))


def fits_in_parts(
    chosen: Mapping[str, RecommenderSettings], tables: Tables, catalog: Arrays, behaviour: BehaviourSettings, parts: Parts
) -> Iterator[Arrays]:
    """The arrays of each chosen recommender, as its `fit` makes them, with what its `partial` needs for one partition at a time;
    `catalog`: as of `Parts.learn`."""
    everybody = tables.without_events
    fits = {
        name: Fit(
            partial(RECOMMENDERS[name].partial, behaviour=behaviour, settings=each),
            partial(RECOMMENDERS[name].merge, tables=everybody, behaviour=behaviour, settings=each),
            (behaviour, each),
        )
        for name, each in chosen.items()
    }
    return parts.learn(fits, tables, catalog)


def newest_events(events: Events, behaviour: BehaviourSettings, partitions: int) -> Events:
    """Each user's newest settled events, as `orders.bounded` chooses them; of several partitions one after another, into files."""
    if partitions == 1:
        return bounded(events, behaviour)

    def newest() -> Iterator[Events]:
        for part in events.cut(partitions):
            yield bounded(part, behaviour)
            let_go(arrays_of_events(events).values())

    files = EventFiles()
    files.extend(newest())
    return files.events()


def numbered_users(known: pl.LazyFrame, partitions: int, *, hashed: bool = False) -> pl.DataFrame:
    """Every user by id: user_id, its row `user`, its `PARTITION`, its newest and first time, and with `hashed` sums of hashes of rows;
    partitions have about as many events each."""
    time = pl.col("timestamp").dt.epoch("us")
    times = time.max().alias("newest"), time.min().alias("first")
    halves = (pl.col(_ROW_HASH) // 2**32, pl.col(_ROW_HASH) % 2**32) if hashed else ()
    sums = (half.sum().alias(name) for half, name in zip(halves, _HASHES, strict=False))
    rows = known.with_columns(pl.struct(MAPPED).hash().alias(_ROW_HASH)) if hashed else known
    users = rows.group_by("user_id").agg(pl.len().cast(pl.Int64).alias("events"), *times, *sums).collect(engine="streaming")
    before = pl.col("events").cum_sum() - pl.col("events")
    return users.sort("user_id").with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("user"),
        (before * partitions // pl.col("events").sum()).cast(pl.Int32).alias(PARTITION),
    )


def newest_of(users: pl.DataFrame) -> int | None:
    """The time of the newest event of `numbered_users` (microseconds)."""
    newest = users["newest"].max()
    return None if newest is None else int(str(newest))


def firsts_of(users: pl.DataFrame) -> Times:
    """The time of each user's first event (microseconds), of `numbered_users`."""
    return users["first"].to_numpy()


def of_partitions(known: pl.LazyFrame, users: pl.DataFrame, asked: Sequence[int] | None = None) -> pl.LazyFrame:
    """The columns that fits read, with the users' rows in place of their ids, and the partition of each row, of those that are asked
    for (None: all)."""
    columns = [name for name in MAPPED if name != "user_id"]
    theirs = users.lazy().select("user_id", "user", PARTITION)
    theirs = theirs if asked is None else theirs.filter(pl.col(PARTITION).is_in(list(asked)))
    return known.join(theirs, on="user_id").select("user", *columns, PARTITION)


def _split(known: pl.LazyFrame, users: pl.DataFrame, asked: Sequence[int]) -> dict[int, pl.LazyFrame]:
    """The events of each partition that is asked for and has any, with the users' rows in place of their ids."""
    if not asked:
        return {}
    files: dict[int, list[IO[bytes]]] = {}

    def new_file(place: pl.io.partition.FileProviderArgs) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115
        files.setdefault(place.partition_keys[PARTITION][0], []).append(file)
        return file

    into = pl.PartitionBy("", key=PARTITION, include_key=False, file_path_provider=new_file, approximate_bytes_per_file=None)
    of_partitions(known, users, asked).sink_parquet(into, compression="lz4")
    for copies in files.values():
        for copy in copies:
            copy.seek(0)
    return {number: scan_copies(copies) for number, copies in files.items()}
