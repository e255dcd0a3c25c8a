"""Attribution of clicks and orders to the lists that they came from, without any experiment.

What somebody clicked might have been bought anyway: only an experiment with a holdout says how much of it. A list is told by the
`recommendation_id` of its events; placement, rule and recommender come from the slate log, which keeps all slates of sends and a share
of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
import polars as pl

from recsys.clock import DAY
from recsys.disk import write_whole
from recsys.experiments.read_outs import READ_OUTS
from recsys.live.databases import open_log, open_slates
from recsys.live.erasure import ErasureKeys
from recsys.live.moments import MomentLog
from recsys.live.slate_log import SlateLog
from recsys.settings import Settings
from recsys.types import DataError
from training import console
from training.experiments.ledger import Ledger, read_ledger

DIMENSIONS = ("placement", "rule", "recommender", "campaign", "send", "moment_kind")
NOT_LOGGED = "(not logged)"
"""Stands for what a list was where the slate log does not have it."""
MAX_DAYS = 90
_LISTS = {"recommendation_id": pl.String, "placement": pl.String, "rule": pl.String}
_PLACES = {"recommendation_id": pl.String, "item_id": pl.String, "recommender": pl.String}
_CAMPAIGNS = {"recommendation_id": pl.String, "campaign": pl.String}


class Lists(msgspec.Struct, frozen=True):
    """Facts of lists: placement and rule of each, the recommender of each of its items, the moment kind of each send, and the
    campaigns that ran on its placement at its moment and were on for its shopper, a row each."""

    lists: pl.DataFrame
    places: pl.DataFrame
    sends: pl.DataFrame
    campaigns: pl.DataFrame = msgspec.field(default_factory=lambda: pl.DataFrame(schema=_CAMPAIGNS))


class _Kind(msgspec.Struct, frozen=True):
    kind: str


def attribution(
    settings: Settings, now: datetime, days: int, out: Path | None, erasure_keys: ErasureKeys | None = None
) -> int:
    """Print what lists brought and write it as CSV.

    Raises:
        DataError: if `days` is out of range, no event names a list, or the file cannot be written; else as reading the tables does.
    """
    if not 1 <= days <= MAX_DAYS:
        raise DataError(f"--days {days}: allowed are 1 to {MAX_DAYS}")
    ledger = read_ledger(settings, now, erasure_keys)
    if ledger.seen.is_empty():
        raise DataError("no event names a list; send impressions and clicks with `recommendation_id` (docs/storefront.md)")
    found = attributed(ledger, _known(settings, ledger), days)
    for name in DIMENSIONS:
        rows = found.filter(pl.col("by") == name).drop("by").rows()
        if rows:
            console.table(
                f"By {name.replace('_', ' ')}", found.columns[1:], [tuple(_cell(each) for each in row) for row in rows]
            )
    console.say(f"orders count up to {days} days after a click; what would have been bought anyway only a holdout can tell")
    file = out or settings.artifacts / READ_OUTS / "attribution.csv"
    _write(found, file)
    console.say(f"✓ {file}")
    return 0


def attributed(ledger: Ledger, known: Lists, days: int) -> pl.DataFrame:
    """Return what lists brought by each dimension: seen and clicked lists, clicks, and revenue of the clicked items bought in time.

    seen: null by recommender, of which a list has several · last_touch: to the last click on the item before it was bought · shared:
    evenly to all of them · assisted: all that persons bought in time after a click, whatever it was, so that it counts for several
    lists.
    """
    seen = _described(ledger.seen.with_columns(pl.lit(None, pl.String).alias("item_id")), known)
    clicks = _described(ledger.clicks, known).with_row_index("click")
    near = _near(_kept(ledger), clicks, days)
    return pl.concat([_by(name, seen, clicks, near, known) for name in DIMENSIONS])


def _by(name: str, seen: pl.DataFrame, clicks: pl.DataFrame, near: pl.DataFrame, known: Lists) -> pl.DataFrame:
    clicked = _valued(name, clicks, known)
    group = clicked.select("click", "value")
    touched = near.filter(pl.col("clicked") == pl.col("item_id"))
    last = _last(touched).join(group, on="click")
    shared = touched.with_columns((pl.col("amount") / pl.len().over("line")).alias("amount")).join(group, on="click")
    assisted = near.join(group, on="click").unique(["line", "value"])
    stated = _valued(name, seen, known).filter(name != "recommender").group_by("value").agg(seen=pl.len())
    for frame in (
        clicked.group_by("value").agg(clicked=pl.col("recommendation_id").n_unique(), clicks=pl.len()),
        last.group_by("value").agg(bought=pl.len(), last_touch=pl.col("amount").sum()),
        shared.group_by("value").agg(shared=pl.col("amount").sum()),
        assisted.group_by("value").agg(assisted=pl.col("amount").sum()),
    ):
        stated = stated.join(frame, on="value", how="full", coalesce=True)
    seen_lists = (
        pl.lit(None, pl.Int64).alias("seen") if name == "recommender" else pl.col("seen").fill_null(0).cast(pl.Int64)
    )
    counts = pl.col("clicked", "clicks", "bought").fill_null(0).cast(pl.Int64)
    money = pl.col("last_touch", "shared", "assisted").fill_null(0.0).round(2)
    wanted = stated.drop_nulls("value").select(pl.lit(name).alias("by"), "value", seen_lists, counts, money)
    return wanted.sort("last_touch", "clicks", "value", descending=[True, True, False])


def _valued(name: str, frame: pl.DataFrame, known: Lists) -> pl.DataFrame:
    """Events of lists with their `value` of a dimension; those under several campaigns once under each."""
    if name == "campaign":
        return frame.join(known.campaigns.rename({"campaign": "value"}), on="recommendation_id")
    return frame.with_columns(value=name)


def orders_of_clicks(ledger: Ledger, days: int) -> pl.DataFrame:
    """Orders that kept the clicked item, bought within so many days of the last click on it before: `recommendation_id`, `item_id`,
    `orders`."""
    clicks = ledger.clicks.with_row_index("click")
    near = _near(_kept(ledger), clicks, days)
    last = _last(near.filter(pl.col("clicked") == pl.col("item_id")))
    counted = last.group_by("click").agg(orders=pl.col("order").n_unique())
    return counted.join(clicks, on="click").select("recommendation_id", "item_id", "orders")


def _kept(ledger: Ledger) -> pl.DataFrame:
    """Lines that were not given back whole."""
    return ledger.lines.filter(pl.col("units") > 0).with_row_index("line")


def _near(lines: pl.DataFrame, clicks: pl.DataFrame, days: int) -> pl.DataFrame:
    """Pairs of a line and a click of the same person not long before."""
    return lines.join(clicks.select("unit", "click", clicked_at="time", clicked="item_id"), on="unit").filter(
        (pl.col("clicked_at") <= pl.col("time")) & (pl.col("time") <= pl.col("clicked_at") + days * DAY)
    )


def _last(touched: pl.DataFrame) -> pl.DataFrame:
    """Each line once, with the last click before it."""
    return touched.sort("clicked_at", "click").unique("line", keep="last", maintain_order=True)


def _described(frame: pl.DataFrame, known: Lists) -> pl.DataFrame:
    """Events of lists with all dimensions; send and moment kind are null where there are none."""
    joined = (
        frame.join(known.lists, on="recommendation_id", how="left")
        .join(known.places, on=["recommendation_id", "item_id"], how="left")
        .join(known.sends, on="send_id", how="left")
    )
    logged = pl.col("placement", "rule", "recommender").fill_null(NOT_LOGGED)
    return joined.with_columns(logged, pl.col("send_id").alias("send"))


def _known(settings: Settings, ledger: Ledger) -> Lists:
    ids = pl.concat([ledger.seen["recommendation_id"], ledger.clicks["recommendation_id"]]).unique().sort()
    sends = pl.concat([ledger.seen["send_id"], ledger.clicks["send_id"]]).drop_nulls().unique().sort()
    lists, places, campaigns = _logged(open_slates(settings), ids)
    return Lists(lists, places, _kinds(open_log(settings).moments, sends), campaigns)


def _logged(log: SlateLog, ids: Iterable[str]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    lists, places, campaigns = [], [], []
    for each in ids:
        try:
            note = log.read(each)
        except DataError:
            continue
        lists.append((each, note.query.placement, note.strategy or NOT_LOGGED))
        places += [(each, item_id, recommender) for item_id, recommender in note.shown]
        campaigns += [(each, campaign) for campaign in note.campaigns_on]
    return (
        pl.DataFrame(lists, schema=_LISTS, orient="row"),
        pl.DataFrame(places, schema=_PLACES, orient="row"),
        pl.DataFrame(campaigns, schema=_CAMPAIGNS, orient="row"),
    )


def _kinds(log: MomentLog, send_ids: Iterable[str]) -> pl.DataFrame:
    """Kinds of the moments that became sends of the same name."""
    found = [(each, kept) for each in send_ids if (kept := log.of(each)) is not None]
    rows = [(each, msgspec.json.decode(kept.line, type=_Kind).kind) for each, kept in found]
    return pl.DataFrame(rows, schema={"send_id": pl.String, "moment_kind": pl.String}, orient="row")


def _cell(value: object) -> object:
    return "" if value is None else f"{value:,.2f}" if isinstance(value, float) else value


def _write(found: pl.DataFrame, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(file) as aside:
            found.write_csv(aside)
    except OSError as error:
        raise DataError(f"--out {file}: cannot be written ({error.strerror})") from error
