"""Shoppers of whom an earlier moment tells something else than a later one: their rows are read again, those of all others are not.

A row before the earlier moment is what the later one made of it, unless a link that came between gave it to somebody else, or what
many rows tell together (machines, absurd amounts) came out differently. Links and machines are looked at shopper by shopper. Where
amounts, money, whose a refund is, or rows that were written down while serving differ, everything is read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, TypeAlias

import polars as pl

from recsys.ids.event_ids import ORDER_LINES
from recsys.settings.tables import DataSettings
from recsys.tables import identities
from recsys.tables.checks.cleaning import Cleaning
from recsys.tables.checks.outliers import Absurd, find_absurd, never_absurd
from recsys.tables.checks.people import find_machines
from recsys.tables.checks.survey import COLUMNS, NOBODY, plausible, users_of, with_amounts_of
from recsys.tables.identities import KNOWN, SINCE, UNTIL
from recsys.tables.returns import UNMOVED, Returns
from recsys.tables.sources import ROW
from recsys.tables.sources.spool import at_hand
from recsys.tables.values.money import Money


@dataclass(frozen=True, slots=True)
class Told:
    """All that decides what a row of the shop's events becomes, as of one moment.

    links: of anonymous ids and joined accounts · ends: since when anonymous ids are nobody's · doubles: `ROW` and timestamp of live
    events that are left out · log: the log's last number, and whose erasure is known · returns: refunds that are another shopper's
    than their row says.
    """

    money: Money
    links: pl.DataFrame
    ends: pl.DataFrame
    doubles: pl.DataFrame
    log: tuple[int, str]
    returns: Returns = UNMOVED

    def owners(self, before: datetime) -> pl.DataFrame:
        """Whose each anonymous id was up to a moment, as `identities.periods`."""
        spans = identities.periods(self.links, self.ends).filter(pl.col(SINCE).is_null() | (pl.col(SINCE) < before))
        return spans.with_columns(pl.when(pl.col(UNTIL) < before).then(UNTIL).alias(UNTIL))


class Some(NamedTuple):
    """`COLUMNS` of the events of these users (None: of all) and of orders of nobody, and the cleaning of everybody's. Its survey,
    counts and findings are those of the later moment."""

    user_ids: pl.Series | None
    rows: pl.LazyFrame
    cleaning: Cleaning


Resolve: TypeAlias = Callable[[pl.LazyFrame], pl.LazyFrame]
"""Gives events to known users, in one currency."""
ReadSome: TypeAlias = Callable[[pl.LazyFrame, Resolve, pl.DataFrame, DataSettings, int], Some | None]
"""`Earlier.some_rows`, or `Earlier.orders`."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A moment, what is told as of then, and what a later one told, with its cleaning."""

    before: datetime
    told: Told
    later: Told
    cleaning: Cleaning

    def some_rows(
        self,
        events: pl.LazyFrame,
        resolved: Resolve,
        items: pl.DataFrame,
        data: DataSettings,
        partitions: int,
    ) -> Some | None:
        """Read the rows of users who have other ones up to then; None: it may be anybody.

        Args:
            events: all events before the moment, as the shop wrote them.
            resolved: gives events to known users, in one currency.
            items: the shop's item table.
            data: the settings of the tables.
            partitions: how many the events are cut into.

        Raises:
            DataError: if the disk would be full.
        """
        if not self._comparable():
            return None
        absurd = self._absurd(self.told.money.convert(events), items, data)
        until = self.cleaning.absurd.rows.filter(pl.col("timestamp") < self.before)
        if not absurd.rows.sort(ROW).equals(until.sort(ROW)):
            return None
        users, found_under = self._changed()
        returned = self.told.returns.of(users)
        rows = at_hand(_of_users(resolved(self._may_be(found_under, returned, events)), users), partitions)
        dated = rows.filter(plausible(self.cleaning.now)) if self.cleaning.misdated else rows
        machines = find_machines(dated, replace(self.cleaning.seen, users=users_of(dated)), data)
        return Some(users, rows, replace(self.cleaning, absurd=absurd, machines=machines))

    def orders(
        self,
        lines: pl.LazyFrame,
        resolved: Resolve,
        items: pl.DataFrame,
        data: DataSettings,
        partitions: int,
    ) -> Some | None:
        """Read purchases and refunds alone, of everybody, without looking at all other events once more; as `some_rows`."""
        if not self._comparable():
            return None
        rows = at_hand(resolved(lines).select(COLUMNS), partitions)
        return Some(None, rows, replace(self.cleaning, absurd=self._absurd(rows, items, data)))

    def _comparable(self) -> bool:
        """Tell whether what the later moment saw has every row before the moment, and has it in the same money."""
        doubles = self.later.doubles.filter(pl.col("timestamp") < self.before)
        buyers = self.later.returns.buyers.filter(pl.col("timestamp") < self.before)
        same = (self.later.money, self.later.log) == (self.told.money, self.told.log)
        return same and doubles.equals(self.told.doubles) and buyers.equals(self.told.returns.buyers)

    def _absurd(self, rows: pl.LazyFrame, items: pl.DataFrame, data: DataSettings) -> Absurd:
        """The rows before the moment that are absurd among themselves."""
        later = self.cleaning
        if never_absurd(later.seen, items, data):
            return Absurd(later.absurd.rows.clear())
        dated = rows.filter(plausible(later.now)) if later.misdated else rows
        return find_absurd(dated, with_amounts_of(later.seen, rows, later.now), items, data)

    def _changed(self) -> tuple[pl.Series, pl.Series]:
        """The users whose rows may be others: of ids that had another owner, and those who were machines later. And all ids that
        their rows may stand under."""
        then, now = self.later.owners(self.before), self.told.owners(self.before)
        differing = [
            one.join(other, on=one.columns, how="anti", nulls_equal=True) for one, other in ((then, now), (now, then))
        ]
        ids = pl.concat(differing)["anonymous_id"].unique()
        owners = pl.concat([then, now]).filter(pl.col("anonymous_id").is_in(ids.implode()))[KNOWN].drop_nulls()
        users = pl.concat([ids, owners, self.cleaning.machines.ids["user_id"]]).unique()
        under = now.filter(pl.col(KNOWN).is_in(users.implode()))["anonymous_id"]
        return users, pl.concat([users, under]).unique()

    def _may_be(self, found_under: pl.Series, returned: pl.Series, events: pl.LazyFrame) -> pl.LazyFrame:
        """Events under these ids, these rows, and orders of nobody."""
        theirs = pl.col(ROW).is_in(returned.implode())
        rows, events = events.filter(theirs), events.filter(~theirs)
        words = self.cleaning.seen.nobody[NOBODY].implode()
        somebody = pl.LazyFrame({"user_id": found_under}).filter(~pl.col("user_id").is_in(words))
        nobodys = pl.col("event_type").is_in(ORDER_LINES) & (pl.col("user_id").is_null() | pl.col("user_id").is_in(words))
        return pl.concat([events.join(somebody, on="user_id", how="semi"), rows, events.filter(nobodys)])


def _of_users(resolved: pl.LazyFrame, users: pl.Series) -> pl.LazyFrame:
    """The `COLUMNS` of these users' events, and of nobody's."""
    known = resolved.join(pl.LazyFrame({"user_id": users}), on="user_id", how="semi")
    return pl.concat([known, resolved.filter(pl.col("user_id").is_null())]).select(COLUMNS)
