"""Ids, times and prices of a proposal: what their values tell, and what nobody can be sure of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys.settings.tables import Table
from recsys.tables.presets import platform
from training.onboarding.names import is_sale_price, named
from training.onboarding.values import days_of, empty_share, is_another_in_each, is_local, share, texts, usable_for

if TYPE_CHECKING:
    from training.onboarding.proposals import Proposal

_MANY = 0.05
"""Share of rows without an id from which it is said; items without one are left out by a condition then, and not as bad rows."""


def tell_ids(found: Proposal) -> None:
    """Tell mail addresses, rows without an id, and numbers of lines that were taken for items."""
    if found.table == "events":
        _line_numbers(found)
    key = "item_id" if found.table == "items" else "user_id"
    own = found.origin(key)
    if not own:
        return
    text = texts(found.rows, own)
    if key == "user_id" and len(text) and share(text, "@") > 0.5:
        found.mails = True
        found.evidence.append(f"{own} holds mail addresses: capitals and blanks in them do not count")
    without = empty_share(found.rows, own)
    if without > _MANY and key == "item_id" and not found.preset:
        found.settings["where"] = [{"column": own, "empty": False}]
        found.evidence.append(f"rows without {own} are left out: {without:.0%} of the rows looked at")
    if without > _MANY and key == "user_id" and not (found.origin("anonymous_id") or found.settings.get("fill_down")):
        found.evidence.append(
            f"{without:.0%} of the rows looked at have no {own}: they are nobody's, and count for items alone"
        )


def _line_numbers(found: Proposal) -> None:
    own = found.origin("item_id")
    if not own or found.preset:
        return
    first = named("events", found.rows.columns, {}).get("item_id", own)
    if first != own and is_another_in_each(texts(found.rows, first)):
        found.unsure.append(
            f"{first} is another one in each row and is not used; {own} is taken for the item: set `item_id` if that is wrong"
        )
    if is_another_in_each(texts(found.rows, own)):
        found.unsure.append(f"{own} is another one in each row: is it the item, and not the number of the line?")


def tell_times(found: Proposal) -> None:
    """Tell the order of day and month, and times without a zone."""
    if not (own := found.origin("timestamp")):
        return
    days, named_day = days_of(texts(found.rows, own)), "day_first" in found.settings
    if days.given and not named_day and not (found.preset and "day_first" in _told(found)):
        _day_first(found, own, days.given, days.day_first, days.month_first)
    if is_local(found.rows, own) and not (found.preset and "timezone" in _told(found)):
        found.settings["timezone"] = "UTC"
        found.unsure.append(
            f"the times of {own} name no zone and are taken for UTC: set `timezone` to the shop's, for instance Europe/Berlin"
        )


def tell_sale(found: Proposal) -> None:
    """Let a price of a sale go before the usual one where it is given."""
    columns, numbers = found.settings["columns"], usable_for(found.rows)["price"]
    own = columns.get("price")
    sale = next((name for name in numbers if name != own and is_sale_price(name)), None)
    if own and sale and (free := int(texts(found.rows, sale).str.contains(r"^\D*0+(?:[.,]0+)?\D*$").sum())):
        found.unsure.append(
            f"{sale} is not used, because 0 in {free:,} rows would be a price: leave it empty where there is no sale"
        )
    elif own and sale:
        columns["price"] = [sale, own]
        found.evidence.append(f"{sale} goes before {own} where it is given: by its name")


def _day_first(found: Proposal, own: str, given: int, day: int, month: int) -> None:
    if day > 1 and not month:
        found.settings["day_first"] = True
        found.evidence.append(f"{own} puts the day first: {day:,} of {given:,} values can be read in no other way")
    elif month > 1 and not day:
        found.settings["day_first"] = False
        found.evidence.append(f"{own} puts the month first: {month:,} of {given:,} values can be read in no other way")
    else:
        found.unsure.append(
            f"{own} holds dates such as 05/06/2026 ({given:,}), and nothing proves which of both is the day: set `day_first`"
        )


def _told(found: Proposal) -> set[str]:
    """Settings of the preset that are its own."""
    layout = getattr(platform(found.preset), found.table)
    return {name for name in Table.__struct_fields__ if getattr(layout, name) != getattr(Table(), name)}
