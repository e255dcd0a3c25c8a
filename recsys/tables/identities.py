"""Anonymous ids that became known ones: resolved whenever events are read, never rewritten in the shop's tables."""

from __future__ import annotations

import polars as pl

from recsys.tables.schema import TIME

SINCE, UNTIL, KNOWN = "__since", "__until", "__known"
"""From when on an anonymous id belongs to a known user (null: ever since), and until when (null: for ever), itself outside."""
ENDS = pl.Schema({"anonymous_id": pl.String(), "timestamp": TIME})
"""From when on an anonymous id belongs to nobody, until its next link."""


def refused(links: pl.DataFrame, users: pl.DataFrame) -> pl.Series:
    """Tell, bool[links], which links start from a known id: one in the user table, one that others are linked to, itself."""
    to_itself = links["anonymous_id"] == links["user_id"]
    known = pl.concat([links.filter(~to_itself)["user_id"], users["user_id"]]).unique()
    return to_itself | links["anonymous_id"].is_in(known.implode())


def periods(links: pl.DataFrame, ends: pl.DataFrame | None = None) -> pl.DataFrame:
    """Turn links into who an anonymous id belongs to, from when until when; the first one reaches back for ever.

    `ends` (columns of `ENDS`) make periods of nobody, where `KNOWN` is null.
    """
    first, last = pl.lit(None, TIME), pl.lit(None, TIME)
    if ends is not None:
        links = pl.concat([links, ends], how="diagonal")
    return (
        links.sort("anonymous_id", "timestamp", "user_id", nulls_last=[False, False, True])
        .unique(["anonymous_id", "timestamp"], keep="last", maintain_order=True)
        .select(
            pl.col("anonymous_id"),
            pl.col("user_id").alias(KNOWN),
            pl.when(pl.int_range(pl.len()).over("anonymous_id") == 0).then(first).otherwise("timestamp").alias(SINCE),
            pl.col("timestamp").shift(-1, fill_value=None).over("anonymous_id").fill_null(last).alias(UNTIL),
        )
    )


def resolve(events: pl.LazyFrame, links: pl.DataFrame, ends: pl.DataFrame | None = None) -> pl.LazyFrame:
    """Give each event under an anonymous id to the known user of the latest link at its time, else of the first link.

    The anonymous id stays in the column `anonymous_id`; an event from when the id was nobody's (`ends`) stays under it.
    """
    if links.is_empty():
        return events
    time = pl.col("timestamp")
    holds = (pl.col(SINCE).is_null() | (time >= pl.col(SINCE))) & (pl.col(UNTIL).is_null() | (time < pl.col(UNTIL)))
    linked = pl.col(KNOWN).is_not_null()
    return (
        events.join(
            periods(links, ends).lazy(), left_on="user_id", right_on="anonymous_id", how="left", maintain_order="left"
        )
        .filter(holds)
        .with_columns(
            pl.coalesce(KNOWN, "user_id").alias("user_id"),
            pl.when(linked).then("user_id").otherwise("anonymous_id").alias("anonymous_id"),
        )
        .drop(KNOWN, SINCE, UNTIL)
    )
