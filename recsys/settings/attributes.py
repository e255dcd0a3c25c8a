"""Settings of attributes: further columns of the item table that filters, campaigns and item JSON may name."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from recsys.settings.types import Group

AttributeType = Literal["number", "word", "words", "yes_no", "time"]
AttributeName = Annotated[str, msgspec.Meta(pattern=r"^[^\W\d]\w{0,63}$")]


class AttributeSettings(Group, frozen=True):
    """One attribute of items, where its name and type do not say all."""

    type: AttributeType
    """`number`, `word` (one of few), `words` (several), `yes_no` or `time`."""
    column: str = ""
    """Column of the shop's own item table; empty: it has the attribute's name."""
    separator: str = "|"
    """What stands between the words of `words` in text; lists need none."""
