"""Item updates laid over a catalogue: prices and stock of an item, or the whole item, in a spare row where it is new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from recsys.categories import join_category, split_category
from recsys.item_updates import ItemUpdate, WholeItem, both
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.growing_ids import GrowingIds


def overlay(catalog: Catalog, update: ItemUpdate, number: int) -> None:
    """Take an item update in, over what was published; changes of an item unknown here are passed over, and so is a new item for
    which there is no room. `number` is the update's in the log."""
    row = catalog.row(update.item_id)
    if update.item is not None and (row >= 0 or Room(catalog).problem(update) is None):
        _put(catalog, update, update.item, row)
    elif row >= 0 and update.item is None:
        _change(catalog, update, row)
    catalog.revision = number


def overlay_all(catalog: Catalog, updates: Iterable[tuple[int, ItemUpdate]]) -> bool:
    """Take numbered updates in, of several of one item only what they come to; tells whether there are whole items among them."""
    revision, together = catalog.revision, dict[str, ItemUpdate]()
    for revision, update in updates:  # noqa: B007 - the last one's number is that of all
        together[update.item_id] = both(together.get(update.item_id), update)
    for update in together.values():
        overlay(catalog, update, catalog.revision)
    catalog.revision = revision  # last: what was found under the earlier one may be of a moment in between
    return any(update.item for update in together.values())


def _change(catalog: Catalog, update: ItemUpdate, row: int) -> None:
    catalog.as_changed()
    changed = {"price": update.price, "available": catalog.available_after(row, update)}
    changed = {name: value for name, value in changed.items() if value is not None}
    fields = catalog.item(row) | changed
    catalog.overlaid[row] = msgspec.json.encode(fields)[1:-1]
    catalog.price[row] = np.nan if fields["price"] is None else fields["price"]
    catalog.available[row] = fields["available"]
    if update.stock is not None:
        catalog.stock[row] = update.stock
    catalog.changes.add(row, [name for name in ("price", "stock") if getattr(update, name) is not None])


def _put(catalog: Catalog, update: ItemUpdate, item: WholeItem, known: int) -> None:
    """Write an item's columns; it can be found and shown when all of them are there."""
    row = known if known >= 0 else catalog.n_known
    available = bool(catalog.available_after(row, update))
    catalog.as_changed()
    catalog.available[row] &= available
    fields = {
        "item_id": update.item_id,
        "title": item.title,
        "brand": item.brand,
        "category": item.categories[0] if item.categories else None,
        "price": update.price,
        "currency": catalog.currency,
        "url": item.url,
        "image_url": item.image_url,
        "available": available,
    }
    catalog.overlaid[row] = msgspec.json.encode(fields)[1:-1]
    catalog.retitled[row] = item.title or update.item_id
    catalog.price[row] = np.nan if update.price is None else update.price
    catalog.stock[row] = np.nan if update.stock is None else update.stock
    catalog.published[row], catalog.backorder[row] = item.published, item.backorder
    catalog.published_at[row], catalog.published_until[row] = item.published_at or 0, item.published_until or 0
    catalog.min_stock[row] = np.nan if item.min_stock is None else item.min_stock
    _sort_in(catalog, row, item)
    catalog.attributes.put(row, item.attributes)
    if known < 0:
        catalog.items.add(update.item_id)
        catalog.as_changed()
    catalog.available[row] = available
    catalog.changes.add(row, None)


def _sort_in(catalog: Catalog, row: int, item: WholeItem) -> None:
    """Put an item under its brand, its categories with all above them, and its group."""
    leaves = [node for node in (_node(catalog, name) for name in item.categories) if node >= 0]
    catalog.category[row] = leaves[0] if leaves else -1
    catalog.nodes_put.put(row, tuple(dict.fromkeys(node for leaf in leaves for node in _and_above(catalog, leaf))))
    brand = -1 if item.brand is None else _code(catalog.brands, item.brand)
    catalog.brand[row] = brand
    catalog.brands_put.put(row, () if brand < 0 else (brand,))
    if catalog.groups is not None:
        catalog.group[row] = -1 if item.group_id is None else _code(catalog.groups, item.group_id)
        catalog.__dict__.pop("has_groups", None)


def _code(names: GrowingIds, name: str) -> int:
    code = names.row(name)
    return code if code >= 0 else names.add(name)


def _node(catalog: Catalog, name: str) -> int:
    """The node of a category; new ones are added from the root on. -1: there is no room, as in a snapshot that was gone back to."""
    node = -1
    for path in _paths(name):
        above, node = node, catalog.categories.row(path)
        if node < 0:
            if len(catalog.categories) >= len(catalog.parent):
                return -1
            catalog.parent[len(catalog.categories)] = above
            node = catalog.categories.add(path)
    return node


def _and_above(catalog: Catalog, node: int) -> Iterator[int]:
    while node >= 0:
        yield node
        node = int(catalog.parent[node])


def _paths(name: str) -> list[str]:
    """A category and all above it, from the root on."""
    levels = split_category(name)
    return [join_category(levels[:depth]) for depth in range(1, len(levels) + 1)]


class Room:
    """Room that a catalogue has for new items, while some are counted in."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._items: set[str] = set()
        self._categories: set[str] = set()

    def problem(self, update: ItemUpdate) -> str | None:
        """Tell why there is no room for an item that is put; None: there is, and it is counted in."""
        if update.item is None:
            return None
        catalog = self._catalog
        items = self._items if catalog.row(update.item_id) >= 0 else self._items | {update.item_id}
        paths = {path for name in update.item.categories for path in _paths(name)}
        categories = self._categories | {path for path in paths if catalog.categories.row(path) < 0}
        if catalog.groups is None:
            return "the snapshot was made before items could be put; train a new one"
        if len(items) > catalog.n_items - catalog.n_known:
            return "is new, and no spare row is left for it; train a new snapshot, and raise catalog.spare_items"
        if len(categories) > len(catalog.parent) - len(catalog.categories):
            return "has new categories, and there is no room for more of them; train a new snapshot"
        self._items, self._categories = items, categories
        return None
