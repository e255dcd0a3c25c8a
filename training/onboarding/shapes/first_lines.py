"""Cells that hold for the rows below: what stands on the first line of an order, or of a product with variants, only."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from training.onboarding.values import is_given

_ENOUGH = 2
"""Rows that must go on another before anything is told by them."""


def above(rows: pl.DataFrame, columns: Sequence[str], line: str) -> list[str]:
    """Those columns that are empty all together in some rows, never in the first one, where the `line` of the row is given."""
    if len(columns) < 2 or not rows.height:
        return []
    empty = [~rows.select(is_given(rows, name)).to_series() for name in columns]
    together = empty[0]
    alike = all((each == together).all() for each in empty[1:])
    goes_on = together & rows.select(is_given(rows, line)).to_series()
    return list(columns) if alike and not together[0] and int(goes_on.sum()) >= _ENOUGH and goes_on.equals(together) else []


def within(rows: pl.DataFrame, key: str, columns: Sequence[str]) -> tuple[list[str], int]:
    """Those columns that are empty in every further row of a key, though given in its first for some; and how many rows those are."""
    keyed = rows.filter(is_given(rows, key))
    further = keyed.select((pl.int_range(pl.len()).over(key) > 0).alias("further")).to_series()
    if int(further.sum()) < _ENOUGH:
        return [], 0
    found = []
    for name in columns:
        given = keyed.select(is_given(keyed, name)).to_series()
        continued = keyed.select((is_given(keyed, name).first().over(key)).alias("first")).to_series() & further
        if not (given & further).any() and int(continued.sum()) >= _ENOUGH:
            found.append(name)
    return found, int(further.sum())
