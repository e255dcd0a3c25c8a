"""Ids that name nobody: words for guests, tills and the like, as the settings list them."""

from __future__ import annotations

import polars as pl

from recsys.ids.user_ids import TILL_NUMBER, NullUsers
from recsys.tables.values.ids import without_unseen


def is_nobody(column: str, null_users: NullUsers) -> pl.Expr:
    """Tell whether the id in a column names nobody, as `NullUsers` says; null names nobody."""
    return pl.col(column).map_batches(lambda ids: nobody_in(ids, null_users), return_dtype=pl.Boolean(), is_elementwise=True)


def nobody_in(ids: pl.Series, null_users: NullUsers) -> pl.Series:
    """Tell of each id, bool[n], whether it is null or one of the words."""
    distinct = ids.unique()
    plain = without_unseen(distinct).str.strip_chars().str.to_lowercase()
    tills = plain.str.replace(TILL_NUMBER, "").is_in(sorted(null_users.tills))
    nobody = distinct.filter(plain.is_in(sorted(null_users.words)) | tills)
    return ids.is_null() | ids.is_in(nobody.implode()) if len(nobody) else ids.is_null()
