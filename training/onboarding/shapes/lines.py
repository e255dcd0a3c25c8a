"""Columns that hold the second and third item of a row."""

from __future__ import annotations

import re

from training.onboarding.proposal import Proposal
from training.onboarding.values import texts

_MOST_NAMED = 4
_NUMBER = re.compile(r"_duplicated_\d+|[\s_.-]*\(?\d+\)?")


def tell_further(found: Proposal, packed: str = "") -> None:
    """Say that further items of a row stand in columns that nothing is read from. packed: the column of packed lines."""
    own = packed or found.origin("item_id")
    if not own or found.preset:
        return
    further = [name for name in found.rows.columns if name != own and _stem(name) == _stem(own)]
    further = [name for name in further if name not in _used(found) and not texts(found.rows, name).is_empty()]
    if further:
        more = f" and {len(further) - _MOST_NAMED:,} more" if len(further) > _MOST_NAMED else ""
        found.unsure.append(
            f"a row may hold several items, for {', '.join(further[:_MOST_NAMED])}{more} are named as {own} is: only {own} is read,"
            " and what stands in the others is lost; export one row for each item, or all items in one column (docs/data.md, Several"
            " items in one cell)"
        )


def _used(found: Proposal) -> set[str]:
    return {
        own
        for named_columns in found.settings["columns"].values()
        for own in ([named_columns] if isinstance(named_columns, str) else named_columns)
    }


def _stem(name: str) -> str:
    """A name without its first number: `Item 1 SKU` and `Item 2 SKU`, `SKU` and `SKU (2)`."""
    return _NUMBER.sub("", name, count=1).strip().casefold()
