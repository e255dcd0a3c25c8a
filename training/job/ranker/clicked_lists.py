"""Lists that were shown and clicked, of windows of the past: from the slate log, and from events that name their list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

import polars as pl

from recsys.live.slate_log import LoggedSlate, SlateHead, SlateLog
from recsys.tables.shop import ShopTables
from recsys.types import DataError

ACTED = ("click", "cart_add", "purchase")
"""What tells that an item of a list was wanted; all of it is a click to the ranker."""
OF_ONE = 10
"""Most lists of one shopper in one window: who clicks all day long, or is a machine, teaches no more than others."""
_HEADS = {"list": pl.String, "user": pl.String, "time": pl.Int64}
_BATCH = 10_000
Span: TypeAlias = tuple[int, int]


class ClickedList(NamedTuple):
    """One list as it was answered, which of its items were acted on before its window's end, and which were seen; None: nobody told,
    so that all count as seen."""

    note: LoggedSlate
    clicked: frozenset[str]
    seen: frozenset[str] | None

    @property
    def is_drawn(self) -> bool:
        """Tell whether chance had a part in what stood where: exploration, a second ranking, or rotation."""
        placement = self.note.placements.get(self.note.query.placement)
        return bool(self.note.propensities or self.note.beside or (placement and placement.rotate))


def list_events(shop: ShopTables, kinds: Sequence[str]) -> pl.LazyFrame:
    """The shop's events of these kinds that name their list."""
    return shop.events.filter(pl.col("event_type").is_in(kinds) & pl.col("recommendation_id").is_not_null())


def clicked_lists(
    shop: ShopTables, slates: SlateLog, left_out: frozenset[str], windows: Sequence[Span], max_n: int
) -> list[Iterator[ClickedList]]:
    """Find the lists of a known shopper, without items of a page, that were shown in each window [start, end) and clicked before it
    ended. Of more than `max_n` those with the least ids, which are hashes: a sample by chance, the same one each time.

    left_out: users whose lists and clicks do not count. Each list is read when it is asked for, with its history.
    """
    acted = _by_list(list_events(shop, ACTED), left_out).collect()
    heads = _frame(slates.heads()).filter(~pl.col("user").is_in(sorted(left_out)))
    chosen = [_chosen(heads, _before(acted, span), span, max_n) for span in windows]
    names = pl.concat([heads["list"].clear(), *chosen])
    seen = _by_list(list_events(shop, ("impression",)), left_out).filter(pl.col("list").is_in(names.implode())).collect()
    return [
        _read(slates, each, _items(acted, each, span), _items(seen, each, span))
        for each, span in zip(chosen, windows, strict=True)
    ]


def _by_list(events: pl.LazyFrame, left_out: frozenset[str]) -> pl.LazyFrame:
    """Each item of a list with the first time (microseconds) at which something was done with it."""
    chosen = events.filter(~pl.col("user_id").is_in(sorted(left_out)) & pl.col("item_id").is_not_null())
    time = pl.col("timestamp").dt.epoch("us").min().alias("time")
    return chosen.group_by(pl.col("recommendation_id").alias("list"), pl.col("item_id").alias("item")).agg(time)


def _frame(heads: Iterable[SlateHead]) -> pl.DataFrame:
    """The lists that can teach: somebody's own, of more than one item."""
    rows = (
        (head.recommendation_id, head.query.user_id, head.query.now)
        for head in heads
        if head.query.user_id is not None and not head.query.context_items and len(head.shown) > 1
    )
    frames = [pl.DataFrame(schema=_HEADS)]
    while batch := list(islice(rows, _BATCH)):
        frames.append(pl.DataFrame(batch, schema=_HEADS, orient="row"))
    return pl.concat(frames)


def _chosen(heads: pl.DataFrame, acted: pl.DataFrame, span: Span, max_n: int) -> pl.Series:
    """The ids of the lists of one window, ascending, at most `OF_ONE` of a shopper."""
    start, end = span
    there = heads.filter((pl.col("time") >= start) & (pl.col("time") < end)).join(acted, on="list", how="semi")
    few = there.sort("list").filter(pl.int_range(pl.len()).over("user") < OF_ONE)
    return few.head(max_n)["list"]


def _before(frame: pl.DataFrame, span: Span) -> pl.DataFrame:
    return frame.filter(pl.col("time") < span[1])


def _items(frame: pl.DataFrame, names: pl.Series, span: Span) -> Mapping[str, frozenset[str]]:
    """The items of each of these lists with which something was done before the window's end."""
    there = _before(frame, span).filter(pl.col("list").is_in(names.implode())).group_by("list").agg("item")
    return {name: frozenset(items) for name, items in there.iter_rows()}


def _read(
    slates: SlateLog, names: pl.Series, acted: Mapping[str, frozenset[str]], seen: Mapping[str, frozenset[str]]
) -> Iterator[ClickedList]:
    """Read the lists; what was dropped or erased meanwhile is left out."""
    for name in names:
        try:
            yield ClickedList(slates.read(name), acted[name], seen.get(name))
        except DataError:
            continue
