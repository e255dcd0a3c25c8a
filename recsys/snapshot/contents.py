"""The shop's editorial contents (guides, stories), found by category."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np

from recsys.snapshot.catalog import Catalog
from recsys.snapshot.id_index import Texts, blob_arrays
from recsys.types import Arrays, Rows, Times

if TYPE_CHECKING:
    import polars as pl


class Content(msgspec.Struct, frozen=True, gc=False):
    """One content, as the shop's table has it."""

    content_id: str
    title: str
    url: str


class Contents:
    """The contents of a snapshot, memory-mapped, newest first within each category of the catalogue.

    Arrays: `content` texts, JSON of each · `categories` int32[m] ascending and `rows` int32[m] the contents that name each ·
    `published_at` int64[k] microseconds.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._texts = Texts(arrays, "content")
        self._categories, self._rows = cast(Rows, arrays["categories"]), cast(Rows, arrays["rows"])
        self._published_at = cast(Times, arrays["published_at"])

    def __len__(self) -> int:
        return len(self._texts)

    def at(self, row: int) -> Content:
        """The content at a row."""
        return msgspec.json.decode(self._texts[row], type=Content)

    def named(self, content_id: str) -> Content | None:
        """The content of this id; None: there is none."""
        row = self._row_of.get(content_id)
        return None if row is None else self.at(row)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {self.at(row).content_id: row for row in range(len(self))}

    def published_at(self, row: int) -> int:
        """Return when it was published, in microseconds; 0: not said."""
        return int(self._published_at[row])

    def of(self, category: int, parent: Rows) -> list[int]:
        """Rows of the contents for a category, newest first: its own, else those of the nearest category above that has any."""
        while category >= 0:
            first, last = np.searchsorted(self._categories, (category, category + 1))
            if first < last:
                return cast("list[int]", self._rows[first:last].tolist())
            category = int(parent[category])
        return []


def content_arrays(contents: pl.DataFrame, catalog: Catalog) -> Arrays:
    """Lay the canonical contents table out as the arrays of `Contents`; categories that the catalogue lacks are passed over."""
    contents = contents.sort("published_at", "content_id", descending=[True, False], nulls_last=True)
    named: Sequence[Sequence[str] | None] = contents["categories"].to_list()
    found = [(catalog.categories.row(name), row) for row, names in enumerate(named) for name in names or ()]
    pairs = np.array(sorted({pair for pair in found if pair[0] >= 0}), np.int32).reshape(-1, 2)
    columns = [contents[name].to_list() for name in Content.__struct_fields__]
    texts = [msgspec.json.encode(Content(*row)) for row in zip(*columns, strict=True)]
    return {
        **blob_arrays(texts, "content"),
        "categories": np.ascontiguousarray(pairs[:, 0]),
        "rows": np.ascontiguousarray(pairs[:, 1]),
        "published_at": contents["published_at"].dt.epoch("us").fill_null(0).to_numpy().astype(np.int64),
    }
