"""Several ids in one cell, such as `A,B,C`: told by the company that their parts keep, for a sign alone may belong to an id."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

SIGNS = (",", ";", "|")
"""What may stand between ids."""
MIN_PARTS = 2
"""So many parts of a cell have to be ids of their own."""
_NO_SHORT_NUMBER = r"\D|\d{4}"
"""A number below 1,000 may be that of a variant or a size."""


@dataclass(frozen=True, slots=True)
class Several:
    """Cells with several ids: the sign between them, and the cells, those with most of them first."""

    between: str
    cells: pl.Series


def several_ids(ids: pl.Series, whole: pl.Series) -> Several | None:
    """Find the distinct cells that hold several ids; None if there are none.

    A part of a cell is an id of its own if it stands alone in another cell, or is one of the `whole` ids, or stands first in one
    cell and later in another. A cell holds several ids if two of its parts are such, or one that is not the first and no short
    number. So `hat|red` is one id, for `red` never stands alone or first; and what is among the `whole` ids is one.
    """
    marked = ids.filter(ids.str.contains(r"[,;|]")).unique(maintain_order=True)
    marked = marked.filter(~marked.is_in(whole.implode()))
    if marked.is_empty():
        return None
    alone = pl.concat([ids.filter(~ids.str.contains(r"[,;|]")), whole]).str.strip_chars()
    found = [Several(sign, _of_sign(marked, sign, alone)) for sign in SIGNS]
    best = max(found, key=lambda each: len(each.cells))
    return best if len(best.cells) else None


def _of_sign(marked: pl.Series, sign: str, alone: pl.Series) -> pl.Series:
    cells = marked.filter(marked.str.contains(sign, literal=True)).to_frame("cell")
    parts = cells.with_columns(pl.col("cell").str.split(sign).alias("part")).explode(
        "part", empty_as_null=True, keep_nulls=True
    )
    parts = parts.with_columns(pl.col("part").str.strip_chars(), pl.int_range(pl.len()).over("cell").alias("place"))
    parts = parts.filter(pl.col("part") != "")
    first = parts.group_by("part").agg(
        (pl.col("place") == 0).any().alias("first"), (pl.col("place") > 0).any().alias("later")
    )
    free = first.filter((pl.col("first") & pl.col("later")) | pl.col("part").is_in(alone.implode()))["part"]
    partly = (pl.col("place") > 0) & pl.col("part").str.contains(_NO_SHORT_NUMBER)
    theirs = parts.filter(pl.col("part").is_in(free.implode()))
    theirs = theirs.group_by("cell").agg(pl.col("part").n_unique().alias("ids"), partly.any().alias("told"))
    return theirs.filter(pl.col("told") | (pl.col("ids") >= MIN_PARTS)).sort("ids", "cell", descending=[True, False])["cell"]
