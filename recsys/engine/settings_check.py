"""Checks of settings that need to know the recommenders: names, and fallback chains that can fill any list."""

from __future__ import annotations

from collections.abc import Iterable

from recsys.recommenders import RECOMMENDERS, configure
from recsys.settings import Settings
from recsys.types import SettingsError


def check_settings(settings: Settings) -> None:
    """Check that every recommender that the placements name exists and that each fallback chain can fill a list.

    Raises:
        SettingsError: naming the placement and what is allowed.
    """
    configure(settings.recommenders)
    for segment in settings.blend.__struct_fields__:
        _check_names(f"blend.{segment}", getattr(settings.blend, segment))
    for name in settings.placement_names():
        placement = settings.placement(name)
        assert placement is not None
        _check_names(f"placements.{name}", placement.fallback)
        for rule in placement.rules:
            _check_names(f"placements.{name}", rule.recommenders)
        if placement.fallback and not RECOMMENDERS[placement.fallback[-1]].ranks_everything:
            able = ", ".join(sorted(one.name for one in RECOMMENDERS.values() if one.ranks_everything))
            raise SettingsError(f"placements.{name}.fallback: the last one must be able to fill any list: {able}")


def _check_names(where: str, names: Iterable[str]) -> None:
    for name in names:
        if name not in RECOMMENDERS:
            known = ", ".join(sorted(RECOMMENDERS))
            raise SettingsError(f"{where}: no recommender {name!r}; there are {known}")
