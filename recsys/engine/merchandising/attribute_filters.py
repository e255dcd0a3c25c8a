"""Structured filters over one catalogue: conditions put into the types of their attributes, and the items that each lets through.

Masks are kept, so that a filter which is asked again costs one pass over a mask, however many attributes it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial, reduce
from math import inf
from typing import Any, NamedTuple, cast

import numpy as np

from recsys.categories import join_category, split_category
from recsys.clock import DAY
from recsys.engine.merchandising.masks.number_masks import Bounds, NumberMasks, Reals, numbers_of
from recsys.engine.merchandising.masks.word_masks import MaskOf, WordMasks
from recsys.item_filters import MAX_CONDITIONS, Condition, ItemFilter, Value
from recsys.jit import MASK, OWN_MASK, compiled
from recsys.settings import Settings
from recsys.settings.attributes import AttributeType
from recsys.snapshot.attributes import Words
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.changes import KeptUp
from recsys.types import Mask, Rows, SettingsError

AGE_STEP = DAY // 24
"""Ages are as of the last full hour, so that the items which a filter lets through change once an hour."""
_KEPT_BYTES = 32 << 20
"""Of the masks that one engine keeps at hand."""
_NUMBER = re.compile(r"[+-]?\d{1,300}(\.\d{1,300})?")
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALLOWED: Mapping[AttributeType, str] = {
    "number": "numbers under any, none, min and max",
    "time": "ISO 8601 times with their zone under any, none, min and max",
    "yes_no": "true or false under any and none",
    "word": "texts under any and none",
    "words": "texts under any, all and none",
}
_PARTS: Mapping[AttributeType, tuple[str, ...]] = {
    "number": ("any", "none", "min", "max"),
    "time": ("any", "none", "min", "max"),
    "yes_no": ("any", "none"),
    "word": ("any", "none"),
    "words": ("any", "all", "none"),
}


class FilterError(SettingsError):
    """A filter names what there is not, or what its attribute cannot be; nothing is shown rather than too much."""

    def __init__(self, name: str, value: Any, wrong: str, allowed: str) -> None:
        super().__init__(f"{name}: {'' if value is None else repr(value) + ' '}{wrong}; allowed: {allowed}")
        self.name, self.value, self.wrong, self.allowed = name, value, wrong, allowed


def typed_filter(catalog: Catalog, conditions: Mapping[str, Condition]) -> ItemFilter:
    """Put conditions into the types of the catalogue's attributes, sorted by name.

    Raises:
        FilterError: naming an attribute that there is not, with those that there are, or a value that it cannot have.
    """
    if len(conditions) > MAX_CONDITIONS:
        raise FilterError("attributes", None, f"are {len(conditions)} conditions", f"at most {MAX_CONDITIONS}")
    return tuple((name, _typed(catalog, name, conditions[name])) for name in sorted(conditions))


def standing_filters(catalog: Catalog, settings: Settings) -> dict[str, ItemFilter]:
    """The filters that placements have for good, of those that have one.

    Raises:
        SettingsError: if one names what items do not have.
    """
    found = {}
    for name, placement in settings.placements.items():
        try:
            found[name] = typed_filter(catalog, placement.filter or {})
        except FilterError as error:
            raise SettingsError(f"placements.{name}.filter: {error}") from error
    return {name: conditions for name, conditions in found.items() if conditions}


class FilterMasks:
    """The items of one catalogue that filters let through."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept = lru_cache(max(4, min(512, _KEPT_BYTES // max(1, catalog.n_items))))(
            partial(_kept_up, catalog, WordMasks(catalog), NumberMasks(catalog))
        )

    def mask(self, item_filter: ItemFilter, now: int) -> Mask:
        """The items for which all conditions hold at `now` (microseconds), bool[n], not to be written to."""
        return self._kept(item_filter, _as_of(item_filter, now)).get()

    def holding(self, item_filter: ItemFilter, now: int, rows: Rows) -> Mask:
        """Tell of some items whether all conditions hold, bool[k]."""
        return which_hold(self._catalog, item_filter, now, rows)

    def failing(self, item_filter: ItemFilter, now: int, item: int) -> str:
        """Say which condition first does not hold for an item."""
        for one in item_filter:
            if not self.holding((one,), now, np.array([item], np.int32))[0]:
                return _said(*one)
        return ""


def which_hold(catalog: Catalog, item_filter: ItemFilter, now: int, rows: Rows) -> Mask:
    """Tell of some items of a catalogue whether all conditions hold at `now` (microseconds), bool[k]."""
    return _all_hold(catalog, item_filter, _as_of(item_filter, now), rows)


