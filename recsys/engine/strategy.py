"""Strategy: who answers for this shopper on this placement. Rules are data; the first that holds wins."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.settings.placements import BlendSettings, Placement, Rule
from recsys.settings.when import When
from recsys.types import Bought, Profile, Segment


def first_rule(placement: Placement, profile: Profile, has_context: bool) -> Rule | None:
    """Find the first rule of the placement that holds for the shopper; None if none does."""
    for rule in placement.rules:
        if holds(rule.when, profile, has_context):
            return rule
    return None


def weights_of(rule: Rule, blend: BlendSettings, segment: Segment) -> Mapping[str, float]:
    """Find who answers for a rule, and with what weight."""
    if not rule.blend:
        return rule.recommenders
    learned: Mapping[str, float] = getattr(blend, segment)
    return {**learned, **rule.recommenders} if rule.recommenders else learned


def weights_within(rule: Rule, blend: BlendSettings, segment: Segment) -> Mapping[str, float] | None:
    """Find by what weights of the blend the items are ordered that a rule's recommenders bring; None: by their own."""
    if rule.blend or rule.order == "own":
        return None
    learned: Mapping[str, float] = getattr(blend, segment)
    return learned


def segment_of(profile: Profile, bought: Bought) -> Segment:
    """The segment whose weights the blend takes: customers are told apart by whether what they own may be shown."""
    if not profile.orders:
        return "lead"
    return "repeat" if bought.mode in ("allow", "only") else "customer"


def looks_at_shopper(rule: Rule | None) -> bool:
    """Tell whether the rule was chosen for what the shopper does, and not for everybody alike."""
    if rule is None:
        return False
    when = rule.when
    return (when.intent, when.focus, when.brand, when.dormant, when.lifecycle) != (None, None, None, None, ())


def holds(when: When, profile: Profile, has_context: bool) -> bool:
    """Tell whether every condition that is set holds."""
    return (
        (when.known is None or when.known == profile.known)
        and (when.intent is None or when.intent == profile.intent)
        and (when.focus is None or when.focus == (profile.focus >= 0))
        and (when.brand is None or when.brand == (profile.brand >= 0))
        and (when.dormant is None or when.dormant == profile.dormant)
        and (not when.lifecycle or profile.lifecycle in when.lifecycle)
        and (when.context is None or when.context == has_context)
    )
