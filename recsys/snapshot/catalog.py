"""The catalogue of one snapshot: id ↔ row, attributes as arrays, and every item's JSON encoded once.

Rows stand in the order of the category tree (depth first), then item id, so that a category with all below it is one range of
rows and a filter on it is a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.categories import join_category, split_category
from recsys.item_updates import ItemUpdate
from recsys.snapshot.attributes import Attributes, attribute_arrays
from recsys.snapshot.further_categories import Further, further_arrays
from recsys.snapshot.id_index import IdMap, Texts, blob_arrays, id_arrays
from recsys.snapshot.put.changeable import changeable
from recsys.snapshot.put.changes import Changes
from recsys.snapshot.put.growing_ids import GrowingIds
from recsys.snapshot.put.laid_over import LaidOver
from recsys.types import Arrays, Mask, Rows, Times

if TYPE_CHECKING:
    import polars as pl

ROWS_KEPT = 65_536
"""Most item ids whose rows a worker keeps at hand, so that what everybody looks at is looked up once."""
SOLD_DAYS = 28
"""Days of sales that an item's days of cover are reckoned from."""
_EVER = 2**62
_NEW_KEPT = 3
"""Masks of what is new that are kept beside a further one: placements differ in how old that may be."""
FRAGMENT_FIELDS = ("item_id", "title", "brand", "category", "price", "currency", "url", "image_url", "available")


def can_be_bought(
    word: bool | None, stock: float | None, backorder: bool = False, min_stock: float | None = None
) -> bool | None:
    """Tell whether an item can be bought: by the shop's word on it, else by its stock, of which any or a back order will do; None if
    neither says anything. Where an item has a `min_stock`, less stock is none, and so is stock that nobody tells. The one definition,
    of which `tables.items` has the same as an expression."""
    if word is None and stock is None:
        return False if min_stock is not None and not backorder else None
    short = stock is not None and not backorder and min_stock is not None and stock < min_stock
    if word is not None or stock is None:
        return word and not short
    return (stock > 0 and not short) or backorder