def _as_of(item_filter: ItemFilter, now: int) -> int:
    for name, _ in item_filter:
        if name == "age":
            return now - now % AGE_STEP
    return 0


def _kept_up(catalog: Catalog, words: WordMasks, numbers: NumberMasks, item_filter: ItemFilter, now: int) -> KeptUp[Mask]:
    names = frozenset([name for name, _ in item_filter])
    make = partial(_mask, catalog, words, numbers, item_filter, now)
    return KeptUp(catalog.changes, names, make, partial(_mended, catalog, item_filter, now))


def _mask(catalog: Catalog, words: WordMasks, numbers: NumberMasks, item_filter: ItemFilter, now: int) -> Mask:
    parts = Parts([], [], [])
    for name, condition in item_filter:
        _add(parts, catalog, words, numbers, name, condition, now)
    found = _laid_together(parts, catalog.n_items)
    found.flags.writeable = False
    return found


def _laid_together(parts: Parts, n: int) -> Mask:
    """The items that are in every mask of one kind, bool[n], in none of the other, and within all bounds."""
    kept, left_out, bounds = parts
    if bounds:
        found = bounds[0].within(kept.pop() if kept else np.ones(n, bool), left_out.pop() if left_out else np.zeros(n, bool))
        for each in bounds[1:]:
            found = each.within(found, left_out.pop() if left_out else np.zeros(n, bool))
    else:
        found = kept.pop().copy() if kept else np.ones(n, bool)
    both = min(len(kept), len(left_out))
    for at in range(both):
        _lay_both(found, kept[at], left_out[at])
    for mask in kept[both:]:
        found &= mask
    for mask in left_out[both:]:
        np.greater(found, mask, out=found)
    return found


@compiled(OWN_MASK, MASK, MASK)
def _lay_both(found: Mask, kept: Mask, left_out: Mask) -> None:
    """Take out of a mask what is not kept and what is left out, in one pass."""
    for at in range(len(found)):
        found[at] = found[at] & (kept[at] > left_out[at])


def _mended(catalog: Catalog, item_filter: ItemFilter, now: int, mask: Mask, rows: Rows) -> Mask:
    """A mask as it is after some items changed."""
    holding = _all_hold(catalog, item_filter, now, rows)
    if np.array_equal(mask[rows], holding):
        return mask
    found = mask.copy()
    found[rows] = holding
    found.flags.writeable = False
    return found


def _all_hold(catalog: Catalog, item_filter: ItemFilter, now: int, rows: Rows) -> Mask:
    """The same as `_mask`, of some items, each looked at by itself."""
    parts, every = Parts([], [], []), rows.tolist()
    for name, condition in item_filter:
        if (holds := _word_of(catalog, name)) is not None:
            _add_words(parts, condition, partial(_each_holds, holds, every))
        elif (values := numbers_of(catalog, name, now, rows)) is not None:
            _add_numbers(parts, values, condition, condition.min, condition.max)
        else:
            parts.kept.append(np.zeros(len(rows), bool))
    return _laid_together(parts, len(rows))


def unknown_words(catalog: Catalog, item_filter: ItemFilter) -> list[str]:
    """Say which words a filter asks for that no item has."""
    notices = []
    for name, condition in item_filter:
        if (holding := _word_rows(catalog, name)) is None:
            continue
        asked = [str(word) for word in (*(condition.any or ()), *(condition.all or ()))]
        notices += [f"{name}: there is no {word!r} in the catalogue" for word in asked if not len(holding(word))]
    return notices


def _typed(catalog: Catalog, name: str, condition: Condition) -> Condition:
    kind, place = catalog.attributes.type_of(name), f"attributes.{name}"
    if kind is None:
        raise FilterError(place, None, "is no attribute of items", ", ".join(catalog.attributes.names))
    given = {part: value for part in Condition.__struct_fields__ if (value := getattr(condition, part)) is not None}
    for part, value in given.items():
        if part not in _PARTS[kind]:
            raise FilterError(f"{place}.{part}", None, f"means nothing for {kind}", _ALLOWED[kind])
        if isinstance(value, tuple):
            given[part] = tuple(_value(f"{place}.{part}", name, kind, each) for each in value)
        else:
            given[part] = _value(f"{place}.{part}", name, kind, value)
    if "min" in given and "max" in given and given["min"] > given["max"]:
        raise FilterError(f"{place}.min", condition.min, "is above max", f"at most {condition.max}")
    return Condition(**given)


