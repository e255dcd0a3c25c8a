"""Copy of categories: keys of texts, creatives and coupons that the shop sets for a category."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from recsys.categories import join_category, split_category
from recsys.settings.messages import Words

NAMES = ("copy", "creative", "coupon")


def words_of(category: str | None, copy_texts: Mapping[str, Words]) -> dict[str, str]:
    """Return the words of a category by `NAMES`, each that of the closest category above that has one; "": none has.

    `copy_texts` are those of the settings, by canonical category; "" stands for all.
    """
    words = [copy_texts[node] for node in _nodes(category or "") if node in copy_texts]
    return {name: next((text for one in words if (text := getattr(one, name))), "") for name in NAMES}


@lru_cache(4096)
def _nodes(category: str) -> tuple[str, ...]:
    """A category and those above it, canonical, the closest first; "" is the last."""
    levels = split_category(category)
    return tuple(join_category(levels[:depth]) for depth in range(len(levels), -1, -1))


def canonical(copy_texts: Mapping[str, Words]) -> dict[str, Words]:
    """The words of the settings by canonical category."""
    return {join_category(split_category(category)): words for category, words in copy_texts.items()}
