"""The synthetic shop's goods: models with their variants, prices, stock and dates, and how shoppers draw among them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys import clock
from recsys.clock import DAY, SECOND
from recsys.types import Rows
from simulator import plan
from simulator.words import BRANDS, DEPARTMENTS, EMOJIS, LEAVES, LINES, VARIANTS

Ints: TypeAlias = NDArray[np.integer[Any]]
Floats: TypeAlias = NDArray[np.floating[Any]]

LEAF_NAMES: tuple[str, ...] = tuple(leaf.path for leaf in LEAVES)
DEPARTMENT_OF_LEAF: NDArray[np.int64] = np.array([DEPARTMENTS.index(path.split(" > ")[0]) for path in LEAF_NAMES])
CURRENCY = "EUR"
N_STYLES = len(plan.STYLES)
N_TIERS = len(plan.TIERS)


class Pool:
    """Items grouped by a key, drawn by weight among those already published: prefix sums, two binary searches a draw."""

    def __init__(self, key: Ints, day: Ints, weight: Floats) -> None:
        """Group the items: key int[n] (negative: in no group), first day that each can be seen int[n], weight float[n]."""
        kept = np.flatnonzero((key >= 0) & (weight > 0))
        order = kept[np.lexsort((day[kept], key[kept]))]
        self._items = order.astype(np.int32)
        self._place = _place(key[order], day[order])
        self._sums = np.concatenate([[0.0], np.cumsum(weight[order])])

    def draw(self, rng: np.random.Generator, key: Ints, day: Ints) -> Rows:
        """Draw one item for each key int[m] on each day int[m]; -1 where the group has none yet."""
        first = np.searchsorted(self._place, _place(key, np.zeros_like(day)), side="left")
        last = np.searchsorted(self._place, _place(key, day), side="right")
        low, high = self._sums[first], self._sums[last]
        at = np.searchsorted(self._sums, low + rng.random(len(key)) * (high - low), side="right") - 1
        found = np.minimum(at, last - 1)
        return np.where(last > first, self._items[np.maximum(found, 0)], -1).astype(np.int32)


def _place(key: Ints, day: Ints) -> NDArray[np.int64]:
    """Sort key: group first, then day, of which there are fewer than 1024."""
    return key.astype(np.int64) * 1024 + day


@dataclass(frozen=True)
class Goods:
    """The catalogue's arrays, one entry per item, and its table.

    leaf, brand (-1: none), style and tier are codes · price in EUR · day is the first day of the history on which the item
    can be seen · weight its pull (0: never seen) · gap its repurchase gap in days (0: not replenishable) · partner the item
    planted beside it in orders (-1: none).
    """

    table: pl.DataFrame
    brands: tuple[str, ...]
    leaf: Ints
    brand: Ints
    style: Ints
    tier: Ints
    price: Floats
    day: Ints
    weight: Floats
    gap: Floats
    partner: Rows

    def __len__(self) -> int:
        return len(self.leaf)

    @cached_property
    def by_leaf(self) -> Pool:
        """All items of a leaf category."""
        return Pool(self.leaf, self.day, self.weight)

    @cached_property
    def by_style(self) -> Pool:
        """Items of a leaf category and a style."""
        return Pool(style_key(self.leaf, self.style), self.day, self.weight)

    @cached_property
    def by_tier(self) -> Pool:
        """Items of a leaf category, a style and a price tier."""
        return Pool(tier_key(self.leaf, self.style, self.tier), self.day, self.weight)

    @cached_property
    def by_brand(self) -> Pool:
        """Items of a leaf category and a brand."""
        key = np.where(self.brand >= 0, brand_key(self.leaf, self.brand), -1)
        return Pool(key, self.day, self.weight)

    @cached_property
    def of_brand(self) -> Pool:
        """All items of a brand."""
        return Pool(self.brand, self.day, self.weight)


def style_key(leaf: Ints, style: Ints) -> Ints:
    """Key of `Goods.by_style`."""
    return leaf.astype(np.int64) * N_STYLES + style


def tier_key(leaf: Ints, style: Ints, tier: Ints) -> Ints:
    """Key of `Goods.by_tier`."""
    return style_key(leaf, style) * N_TIERS + tier


def brand_key(leaf: Ints, brand: Ints) -> Ints:
    """Key of `Goods.by_brand`."""
    return leaf.astype(np.int64) * len(BRANDS) + brand


def make_goods(items: int, start: datetime, end: datetime, seed: int, address: str) -> Goods:
    """Make `items` items of a shop whose history runs from `start` (midnight UTC) to `end`; their pages lie under `address`."""
    rng = np.random.default_rng([seed, 1])
    model, variant = _variants(rng, items)
    models = _make_models(rng, int(model[-1]) + 1, items, start, end)
    weight = rng.lognormal(0.0, 1.3, len(models.leaf))[model] * rng.lognormal(-0.5 * variant, 0.3)
    weight[(rng.random(items) < plan.UNSEEN_SHARE) & (model >= 2 * len(LEAVES))] = 0.0
    begin = clock.to_microseconds(start)
    published = models.published[model]
    price = _prices(rng, models, model, variant)
    goods = Goods(
        table=_table(rng, models, model, variant, price, address),
        brands=models.names,
        leaf=models.leaf[model],
        brand=models.brand[model],
        style=models.style[model],
        tier=models.tier[model],
        price=price,
        day=np.where(published < begin, 0, (published - begin) // DAY + 1),
        weight=weight,
        gap=_gaps(rng, models.leaf)[model],
        partner=np.full(items, -1, np.int32),
    )
    return replace(goods, partner=_partners(rng, goods))


def complement_leaves() -> NDArray[np.int64]:
    """Complement of each leaf category as codes int64[leaves], -1 where there is none."""
    codes = {name: code for code, name in enumerate(LEAF_NAMES)}
    return np.array([codes.get(plan.COMPLEMENTS.get(name, ""), -1) for name in LEAF_NAMES])


@dataclass(frozen=True)
class _Models:
    """Attributes that the variants of a model share, one entry per model; published in microseconds since 1970 UTC."""

    leaf: Ints
    brand: Ints
    style: Ints
    tier: Ints
    published: NDArray[np.int64]
    names: tuple[str, ...]


def _variants(rng: np.random.Generator, items: int) -> tuple[Ints, Ints]:
    """Model of each item and its place among the model's variants; the first models, two a leaf, have one variant."""
    counts = rng.choice([1, 2, 3, 4], size=items, p=[0.6, 0.2, 0.12, 0.08])
    counts[: 2 * len(LEAVES)] = 1
    model = np.repeat(np.arange(items), counts)[:items]
    return model, np.arange(items) - np.searchsorted(model, model, side="left")


