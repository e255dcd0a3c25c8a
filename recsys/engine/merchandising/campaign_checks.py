"""Checks of campaigns: names of placements, attributes and kinds that there are."""

from __future__ import annotations

from collections.abc import Iterable

from recsys.engine.merchandising.attribute_filters import FilterError, typed_filter
from recsys.item_filters import Conditions
from recsys.settings import Settings
from recsys.settings.campaigns import Campaign, Limit
from recsys.snapshot.catalog import Catalog
from recsys.types import SettingsError

KEYS = ("brand", "category", "group")
"""Kinds that items are counted by, beside attributes of one word."""


def check_campaign(campaign: Campaign, catalog: Catalog, settings: Settings) -> None:
    """Check the names that a campaign uses.

    Raises:
        SettingsError: naming a placement, an attribute or a kind that there is not, and those that there are.
    """
    for name in campaign.placements:
        if settings.placement(name) is None:
            raise SettingsError(f"placements: {name!r} is unknown; there are {', '.join(settings.placement_names())}")
    for at, action in enumerate(campaign.actions):
        if action.limit:
            check_limit(action.limit, catalog, f"actions[{at}].limit")
        for conditions in _filters(action.boost, action.bury, action.exclude, action.only, action.share):
            try:
                typed_filter(catalog, conditions)
            except FilterError as error:
                raise SettingsError(f"actions[{at}]: {error}") from error


def check_limit(limit: Limit, catalog: Catalog, where: str) -> None:
    """Check that items can be counted by what a limit names.

    Raises:
        SettingsError: if they cannot.
    """
    words = sorted(name for name, column in catalog.attributes.columns.items() if column.type == "word")
    if limit.by not in (*KEYS, *words):
        raise SettingsError(f"{where}.by: {limit.by!r} cannot be counted; allowed: {', '.join((*KEYS, *words))}")


def _filters(*given: object) -> Iterable[Conditions]:
    return [each.filter for each in given if each is not None and hasattr(each, "filter")]
