"""Anonymous ids that became known ones: resolved whenever events are read, never rewritten in the shop's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import polars as pl

from recsys.ids.user_ids import NullUsers
from recsys.tables.live_rows import LiveRows
from recsys.tables.reader import Read
from recsys.tables.schema import TIME, schema
from recsys.tables.validation import Finding
from recsys.tables.values.examples import shown
from recsys.tables.values.nobody import is_nobody

SINCE, UNTIL, KNOWN = "__since", "__until", "__known"
"""From when on an anonymous id belongs to a known user (null: ever since), and until when (null: for ever), itself outside."""

_TORN = (
    "tells when an id became whose",
    "export the moment of each link: then each user of a shared device has what was done from theirs on",
)
_PERHAPS_LATER = (
    "tells since when the id is the user's, or they have an event of their own since it was first seen",
    "export the moment of each link: without it nothing tells that it was known by the day that is asked for",
)


def valid_links(
    reads: Mapping[str, Read], live: LiveRows, users: pl.DataFrame, null_users: NullUsers
) -> tuple[pl.DataFrame, list[Finding]]:
    """Collect the links of the shop and of the log, without the refused ones, which are found; as of an earlier moment also without
    those that it cannot be told of whether they were known by then."""
    links, file = live.links, live.file
    if "identities" in reads:
        links = pl.concat([reads["identities"].frame.collect(engine="streaming").select(list(schema("identities"))), links])
        file = reads["identities"].files[0]
    wrong = refused(links, users, null_users)
    left, torn = _without(links.filter(~wrong), _torn, _TORN, file)
    left, later = _without(left, partial(_perhaps_later, reads=reads, live=live), _PERHAPS_LATER, file)
    if not wrong.any():
        return left, [*torn, *later]
    first = links.filter(wrong).row(0, named=True)
    finding = Finding(
        table="identities",
        file=file,
        column="anonymous_id",
        rule="is not the id of a known user, and neither id is nobody's",
        rows=int(wrong.sum()),
        share=int(wrong.sum()) / links.height,
        example=f"{shown('id', first['anonymous_id'])} → {shown('id', first['user_id'])}",
        advice="link anonymous ids to known users only; two known users are never joined",
        level="left_out",
    )
    return left, [finding, *torn, *later]


def _without(
    links: pl.DataFrame, told: Callable[[pl.DataFrame], pl.Series], said: tuple[str, str], file: str
) -> tuple[pl.DataFrame, list[Finding]]:
    """Leave out links without a time by which nobody can tell whose an id is; `said` is the rule that they break, and what to do."""
    wrong = told(links)
    if not wrong.any():
        return links, []
    rule, advice = said
    found = Finding(
        table="identities",
        file=file,
        column="timestamp",
        rule=rule,
        rows=int(wrong.sum()),
        share=int(wrong.sum()) / links.height,
        example=shown("id", links.filter(wrong)["anonymous_id"][0]),
        advice=advice,
        level="left_out",
    )
    return links.filter(~wrong), [found]


def _torn(links: pl.DataFrame) -> pl.Series:
    """Tell, bool[links], which lead from one id to several users without a time: nobody can tell whose it is when."""
    several = pl.col("user_id").n_unique().over("anonymous_id", "timestamp") > 1
    return links.select(several & pl.col("timestamp").is_null()).to_series()


def _perhaps_later(links: pl.DataFrame, reads: Mapping[str, Read], live: LiveRows) -> pl.Series:
    """Tell, bool[links], which have no time and may have come at `live.before` or later: up to then their user has no event of their
    own since the anonymous id was first seen, and who signs in leaves one."""
    timeless = links["timestamp"].is_null()
    if live.before is None or not timeless.any():
        return timeless & False
    ids = pl.concat([links.filter(timeless)[name].alias("id") for name in ("anonymous_id", "user_id")]).unique()
    frames = [reads["events"].narrow, *([] if live.events is None else [live.events])]
    events = pl.concat([frame.select(pl.col("user_id").alias("id"), "timestamp") for frame in frames])
    theirs = events.join(ids.to_frame().lazy(), on="id", how="semi").group_by("id")
    spans = theirs.agg(first=pl.col("timestamp").min(), last=pl.col("timestamp").max()).collect(engine="streaming")
    first, last = (
        links.join(spans, left_on=name, right_on="id", how="left", maintain_order="left")[edge]
        for name, edge in (("anonymous_id", "first"), ("user_id", "last"))
    )
    return timeless & (last.is_null() | (last < first).fill_null(False))


def refused(links: pl.DataFrame, users: pl.DataFrame, null_users: NullUsers) -> pl.Series:
    """Tell, bool[links], which links start from a known id (one in the user table, one that others are linked to, itself), or
    lead from or to nobody."""
    nobody = links.select(is_nobody("anonymous_id", null_users) | is_nobody("user_id", null_users)).to_series()
    to_itself = links["anonymous_id"] == links["user_id"]
    known = pl.concat([links.filter(~to_itself & ~nobody)["user_id"], users["user_id"]]).unique()
    return nobody | to_itself | links["anonymous_id"].is_in(known.implode())


def with_joins(links: pl.DataFrame, joins: pl.DataFrame) -> pl.DataFrame:
    """Links after accounts were joined: each leads to the account that its user's history belongs to, and so does each account."""
    if joins.is_empty():
        return links
    owners = dict(zip(joins["anonymous_id"], joins["user_id"], strict=True))
    return pl.concat([links.with_columns(pl.col("user_id").replace(owners)), joins.select(links.columns)])


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
    spans = periods(links, ends)
    lasting = pl.col(SINCE).is_null() & pl.col(UNTIL).is_null()
    events = events.with_columns(_known_for_ever(spans.filter(lasting)).alias(KNOWN))
    if (changing := spans.filter(~lasting)).height:
        events = _known_in_time(events, changing)
    linked = pl.col(KNOWN).is_not_null()
    return events.with_columns(
        pl.coalesce(KNOWN, "user_id").alias("user_id"),
        pl.when(linked).then("user_id").otherwise("anonymous_id").alias("anonymous_id"),
    ).drop(KNOWN)


