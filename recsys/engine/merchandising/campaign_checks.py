"""Checks of campaigns: names of placements, attributes and kinds that there are."""

from __future__ import annotations

from collections.abc import Iterable

from recsys.engine.merchandising.attribute_filters import FilterError, typed_filter, unknown_words
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


def lost_by(campaign: Campaign, catalog: Catalog) -> str | None:
    """Say which item or word of a campaign that was checked no item of the catalogue has, the first one; None: there is none."""
    for at, action in enumerate(campaign.actions):
        if action.pin and catalog.row(action.pin.item_id) < 0:
            return f"actions[{at}].pin: there is no item {action.pin.item_id!r} in the catalogue"
        for conditions in _filters(action.boost, action.bury, action.exclude, action.only, action.share):
            if lost := unknown_words(catalog, typed_filter(catalog, conditions)):
                return f"actions[{at}].filter.{lost[0]}"
    return None


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
