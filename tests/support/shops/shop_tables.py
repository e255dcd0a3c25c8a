"""Rows as a shop's tables, for tests that read them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.tables.validation import Finding

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
Rows = list[dict[str, Any]]


def an_event(**values: Any) -> dict[str, Any]:
    """A valid event, but for what is named."""
    return {"user_id": "anna", "item_id": "sofa", "timestamp": NOON, "event_type": "view", **values}


def read_rows(
    folder: Path, events: Rows, more: str = "", *, before: datetime | None = None, strict: bool = True, **tables: Rows
) -> ShopTables:
    """Write rows as Parquet tables, and read them with more settings if any."""
    paths = ""
    for name, rows in {"events": events, **tables}.items():
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / f"{name}.parquet")
        if f"[data.{name}]" not in more:
            paths += f'[data.{name}]\npaths = ["{name}.parquet"]\n'
    return read_shop(parse_settings(more + paths, folder), before=before, strict=strict)


def the_finding(shop: ShopTables, rule: str) -> Finding:
    """The only finding whose rule holds the text."""
    [found] = [each for each in shop.findings if rule in each.rule]
    return found
