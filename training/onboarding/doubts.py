"""Ids, times, prices and consents of a proposal: what their values tell, and what nobody can be sure of."""

from __future__ import annotations

import re

import polars as pl

from recsys.settings.tables import Table
from recsys.tables.columns.conditions import says_never
from recsys.tables.presets import platform
from recsys.tables.values.times import MIDNIGHT
from training.onboarding.concepts import rank
from training.onboarding.names import KNOWN, is_sale_price, named, plain, refuses
from training.onboarding.proposal import Proposal
from training.onboarding.values import (
    affirmed,
    days_of,
    denied,
    empty_share,
    is_another_in_each,
    is_given,
    is_local,
    is_nothing,
    share,
    swapped_days,
    texts,
    told_by,
    year_first,
)

_CLOCK = r"(?i)^\s*\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\s*(?:[ap]\.?m\.?)?\s*$"
_CLOCKS = {
    "": "",
    r" \d\d?:\d\d": " %H:%M",
    r" \d\d?:\d\d:\d\d": " %H:%M:%S",
    r", \d\d?:\d\d": ", %H:%M",
    r", \d\d?:\d\d:\d\d": ", %H:%M:%S",
    r" \d\d?:\d\d [AP]M": " %I:%M %p",
}
"""Pattern of what follows a day = its format."""
_MOST_WORDS = 20
_OF_EVERYBODY = re.compile(r"(?:^|[\W_])(?:url|link|token|key|hash|id|code|uuid|(?:expires|checked)_at)$")
"""Ends of names whose values everybody has: the address at which they may unsubscribe."""
_ONE_CHANNEL = "sms|push|whatsapp|call|phone"
_OF_A_BROWSER = r"visitor|client|device|cookie|session|besucher|visiteur"
"""Words of names for ids of whoever is not logged in."""
_SOME, _HALF, _NEARLY_ALL = 0.1, 0.5, 0.9
"""Share of an item's further rows that must have its usual title: the least, where a shopper tells it half as well at most; else; and
from which nobody asks whether a shopper tells it better."""
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
        _other_users(found, own)
        _of_no_item(found)
    without = empty_share(found.rows, own)
    if without > _MANY and key == "item_id" and not found.preset:
        found.settings["where"] = [{"column": own, "empty": False}]
        found.evidence.append(f"rows without {own} are left out: {without:.0%} of the rows looked at")
    if without > _MANY and key == "user_id" and not (found.origin("anonymous_id") or found.settings.get("fill_down")):
        found.evidence.append(
            f"{without:.0%} of the rows looked at have no {own}: they are nobody's, and count for items alone"
        )


def is_of_a_browser(name: str) -> bool:
    """Tell whether a column's name says that its ids are those of whoever is not logged in."""
    return bool(re.search(_OF_A_BROWSER, name.lower()))


