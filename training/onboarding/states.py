"""Orders that do not stand, told by the names and words of columns: states, moments of cancelling, flags of tests."""

from __future__ import annotations

from typing import Any

import polars as pl

from recsys.tables.values.words import read_words
from training.onboarding.concepts import concepts
from training.onboarding.names import event_words, says_cancelled, says_moment, says_no_order, says_state, says_valid
from training.onboarding.proposal import Proposal
from training.onboarding.shapes.first_lines import within
from training.onboarding.values import affirmed, denied, empty_share, states_given, states_known, texts

_HALF = 0.5
_RARE = 0.1
"""Share of rows below which a column that is only called a test's may take orders out."""
_MOST_MORE = 0.2
"""Share of rows beyond which a further column of states is asked about: more orders are seldom cancelled."""
_MOST_STATES = 20
_PAIRS = (
    ("yes", "no"),
    ("true", "false"),
    ("1", "0"),
    ("y", "n"),
    ("t", "f"),
    ("ja", "nein"),
    ("ja", "nee"),
    ("oui", "non"),
)
"""Words for yes and no, of which a column that has one only will have the other."""
_OTHERS = {no: yes for yes, no in reversed(_PAIRS)} | dict(reversed(_PAIRS))
_NOES = frozenset(no for _, no in _PAIRS)
_YESES = [*dict.fromkeys(yes for yes, _ in _PAIRS)]
_MOST_NAMED = 6


def tell_states(found: Proposal) -> None:
    """Let orders that do not stand count in nothing, where columns say so; ask for those that may."""
    void: list[object] = []
    for tell in (_by_words, _by_moments, _by_flags):
        void += tell(found)
    _tell_unpaid(found)
    if void:
        found.settings["void_orders"] = void


def tell_ended_rows(found: Proposal) -> None:
    """Leave out rows that say that they were cancelled or are tests, where no column holds the number of their order."""
    for each in [*_by_moments(found), *_by_flags(found)]:
        condition = {"column": each, "empty": True} if isinstance(each, str) else {**each, "not": True}
        found.settings.setdefault("where", []).append(condition)


def _by_words(found: Proposal) -> list[object]:
    """Return the columns whose words say how orders stand: the first one of which half is known, and all of which every word is; ask
    for the others that are named so."""
    free = [own for own in found.rows.columns if says_state(own) and own not in found.settings["columns"].values()]
    known = {own: states_known(texts(found.rows, own)) for own in free}
    half = [own for own in free if known[own] >= _HALF][:1]
    void = [own for own in free if own in half or states_given(texts(found.rows, own))]
    found.evidence += [
        f"{own} says how orders stand: {known[own]:.0%} of its words are known; cancelled, refunded and pending ones count in nothing"
        for own in void
    ]
    _tell_credits(found, void)
    stands = [
        found.rows.select(read_words(pl.col(own).cast(pl.String), "order").fill_null(True)).to_series() for own in void
    ]
    for at, own in enumerate(void[1:], 1):
        before = pl.select(pl.all_horizontal(stands[:at])).to_series()
        share = int((before & ~stands[at]).sum()) / max(1, len(before))
        if share > _MOST_MORE:
            found.unsure.append(
                f"{own} takes out {share:.0%} of the rows, which {', '.join(void[:at])} lets stand: if those are bought all the same,"
                f" as on account, leave {own} out of `void_orders` under `[data.events]`"
            )
    for own in [own for own in free if own not in void]:
        words = texts(found.rows, own).value_counts(sort=True).get_column(own).to_list()
        if 2 <= len(words) <= _MOST_STATES:
            found.unsure.append(
                f"{own} may say how orders stand, and nobody knows its words ({', '.join(words[:_MOST_NAMED])}): until it is"
                f' said which of them are cancelled, all count as bought. Set `void_orders = [{{ column = "{own}", one_of = ["…"] }}]`'
                " under `[data.events]`"
            )
    found.unsure += [text for own in void if (text := _ends_twice(found, own))]
    return [*void]


