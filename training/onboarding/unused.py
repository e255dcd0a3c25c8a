"""Columns that a proposal takes nothing from, named, with what they might be needed for: nothing is passed over in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.onboarding.concepts import rank
from training.onboarding.values import affirmed, is_number, states_told, texts

if TYPE_CHECKING:
    from training.onboarding.proposals import Proposal

_MOST_NAMED = 12


def tell_unused(found: Proposal) -> None:
    """Name the columns that are not used; of events, what is missing without them."""
    left = _unused(found)
    if not left:
        return
    more = f" and {len(left) - _MOST_NAMED:,} more" if len(left) > _MOST_NAMED else ""
    found.evidence.append(f"not used: {', '.join(left[:_MOST_NAMED])}{more}")
    if found.table == "events" and found.settings.get("constants"):
        _tell_amounts(found, left)
        _tell_states(found, left)


def _unused(found: Proposal) -> list[str]:
    used: set[str] = set()
    for own in found.settings["columns"].values():
        used |= {own} if isinstance(own, str) else set(own)
    used |= {each if isinstance(each, str) else each["column"] for each in found.settings.get("void_orders", ())}
    return [name for name in found.rows.columns if name not in used and not texts(found.rows, name).is_empty()]


def _tell_amounts(found: Proposal, left: list[str]) -> None:
    if {"price", "amount"} & set(found.settings["columns"]):
        return
    numbers = [name for name in left if is_number(texts(found.rows, name))]
    among = f"; numbers stand in {', '.join(numbers[:_MOST_NAMED])}" if numbers else ""
    found.unsure.append(
        "no column is told to be a price, so that revenue is none: set `price` (of a unit) or `amount` (of a line) under "
        f"`[data.events.columns]`{among}"
    )


def _tell_states(found: Proposal, left: list[str]) -> None:
    for name in left:
        text = texts(found.rows, name)
        if rank("returned", name) is not None and (text.n_unique() > 1 or len(text) < found.rows.height):
            yes = affirmed(text) or ("…",)
            found.unsure.append(
                f"{name} may say what came back, and what came back counts as bought: leave such rows out with"
                f' `where = [{{ column = "{name}", one_of = ["{yes[0]}"], not = true }}]` under `[data.events]`, or map it'
            )
        elif states_told(text):
            found.unsure.append(
                f"{name} holds words for orders that stand and that do not: if it says how an order stands, set"
                f' `void_orders = ["{name}"]` under `[data.events]`'
            )
