"""Ids made alike before they are compared, by the rules of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

from recsys.settings.tables import IdRules

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
        text = text.str.strip_chars()
    if "lower" in rules:
        text = text.str.to_lowercase()
    if "upper" in rules:
        text = text.str.to_uppercase()
    if "whole" in rules:
        text = text.str.replace(r"^(\d+)\.0*$", "${1}").str.replace(r"^(\d+\.\d*[1-9])0+$", "${1}")
    if "unpad" in rules:
        text = text.str.replace(r"^0+(\d+(?:\.\d+)?)$", "${1}")
    return pl.when(text != "").then(text)


def made_alike(frame: Frame, ids: IdRules) -> Frame:
    """Rows that were written down live, with the ids that tables have; one of which nothing would be left stays."""
    columns = {name: rules_of(ids, name) for name in frame.collect_schema().names()}
    return frame.with_columns(
        pl.coalesce(alike_ids(pl.col(name), rules), name).alias(name) for name, rules in columns.items() if rules
    )
