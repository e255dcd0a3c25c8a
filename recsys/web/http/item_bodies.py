"""Request bodies of items: what changed of them, and whole ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from recsys.categories import join_category, split_category
from recsys.item_filters import MAX_CONDITIONS, MAX_VALUES
from recsys.item_updates import WholeItem
from recsys.web.http.bodies import (
    ID_ALLOWED,
    LIST_ALLOWED,
    LONGEST_TEXT,
    TEXT_ALLOWED,
    TIME_ALLOWED,
    Id,
    Text,
    Time,
    check_id,
    list_of,
    read_time,
)
from recsys.web.http.parameters import HIGHEST_PRICE, LONGEST_CATEGORY
from recsys.web.http.problems import invalid

MAX_CATEGORIES = 20
"""Most categories of one item."""
_WEB_ADDRESS = re.compile(
    r"""(?:(?:https?:)?//[^\s\x00-\x1f\x7f-\x9f"<>/?\#@\\]+(?:[/?\#][^\s\x00-\x1f\x7f-\x9f"<>]*)?"""
    r"""|/(?:[^\s\x00-\x1f\x7f-\x9f"<>/\\][^\s\x00-\x1f\x7f-\x9f"<>]*)?)""",
    re.IGNORECASE,
)
"""As `tables.parsing` has it."""
_ADDRESS = f"a web address (http, https) without a name and password, or a path from /, of up to {LONGEST_TEXT} characters"
_CATEGORY = f"a category's levels joined by ' > ', 1 to {LONGEST_CATEGORY} characters"
_CATEGORIES = f"up to {MAX_CATEGORIES} categories, each its levels joined by ' > '"
_AMOUNT = f"a number from 0 to {HIGHEST_PRICE:.0f}"
_CategoryText = Annotated[str, Meta(min_length=1, max_length=LONGEST_CATEGORY)]
_AttributeText = Annotated[str, Meta(min_length=1, max_length=256)]
_Given = bool | float | _AttributeText | Annotated[tuple[_AttributeText, ...], Meta(max_length=MAX_VALUES)]
Amount = Annotated[float, Meta(ge=0, le=HIGHEST_PRICE)]


class ItemRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of an item; a member that is absent or null stays as it was."""

    item_id: Annotated[Id, Meta(description="An item of the catalogue.")]
    available: Annotated[bool | None, Meta(description="Whether it can be bought. Absent: what `stock` says.")] = None
    stock: Annotated[float, Meta(ge=0, le=HIGHEST_PRICE)] | None = None
    price: Annotated[float, Meta(gt=0, le=HIGHEST_PRICE, description="In the catalogue's currency.")] | None = None

    ALLOWED: ClassVar[Mapping[str, str]] = {
        "item_id": ID_ALLOWED,
        "available": "true or false",
        "stock": f"a number from 0 to {HIGHEST_PRICE:.0f}",
        "price": f"a number above 0, at most {HIGHEST_PRICE:.0f}",
    }

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400, naming the member.
        """
        check_id("item_id", self.item_id)
        if self.available is None and self.stock is None and self.price is None:
            raise invalid(
                "item_id", self.item_id, "with at least one of available, stock, price", "has nothing that changed"
            )


class WholeItemRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole item, as the shop's item table would have it: what is absent or null, it does not have."""

    item_id: Annotated[Id, Meta(description="A new item, or one of the catalogue, which it replaces.")]
    title: Text | None = None
    brand: Annotated[str, Meta(max_length=256)] | None = None
    category: Annotated[
        _CategoryText | None, Meta(description="The one that leads it. Absent: the first of `categories`.")
    ] = None
    categories: Annotated[tuple[_CategoryText, ...], Meta(max_length=MAX_CATEGORIES)] = ()
    price: Annotated[float, Meta(gt=0, le=HIGHEST_PRICE, description="In the catalogue's currency.")] | None = None
    currency: Annotated[str | None, Meta(description="The catalogue's, if it is said.")] = None
    url: Text | None = None
    image_url: Text | None = None
    available: Annotated[bool | None, Meta(description="Whether it can be bought. Absent: what `stock` says, else yes.")] = (
        None
    )
    stock: Amount | None = None
    min_stock: Annotated[Amount | None, Meta(description="With less stock it cannot be bought.")] = None
    backorder: bool = False
    published: bool = True
    published_at: Annotated[Time | None, Meta(description="It is not shown before.")] = None
    published_until: Annotated[Time | None, Meta(description="It is not shown from then on.")] = None
    group_id: Id | None = None
    replenishable: Annotated[bool | None, Meta(description="Counts from the next training on.")] = None
    attributes: Annotated[
        dict[str, _Given | None],
        Meta(description="Attribute = value, of those that the catalogue has.", max_length=MAX_CONDITIONS),
    ] = {}

    ALLOWED: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("item_id", "group_id"), ID_ALLOWED),
        **dict.fromkeys(("title", "brand"), TEXT_ALLOWED),
        **dict.fromkeys(("url", "image_url"), _ADDRESS),
        **dict.fromkeys(("stock", "min_stock"), _AMOUNT),
        **dict.fromkeys(("published_at", "published_until"), TIME_ALLOWED),
        **dict.fromkeys(("available", "backorder", "published", "replenishable"), "true or false"),
        "category": _CATEGORY,
        "categories": _CATEGORIES,
        "price": f"a number above 0, at most {HIGHEST_PRICE:.0f}",
        "attributes": "an object of attribute = value: true or false, a number, a text or a list of texts",
    }

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400, naming the member.
        """
        check_id("item_id", self.item_id)
        if self.group_id is not None:
            check_id("group_id", self.group_id)
        for name in ("url", "image_url"):
            if (address := getattr(self, name)) and not _WEB_ADDRESS.fullmatch(address):
                raise invalid(name, address, _ADDRESS)
        for name in ("published_at", "published_until"):
            if (moment := getattr(self, name)) is not None and read_time(moment) is None:
                raise invalid(name, moment, TIME_ALLOWED)
        item = self.whole()
        if item.published_at is not None and item.published_until is not None and item.published_until <= item.published_at:
            raise invalid("published_until", self.published_until, "a moment after published_at")

    def whole(self) -> WholeItem:
        """The item without its attributes, in the words of the catalogue."""
        given = ([self.category] if self.category else []) + list(self.categories)
        named = dict.fromkeys(join_category(split_category(text)) for text in given)
        return WholeItem(
            title=_text(self.title),
            brand=_text(self.brand),
            categories=tuple(name for name in named if name),
            url=self.url or None,
            image_url=self.image_url or None,
            group_id=self.group_id,
            published=self.published,
            backorder=self.backorder,
            published_at=None if self.published_at is None else read_time(self.published_at),
            published_until=None if self.published_until is None else read_time(self.published_until),
            min_stock=self.min_stock,
            replenishable=self.replenishable,
        )


def _text(given: str | None) -> str | None:
    return (given or "").strip() or None


class ItemsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of items."""

    items: Annotated[tuple[Any, ...], list_of("ItemRow", "The changes, in order.")]
    ALLOWED: ClassVar[Mapping[str, str]] = {"items": LIST_ALLOWED}


class WholeItemsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whole items."""

    items: Annotated[tuple[Any, ...], list_of("WholeItemRow", "The items, in order.")]
    ALLOWED: ClassVar[Mapping[str, str]] = {"items": LIST_ALLOWED}