def _tell_credits(found: Proposal, void: list[str]) -> None:
    """Let rows below 0 be refunds though a word of a state says so too: their order would count in nothing, and take nothing off."""
    rules = found.settings.get("type_rules", ())
    negative = pl.any_horizontal(
        pl.lit(False),
        *(pl.col(each["column"]).cast(pl.String).str.contains(each["pattern"]).fill_null(False) for each in rules),
    )
    below, above = found.rows.filter(negative), found.rows.filter(~negative)
    for own in void:
        words = [word for word, kind in event_words(texts(below, own).unique().sort()).items() if kind == "refund"]
        if words := [word for word in words if not (texts(above, own) == word).any()]:
            found.settings["yes"] = [*found.settings.get("yes", ()), *words]
            found.evidence.append(
                f"{', '.join(words)} of {own} stands in rows below 0 alone, which are refunds of what was bought"
            )


def _ends_twice(found: Proposal, own: str) -> str:
    """Ask what `closed` means where another word says that an order is done: in Magento it was refunded in full."""
    words = texts(found.rows, own).str.strip_chars().str.to_lowercase()
    done = next((word for word in ("complete", "completed") if (words == word).any()), "")
    rows = int((words == "closed").sum())
    if not done or not rows:
        return ""
    return (
        f"{own} has closed in {rows:,} rows, beside {done}: they count as bought. Where it means that all was refunded, as in Magento,"
        ' set `no = ["closed"]` under `[data.events]`'
    )


def _by_moments(found: Proposal) -> list[Any]:
    """Return the columns for the moment when an order was cancelled; those that are still empty will have one some day."""
    timely = found.seen[0].usable["timestamp"]
    named = [own for own in found.rows.columns if says_cancelled(own)]
    moments = [own for own in named if own in timely]
    if moments:
        found.evidence.append(f"orders with a moment in {', '.join(moments)} count in nothing: by its name")
    empty = [own for own in named if own not in timely and not _counts(own) and texts(found.rows, own).is_empty()]
    if empty:
        found.evidence.append(
            f"orders of which {', '.join(empty)}, empty so far, says so will count in nothing: by its name"
        )
    return [*moments, *(own if says_moment(own) else {"column": own, "one_of": _YESES} for own in empty)]


def _tell_unpaid(found: Proposal) -> None:
    """Ask whether orders without a moment of payment were bought."""
    mapped = found.settings["columns"].values()
    for own in [
        own for own in found.seen[0].usable["timestamp"] if {"pay", "date"} <= {*concepts(own)} and own not in mapped
    ]:
        once = within(found.rows, found.settings["columns"]["order_id"], [own])[0]  # of the first line of an order alone
        if not once and _RARE / 10 < empty_share(found.rows, own) < 1 - _RARE:
            found.unsure.append(
                f"{own} is empty in {empty_share(found.rows, own):.0%} of the rows, and orders that nobody paid would count as bought:"
                f' if these are such, set `void_orders = [{{ column = "{own}", empty = true }}]` under `[data.events]`'
            )


def _counts(own: str) -> bool:
    """Tell whether a column's name says that it holds pieces or money, of which a part may be cancelled."""
    return bool({"quantity", "price", "total", "line"} & {*concepts(own)})


def _to_come(found: Proposal, own: str) -> list[object]:
    """Return the condition of a flag by which every order stands so far: rows that are still to come may say otherwise."""
    text = texts(found.rows, own).str.to_lowercase().unique()
    flags = (says_valid(own) or says_no_order(own)) and not _counts(own)
    other = _OTHERS.get(text[0]) if flags and len(text) == 1 else None
    if other is None or (says_valid(own) != (other in _NOES)):
        return []
    found.evidence.append(
        f"orders with {other} in {own}, which is {text[0]} in every row, will count in nothing: by its name"
    )
    return [{"column": own, "one_of": [other]}]


def _by_flags(found: Proposal) -> list[Any]:
    """Return columns with yes and no of cancelled, tested and valid orders, as conditions."""
    void: list[Any] = []
    for own in found.rows.columns:
        text = texts(found.rows, own)
        said = denied(text) if says_valid(own) else affirmed(text) if says_no_order(own) else []
        if not said:
            void += _to_come(found, own)
            continue
        rows = int(text.str.to_lowercase().is_in(said).sum())
        if concepts(own) == ("test",) and rows > _RARE * found.rows.height:
            found.unsure.append(
                f"{own} has {', '.join(said)} in {rows:,} rows, which are many for orders of a test: they count as bought. If"
                f' they are none, set `void_orders = [{{ column = "{own}", one_of = ["{said[0]}"] }}]` under `[data.events]`'
            )
            continue
        void.append({"column": own, "one_of": said})
        found.evidence.append(f"orders with {', '.join(said)} in {own} count in nothing: by its name")
    return void
