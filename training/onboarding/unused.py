"""Columns that a proposal takes nothing from, named, with what they might be needed for: nothing is passed over in silence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from training.onboarding.concepts import rank
from training.onboarding.happened import documents, other_kinds
from training.onboarding.names import event_words, named, says_gone
from training.onboarding.proposal import Proposal
from training.onboarding.values import affirmed, denied, is_number, is_said, says_for_sale, states_given, texts, where_empty

_MOST_NAMED = 12
_SHOWN = 5


def tell_unused(found: Proposal) -> None:
    """Name the columns that are not used; of events, what is missing without them."""
    left = _unused(found)
    if not left:
        return
    more = f" and {len(left) - _MOST_NAMED:,} more" if len(left) > _MOST_NAMED else ""
    found.evidence.append(f"not used: {', '.join(left[:_MOST_NAMED])}{more}")
    if found.table == "events" and found.settings.get("constants"):
        _tell_amounts(found, left)
        _tell_unread(found, left)
        _tell_states(found, left)
        _tell_kinds(found, left)
        _tell_sums(found)
    if found.table == "items":
        _tell_guards(found, left)


def _unused(found: Proposal) -> list[str]:
    used = found.taken
    for key in ("void_orders", "refused"):
        used |= {each if isinstance(each, str) else each["column"] for each in found.settings.get(key, ())}
    return [name for name in found.rows.columns if name not in used and not texts(found.rows, name).is_empty()]


def _tell_amounts(found: Proposal, left: list[str]) -> None:
    if {"price", "amount"} & set(found.settings["columns"]):
        return
    numbers = [name for name in left if is_number(texts(found.rows, name)) and _is_of_lines(found, name)]
    among = f"; numbers stand in {', '.join(numbers[:_MOST_NAMED])}" if numbers else ""
    found.unsure.append(
        "no column is told to be a price, so that revenue is none: set `price` (of a unit) or `amount` (of a line) under "
        f"`[data.events.columns]`{among}"
    )


def _is_of_lines(found: Proposal, name: str) -> bool:
    """Tell whether a column may be a line's: what stands beside a cell of several lines is of all of them."""
    packed = found.settings.get("unnest", "")
    column = packed if isinstance(packed, str) else packed["column"]
    return not column or name.startswith(f"{column}.")


def _tell_unread(found: Proposal, left: list[str]) -> None:
    """Name what is a quantity or a price by its name, and holds no plain numbers: `0,25 kg`, `two`."""
    columns, by_name = found.settings["columns"], named("events", found.rows.columns, {})
    priced = {"price", "amount"} & set(columns)
    for canonical in ("quantity", "price", "amount"):
        own = by_name.get(canonical, "")
        if (
            own not in left
            or canonical in columns
            or (priced and canonical != "quantity")
            or is_number(texts(found.rows, own))
        ):
            continue
        piece = ", and each line counts as one piece" if canonical == "quantity" else ""
        found.unsure.append(
            f"{own} is {canonical} by its name, but its values are no plain numbers: it is not used{piece}. Export numbers, or map it"
            " and name the words beside them under `units`"
        )


def _tell_sums(found: Proposal) -> None:
    """Tell a report with sums of views and purchases from a list of what happened."""
    kinds: dict[str, str] = {}
    for name in found.seen[0].usable["price"]:
        counted = [word for word in re.findall(r"[^\W\d_]+", name.lower()) if word.endswith(("s", "ed"))]
        words = set(event_words(counted).values())
        if len(words) == 1 and rank("order_id", name) is None:
            kinds.setdefault(words.pop(), name)
    if len(kinds) > 1 and kinds.keys() - {"purchase", "refund"}:
        found.unsure.append(
            f"{', '.join(kinds.values())} hold how often things happened: this is a report with sums, and no list of what happened:"
            " each of its rows would count as one purchase; export the events themselves"
        )


def _tell_guards(found: Proposal, left: list[str]) -> None:
    """Name columns of words for yes and no that may say what is for sale, and those with a mark or a moment of what is gone."""
    flags = [name for name in left if not says_gone(name) and says_for_sale(texts(found.rows, name))]
    for name in [each for each in left if says_gone(each)]:
        given, said = found.rows.filter(is_said(found.rows, name)), affirmed(texts(found.rows, name))
        gone = (
            int(texts(given, name).str.to_lowercase().is_in(said).sum()) if denied(texts(found.rows, name)) else given.height
        )
        if 0 < gone < found.rows.height:
            only = f'`where = [{{ column = "{name}", one_of = {json.dumps(said)}, not = true }}]`'
            kept = only if gone < given.height else where_empty(found.rows, name)
            found.unsure.append(
                f"{name} says something in {gone:,} of {found.rows.height:,} rows, and their items are for sale all the same: if those"
                f" are gone, leave them out with {kept} under `[data.items]`"
            )
    if flags:
        found.unsure.append(
            f"{', '.join(flags[:_MOST_NAMED])} hold yes and no, and are not used: if one says what is for sale or shown, map it to"
            " `available` or `published` under `[data.items.columns]`, or what is not will be recommended"
        )


def _tell_kinds(found: Proposal, left: list[str]) -> None:
    """Name columns whose words say that rows are no purchases, which all of them are taken for."""
    for name in left:
        text = texts(found.rows, name)
        if kinds := documents(text):
            found.unsure.append(
                f"{name} tells kinds of documents ({', '.join(kinds)}), and each row counts as a purchase, so that one sale counts"
                " more than once: set `event_type` to it, in place of the constant, and"
                f" `event_types = {_inline(kinds)}` under `[data.events]`"
            )
        elif rank("returned", name) is None and not states_given(text) and (words := other_kinds(name, text)):
            found.unsure.append(
                f"{name} says that something else happened in rows that all count as purchases ({', '.join(words[:_SHOWN])}): set"
                " `event_type` to it and map its words under `event_types`, or leave those rows out with `where`"
            )


def _inline(words: Mapping[str, str]) -> str:
    return (
        f"{{ {', '.join(f'{json.dumps(word, ensure_ascii=False)} = {json.dumps(kind)}' for word, kind in words.items())} }}"
    )


def _tell_states(found: Proposal, left: list[str]) -> None:
    order = "" if "order_id" in found.settings["columns"] else ", and name the column of the order's number as `order_id`"
    for name in left:
        text = texts(found.rows, name)
        back = rank("returned", name) is not None and (text.n_unique() > 1 or len(text) < found.rows.height)
        if back and is_number(text):
            found.unsure.append(
                f"{name} may say how many pieces came back, and they count as bought: if it does, write"
                f' `taken_off = ["{name}"]` under `[data.events]`'
            )
        elif back:
            yes = affirmed(text) or ("…",)
            found.unsure.append(
                f"{name} may say what came back, and what came back counts as bought: leave such rows out with"
                f' `where = [{{ column = "{name}", one_of = ["{yes[0]}"], not = true }}]` under `[data.events]`, or map it'
            )
        elif states_given(text):
            found.unsure.append(
                f"{name} holds words for orders that stand and that do not: if it says how an order stands, set"
                f' `void_orders = ["{name}"]` under `[data.events]`{order}'
            )