class Catalog:
    """Items 0…n-1, categories (depth first) and brands of one snapshot.

    category, brand, group int32[n] (-1: none) · price float64[n] (NaN: none) · available bool[n] can be bought and shown ·
    published bool[n] the shop shows it · backorder bool[n] can be bought without stock · published_at, published_until int64[n] the
    moments from and before which it is shown (microseconds, 0: none) · min_stock float32[n] pieces (NaN: none) ·
    replenishable bool[n] · gap_days float32[n] usual days between two purchases (NaN: unknown) · tie_rank int32[n] the order
    in which equal scores stand · stock float32[n] pieces (NaN: unknown) · sold float32[n] pieces sold in the last `SOLD_DAYS`
    days · first_seen int64[n] the moment of its first event (microseconds, 0: none) · parent int32[c] (-1: a root) · item_from,
    item_to int32[c] the rows of a category and below; `further` are those of items that another category leads.

    The last rows may be spare: no item stands there until one is put (`put.overlay`).
    """

    def __init__(self, arrays: Arrays) -> None:
        self.category = cast(Rows, changeable(arrays["category"]))
        self.brand = cast(Rows, changeable(arrays["brand"]))
        self.group = cast(Rows, changeable(arrays["group"]))
        self.price = cast(NDArray[np.float64], changeable(arrays["price"]))
        self.available = cast(Mask, changeable(arrays["available"]))
        self.published = cast(Mask, changeable(arrays["published"]))
        self.backorder = cast(Mask, changeable(arrays["backorder"]))
        n = len(self.category)
        self.published_at = cast(Times, changeable(arrays["published_at"]))
        self.published_until = cast(Times, changeable(arrays.get("published_until", np.zeros(n, np.int64))))
        self.min_stock = cast(NDArray[np.float32], changeable(arrays.get("min_stock", np.full(n, np.nan, np.float32))))
        self.replenishable = cast(Mask, arrays["replenishable"])
        self.gap_days = cast(NDArray[np.float32], arrays["gap_days"])
        self.tie_rank = cast(Rows, arrays["tie_rank"])
        self.stock = cast(NDArray[np.float32], changeable(arrays["stock"]))
        self.sold = cast(NDArray[np.float32], arrays["sold"])
        self.first_seen = cast(Times, arrays.get("first_seen", np.full(n, -1)))  # what is not known is not new
        self.parent = cast(Rows, changeable(arrays["parent"]))
        self.item_from = cast(Rows, arrays["item_from"])
        self.item_to = cast(Rows, arrays["item_to"])
        self.further = Further(arrays, len(self.parent))
        self.attributes = Attributes(arrays)
        self.items = GrowingIds(IdMap(arrays, "item"))
        self.row: Callable[[str], int] = lru_cache(ROWS_KEPT)(self.items.published.row)
        """Of an item id, its row; -1 if the catalogue does not have it."""
        self.categories = GrowingIds(IdMap(arrays, "category"))
        self.brands = GrowingIds(IdMap(arrays, "brand"))
        self.groups = GrowingIds(IdMap(arrays, "group")) if "group_rows" in arrays else None
        """Names of the groups; None: the snapshot was made before items could be put, and has no spare rows."""
        self.nodes_put: LaidOver[int] = LaidOver()
        self.brands_put: LaidOver[int] = LaidOver()
        self._fragments = Texts(arrays, "fragment")
        self.revision = 0
        """Number of the last item update that lies over what was published; 0: none."""
        self.changes = Changes()
        self.overlaid: dict[int, bytes] = {}
        self.retitled: dict[int, str] = {}
        self.fragment: Callable[[int], bytes] = self._fragments.__getitem__
        """Of a row, the item's JSON members (`FRAGMENT_FIELDS`), without braces."""
        self._titles = Texts(arrays, "title")
        self._brand_offsets = cast(NDArray[np.int64], arrays["brand_item_offsets"])
        self._brand_items = cast(Rows, arrays["brand_items"])
        self._shown = _Shown(0, 0, (-1, -1), np.empty(0, bool))
        self._new: dict[int, tuple[tuple[int, int], Mask]] = {}

    @property
    def n_items(self) -> int:
        """Number of rows: those of items, then spare ones."""
        return len(self.category)

    @property
    def n_known(self) -> int:
        """Number of items, which have the rows before the spare ones."""
        return len(self.items)

    def item_id(self, row: int) -> str:
        """Give the id of the item at a row."""
        return self.items.text(row)

    def item(self, row: int) -> dict[str, Any]:
        """The item's public fields as a dict."""
        return cast("dict[str, Any]", msgspec.json.decode(b"{" + self.fragment(row) + b"}"))

    def title(self, row: int) -> str:
        """The item's title, else its id."""
        retitled = self.retitled.get(row)
        return self._titles.text(row) if retitled is None else retitled

    @property
    def _edition(self) -> tuple[int, int]:
        """The last item update, and how many changes there were: a log that was restored gives its numbers out anew."""
        return self.revision, self.changes.count

    def shown_at(self, now: int) -> Mask:
        """Tell which items are available and within their span of time at a moment (microseconds), bool[n], not to be written to."""
        shown = self._shown
        if shown.edition != self._edition or not shown.begins <= now < shown.ends:
            self._shown = shown = self._find_shown(now)
        return shown.mask

    def new_since(self, moment: int) -> Mask:
        """Tell which items were published after a moment (microseconds), or first seen after it where they do not say when they were,
        bool[n], not to be written to; those of which nobody knows anything are new."""
        edition, mask = self._new.get(moment, ((-1, -1), self.available))
        if edition != self._edition:
            edition, since = self._edition, np.where(self.published_at > 0, self.published_at, self.first_seen)
            mask = (since > moment) | (since == 0)
            mask.flags.writeable = False
            self._new = {**dict(list(self._new.items())[-_NEW_KEPT:]), moment: (edition, mask)}
        return mask

    def _find_shown(self, now: int) -> _Shown:
        edition = self._edition  # before anything is read: what comes in meanwhile makes this one out of date
        at, until = self.published_at, self.published_until
        ends = np.where(until > 0, until, _EVER)
        begins = max(int(at.max(initial=0, where=at <= now)), int(ends.max(initial=0, where=ends <= now)))
        changes = min(int(at.min(initial=_EVER, where=at > now)), int(ends.min(initial=_EVER, where=ends > now)))
        mask = self.available & (at <= now) & (now < ends)
        mask.flags.writeable = False
        return _Shown(begins, changes, edition, mask)

    def available_after(self, row: int, update: ItemUpdate) -> bool | None:
        """Tell whether an update makes an item available; None if it says nothing of it. Hidden items stay hidden."""
        if item := update.item:
            buyable = can_be_bought(update.available, update.stock, item.backorder, item.min_stock)
            return buyable is not False and item.published
        if update.available is None and update.stock is None:
            return None
        stands, least = float(self.stock[row]), float(self.min_stock[row])
        stock = update.stock if update.stock is not None or stands != stands else stands
        buyable = can_be_bought(update.available, stock, bool(self.backorder[row]), None if least != least else least)
        return None if buyable is None else buyable and bool(self.published[row])

    def as_changed(self) -> None:
        """Have `fragment` and `row` look first at what was laid over what was published."""
        if not self.overlaid:
            self.fragment = _newest(self.overlaid, self._fragments)
        if self.n_known > len(self.items.published):
            self.row = self.items.row

    def brand_items(self, code: int) -> Rows:
        """Rows of one brand's items, ascending."""
        if code + 1 >= len(self._brand_offsets):
            return self.brands_put.of(code)
        return self.brands_put.over(self._brand_items[self._brand_offsets[code] : self._brand_offsets[code + 1]], code)

    def items_in(self, category: str) -> Rows:
        """Rows of the items in a category (canonical text) or below it, by any of their categories; none if there is no such."""
        code = self.categories.row(category)
        if code < 0:
            return np.empty(0, np.int32)
        inside = np.arange(self.item_from[code], self.item_to[code], dtype=np.int32)
        return self.nodes_put.over(np.concatenate([inside, self.further.items(code)]), code)

    def is_in(self, row: int, category: int) -> bool:
        """Tell whether an item is in a category or below it, by any of its categories."""
        if (put := self.nodes_put.keys(row)) is not None:
            return category in put
        if self.item_from[category] <= row < self.item_to[category]:
            return True
        further = self.further.items(category)
        return len(further) > 0 and row in further

    def category_name(self, code: int) -> str:
        """The last level of a category, for people."""
        return split_category(self.categories.text(code))[-1]

    @cached_property
    def currency(self) -> str | None:
        """The one currency of all prices; None where the shop names none."""
        return cast("str | None", self.item(0)["currency"]) if len(self.items.published) else None

    @cached_property
    def has_groups(self) -> bool:
        """Tell whether any item shares its group with another."""
        grouped = self.group[self.group >= 0]
        return len(np.unique(grouped)) < len(grouped)


