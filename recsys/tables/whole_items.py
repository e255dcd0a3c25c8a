"""Items that were put whole while serving, as rows of the item table."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from recsys.item_filters import ATTRIBUTE
from recsys.item_updates import WholeItem
from recsys.tables.live_rows import WHOLE
from recsys.tables.schema import schema

_MOMENTS = ("published_at", "published_until")
_NUMBER = "__number"


def with_whole_items(items: pl.DataFrame, updates: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Put each item that was put last in place of its row, new ones behind the others; returns the updates that came after it too.

    Columns that a put item cannot have, such as its cost, stay as the item's row had them.
    """
    if WHOLE not in updates.columns or updates[WHOLE].is_null().all():
        return items, updates
    numbered = updates.with_row_index(_NUMBER)
    put = numbered.filter(pl.col(WHOLE).is_not_null()).unique("item_id", keep="last", maintain_order=True)
    rows = _rows(put, items)
    others = [name for name in items.columns if name not in rows.columns]
    rows = rows.join(items.select("item_id", *others), on="item_id", how="left", maintain_order="left")
    whole = pl.concat([items.join(put, on="item_id", how="anti", maintain_order="left"), rows], how="diagonal")
    since = put.select("item_id", pl.col(_NUMBER).alias("__since"))
    later = numbered.join(since, on="item_id", how="left", maintain_order="left")
    later = later.filter(pl.col("__since").is_null() | (pl.col(_NUMBER) > pl.col("__since")))
    return whole, later.drop(_NUMBER, "__since")


def _rows(put: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Put items with the columns that they have, in the types of the item table."""
    attributes = {name: dtype for name, dtype in items.schema.items() if name.startswith(ATTRIBUTE)}
    stated = [name for name in WholeItem.__struct_fields__ if name not in ("categories", "attributes")]
    types = {
        name: schema("items")[name] for name in ("item_id", "available", "stock", "price", "category", "categories", *stated)
    }
    rows = [_values(row, stated, attributes) for row in put.iter_rows(named=True)]
    moments = {name: pl.Int64() for name in (*_MOMENTS, *(n for n, dtype in attributes.items() if dtype.is_temporal()))}
    wanted = pl.Schema({**types, **attributes})
    return pl.DataFrame(rows, schema={**wanted, **moments}, orient="row").cast(wanted)


def _values(row: dict[str, Any], stated: list[str], attributes: dict[str, pl.DataType]) -> list[Any]:
    item = msgspec.json.decode(row[WHOLE], type=WholeItem)
    values = [item.attributes.get(name.removeprefix(ATTRIBUTE)) for name in attributes]
    return [
        *(row[name] for name in ("item_id", "available", "stock", "price")),
        item.categories[0] if item.categories else None,
        list(item.categories) or None,
        *(getattr(item, name) for name in stated),
        *(
            int(value) if dtype.is_temporal() and isinstance(value, float) else _plain(value)
            for value, dtype in zip(values, attributes.values(), strict=True)
        ),
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
