"""Several ids in one cell, such as `A,B,C`: told by the company that their parts keep, for a sign alone may belong to an id.

Where each has its number of units, as in `2 x A / 1 x B`, the cell tells it by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

SIGNS = (",", ";", "|")
"""What may stand between ids."""
MIN_PARTS = 2
"""So many parts of a cell have to be ids of their own."""
_NO_SHORT_NUMBER = r"\D|\d{4}"
"""A number below 1,000 may be that of a variant or a size."""
_ID, _BETWEEN = r"(?:[^\W\d]|\d{4})", r"\s*[,;|/+&]\s*"
_UNITS_FIRST = rf"\d+(?P<fields>\s*(?:[xX]\s+|[×*]\s*)){_ID}.*?(?P<between>{_BETWEEN})\d+\s*(?:[xX]\s+|[×*]\s*){_ID}"
_UNITS_LAST = (
    rf"[^\s,;|/+&]*{_ID}[^\s,;|/+&]*(?P<fields>\s+[xX]\s+|\s*[×*]\s*)\d{{1,3}}(?P<between>{_BETWEEN})"
    rf"[^,;|/+&]*{_ID}[^,;|/+&]*(?:\s[xX]\s|[×*])\s*\d{{1,3}}(?:{_BETWEEN}|\s*$)"
)
_COUNTED = {("quantity", "sku"): rf"^\s*{_UNITS_FIRST}", ("sku", "quantity"): rf"^\s*{_UNITS_LAST}"}
"""Two lines of units and an id, in one order or the other: `30 x 40, 50 x 60` are sizes, and `2XL/3XL` too."""


@dataclass(frozen=True, slots=True)
class Several:
    """Cells with several ids: the sign between them, and the cells, those with most of them first; where each id has its number of
    units, the sign between the two, and their names in order; whether these signs cut every cell of the column in two a part."""

    between: str
    cells: pl.Series
    fields: str = ""
    names: tuple[str, ...] = ()
    cut_all: bool = True

    @property
    def unnest(self) -> str:
        """The setting that makes a row of each, for a column to be named; where it would read other cells wrong, "": there is none."""
        if not self.cut_all:
            return ""
        names = ", ".join(f'"{name}"' for name in self.names)
        fields = f', fields = "{self.fields}", names = [{names}]' if names else ""
        return f'unnest = {{ column = "COLUMN", between = "{self.between}"{fields} }}'


def several_ids(ids: pl.Series, whole: pl.Series) -> Several | None:
    """Find the distinct cells that hold several ids; None if there are none.

    A part of a cell is an id of its own if it stands alone in another cell, or is one of the `whole` ids, or stands first in one
    cell and later in another. A cell holds several ids if two of its parts are such, or one that is not the first and no short
    number. So `hat|red` is one id, for `red` never stands alone or first; and what is among the `whole` ids is one.
    """
    marked = ids.filter(ids.str.contains(r"[,;|/+&]")).unique(maintain_order=True)
    marked = marked.filter(~marked.is_in(whole.implode()))
    found = list(_counted(marked, ids))
    marked = marked.filter(marked.str.contains(r"[,;|]"))
    if len(marked):
        alone = pl.concat([ids.filter(~ids.str.contains(r"[,;|]")), whole]).str.strip_chars()
        found += [Several(sign, _of_sign(marked, sign, alone)) for sign in SIGNS]
    best = max(found, key=lambda each: len(each.cells), default=None)
    return best if best is not None and len(best.cells) else None


def _counted(marked: pl.Series, ids: pl.Series) -> Iterator[Several]:
    """Find the cells of which each id has its number of units; the signs are those of the first one."""
    for names, pattern in _COUNTED.items():
        cells = marked.filter(marked.str.contains(pattern))
        if len(cells):
            signs = cells.to_frame("cell").select(pl.col("cell").str.extract_groups(pattern)).to_series()[0]
            parts = ids.drop_nulls().str.split(signs["between"]).explode().str.count_matches(signs["fields"], literal=True)
            yield Several(signs["between"], cells, signs["fields"], names, bool((parts == 1).all()))


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
