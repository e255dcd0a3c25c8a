"""`make restock`: items whose stock will run out before new stock can arrive, by the revenue at risk (docs/stock.md).

Stock is what the shop said last, in its table or by `PATCH /v1/items`. Sales are counted up to the newest event that is known,
live ones too, so that a run on an item shows at once.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recsys.disk import write_whole
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.live.databases import open_log
from recsys.live.erasure import ErasureKeys
from recsys.live.log import EventLog
from recsys.orders import ORDER_KINDS, settle
from recsys.settings import Settings
from recsys.snapshot.catalog import SOLD_DAYS, Catalog
from recsys.snapshot.histories import Events
from recsys.snapshot.stock import Units, at_risk, days_of_cover, units_missing, units_sold
from recsys.snapshot.store import Snapshot, current_version, open_snapshot
from recsys.tables.live_rows import event_frame
from recsys.tables.schema import EVENT_TYPE
from recsys.types import EVENT_TYPES, DataError, EventType, SnapshotError
from training import console
from training.runners.rows import map_events

FORMATS = ("csv", "parquet")
SCHEMA = pl.Schema(
    {
        "item_id": pl.String(),
        "title": pl.String(),
        "brand": pl.String(),
        "category": pl.String(),
        "stock": pl.Float32(),
        "sold_28_days": pl.Float32(),
        "days_of_cover": pl.Float32(),
        "pieces_missing": pl.Float64(),
        "revenue_at_risk": pl.Float64(),
    }
)
"""One line an item: stock and pieces, days, and the shop's currency; no revenue without a price."""
_HEADINGS = ("item", "title", "brand", "category", "stock", "sold", "days", "missing", "at risk")
_ORDERS = (EVENT_TYPES[EventType.PURCHASE], EVENT_TYPES[EventType.REFUND])


def restock(
    settings: Settings, lead_days: float | None, out: Path | None, top: int, erasure_keys: ErasureKeys | None = None
) -> int:
    """Print the `top` items at risk and write all of them to `out`, by revenue at risk; without `lead_days`, at the settings'.

    Raises:
        DataError: if no item has a stock figure, or `out` cannot be written.
        SnapshotError: if nothing is published, or the snapshot cannot be opened.
        StateError: if the log cannot be read.
    """
    if out and out.suffix.removeprefix(".") not in FORMATS:
        raise DataError(f"--out {out}: the ending must be one of {', '.join('.' + name for name in FORMATS)}")
    lead_days = lead_days or settings.moments.lead_days
    catalog, sold = _now(settings, erasure_keys)
    if np.isnan(catalog.stock).all():
        raise DataError(
            "no item has a stock figure; give the items table a column `stock` (docs/data.md), or tell it by PATCH /v1/items"
        )
    found = scarce_items(catalog, sold, lead_days)
    _show(found, top, lead_days, catalog.currency)
    if out:
        _write(found, out)
        console.say(f"✓ {out}")
    return 0


def scarce_items(catalog: Catalog, sold: Units, lead_days: float) -> pl.DataFrame:
    """The items at risk by revenue at risk, then pieces missing, then id: `SCHEMA`; `sold` float32[n] of the last `SOLD_DAYS` days.

    Revenue at risk is price × pieces missing, what the lead time will want beyond the stock.
    """
    rows = np.flatnonzero(at_risk(catalog.stock, sold, lead_days))
    stock, pace = catalog.stock[rows], sold[rows]
    missing = units_missing(stock, pace, lead_days)
    items = [catalog.item(row) | {"title": catalog.title(row)} for row in rows.tolist()]
    columns = (
        *([item[name] for item in items] for name in ("item_id", "title", "brand", "category")),
        *(stock, pace, days_of_cover(stock, pace), missing, missing * catalog.price[rows]),
    )
    frame = pl.DataFrame(dict(zip(SCHEMA, columns, strict=True)), schema=SCHEMA).fill_nan(None)
    worst = ("revenue_at_risk", "pieces_missing", "item_id")
    return frame.sort(worst, descending=[True, True, False], nulls_last=True)


