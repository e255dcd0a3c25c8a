"""The table of contents of the recommenders: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from recsys.recommenders.als import Als
from recsys.recommenders.base import AnyRecommender, RecommenderSettings
from recsys.recommenders.bestsellers import Bestsellers
from recsys.recommenders.bought_together import BoughtTogether
from recsys.recommenders.brands import Brands
from recsys.recommenders.buy_again import BuyAgain
from recsys.recommenders.content import Content
from recsys.recommenders.ease import Ease
from recsys.recommenders.item_item import ItemItem
from recsys.recommenders.next_item import NextItem
from recsys.recommenders.recently_viewed import RecentlyViewed
from recsys.recommenders.trending import Trending
from recsys.types import SettingsError

RECOMMENDERS: Mapping[str, type[AnyRecommender]] = {
    recommender.name: recommender
    for recommender in (
        Als,
        Bestsellers,
        BoughtTogether,
        Brands,
        BuyAgain,
        Content,
        Ease,
        ItemItem,
        NextItem,
        RecentlyViewed,
        Trending,
    )
}
"""Every recommender by name. To add one, add its line."""
RANKS_EVERYTHING = next(name for name, recommender in RECOMMENDERS.items() if recommender.ranks_everything)
"""One that ranks whatever may be shown, where nobody else does."""


def configure(raw: Mapping[str, Mapping[str, Any]]) -> dict[str, RecommenderSettings]:
    """Check the `recommenders` settings; every recommender gets its settings, those not named their defaults.

    Raises:
        SettingsError: naming the recommender, the key and what is allowed.
    """
    unknown = sorted(set(raw) - set(RECOMMENDERS))
    if unknown:
        raise SettingsError(f"recommenders.{unknown[0]}: no such recommender; there are {', '.join(sorted(RECOMMENDERS))}")
    configured = {}
    for name, recommender in RECOMMENDERS.items():
        try:
            configured[name] = msgspec.convert(raw.get(name, {}), recommender.Settings)
        except msgspec.ValidationError as error:
            raise SettingsError(f"recommenders.{name}: {str(error).replace(' - at `$.', ' - `')}") from error
    return configured