def _make_models(rng: np.random.Generator, models: int, items: int, start: datetime, end: datetime) -> _Models:
    """Give each model a leaf category (two old ones to every leaf first), a style, and a brand of that style, which sets
    its tier."""
    pull = np.array([leaf.pull for leaf in LEAVES])
    others = rng.choice(len(LEAVES), size=max(models - 2 * len(LEAVES), 0), p=pull / pull.sum())
    leaf = np.concatenate([np.tile(np.arange(len(LEAVES)), 2), others])[:models]
    cells = len(DEPARTMENTS) * N_STYLES
    layers = int(np.clip(items // 150, 2, len(BRANDS) // cells))
    tiers = rng.choice(N_TIERS, size=layers * cells, p=[0.4, 0.4, 0.2])
    style = rng.integers(0, N_STYLES, models)
    pull = 1.0 / np.sqrt(np.arange(1, layers + 1))
    brand = DEPARTMENT_OF_LEAF[leaf] + len(DEPARTMENTS) * style + cells * rng.choice(layers, models, p=pull / pull.sum())
    tier = tiers[brand]
    brand[rng.random(models) < plan.UNBRANDED_SHARE] = -1
    return _Models(leaf, brand, style, tier, _published(rng, models, start, end), BRANDS[: layers * cells])


def _published(rng: np.random.Generator, models: int, start: datetime, end: datetime) -> NDArray[np.int64]:
    """Moment at which each model was published, in whole seconds."""
    span = (end - start) / timedelta(days=1)
    age = span + rng.uniform(1, 700, models)
    kind = rng.random(models)
    later, new = kind < plan.LATER_SHARE, kind > 1 - plan.NEW_SHARE
    age[later] = rng.uniform(plan.NEW_DAYS, span, later.sum())
    age[new] = rng.uniform(0.2, plan.NEW_DAYS, new.sum())
    age[: 2 * len(LEAVES)] = span + 365
    moment: NDArray[np.int64] = clock.to_microseconds(end) - (age * DAY).astype(np.int64)
    return moment // SECOND * SECOND


def _gaps(rng: np.random.Generator, leaf: Ints) -> Floats:
    base = np.array([plan.REPURCHASE_GAPS.get(name, 0.0) for name in LEAF_NAMES])[leaf]
    return np.asarray(base * rng.choice(plan.GAP_FACTORS, size=len(leaf)))


def _prices(rng: np.random.Generator, models: _Models, model: Ints, variant: Ints) -> Floats:
    """Prices in EUR, ending in .90 below 100 and in 0 or 5 above; larger packs cost more."""
    usual = np.array([entry.price for entry in LEAVES])[models.leaf] * np.array(plan.TIERS)[models.tier]
    usual *= rng.lognormal(0.0, 0.3, len(usual))
    packs = np.array([entry.axis in ("volume", "roast") for entry in LEAVES])[models.leaf][model]
    raw = usual[model] * np.where(packs, 1.0 + 0.5 * variant, 1.0)
    return np.asarray(np.where(raw < 100, np.maximum(np.floor(raw), 2) + 0.9, np.round(raw / 5) * 5))


def _partners(rng: np.random.Generator, goods: Goods) -> Rows:
    """The planted partner of each item: of its complement category and, where there is one, of its own style."""
    target = complement_leaves()[goods.leaf]
    rows = np.flatnonzero(target >= 0)
    same = goods.by_style.draw(rng, style_key(target[rows], goods.style[rows]), goods.day[rows])
    anything = goods.by_leaf.draw(rng, target[rows], goods.day[rows])
    partner = np.full(len(goods), -1, np.int32)
    partner[rows] = np.where(same >= 0, same, anything)
    return partner


def _table(
    rng: np.random.Generator, models: _Models, model: Ints, variant: Ints, price: Floats, address: str
) -> pl.DataFrame:
    """Make the items table."""
    n, leaf = len(model), models.leaf[model]
    sold_out = rng.random(n) < plan.SOLD_OUT_SHARE
    stock = 1 + rng.poisson(rng.gamma(1.5, 12.0, n))
    entries = [LEAVES[code] for code in leaf.tolist()]
    choice = [VARIANTS[entry.axis][place] for entry, place in zip(entries, variant.tolist(), strict=True)]
    words = _words(rng, models)[model]
    ids = [f"{entry.path[:2].upper()}-{100_000 + row}" for row, entry in enumerate(entries)]
    alone = np.bincount(model)[model] == 1
    groups = [None if single else f"G{100_000 + row}" for row, single in zip(model.tolist(), alone.tolist(), strict=True)]
    return pl.DataFrame(
        {
            "item_id": ids,
            "title": pl.select(pl.format("{}, {}", words["title"], pl.Series(choice))).to_series(),
            "url": [f"{address}/products/{item}" for item in ids],
            "image_url": [f"{address}/images/{item}.jpg" for item in ids],
            "category": [entry.path for entry in entries],
            "brand": words["brand"],
            "price": price,
            "currency": [CURRENCY] * n,
            "available": ~sold_out,
            "stock": np.where(sold_out, 0, stock),
            "group_id": pl.Series(groups, dtype=pl.String),
            "description": words["description"],
            "published_at": pl.Series(models.published[model]).cast(pl.Datetime("us", "UTC")),
            "replenishable": _replenishable(rng, leaf),
            "cost": np.round(price * rng.uniform(0.3, 0.6, n), 2),
        }
    )


def _replenishable(rng: np.random.Generator, leaf: Ints) -> pl.Series:
    """True, false or null per item: see `plan.UNTOLD_LEAVES` and `plan.UNTOLD_SHARE`."""
    truth = np.array([name in plan.REPURCHASE_GAPS for name in LEAF_NAMES])[leaf]
    silent = np.array([name in plan.UNTOLD_LEAVES for name in LEAF_NAMES])[leaf]
    stated = ~silent & (rng.random(len(leaf)) >= plan.UNTOLD_SHARE)
    return pl.select(pl.when(pl.Series(stated)).then(pl.Series(truth))).to_series()


def _words(rng: np.random.Generator, models: _Models) -> pl.DataFrame:
    """Title, brand and description of each model."""
    n = len(models.leaf)
    noun, material, line, emoji = rng.integers(0, 2**16, (4, n)).tolist()
    script = rng.random(n).tolist()
    rows = []
    for row, (code, brand) in enumerate(zip(models.leaf.tolist(), models.brand.tolist(), strict=True)):
        entry = LEAVES[code]
        house = models.names[brand] if brand >= 0 else None
        what = f"{_of(entry.materials, material[row])} {_of(entry.nouns, noun[row])}"
        label = _of(LINES, line[row])
        title = _title(script[row], f"{house} {label}" if house else label, what, entry.arabic, _of(EMOJIS, emoji[row]))
        rows.append((title, house, f"{what[0].upper()}{what[1:]} of the {label} line."))
    return pl.DataFrame(rows, schema={"title": pl.String, "brand": pl.String, "description": pl.String}, orient="row")


def _of(words: tuple[str, ...], number: int) -> str:
    return words[number % len(words)]


def _title(script: float, who: str, what: str, arabic: str, emoji: str) -> str:
    """One title; `script` in [0, 1) chooses how it is written."""
    if script < plan.ARABIC_SHARE:
        return f"{arabic} من {who}"
    if script < plan.ARABIC_SHARE + plan.JAPANESE_SHARE:
        return f"{who} {what} 限定版"
    if script > 1 - plan.EMOJI_SHARE:
        return f"{who} {what} {emoji}"
    return f"{who} {what}"