def _value(place: str, name: str, kind: AttributeType, given: Value) -> Value:
    read: Value | None = None
    if kind in ("word", "words"):
        read = given.strip() if isinstance(given, str) else None
        read = join_category(split_category(read)) if read is not None and name == "category" else read
    elif kind == "yes_no":
        read = given if isinstance(given, bool) else _YES_NO.get(str(given).strip().lower())
    elif kind == "number":
        read = _number(given)
    elif isinstance(given, str):
        read = _moment(given)
    if read is None:
        raise FilterError(place, given, f"is no value of {name}, which is {kind}", _ALLOWED[kind])
    return read


def _number(given: Value) -> float | None:
    if isinstance(given, str):
        return float(given) if _NUMBER.fullmatch(given.strip()) else None
    return None if isinstance(given, bool) else float(given)


def _moment(given: str) -> float | None:
    try:
        time = datetime.fromisoformat(given)
    except ValueError:
        return None
    return None if time.tzinfo is None else float((time - _EPOCH) // timedelta(microseconds=1))


def _each_holds(holds: Callable[[int, str], bool], rows: Sequence[int], word: str) -> Mask:
    return np.array([holds(row, word) for row in rows], bool)


class Parts(NamedTuple):
    """Masks of conditions, bool[n], not to be written to: an item is in all that are `kept`, in none that is `left_out`, and within
    all bounds."""

    kept: list[Mask]
    left_out: list[Mask]
    bounds: list[Bounds]


def _add(
    parts: Parts, catalog: Catalog, words: WordMasks, numbers: NumberMasks, name: str, condition: Condition, now: int
) -> None:
    if (mask_of := words.of(name)) is not None:
        _add_words(parts, condition, mask_of)
        return
    values, least, most = numbers_of(catalog, name, now), condition.min, condition.max
    if values is None:
        parts.kept.append(np.zeros(catalog.n_items, bool))
        return
    if least is not None or most is not None:
        lowest, highest = -inf if least is None else cast(float, least), inf if most is None else cast(float, most)
        if (bounds := numbers.bounds(name, lowest, highest)) is not None:
            parts.bounds.append(bounds)
            least = most = None
    _add_numbers(parts, values, condition, least, most)


def _add_numbers(
    parts: Parts, values: Reals, condition: Condition, least: float | str | None, most: float | str | None
) -> None:
    """An item without a number passes nothing, not even `none`: its number could be among them."""
    if least is not None:
        parts.kept.append(values >= cast(float, least))
    if most is not None:
        parts.kept.append(values <= cast(float, most))
    if condition.any is not None:
        parts.kept.append(_any_of([values == value for value in condition.any]))
    if condition.none is not None:
        parts.kept.append(values == values)  # NaN equals nothing
        parts.left_out.extend([values == value for value in condition.none])


def _word_rows(catalog: Catalog, name: str) -> Callable[[str], Rows] | None:
    """Of an attribute of words, what finds the items that hold one; None: it is none."""
    if name == "brand":
        return lambda word: catalog.brand_items(code) if (code := catalog.brands.row(word)) >= 0 else _NOBODY
    if name == "category":
        return catalog.items_in
    column = catalog.attributes.columns.get(name)
    return column.holding if isinstance(column, Words) else None


def _word_of(catalog: Catalog, name: str) -> Callable[[int, str], bool] | None:
    """Of an attribute of words, what tells whether the item at a row holds one; None: it is none."""
    if name == "brand":
        return lambda row, word: catalog.brand[row] >= 0 and catalog.brand[row] == catalog.brands.row(word)
    if name == "category":
        return lambda row, word: (code := catalog.categories.row(word)) >= 0 and catalog.is_in(row, code)
    column = catalog.attributes.columns.get(name)
    return (lambda row, word: word in column.words(row)) if isinstance(column, Words) else None


def _add_words(parts: Parts, condition: Condition, mask_of: MaskOf) -> None:
    if condition.any is not None:
        parts.kept.append(_any_of([mask_of(str(word)) for word in condition.any]))
    if condition.all is not None:
        parts.kept.extend([mask_of(str(word)) for word in condition.all])
    if condition.none is not None:
        parts.left_out.extend([mask_of(str(word)) for word in condition.none])


def _any_of(masks: Sequence[Mask]) -> Mask:
    return reduce(np.logical_or, masks)


def _said(name: str, condition: Condition) -> str:
    parts = []
    for part, words in (("any", "one of"), ("all", "all of"), ("none", "none of")):
        if (values := getattr(condition, part)) is not None:
            parts.append(f"{words} {', '.join(map(str, values))}")
    bounds = ((condition.min, "at least"), (condition.max, "at most"))
    parts += [f"{words} {value:g}" for value, words in bounds if isinstance(value, float)]
    return f"its {name} must be {' and '.join(parts)}"


_NOBODY = np.empty(0, np.int32)