class _Shown(NamedTuple):
    """Items that can be shown from `begins` to before `ends`, as long as the catalogue stays as it is."""

    begins: int
    ends: int
    edition: tuple[int, int]
    mask: Mask


def _newest(overlaid: Mapping[int, bytes], published: Texts) -> Callable[[int], bytes]:
    """Look fragments up; it holds no catalogue, for a catalogue that held itself would stay mapped when it is replaced."""
    return lambda row: overlaid.get(row) or published[row]


def catalog_arrays(items: pl.DataFrame, currency: str | None) -> Arrays:
    """Lay the canonical item table out as the arrays of a `Catalog`; learned facts start neutral (`learn_items`)."""
    frame, names = _in_tree_order(items)
    category = _codes(frame["category"], names)
    tree = _tree(names, category)
    brands = sorted(frame["brand"].drop_nulls().unique().to_list())
    groups = sorted(frame["group_id"].drop_nulls().unique().to_list())
    brand = _codes(frame["brand"], brands)
    by_brand = np.argsort(brand, kind="stable").astype(np.int32)
    n = frame.height
    return {
        **id_arrays(frame["item_id"].to_list(), "item"),
        **id_arrays(names, "category"),
        **id_arrays(brands, "brand"),
        **tree,
        **further_arrays(frame["categories"], names, tree),
        **attribute_arrays(frame),
        "category": category,
        "brand": brand,
        "group": _codes(frame["group_id"], groups),
        **id_arrays(groups, "group"),
        "price": frame["price"].fill_null(float("nan")).to_numpy().astype(np.float64),
        "available": frame["available"].fill_null(True).to_numpy().astype(bool),
        "published": frame["published"].fill_null(True).to_numpy().astype(bool),
        "backorder": frame["backorder"].fill_null(False).to_numpy().astype(bool),
        "published_at": frame["published_at"].dt.epoch("us").fill_null(0).to_numpy().astype(np.int64),
        "published_until": frame["published_until"].dt.epoch("us").fill_null(0).to_numpy().astype(np.int64),
        "min_stock": frame["min_stock"].fill_null(float("nan")).to_numpy().astype(np.float32),
        "told_replenishable": frame["replenishable"].cast(int).fill_null(-1).to_numpy().astype(np.int8),
        "replenishable": np.zeros(n, bool),
        "gap_days": np.full(n, np.nan, np.float32),
        "tie_rank": np.arange(n, dtype=np.int32),
        "stock": frame["stock"].fill_null(float("nan")).to_numpy().astype(np.float32),
        "sold": np.zeros(n, np.float32),
        "first_seen": np.zeros(n, np.int64),
        "brand_items": by_brand[np.searchsorted(brand[by_brand], 0) :],
        "brand_item_offsets": np.searchsorted(np.sort(brand[brand >= 0]), np.arange(len(brands) + 1)).astype(np.int64),
        **blob_arrays(_fragments(frame, currency), "fragment"),
        **blob_arrays(_titles(frame), "title"),
    }