def _known_for_ever(spans: pl.DataFrame) -> pl.Expr:
    """The known user of an id that belongs to one at all times: most of them, which takes no join of whole rows."""
    known = _Lookup(spans["anonymous_id"], spans[KNOWN])
    return pl.col("user_id").map_batches(known.of, return_dtype=pl.String(), is_elementwise=True)


class _Lookup:
    """Values by distinct keys, sorted once for all batches: a join would hash every key again for each of them."""

    def __init__(self, keys: pl.Series, values: pl.Series) -> None:
        hashes = keys.hash()
        order = hashes.arg_sort()
        self._hashes = hashes.gather(order).to_numpy()
        self._keys, self._values = keys.gather(order), values.gather(order)
        self._most_alike = int(hashes.value_counts()["count"].to_numpy().max(initial=0))

    def of(self, asked: pl.Series) -> pl.Series:
        """The value of each key that is asked for; null where there is none."""
        found = pl.repeat(None, len(asked), dtype=self._values.dtype, eager=True)
        hashes = asked.hash().to_numpy()
        first = np.searchsorted(self._hashes, hashes)
        for further in range(self._most_alike):  # one, unless two keys have the same hash
            place = np.minimum(first + further, len(self._hashes) - 1)
            near = np.flatnonzero(self._hashes[place] == hashes)
            right = near[(self._keys.gather(place[near]) == asked.gather(near)).fill_null(False).to_numpy()]
            found = found.scatter(right, self._values.gather(place[right]))
        return found


def _known_in_time(events: pl.LazyFrame, spans: pl.DataFrame) -> pl.LazyFrame:
    """Events with the known user of an id that changes hands, by their time."""
    time, then = pl.col("timestamp"), "__then"
    holds = (pl.col(SINCE).is_null() | (time >= pl.col(SINCE))) & (pl.col(UNTIL).is_null() | (time < pl.col(UNTIL)))
    changing = spans.lazy().rename({KNOWN: then})
    joined = events.join(changing, left_on="user_id", right_on="anonymous_id", how="left", maintain_order="left")
    return joined.filter(holds).with_columns(pl.coalesce(KNOWN, then).alias(KNOWN)).drop(then, SINCE, UNTIL)