def sold_lately(serving: ServingState, state: EventLog) -> Units:
    """Pieces of each item, float32[n], sold in the `SOLD_DAYS` days up to the newest event: those of the snapshot and live ones.

    Units given back are not sold. A live refund is held against what the same id bought.
    """
    snapshot = serving.engine.snapshot
    past, live = _past_orders(snapshot), _live_orders(snapshot, state)
    joined = Events(*(np.concatenate([getattr(each, name) for each in (past, live)]) for name in Events.__slots__))
    in_order = joined.where(np.lexsort((joined.times, joined.users)))
    return units_sold(settle(in_order, snapshot.manifest.behaviour), snapshot.catalog, serving.newest)


def _now(settings: Settings, erasure_keys: ErasureKeys | None) -> tuple[Catalog, Units]:
    """The catalogue with live updates in it, and what was sold lately."""
    artifacts = settings.artifacts
    version = current_version(artifacts)
    if version is None:
        raise SnapshotError(f"no snapshot is published in {artifacts}; run `make train` first")
    with closing(open_log(settings)) as state:
        serving = ServingState(Engine(open_snapshot(artifacts, version), settings), state, erasure_keys)
        serving.catch_up()
        return serving.engine.catalog, sold_lately(serving, state)


def _past_orders(snapshot: Snapshot) -> Events:
    """The purchases and refunds that the snapshot holds."""
    arrays: dict[str, Any] = dict(snapshot.groups["history"])
    users = np.repeat(np.arange(len(snapshot.histories.users), dtype=np.int32), np.diff(arrays["offsets"]))
    events = Events(users, *(arrays[name] for name in Events.__slots__[1:]))
    return events.where(np.isin(events.kinds, ORDER_KINDS))


def _live_orders(snapshot: Snapshot, state: EventLog) -> Events:
    """Purchases and refunds that the log took since the snapshot; ids that it does not know are numbered after its users."""
    batches = state.events_between(snapshot.manifest.state_sequence, state.last())
    orders = pl.col("event_type").is_in(_ORDERS)
    frame = pl.concat([event_frame([]), *(event_frame(batch).filter(orders) for batch in batches)])
    events, ids = map_events(frame.lazy().with_columns(pl.col("event_type").cast(EVENT_TYPE)), snapshot.catalog)
    known = snapshot.histories.users
    rows = [row if (row := known.row(user_id)) >= 0 else len(known) + at for at, user_id in enumerate(ids)]
    return replace(events, users=np.array(rows, np.int32)[events.users])


def _show(found: pl.DataFrame, top: int, lead_days: float, currency: str | None) -> None:
    if found.is_empty():
        console.say(f"✓ no item runs out of stock within {lead_days:g} days at the pace of the last {SOLD_DAYS}")
        return
    shown = found.head(top).with_columns(pl.col(pl.Float32, pl.Float64).cast(pl.Float64).round(1))
    rows = [[_cell(value) for value in row] for row in shown.iter_rows()]
    meaning = f"sold in {SOLD_DAYS} days, days of cover, pieces missing, revenue at risk"
    console.table(f"Out of stock within {lead_days:g} days: {meaning}", _HEADINGS, rows)
    beyond = f", {found.height - top:,} of them not shown" if found.height > top else ""
    money = f"{found['revenue_at_risk'].sum():,.2f} {currency or ''}".rstrip()
    unpriced = found["revenue_at_risk"].null_count()
    console.say(
        f"{found.height:,} at risk{beyond}: {found['pieces_missing'].sum():,.1f} pieces missing, {money} of revenue"
        + (f"; {unpriced:,} without a price" if unpriced else "")
    )


def _cell(value: object) -> object:
    return "" if value is None else value


def _write(found: pl.DataFrame, out: Path) -> None:
    """Write the file aside, and give it its name when it is whole."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(out) as aside:
            found.with_columns(_no_formulas()).write_csv(aside) if out.suffix == ".csv" else found.write_parquet(aside)
    except OSError as error:
        raise DataError(f"--out {out}: cannot be written ({error.strerror})") from error


def _no_formulas() -> pl.Expr:
    """Texts with an apostrophe before what a spreadsheet would take for a formula, also where other signs end a cell for it."""
    return pl.col(pl.String).str.replace_all("(^|[;\t\r\n])([\t\r\n]*[=+@＝＋－＠-])", "${1}'${2}")
