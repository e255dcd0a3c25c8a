"""The contract of runners: events are mapped and settled partition by partition, and stay at hand for what sums them up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import polars as pl

from recsys.settings import BehaviourSettings
from recsys.snapshot.histories import Events, Tables
from recsys.types import Arrays, Times

Summed = Callable[[Tables], Arrays]
"""A function over the tables of one partition, whose users are numbered from 0; it must be importable where partitions are."""


class Fit(NamedTuple):
    """A fit in two steps: `partial` sums up each partition, `merge` learns from all sums, in the order of the users. `settings` are
    all that the two were told beside the tables."""

    partial: Summed
    merge: Callable[[Sequence[Arrays]], Arrays]
    settings: object


class Parts(Protocol):
    """Settled events as they are cut into partitions."""

    def learn(self, fits: Mapping[str, Fit], tables: Tables, catalog: Arrays) -> Iterator[Arrays]:
        """Learn from each partition of `tables`, which are settled events of all users: gives what each fit learned, in their order,
        kept as by `keep`; nothing is done before the first is asked for. `catalog`: the arrays of `tables.catalog`."""
        ...

    def keep(self, arrays: Arrays) -> Arrays:
        """Keep what was made of all of them: in files, as the events are, where these are not in memory."""
        ...


@dataclass(frozen=True)
class Settled:
    """Events of all known users, settled, the users' ids in row order, and the time of the newest event before any was left out
    (microseconds; None: there is none). firsts: int64[u] of each user's first, likewise. parts: the same events as they were cut."""

    events: Events
    user_ids: list[str]
    newest: int | None
    firsts: Times
    parts: Parts


class Runner(Protocol):
    """Something that runs functions over partitions: this machine, or Spark."""

    def settled(self, rows: pl.LazyFrame, catalog: Arrays, behaviour: BehaviourSettings, partitions: int) -> Settled:
        """Map canonical events, but for nobody's, to rows of the catalogue, and settle them.

        Raises:
            DataError: if there is no room on the disk, or Spark fails.
        """
        ...
