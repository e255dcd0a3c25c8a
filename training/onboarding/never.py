"""Items that are no recommendation, told by what a shop calls them or by a price of 0: what stands under `[catalog.never]`.

Prices of events tell nothing of the kind: of an item that is sold, the last row may be a correction, or a view without its price.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from recsys.settings.tables import Table
from recsys.tables.checks.line_words import LINE_WORDS
from recsys.tables.presets import merged
from training.onboarding.proposal import Proposal
from training.onboarding.values import is_nothing, texts

_MOST_FREE = 0.1
"""Share of the items that may cost 0 and be left out; of more it is not known what 0 means."""
_NAMED = 3


def never_of(proposals: Sequence[Proposal]) -> tuple[dict[str, Any], list[str]]:
    """Settings for the items that are surely no recommendation, and what they were told by."""
    found = next((each for table in ("items", "events") for each in proposals if each.table == table), None)
    if found is None or not found.origin("item_id"):
        return {}, []
    items = _items(found)
    settings: dict[str, Any] = {}
    evidence = []
    brought = {
        kind for each in proposals if each.preset for kind in merged(each.table, Table(preset=each.preset)).never_kinds
    }
    called = {kind: items.filter(words.called(items)[0]) for kind, words in LINE_WORDS.items() if kind not in brought}
    evidence += [
        f"{kind.replace('_', ' ')} are never recommended: {_shown(those)} go by such a name"
        for kind, those in called.items()
        if those.height
    ]
    free = items.filter(pl.col("free"))
    if found.table == "items" and 0 < free.height <= _MOST_FREE * items.height:
        settings["free"] = True
        evidence.append(f"what costs 0 is never recommended: {_shown(free)}")
    if evidence:  # of all kinds: further rows have more of them, and `validate` no longer asks
        settings["kinds"] = sorted(LINE_WORDS)
    return settings, evidence


def _items(found: Proposal) -> pl.DataFrame:
    """The items that were looked at, as `LineWords.called` reads them, and whether all prices of one are 0."""

    def column(canonical: str) -> pl.Expr:
        own = found.origin(canonical)
        flat = own and not found.rows[own].dtype.is_nested()
        text = pl.col(own).cast(pl.String).str.strip_chars() if flat else pl.lit(None, pl.String)
        return pl.when(text != "").then(text).alias(canonical)

    rows = found.rows.select(map(column, ("item_id", "title", "category", "price"))).drop_nulls("item_id")
    return rows.group_by("item_id", maintain_order=True).agg(
        pl.col("title", "category").drop_nulls().first(),
        (is_nothing("price").all() & pl.col("price").is_not_null().any()).alias("free"),
    )


def _shown(items: pl.DataFrame) -> str:
    ids = texts(items, "item_id").to_list()
    more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
    return f"{', '.join(ids[:_NAMED])}{more}"
