"""Campaigns in words: what each action does, and how the span of time stands."""

from __future__ import annotations

from datetime import datetime

from recsys.item_filters import Condition, Conditions
from recsys.settings.campaigns import Action, Campaign

RUNNING, COMING, OVER = "running", "coming", "over"


def state_of(campaign: Campaign, moment: datetime) -> str:
    """Tell how a campaign's span stands at a moment: running, coming or over."""
    if campaign.begins is not None and moment < campaign.begins:
        return COMING
    return OVER if campaign.until is not None and campaign.until <= moment else RUNNING


def action_words(action: Action) -> str:
    """Say what an action does."""
    if action.pin:
        return f"pins {action.pin.item_id} to place {action.pin.place}"
    if action.limit:
        return f"at most {action.limit.max} of one {action.limit.by} within the first {action.limit.within} places"
    if action.share:
        share = action.share
        return f"at least {share.min:.0%} of the first {share.within} places to items whose {filter_words(share.filter)}"
    if action.boost:
        return f"boosts × {action.boost.factor:.6g} items whose {filter_words(action.boost.filter)}"
    if action.bury:
        return f"buries ÷ {action.bury.factor:.6g} items whose {filter_words(action.bury.filter)}"
    if action.exclude:
        return f"keeps out items whose {filter_words(action.exclude.filter)}"
    return f"keeps out all but items whose {filter_words(action.only.filter)}" if action.only else ""


def filter_words(conditions: Conditions) -> str:
    """The conditions of a filter, all of which hold."""
    return " and ".join(f"{name} {_condition(each)}" for name, each in conditions.items())


def _condition(condition: Condition) -> str:
    parts = []
    if condition.any is not None:
        parts.append("is " + " or ".join(map(str, condition.any)))
    if condition.all is not None:
        parts.append("has " + " and ".join(map(str, condition.all)))
    if condition.none is not None:
        parts.append("is not " + " or ".join(map(str, condition.none)))
    if condition.min is not None:
        parts.append(f"is at least {condition.min}")
    if condition.max is not None:
        parts.append(f"is at most {condition.max}")
    return " and ".join(parts)
