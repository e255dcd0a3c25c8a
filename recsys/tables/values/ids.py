"""Ids made alike before they are compared, by the rules of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

from recsys.ids.alike import JOINERS, MAIL, SHORTER
from recsys.ids.user_ids import UNSEEN
from recsys.settings.tables import IdRules
from recsys.tables.values.signs import has_sign, one_of

_UNSEEN_FIRST = one_of(bytes({each.encode()[0] for each in "\u00ad\u061c\u180e\u200b\ufeff"}))
"""First bytes of the signs of `UNSEEN`."""
_AROUND_MAIL = one_of(b":<?\xe2")
"""What only an address with something around it, or with a joiner in it, can hold."""
_USERS, _ITEMS = ("user_id", "anonymous_id"), ("item_id",)
Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def rules_of(ids: IdRules, column: str) -> Sequence[str]:
    """The rules for a canonical column."""
    return ids.user if column in _USERS else ids.item if column in _ITEMS else ()


def alike_ids(text: pl.Expr, rules: Sequence[str]) -> pl.Expr:
    """Ids after the rules; null where nothing is left."""
    if not rules:
        return text
    if "trim" in rules:
        text = text.map_batches(_bare, return_dtype=pl.String(), is_elementwise=True)
    if "lower" in rules:
        text = text.str.to_lowercase()
    if "upper" in rules:
        text = text.str.to_uppercase()
    for pattern in [each for rule, patterns in SHORTER.items() if rule in rules for each in patterns]:
        text = text.str.replace(pattern, "${1}")
    return pl.when(text != "").then(text)


def without_unseen(texts: pl.Series) -> pl.Series:
    """Texts without signs that nobody sees."""
    return texts.str.replace_all(UNSEEN, "") if has_sign(texts, _UNSEEN_FIRST) else texts


def _bare(texts: pl.Series) -> pl.Series:
    """Texts without the blanks around them and signs that nobody sees; of mail addresses the address alone."""
    texts = without_unseen(texts).str.strip_chars()
    if not has_sign(texts, _AROUND_MAIL) or not has_sign(texts, one_of(b"@")):
        return texts
    mails = texts.str.replace_all(JOINERS, "").str.extract(MAIL)
    return texts.to_frame("t").select(pl.coalesce(mails, "t").alias(texts.name)).to_series()


def made_alike(frame: Frame, ids: IdRules) -> Frame:
    """Rows that were written down live, with the ids that tables have; one of which nothing would be left stays."""
    columns = {name: rules_of(ids, name) for name in frame.collect_schema().names()}
    return frame.with_columns(
        pl.coalesce(alike_ids(pl.col(name), rules), name).alias(name) for name, rules in columns.items() if rules
    )
