"""Item updates: changes of an item while the service runs, or the whole item anew."""

from __future__ import annotations

import msgspec

AttributeValue = bool | float | str | tuple[str, ...]
"""A value of an attribute, in the type that the catalogue has it in; times are microseconds."""


class WholeItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item as the shop put it, beside price, stock and availability: nothing of what was known of it before stays.

    `categories` are canonical texts, the first one leads · the moments are microseconds, None: no bound.
    """

    title: str | None = None
    brand: str | None = None
    categories: tuple[str, ...] = ()
    url: str | None = None
    image_url: str | None = None
    group_id: str | None = None
    published: bool = True
    backorder: bool = False
    published_at: int | None = None
    published_until: int | None = None
    min_stock: float | None = None
    replenishable: bool | None = None
    attributes: dict[str, AttributeValue] = {}


class ItemUpdate(msgspec.Struct, frozen=True, gc=False):
    """Changes of an item; None: as it was. With `item` it is the whole item, and None is unknown."""

    item_id: str
    available: bool | None = None
    stock: float | None = None
    price: float | None = None
    item: WholeItem | None = None


def both(one: ItemUpdate | None, other: ItemUpdate) -> ItemUpdate:
    """Two updates of an item as one; a stock without a word on availability speaks for itself."""
    if one is None or other.item is not None:
        return other
    available = other.available if other.available is not None or other.stock is not None else one.available
    return ItemUpdate(
        other.item_id,
        available,
        one.stock if other.stock is None else other.stock,
        one.price if other.price is None else other.price,
        one.item,
    )