def _other_users(found: Proposal, own: str) -> None:
    """Name a column that says whose rows are of which the one that is taken for the user says nothing."""
    columns = [name for name in found.rows.columns if name != own and name not in found.taken]
    other = named("events", columns, found.seen[0].usable).get("user_id", "")
    if found.preset or not other or is_of_a_browser(other):
        return
    lacking = found.rows.filter(~is_given(found.rows, own) & is_given(found.rows, other)).height
    if lacking > _MANY * found.rows.height:
        found.unsure.append(
            f"{own} is empty in {lacking:,} of {found.rows.height:,} rows in which {other} is not, and those count as nobody's: set"
            f" `user_id` to {other} if it names the customer, and {own} names somebody else or only those who are logged in"
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


def tell_title(found: Proposal) -> None:
    """Take a column for the title of items only where the rows of an item say the same; else the next one, or none."""
    columns, refused = found.settings["columns"], list[str]()
    own = first = found.origin("title") if "title" in columns else ""
    while own and not _names_items(found, own):
        refused.append(own)
        left = [name for name in found.rows.columns if name not in {*found.taken, *refused}]
        none = dict.fromkeys(KNOWN["events"].keys() - {"title"}, ())
        own = named("events", left, {**found.seen[0].usable, **none}).get("title", "")
    if not refused:
        return
    found.evidence = [each for each in found.evidence if not each.startswith(f"{first} is title: ")]
    if own:
        columns["title"] = own
        found.evidence.append(f"{own} is title, and not {first}, in which the rows of one item differ")
        return
    del columns["title"]
    if "title" in map(plain, refused):  # by its own name it would be taken all the same
        columns["title"] = []
    found.unsure.append(
        f"{first} is title by its name, but the rows of one item differ in it, as in the names of shoppers or orders: it is not used."
        " Set `title` under `[data.events.columns]` to what items are called"
    )


def _names_items(found: Proposal, own: str) -> bool:
    """Tell whether an item tells a column's value, and a shopper tells it no better: their names and titles stand there else."""
    if not (item := found.origin("item_id")):
        return True
    user = found.origin("user_id") or found.origin("anonymous_id")
    by_item = told_by(found.rows, own, item)
    by_user = (told_by(found.rows, own, user) or 0.0) if user else 0.0
    if by_item is None:
        return by_user < _HALF
    if by_item < _HALF:  # as where variants or languages have titles of their own
        return by_item >= max(_SOME, 2 * by_user)
    return by_item >= min(by_user, _NEARLY_ALL)


def tell_times(found: Proposal) -> None:
    """Tell the order of day and month, and times without a zone."""
    if not (own := found.origin("timestamp")):
        return
    _tell_clock(found, own)
    _tell_listopad(found, own)
    days, named_day = days_of(text := texts(found.rows, own)), "day_first" in found.settings
    swapped, left = swapped_days(text)
    if swapped:
        found.unsure.append(
            f"{own} holds {left:,} days as text, all after the 12th, and {swapped:,} days of a spreadsheet, none after the 12th: a"
            " spreadsheet of another country swapped day and month in these. Take the export itself, with this column as text"
        )
    elif days.given and not named_day and not (found.preset and "day_first" in _stated(found)):
        begins = year_first(text)
        if begins is False:
            _day_first(found, own, days.given, days.day_first, days.month_first)
        else:
            _year_first(found, own, text, proved=bool(begins))
    if is_local(found.rows, own) and not (
        found.preset and ("timezone" in _stated(found) or not platform(found.preset).zone_matters)
    ):
        found.settings["timezone"] = "UTC"
        found.unsure.append(
            f"the times of {own} name no zone and are taken for UTC: set `timezone` to the shop's, for instance Europe/Berlin"
        )


def _tell_clock(found: Proposal, own: str) -> None:
    """Read the hours of days that stand in another column."""
    days = texts(found.rows, own).str.strip_chars().str.replace(MIDNIGHT, "")
    if found.preset or share(days, r"\d[:.h]\d\d(?:[:.]\d\d)?\s*(?:\D*)$|\d[T ]\d") > _MANY:
        return
    clocks = [name for name in found.rows.columns if name != own and share(texts(found.rows, name), _CLOCK) > 1 - _MANY]
    if mine := next((name for name in clocks if rank("timestamp", name) is not None), ""):
        found.settings["time_of_day"] = mine
        found.evidence.append(f"{own} holds days, and {mine} the hours of them")
    elif clocks:
        found.unsure.append(
            f'{own} holds days, and {clocks[0]} hours: if they are those of the days, set `time_of_day = "{clocks[0]}"` under'
            f" `[data.{found.table}]`; until then all of a day happens at its start"
        )


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


def tell_consents(found: Proposal) -> None:
    """Let each further column of a channel count, and those that hold a refusal; ask for those that may."""
    columns = found.settings["columns"]
    for canonical in [name for name in columns if name.startswith("consent_")]:
        while further := _further(found, canonical):
            first = columns[canonical]
            columns[canonical] = [*([first] if isinstance(first, str) else first), further]
            found.evidence.append(f"{further} counts for {canonical} too: each of its columns must say yes")
    for own in [each for each in found.rows.columns if refuses(each) and each not in found.taken]:
        if not (found.rows[own].dtype.is_nested() or _OF_EVERYBODY.search(own.lower())):
            _tell_refusal(found, own)


def _tell_refusal(found: Proposal, own: str) -> None:
    """Take a column for a refusal by its yes and no, or by its moments; ask where it holds something else, or most would refuse."""
    text = texts(found.rows, own)
    text = text.to_frame("t").filter(~says_never(pl.col("t"))).to_series()
    moments = share(text, r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}") > 1 - _MANY or bool(found.rows[own].dtype.is_temporal())
    flags = affirmed(text) or denied(text)
    many = len(text) if not flags else int(text.str.to_lowercase().is_in(affirmed(text)).sum())
    of_one = re.search(_ONE_CHANNEL, own.lower()) and not re.search("mail|newsletter", own.lower())
    if (text.is_empty() or moments or flags) and many * 2 <= found.rows.height and not of_one:
        found.settings.setdefault("refused", []).append(own)
        found.evidence.append(f"whoever has a yes or a moment in {own} is sent no messages: by its name")
        return
    few = f'[{{ column = "{own}", one_of = ["…"] }}]' if text.n_unique() <= _MOST_WORDS else f'["{own}"]'
    found.unsure.append(
        f"{own} may say who wants no messages{' on one channel' if of_one else ''}, and is not used: set `refused = {few}`"
        " under `[data.users]` if it does"
    )


def _further(found: Proposal, canonical: str) -> str:
    """Another column that says the same consent in words for yes and no; empty: there is none."""
    left = [name for name in found.rows.columns if name not in found.taken]
    own = named("users", left, found.seen[0].usable).get(canonical, "")
    return own if own and denied(texts(found.rows, own)) and affirmed(texts(found.rows, own)) else ""


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


def _year_first(found: Proposal, own: str, text: pl.Series, *, proved: bool) -> None:
    """Take days such as 26/11/03 for what they are where more different numbers end them than begin them."""
    formats = [
        f"%y{between}%m{between}%d{clock}"
        for between in text.str.extract(r"^\d\d([/.-])\d\d[/.-]\d\d").drop_nulls().unique(maintain_order=True)
        for pattern, clock in _CLOCKS.items()
        if text.str.contains(rf"^\d\d{re.escape(between)}\d\d{re.escape(between)}\d\d{pattern}$").any()
    ]
    if proved and formats:
        found.settings["date_format"] = formats[0] if len(formats) == 1 else formats
        found.evidence.append(
            f"{own} begins with the year, as {text[0]}: its days differ in more of their last numbers than of their first"
        )
    else:
        example = formats[0] if formats else "%y/%m/%d"
        proof = "which begin with the year" if proved else "and nothing proves whether they begin or end with the year"
        found.unsure.append(
            f"{own} holds days such as {text[0]}, {proof}: set `date_format`, for instance {example}, or `day_first`"
        )


def _stated(found: Proposal) -> set[str]:
    """Settings of the preset that are its own."""
    layout = getattr(platform(found.preset), found.table)
    return {name for name in Table.__struct_fields__ if getattr(layout, name) != getattr(Table(), name)}
