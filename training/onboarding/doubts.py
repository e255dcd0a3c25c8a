"""Ids, times and prices of a proposal: what their values tell, and what nobody can be sure of."""

from __future__ import annotations

from recsys.settings.tables import Table
from recsys.tables.presets import platform
from training.onboarding.names import is_sale_price, named
from training.onboarding.proposal import Proposal
from training.onboarding.values import days_of, empty_share, is_another_in_each, is_local, is_nothing, share, texts

_CLOCK = r"(?i)^\s*\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\s*(?:[ap]\.?m\.?)?\s*$"
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
    if found.table == "events":
        _of_no_item(found)
    without = empty_share(found.rows, own)
    if without > _MANY and key == "item_id" and not found.preset:
        found.settings["where"] = [{"column": own, "empty": False}]
        found.evidence.append(f"rows without {own} are left out: {without:.0%} of the rows looked at")
    if without > _MANY and key == "user_id" and not (found.origin("anonymous_id") or found.settings.get("fill_down")):
        found.evidence.append(
            f"{without:.0%} of the rows looked at have no {own}: they are nobody's, and count for items alone"
        )


def _of_no_item(found: Proposal) -> None:
    own = found.origin("item_id")
    if not own or found.preset or "constants" not in found.settings or (without := empty_share(found.rows, own)) <= _MANY:
        return
    found.unsure.append(
        f"{without:.0%} of the rows looked at have no {own} and count as purchases of no item, with their money: where they are"
        f' totals, payments or postage, leave them out with `where = [{{ column = "{own}", empty = false }}]` under `[data.events]`'
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
    _tell_clock(found, own)
    _tell_listopad(found, own)
    days, named_day = days_of(texts(found.rows, own)), "day_first" in found.settings
    if days.given and not named_day and not (found.preset and "day_first" in _stated(found)):
        _day_first(found, own, days.given, days.day_first, days.month_first)
    if is_local(found.rows, own) and not (
        found.preset and ("timezone" in _stated(found) or not platform(found.preset).zone_matters)
    ):
        found.settings["timezone"] = "UTC"
        found.unsure.append(
            f"the times of {own} name no zone and are taken for UTC: set `timezone` to the shop's, for instance Europe/Berlin"
        )


def _tell_clock(found: Proposal, own: str) -> None:
    """Name a column with the hours of days that stand in another one."""
    if found.preset or share(texts(found.rows, own), r"\d[:.h]\d\d(?:[:.]\d\d)?\s*(?:\D*)$|\d[T ]\d") > _MANY:
        return
    for name in found.rows.columns:
        if name != own and share(texts(found.rows, name), _CLOCK) > 1 - _MANY:
            found.unsure.append(
                f"{own} holds days and {name} the hours of them, which are not read: all of a day happens at its start; export both in"
                " one column to tell what came first"
            )
            return


def _tell_listopad(found: Proposal, own: str) -> None:
    """Ask for the language of a month that two languages call alike, where no other month tells it."""
    words = texts(found.rows, own).str.to_lowercase().str.extract_all(r"[^\W\d_]{3,}").explode().drop_nulls().unique()
    if len(words) and words.is_in(["listopad", "listopada"]).all():
        found.unsure.append(
            f"{own} names one month only, {words[0]}, which is read as November, as in Polish and Czech; in Croatian it is October:"
            " export numbers of months if that is meant"
        )


def tell_sale(found: Proposal) -> None:
    """Let a price of a sale go before the usual one where it is given."""
    columns, numbers = found.settings["columns"], found.seen[0].usable["price"]
    own = columns.get("price")
    sale = next((name for name in numbers if name != own and is_sale_price(name)), None)
    if own and sale and (free := int(found.rows.select(is_nothing(sale)).to_series().sum())):
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


def _stated(found: Proposal) -> set[str]:
    """Settings of the preset that are its own."""
    layout = getattr(platform(found.preset), found.table)
    return {name for name in Table.__struct_fields__ if getattr(layout, name) != getattr(Table(), name)}
