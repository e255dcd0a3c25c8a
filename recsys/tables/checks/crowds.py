"""Ids that stand for many people, such as all guests or a till: told by how much more of the time they are busy than anybody else.

Lines of an order and a visit's many views are one busy hour, so a wholesaler or a collector is no crowd, but somebody who is there
whenever anybody is. And of ids that are called as tills are, whether they are as busy as one.
"""

from __future__ import annotations

import polars as pl

from recsys.ids.user_ids import NullUsers, plain
from recsys.tables.checks.survey import NOBODY, Survey
from recsys.tables.validation import Finding

MIN_EVENTS, EVENTS_FACTOR = 500, 20
"""An id is a crowd if it has so many events, and so many times as many as all but 1 % of ids."""
MIN_HOURS, HOURS_FACTOR, HOURS_SHARE = 20, 4, 0.05
"""Or if it is busy in so many hours, so many times as many as all but 1 % of the less busy ids, and in so much of all users' hours."""
MOST = 5
"""Most ids that are named."""
MIN_OUTLETS, TILL_ACTS = 5, 5
"""So many ids with a till's word and a number may be customers, if most of them do fewer things than so many on a day that they are
there."""
OUTLETS = "does as much in a day as a till"
"""Rule of ids that are nobody's by a till's word, and look like customers'."""
_HOURS_OF_DAYS = 2
"""Times of day that days without an hour have in UTC: that of midnight, in summer and in winter."""
_LEAST_SHARE = 0.01
"""Share of the events from which an id's hours are counted."""
_LEAST_IDS = 5
"""So many less busy ids are needed for a comparison."""


def find_crowds(events: pl.LazyFrame, seen: Survey, machines: pl.Series) -> pl.DataFrame:
    """The busiest ids that are no one person's: `user_id`, `rows`, and what `said` it; machines are left out."""
    users = seen.users.filter(~pl.col("user_id").is_in(machines.implode()))
    usual = users["rows"].quantile(0.99, "higher") or 0
    limit = max(MIN_EVENTS, EVENTS_FACTOR * usual)
    many = users.filter(pl.col("rows") > limit).sort("rows", "user_id", descending=[True, False]).head(MOST)
    many = many.select("user_id", "rows", pl.lit(f"more than {limit:,.0f} events").alias("said"))
    hours = _by_hours(events, users).join(many, on="user_id", how="anti")
    return pl.concat([many, hours]).head(MOST)


def _by_hours(events: pl.LazyFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Ids up to the last of the busiest that stands far above those below it."""
    least = max(MIN_HOURS, _LEAST_SHARE * int(users["rows"].sum()))
    found = pl.DataFrame(schema={"user_id": pl.String, "rows": users["rows"].dtype, "said": pl.String})
    if users.filter(pl.col("rows") >= least).is_empty():
        return found
    hour = pl.col("timestamp").dt.truncate("1h")
    theirs = events.filter(pl.col("user_id").is_not_null()).group_by("user_id").agg(hour.n_unique().alias("hours"))
    busy = users.join(theirs.collect(engine="streaming"), on="user_id").sort("hours", "user_id", descending=[True, False])
    hours, last = busy["hours"], 0
    for at in range(min(MOST, busy.height - _LEAST_IDS)):
        usual, share = hours[at + 1 :].quantile(0.99, "higher") or 0, hours[at] / hours.sum()
        if hours[at] >= max(MIN_HOURS, HOURS_FACTOR * usual) and share >= HOURS_SHARE:
            last = at + 1
    said = pl.format("busy in {} hours", pl.col("hours"))
    return busy.head(last).select("user_id", "rows", said.alias("said")).cast(found.schema)


def like_outlets(events: pl.LazyFrame, seen: Survey, nobody: NullUsers, file: str) -> list[Finding]:
    """Say that ids which go by a till's word with a number, and are nobody's by that, do as little a day as customers do.

    A shop has a few tills, and each serves many a day; the outlets of a wholesaler are many, and each orders now and then.
    """
    words = [word for word in seen.nobody[NOBODY] if word and plain(word) not in nobody.words]
    if len(words) < MIN_OUTLETS:
        return []
    time = pl.col("timestamp")
    theirs = events.filter(pl.col(NOBODY).is_in(words))
    hours = theirs.select(time.dt.time().n_unique()).collect(engine="streaming").item()
    line = pl.int_range(pl.len()).cast(pl.String)  # days without an hour do not tell one act from the next
    act = pl.coalesce("order_id", line if hours <= _HOURS_OF_DAYS else time.cast(pl.String)).n_unique()
    counted = theirs.group_by(NOBODY).agg(pl.len().alias("rows"), act.alias("acts"), time.dt.date().n_unique().alias("days"))
    found = counted.collect(engine="streaming")
    busy = found.filter(pl.col("acts") >= TILL_ACTS * pl.col("days"))
    if busy.height * 2 > found.height:
        return []
    named = ", ".join(sorted(words)[:MOST])
    rows, share = int(found["rows"].sum()), int(found["rows"].sum()) / max(1, int(seen.whole["plausible"][0]))
    advice = "set `data.numbered_tills = false` if they are customers, such as outlets, or `true` if they are tills"
    return [Finding("events", file, "user_id", OUTLETS, rows, share, f"{named} ({found.height:,} ids)", advice)]