def _in_tree_order(items: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    texts = {*items["category"].drop_nulls(), *items["categories"].explode().drop_nulls()}
    paths = {tuple(split_category(text)) for text in texts}
    nodes = sorted({path[:depth] for path in paths for depth in range(1, len(path) + 1)})
    names = [join_category(node) for node in nodes]
    place = _codes(items["category"], names)
    order = np.lexsort((np.argsort(np.argsort(items["item_id"].to_numpy())), np.where(place < 0, len(names), place)))
    return items[order], names


def _codes(column: pl.Series, names: list[str]) -> Rows:
    code = {name: at for at, name in enumerate(names)}
    return np.fromiter((code.get(value, -1) for value in column.to_list()), np.int32, len(column))


def _tree(names: list[str], category: Rows) -> Arrays:
    paths = [tuple(split_category(name)) for name in names]
    code = {path: at for at, path in enumerate(paths)}
    parent = np.array([code.get(path[:-1], -1) for path in paths], np.int32)
    end = np.arange(1, len(paths) + 1)
    for node in range(len(paths) - 1, -1, -1):
        if parent[node] >= 0:
            end[parent[node]] = max(end[parent[node]], end[node])
    ordered = category[category >= 0]
    return {
        "parent": parent,
        "item_from": np.searchsorted(ordered, np.arange(len(paths))).astype(np.int32),
        "item_to": np.searchsorted(ordered, end).astype(np.int32),
    }


def _fragments(frame: pl.DataFrame, currency: str | None) -> list[bytes]:
    encode = msgspec.json.Encoder().encode
    columns = [frame[name].to_list() for name in ("item_id", "title", "brand", "category", "price")]
    links = [frame[name].to_list() for name in ("url", "image_url")]
    available = frame["available"].fill_null(True).to_list()
    rows = zip(*columns, [currency] * frame.height, *links, available, strict=True)
    return [encode(dict(zip(FRAGMENT_FIELDS, row, strict=True)))[1:-1] for row in rows]


def _titles(frame: pl.DataFrame) -> list[bytes]:
    pairs = zip(frame["title"].to_list(), frame["item_id"].to_list(), strict=True)
    return [(title or item_id).encode() for title, item_id in pairs]
